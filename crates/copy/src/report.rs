use wharf_content::{Descriptor, Outcome, Platform};
use wharf_reference::Digest;

use crate::SignatureCounts;

/// The result of a copy; pull and push return it too.
#[derive(Debug, Clone)]
pub struct Report {
    pub(crate) root: Descriptor,
    pub(crate) resolved: Descriptor,
    pub(crate) platform: Option<Platform>,
    pub(crate) platform_mismatch: Option<Platform>,
    pub(crate) outcomes: Vec<(Descriptor, Outcome)>,
    pub(crate) signatures: SignatureCounts,
    pub(crate) bytes_moved: u64,
    pub(crate) warnings: Vec<String>,
}

impl Report {
    /// The digest of the manifest or index that the name in the sink means now.
    #[must_use]
    pub const fn digest(&self) -> &Digest {
        self.root.digest()
    }

    /// The manifest or index that the name in the sink means now.
    #[must_use]
    pub const fn root(&self) -> &Descriptor {
        &self.root
    }

    /// The manifest that the target meant at the source: the index, if one image of it was chosen.
    #[must_use]
    pub const fn resolved(&self) -> &Descriptor {
        &self.resolved
    }

    /// The platform for which an image of an index was chosen, as the index states it.
    #[must_use]
    pub const fn platform(&self) -> Option<&Platform> {
        self.platform.as_ref()
    }

    /// The platform that the config of the chosen image states, if the index states another one (threat I7
    /// in docs/threats.md). Only known if the config was copied.
    #[must_use]
    pub const fn platform_mismatch(&self) -> Option<&Platform> {
        self.platform_mismatch.as_ref()
    }

    /// The outcome of each manifest and blob, in the order of the plan. Between repositories of one
    /// registry a blob that was there may count as mounted, because one request does both.
    pub fn outcomes(&self) -> impl Iterator<Item = (&Descriptor, Outcome)> {
        self.outcomes
            .iter()
            .map(|(descriptor, outcome)| (descriptor, *outcome))
    }

    /// The size in bytes of the manifests and blobs that were copied.
    #[must_use]
    pub fn bytes_copied(&self) -> u64 {
        self.outcomes()
            .filter(|(_, outcome)| *outcome == Outcome::Copied)
            .fold(0, |sum: u64, (descriptor, _)| {
                sum.saturating_add(descriptor.size())
            })
    }

    /// The number of bytes that were transferred: fewer than [`Report::bytes_copied`] if the sink
    /// resumed a blob, more if a part was repeated.
    #[must_use]
    pub const fn bytes_moved(&self) -> u64 {
        self.bytes_moved
    }

    /// The numbers of signatures that were carried, made and left out.
    #[must_use]
    pub const fn signatures(&self) -> SignatureCounts {
        self.signatures
    }

    /// Messages for the user that are no failures: referrers and signatures that were left out, a platform that
    /// index and config state differently.
    #[must_use]
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }
}
