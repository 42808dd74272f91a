use std::{error, fmt, num::NonZeroUsize, sync::Arc};

use async_trait::async_trait;
use wharf_content::{Manifest, Name, Platform, Progress};

/// How to copy.
#[derive(Clone)]
#[non_exhaustive]
pub struct Options {
    pub(crate) name: Option<Name>,
    pub(crate) selection: Selection,
    pub(crate) concurrency: NonZeroUsize,
    pub(crate) progress: Arc<dyn Progress>,
    pub(crate) gate: Option<Arc<dyn Gate>>,
}

impl Default for Options {
    /// No name at the destination, the host's platform, eight blobs at a time, no progress, no gate.
    fn default() -> Self {
        Self {
            name: None,
            selection: Selection::default(),
            concurrency: const { NonZeroUsize::new(8).unwrap() },
            progress: Arc::new(()),
            gate: None,
        }
    }
}

impl Options {
    /// The name of the result at the destination: a tag in a registry, an image name in a store.
    #[must_use]
    pub fn with_name(mut self, name: Name) -> Self {
        self.name = Some(name);
        self
    }

    /// No name at the destination: the result is found there by its digest.
    #[must_use]
    pub fn without_name(mut self) -> Self {
        self.name = None;
        self
    }

    /// The name of the result at the destination.
    #[must_use]
    pub const fn name(&self) -> Option<&Name> {
        self.name.as_ref()
    }

    /// Which images of an index to copy.
    #[must_use]
    pub fn with_selection(mut self, selection: Selection) -> Self {
        self.selection = selection;
        self
    }

    /// How many blobs move at the same time.
    #[must_use]
    pub const fn with_concurrency(mut self, blobs: NonZeroUsize) -> Self {
        self.concurrency = blobs;
        self
    }

    /// Who hears what happens.
    #[must_use]
    pub fn with_progress(mut self, progress: Arc<dyn Progress>) -> Self {
        self.progress = progress;
        self
    }

    /// Who decides, before any byte is written, whether the image may be copied.
    #[must_use]
    pub fn with_gate(mut self, gate: Arc<dyn Gate>) -> Self {
        self.gate = Some(gate);
        self
    }
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options")
            .field("name", &self.name)
            .field("selection", &self.selection)
            .field("concurrency", &self.concurrency)
            .finish_non_exhaustive()
    }
}

/// Which images of a multi-platform index are copied. An image that is not in an index is always copied whole.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Selection {
    /// The one image that fits this platform best; the index itself is left behind, and the name means the
    /// image.
    Platform(Platform),
    /// The index as it is, byte for byte, and of its images those that fit one of these platforms (a sparse
    /// index).
    Platforms(Vec<Platform>),
    /// The index and all its images.
    All,
}

impl Default for Selection {
    /// The host's platform.
    fn default() -> Self {
        Self::Platform(Platform::host())
    }
}

/// Decides whether an image may be copied, before any byte of it is written: a trust policy, a size limit.
#[async_trait]
pub trait Gate: Send + Sync {
    /// Admits the image or index that will be copied, or says why not. Called for every image manifest and for
    /// the index, if the index is copied.
    async fn admit(&self, manifest: &Manifest) -> Result<(), Rejection>;
}

/// Why a [`Gate`] refused an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rejection {
    reason: String,
}

impl Rejection {
    /// A refusal with its reason, in words for the user.
    pub fn new(reason: impl Into<String>) -> Self {
        Self {
            reason: reason.into(),
        }
    }
}

impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.reason)
    }
}

impl error::Error for Rejection {}
