//! Where the signatures of an image are kept beside its registry.

mod lookaside;

use std::{fmt, sync::Arc};

use wharf_reference::Reference;

use crate::SourceLine;
pub use lookaside::{Lookaside, LookasideFile};

/// The stores that keep the signatures of one image. By default none, and no sigstore attachments.
///
/// ```
/// use wharf_config::{Lookaside, SignatureStore};
///
/// let store = SignatureStore::default()
///     .with_lookaside(Lookaside::parse("https://signatures.example/lookaside")?)
///     .with_attachments(true);
/// assert!(store.attachments());
/// # Ok::<(), wharf_config::ConfigError>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SignatureStore {
    pub(crate) read: Option<Lookaside>,
    pub(crate) write: Option<Lookaside>,
    pub(crate) attachments: bool,
    pub(crate) attachments_origin: Option<SourceLine>,
    pub(crate) section: Option<(String, SourceLine)>,
}

impl SignatureStore {
    /// Sets the lookaside store that signatures are read from and written to.
    #[must_use]
    pub fn with_lookaside(mut self, lookaside: Lookaside) -> Self {
        self.write = Some(lookaside.clone());
        self.read = Some(lookaside);
        self
    }

    /// Sets the lookaside store that signatures are written to, if it is another than that they are read from.
    #[must_use]
    pub fn with_staging(mut self, lookaside: Lookaside) -> Self {
        self.write = Some(lookaside);
        self
    }

    /// Sets whether sigstore attachments are read and written. Default: `false`, as upstream.
    #[must_use]
    pub const fn with_attachments(mut self, attachments: bool) -> Self {
        self.attachments = attachments;
        self
    }

    /// The lookaside store that simple signatures are read from.
    #[must_use]
    pub const fn read(&self) -> Option<&Lookaside> {
        self.read.as_ref()
    }

    /// The lookaside store that simple signatures are written to.
    #[must_use]
    pub const fn write(&self) -> Option<&Lookaside> {
        self.write.as_ref()
    }

    /// Whether sigstore attachments are read and written (`use-sigstore-attachments`).
    #[must_use]
    pub const fn attachments(&self) -> bool {
        self.attachments
    }

    /// The line of `use-sigstore-attachments`; `None` if no file has the key for this image.
    #[must_use]
    pub const fn attachments_origin(&self) -> Option<&SourceLine> {
        self.attachments_origin.as_ref()
    }

    /// The most specific scope of registries.d that the image is in, with its line; `default-docker` stands for the
    /// default. `None` if no section is for the image.
    #[must_use]
    pub fn section(&self) -> Option<(&str, &SourceLine)> {
        self.section
            .as_ref()
            .map(|(scope, origin)| (scope.as_str(), origin))
    }
}

/// Gives the [`SignatureStore`] of each image. `SignatureStores`, with the feature `registries-d`, gives those of the
/// host's files; a [`SignatureStore`] gives itself for every image.
pub trait SignatureLocations: Send + Sync + fmt::Debug {
    /// The stores for an image, by its name at the registry that serves it: a mirror's own if a mirror does.
    fn store_for(&self, image: &Reference) -> SignatureStore;
}

impl SignatureLocations for SignatureStore {
    fn store_for(&self, _: &Reference) -> SignatureStore {
        self.clone()
    }
}

impl<L: SignatureLocations + ?Sized> SignatureLocations for Arc<L> {
    fn store_for(&self, image: &Reference) -> SignatureStore {
        (**self).store_for(image)
    }
}
