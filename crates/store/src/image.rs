use wharf_content::{Descriptor, Name};

/// An image that a layout lists: a manifest and one of its names.
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

    /// The number of entries before the image's own in index.json: the `N` of Skopeo's `oci:DIRECTORY:@N`.
    /// In memory, the number of names before its own.
    #[must_use]
    pub const fn position(&self) -> usize {
        self.position
    }

    /// Its name; `None` for an image without a name, or with one that [`Name::parse`] does not accept.
    #[must_use]
    pub const fn name(&self) -> Option<&Name> {
        self.name.as_ref()
    }

    /// The descriptor of its manifest or index.
    #[must_use]
    pub const fn descriptor(&self) -> &Descriptor {
        &self.descriptor
    }
}
