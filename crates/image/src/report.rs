use wharf_content::Descriptor;

use crate::Loss;

/// The result of a preparation: what changed, and what the changed image does not have any more.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Report {
    pub(crate) original: Descriptor,
    pub(crate) root: Descriptor,
    pub(crate) losses: Vec<Loss>,
    pub(crate) dropped_referrers: Option<usize>,
    pub(crate) warnings: Vec<String>,
}

impl Report {
    /// The manifest or index that the result comes from: after the selection of a platform, before all other steps.
    #[must_use]
    pub const fn original(&self) -> &Descriptor {
        &self.original
    }

    /// The manifest or index of the result; the original one if nothing changed.
    #[must_use]
    pub const fn root(&self) -> &Descriptor {
        &self.root
    }

    /// True if the result has another digest than the original.
    #[must_use]
    pub fn is_changed(&self) -> bool {
        self.original.digest() != self.root.digest()
    }

    /// What the new documents cannot state, in no particular order.
    #[must_use]
    pub fn losses(&self) -> &[Loss] {
        &self.losses
    }

    /// The number of referrers of the original, such as signatures and attestations, that the changed image does not
    /// have; `None` if the source cannot tell. Zero if nothing changed.
    #[must_use]
    pub const fn dropped_referrers(&self) -> Option<usize> {
        self.dropped_referrers
    }

    /// Messages for the user that are no failures: a platform that index and config state differently.
    #[must_use]
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }
}
