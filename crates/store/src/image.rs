use wharf_content::{Descriptor, Name};

/// An image that a store lists: a manifest and one of its names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Image {
    position: usize,
    name: Option<Name>,
    descriptor: Descriptor,
}

impl Image {
    pub(crate) const fn new(position: usize, name: Option<Name>, descriptor: Descriptor) -> Self {
        Self {
            position,
            name,
            descriptor,
        }
    }

    /// How many entries stand before its own in index.json: the `N` of Skopeo's `oci:DIRECTORY:@N`. In memory, how
    /// many names come before.
    #[must_use]
    pub const fn position(&self) -> usize {
        self.position
    }

    /// Its name; `None` for an image that has lost it, or whose name is none that [`Name::parse`] takes.
    #[must_use]
    pub const fn name(&self) -> Option<&Name> {
        self.name.as_ref()
    }

    /// Its manifest or index.
    #[must_use]
    pub const fn descriptor(&self) -> &Descriptor {
        &self.descriptor
    }
}
