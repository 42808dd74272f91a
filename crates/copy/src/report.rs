use wharf_content::{Descriptor, Outcome, Platform};
use wharf_reference::Digest;

/// What a copy did.
#[derive(Debug, Clone)]
pub struct Report {
    pub(crate) root: Descriptor,
    pub(crate) resolved: Descriptor,
    pub(crate) platform: Option<Platform>,
    pub(crate) platform_mismatch: Option<Platform>,
    pub(crate) outcomes: Vec<(Descriptor, Outcome)>,
    pub(crate) bytes_moved: u64,
    pub(crate) warnings: Vec<String>,
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

    /// The platform that the config of the chosen image states, if the index states another one (threat row
    /// I7). Only known when the config moved.
    #[must_use]
    pub const fn platform_mismatch(&self) -> Option<&Platform> {
        self.platform_mismatch.as_ref()
    }

    /// What happened to each manifest and blob, in the order of the plan. Between repositories of one registry
    /// what was there may count as mounted: one request answers both.
    pub fn outcomes(&self) -> impl Iterator<Item = (&Descriptor, Outcome)> {
        self.outcomes
            .iter()
            .map(|(descriptor, outcome)| (descriptor, *outcome))
    }

    /// How many bytes the copied manifests and blobs have.
    #[must_use]
    pub fn bytes_copied(&self) -> u64 {
        self.outcomes()
            .filter(|(_, outcome)| *outcome == Outcome::Copied)
            .fold(0, |sum: u64, (descriptor, _)| {
                sum.saturating_add(descriptor.size())
            })
    }

    /// How many bytes moved to that end: fewer where the destination continued what it had a part of, more
    /// where a part moved twice.
    #[must_use]
    pub const fn bytes_moved(&self) -> u64 {
        self.bytes_moved
    }

    /// What the user should know and is no failure: referrers that were not believed, a platform that the
    /// index and the config state differently.
    #[must_use]
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }
}
