use std::{fmt, num::NonZeroUsize, sync::Arc};

use wharf_content::{Gate, Name, Progress};

use crate::{Referrers, Selection};

/// How to copy.
#[derive(Clone)]
#[non_exhaustive]
pub struct Options {
    pub(crate) name: Option<Name>,
    pub(crate) selection: Selection,
    pub(crate) referrers: Option<Referrers>,
    pub(crate) nondistributable: bool,
    pub(crate) concurrency: NonZeroUsize,
    pub(crate) budget: u64,
    pub(crate) max_size: Option<u64>,
    pub(crate) progress: Arc<dyn Progress>,
    pub(crate) gate: Option<Arc<dyn Gate>>,
}

impl Default for Options {
    /// No name at the destination, the host's platform, no referrers, 32 blobs and 32 MiB in flight, no limit to
    /// the size, no progress, no gate.
    fn default() -> Self {
        Self {
            name: None,
            selection: Selection::default(),
            referrers: None,
            nondistributable: false,
            concurrency: const { NonZeroUsize::new(32).unwrap() },
            budget: 32 << 20,
            max_size: None,
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

    /// Copies what refers to the image, too.
    #[must_use]
    pub fn with_referrers(mut self, referrers: Referrers) -> Self {
        self.referrers = Some(referrers);
        self
    }

    /// Sets whether layers that may not be distributed are copied like any others. Default: `false`, they are left where
    /// their URLs say, as Podman and Skopeo do.
    #[must_use]
    pub const fn with_nondistributable(mut self, nondistributable: bool) -> Self {
        self.nondistributable = nondistributable;
        self
    }

    /// How many blobs move at the same time at most, and how many questions are open beside them.
    #[must_use]
    pub const fn with_concurrency(mut self, blobs: NonZeroUsize) -> Self {
        self.concurrency = blobs;
        self
    }

    /// How many bytes the blobs that move at the same time may have together. One counts for 4 MiB at most,
    /// since no place buffers more of it; one always moves, however small the budget.
    ///
    /// The 32 MiB of the default are eight big layers, which keep four cores hashing and a fast link full, or
    /// as many small ones as the concurrency allows, whose time goes by in waiting for answers. To a registry no more
    /// big ones move than are needed for all to have moved when the largest has.
    #[must_use]
    pub const fn with_byte_budget(mut self, bytes: u64) -> Self {
        self.budget = bytes;
        self
    }

    /// The most bytes that the image may have by what its descriptors say; a larger one is refused before
    /// anything is written.
    #[must_use]
    pub const fn with_max_size(mut self, bytes: u64) -> Self {
        self.max_size = Some(bytes);
        self
    }

    /// Sets the listener that receives the events of the copy.
    #[must_use]
    pub fn with_progress(mut self, progress: impl Progress + 'static) -> Self {
        self.progress = Arc::new(progress);
        self
    }

    /// The listener that receives the events of the copy.
    #[must_use]
    pub const fn progress(&self) -> &Arc<dyn Progress> {
        &self.progress
    }

    /// Who decides, before any byte is written, whether the image may be copied.
    #[must_use]
    pub fn with_gate(mut self, gate: impl Gate + 'static) -> Self {
        self.gate = Some(Arc::new(gate));
        self
    }
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options")
            .field("name", &self.name)
            .field("selection", &self.selection)
            .field("referrers", &self.referrers)
            .field("nondistributable", &self.nondistributable)
            .field("concurrency", &self.concurrency)
            .field("budget", &self.budget)
            .field("max_size", &self.max_size)
            .finish_non_exhaustive()
    }
}
