use std::{fmt, num::NonZeroUsize, sync::Arc, thread};

use wharf_content::{Descriptor, Error, ErrorKind, Gate, Manifest, Progress, Role, Sink, Source};
use wharf_layer::Limits;

use crate::{Memo, MemoryMemo};

/// The most bytes to which the layers of an image, and of all images of an index together, unpack: four times as many
/// as one layer may have.
pub const MAX_UNPACKED: u64 = 256 << 30;

/// The settings of a preparation.
///
/// ```
/// use wharf_image::Options;
///
/// let options = Options::default().with_max_size(2 << 30);
/// ```
#[derive(Clone)]
#[non_exhaustive]
pub struct Options {
    pub(crate) gates: Vec<Arc<dyn Gate>>,
    pub(crate) max_size: Option<u64>,
    pub(crate) memo: Arc<dyn Memo>,
    pub(crate) scratch: Option<Scratch>,
    pub(crate) threads: NonZeroUsize,
    pub(crate) limits: Limits,
    pub(crate) max_unpacked: u64,
    pub(crate) created: Option<String>,
    pub(crate) progress: Arc<dyn Progress>,
}

/// A store for layers that the sink cannot take before their digest is known.
#[derive(Clone)]
pub(crate) struct Scratch {
    pub(crate) source: Arc<dyn Source>,
    pub(crate) sink: Arc<dyn Sink>,
}

impl Default for Options {
    /// No gate, no limit of the size, a memo in memory that clones of the options share, no scratch store, as many
    /// threads as there are cores, the default limits of decoders, no time, no listener.
    fn default() -> Self {
        Self {
            gates: Vec::new(),
            max_size: None,
            memo: Arc::new(MemoryMemo::new()),
            scratch: None,
            threads: thread::available_parallelism().unwrap_or(NonZeroUsize::MIN),
            limits: Limits::default(),
            max_unpacked: MAX_UNPACKED,
            created: None,
            progress: Arc::new(()),
        }
    }
}

impl Options {
    /// Adds a gate that judges the original manifests, before any layer is read; all gates must admit them. A copy of
    /// the result needs no gate: a changed manifest has no signature. Default: none.
    #[must_use]
    pub fn with_gate(mut self, gate: impl Gate + 'static) -> Self {
        self.gates.push(Arc::new(gate));
        self
    }

    /// Sets the most bytes that the original image may have by its descriptors. Default: no limit.
    #[must_use]
    pub const fn with_max_size(mut self, bytes: u64) -> Self {
        self.max_size = Some(bytes);
        self
    }

    /// Sets what remembers layers that were encoded before. Default: a memo in memory, which clones of the options
    /// share.
    #[must_use]
    pub fn with_memo(mut self, memo: impl Memo + 'static) -> Self {
        self.memo = Arc::new(memo);
        self
    }

    /// Sets a store, such as a layout in a temporary directory, for new layers that the sink cannot take before their
    /// digest is known ([`Sink::can_ingest`]). It must take them itself. Default: none, such layers are encoded
    /// twice.
    #[must_use]
    pub fn with_scratch(mut self, scratch: impl Source + Sink + 'static) -> Self {
        let scratch = Arc::new(scratch);
        self.scratch = Some(Scratch {
            source: scratch.clone(),
            sink: scratch,
        });
        self
    }

    /// Sets the most encoders that are under way at the same time, in the preparation and in reads of its result
    /// together. An encoder of gzip uses several threads for a layer that is a large part of all. The result does not
    /// depend on it.
    /// Default: the number of cores.
    #[must_use]
    pub const fn with_threads(mut self, threads: NonZeroUsize) -> Self {
        self.threads = threads;
        self
    }

    /// Sets the limits for the decoding of each layer.
    #[must_use]
    pub fn with_limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// Sets the most bytes to which all layers that are decoded may unpack together, of an index those of all its
    /// images. Default: 256 GiB.
    #[must_use]
    pub const fn with_max_unpacked(mut self, bytes: u64) -> Self {
        self.max_unpacked = bytes;
        self
    }

    /// Sets the time that entries of the history get which are added and state none, as RFC 3339 writes it:
    /// `2026-01-01T00:00:00Z`. Default: none. Times that are there already stay, and the clock is never read.
    #[must_use]
    pub fn with_created(mut self, time: impl Into<String>) -> Self {
        self.created = Some(time.into());
        self
    }

    /// Sets the listener for the bytes of layers that are made ([`Event::Made`](wharf_content::Event::Made)). Default: none.
    #[must_use]
    pub fn with_progress(mut self, progress: impl Progress + 'static) -> Self {
        self.progress = Arc::new(progress);
        self
    }

    /// Checks the size of another image that the result has layers of.
    pub(crate) fn check_size(&self, image: &Manifest) -> Result<(), Error> {
        let sizes = image.blobs().map(Descriptor::size);
        let size = sizes.fold(image.descriptor().size(), u64::saturating_add);
        match self.max_size {
            Some(limit) if size > limit => {
                let message = format!("{} has more than the limit of {limit} bytes", image.digest());
                Err(Error::new(ErrorKind::TooLarge, message))
            }
            _ => Ok(()),
        }
    }

    pub(crate) async fn admit(&self, manifest: &Manifest, role: &Role) -> Result<(), Error> {
        let role = if manifest.is_index() { &Role::Index } else { role };
        for gate in &self.gates {
            let admitted = gate.admit(manifest, role).await;
            admitted.map_err(|rejection| rejection.into_error(manifest.digest()))?;
        }
        Ok(())
    }
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options")
            .field("max_size", &self.max_size)
            .field("threads", &self.threads)
            .field("limits", &self.limits)
            .field("max_unpacked", &self.max_unpacked)
            .finish_non_exhaustive()
    }
}
