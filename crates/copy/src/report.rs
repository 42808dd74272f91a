use wharf_content::{Descriptor, Outcome, Platform};
use wharf_reference::Digest;

/// What a copy did.
#[derive(Debug, Clone)]
pub struct Report {
    pub(crate) root: Descriptor,
    pub(crate) resolved: Descriptor,
    pub(crate) platform: Option<Platform>,
    pub(crate) outcomes: Vec<(Descriptor, Outcome)>,
}

impl Report {
    /// The digest of what the name at the destination means now.
    #[must_use]
    pub const fn digest(&self) -> &Digest {
        self.root.digest()
    }

    /// The manifest or index that the name at the destination means now.
    #[must_use]
    pub const fn root(&self) -> &Descriptor {
        &self.root
    }

    /// What the target was at the source: the index, if one image of it was chosen.
    #[must_use]
    pub const fn resolved(&self) -> &Descriptor {
        &self.resolved
    }

    /// The platform for which an image of an index was chosen, as the index states it.
    #[must_use]
    pub const fn platform(&self) -> Option<&Platform> {
        self.platform.as_ref()
    }

    /// What happened to each manifest and blob.
    pub fn outcomes(&self) -> impl Iterator<Item = (&Descriptor, Outcome)> {
        self.outcomes
            .iter()
            .map(|(descriptor, outcome)| (descriptor, *outcome))
    }

    /// How many bytes moved.
    #[must_use]
    pub fn bytes_copied(&self) -> u64 {
        self.outcomes()
            .filter(|(_, outcome)| *outcome == Outcome::Copied)
            .map(|(descriptor, _)| descriptor.size())
            .sum()
    }
}
