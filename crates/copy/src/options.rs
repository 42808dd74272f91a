use std::{
    fmt,
    num::NonZeroUsize,
    sync::{Arc, Mutex, PoisonError},
};

use wharf_content::{Event, Gate, Name, Progress, Sign, Totals};
use wharf_reference::Reference;

use crate::{Referrers, Selection, Signatures, signatures::SignatureOptions};

/// The settings of a copy; pull and push take them too.
///
/// ```
/// use wharf_content::Name;
/// use wharf_copy::{Options, Referrers, Selection};
/// let options = Options::default()
///     .with_name(Name::parse("registry.example.com/app:1")?)
///     .with_selection(Selection::All)
///     .with_referrers(Referrers::default())
///     .with_max_size(2 << 30)
///     .with_progress(|event| println!("{event:?}"));
/// assert_eq!(options.name().unwrap().as_str(), "registry.example.com/app:1");
/// # Ok::<(), wharf_content::Error>(())
/// ```
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
    pub(crate) signatures: SignatureOptions,
    pub(crate) gates: Vec<Arc<dyn Gate>>,
}

impl Default for Options {
    /// No name in the sink, the host's platform, no referrers, 32 blobs and 32 MiB in flight, no
    /// limit of the size, no progress, no gate.
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
            signatures: SignatureOptions::default(),
            gates: Vec::new(),
        }
    }
}

/// The options with this selection, a platform among them, and otherwise the default ones.
///
/// ```
/// use wharf_content::Platform;
/// use wharf_copy::{Options, Selection};
/// let options = Options::from(Selection::All);
/// let arm = Options::from(Platform::new("linux", "arm64"));
/// ```
impl<T: Into<Selection>> From<T> for Options {
    fn from(selection: T) -> Self {
        Self::default().with_selection(selection)
    }
}

impl Options {
    /// Sets the name of the result in the sink: a tag in a registry, an image name in a store.
    #[must_use]
    pub fn with_name(mut self, name: Name) -> Self {
        self.name = Some(name);
        self
    }

    /// Sets no name in the sink: the result is found there by its digest, and listed without a name where the sink has a
    /// list of images ([`Sink::list_unnamed`](wharf_content::Sink::list_unnamed)).
    #[must_use]
    pub fn without_name(mut self) -> Self {
        self.name = None;
        self
    }

    /// The name of the result in the sink.
    #[must_use]
    pub const fn name(&self) -> Option<&Name> {
        self.name.as_ref()
    }

    /// Sets which images of an index are copied: a [`Selection`], or a platform.
    #[must_use]
    pub fn with_selection(mut self, selection: impl Into<Selection>) -> Self {
        self.selection = selection.into();
        self
    }

    /// The images of an index that are copied.
    #[must_use]
    pub const fn selection(&self) -> &Selection {
        &self.selection
    }

    /// Copies referrers of the image, too.
    #[must_use]
    pub fn with_referrers(mut self, referrers: Referrers) -> Self {
        self.referrers = Some(referrers);
        self
    }

    /// Sets what becomes of the signatures that the image has at the source. Default: they are not read.
    #[must_use]
    pub const fn with_signatures(mut self, signatures: Signatures) -> Self {
        self.signatures.carry = signatures;
        self
    }

    /// The treatment of the signatures that the image has at the source.
    #[must_use]
    pub const fn signatures(&self) -> Signatures {
        self.signatures.carry
    }

    /// Sets whether the signatures of indexes are carried with those of their images. Default: `true`. A copy of some of
    /// the images of an index does not need them.
    #[must_use]
    pub const fn with_index_signatures(mut self, carried: bool) -> Self {
        self.signatures.of_indexes = carried;
        self
    }

    /// Sets the signers that sign every manifest that is copied: the image, or the index and each of its images that is
    /// copied. Signatures are made and written after the image is complete; a failure leaves the image unsigned. A sink
    /// that does not keep signatures of a signer's kind fails the copy before anything is written.
    ///
    /// Signatures are for the name of the image in the registry that it is copied to, with its tag, or its digest if it gets
    /// no tag; [`Options::with_sign_identity`] sets another.
    #[must_use]
    pub fn with_signers(mut self, signers: impl IntoIterator<Item = impl Sign + 'static>) -> Self {
        let signers = signers.into_iter();
        self.signatures.signers = signers.map(|signer| Arc::new(signer) as Arc<dyn Sign>).collect();
        self
    }

    /// Sets the name that the signers sign for. It needs a tag or a digest.
    #[must_use]
    pub fn with_sign_identity(mut self, identity: Reference) -> Self {
        self.signatures.identity = Some(identity);
        self
    }

    /// Sets whether non-distributable layers are copied as others. Default: `false`, they are omitted, as
    /// by Podman and Skopeo, and stay at their URLs.
    #[must_use]
    pub const fn with_nondistributable(mut self, nondistributable: bool) -> Self {
        self.nondistributable = nondistributable;
        self
    }

    /// Sets the most blobs that are copied concurrently, and the most questions that are open beside them.
    /// Default 32.
    #[must_use]
    pub const fn with_concurrency(mut self, blobs: NonZeroUsize) -> Self {
        self.concurrency = blobs;
        self
    }

    /// Sets the most bytes of the blobs that are copied concurrently. A blob counts for at most 4 MiB,
    /// because no source or sink buffers more of it. One blob is always copied, however small the budget.
    /// Default 32 MiB.
    ///
    /// The default admits eight large layers, which is enough to keep four cores hashing and a fast link
    /// full, or as many small ones as [`Options::with_concurrency`] admits, which mostly wait for
    /// responses. To a registry, no more large blobs are copied concurrently than can end while the largest
    /// one is copied.
    #[must_use]
    pub const fn with_byte_budget(mut self, bytes: u64) -> Self {
        self.budget = bytes;
        self
    }

    /// Sets the most bytes that the image may have by its descriptors. A larger image is refused before
    /// anything is written. Default: no limit.
    #[must_use]
    pub const fn with_max_size(mut self, bytes: u64) -> Self {
        self.max_size = Some(bytes);
        self
    }

    /// The most bytes that the image may have, if there is a limit.
    #[must_use]
    pub const fn max_size(&self) -> Option<u64> {
        self.max_size
    }

    /// Sets the function that receives the events of the copy, instead of another listener. It is called from
    /// several tasks and must return at once.
    #[must_use]
    pub fn with_progress(self, listener: impl Fn(Event<'_>) + Send + Sync + 'static) -> Self {
        self.with_progress_listener(listener)
    }

    /// Sets the listener that receives the events of the copy, as [`Options::with_progress`] sets a function.
    #[must_use]
    pub fn with_progress_listener(mut self, listener: impl Progress + 'static) -> Self {
        self.progress = Arc::new(listener);
        self
    }

    /// Sets the function that receives, whenever one of them has changed, the bytes that are done and those
    /// of the whole copy ([`Totals`]), as a progress bar shows them; instead of another listener. Calls do
    /// not overlap, and the first number never falls during a copy. It is first called when the length is
    /// known.
    ///
    /// ```
    /// use wharf_copy::Options;
    /// let options = Options::default().with_byte_progress(|done, length| eprint!("\r{done} of {length} bytes"));
    /// ```
    ///
    /// Copies that run at the same time need a function each.
    #[must_use]
    pub fn with_byte_progress(self, draw: impl Fn(u64, u64) + Send + Sync + 'static) -> Self {
        let totals = Mutex::new(Totals::new());
        self.with_progress(move |event| {
            let mut totals = totals.lock().unwrap_or_else(PoisonError::into_inner);
            let before = (totals.done(), totals.length());
            totals.add(&event);
            let (done, length) = (totals.done(), totals.length());
            if (done, length) != before {
                draw(done, length);
            }
        })
    }

    /// The listener that receives the events of the copy.
    #[must_use]
    pub const fn progress(&self) -> &Arc<dyn Progress> {
        &self.progress
    }

    /// True if a sink that has the root under its name lacks nothing: no referrers and no signatures are copied or made,
    /// and no gate judges the image.
    #[must_use]
    pub fn is_fulfilled_by_root(&self) -> bool {
        let signatures = &self.signatures;
        self.referrers.is_none()
            && signatures.carry == Signatures::Leave
            && signatures.signers.is_empty()
            && self.gates.is_empty()
    }

    /// Adds a gate that decides, before any byte is written, whether the image may be copied. Of several, all
    /// must admit it; they are asked in the order in which they were added.
    #[must_use]
    pub fn with_gate(mut self, gate: impl Gate + 'static) -> Self {
        self.gates.push(Arc::new(gate));
        self
    }
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options")
            .field("name", &self.name)
            .field("selection", &self.selection)
            .field("referrers", &self.referrers)
            .field("signatures", &self.signatures.carry)
            .field("signers", &self.signatures.signers.len())
            .field("sign_identity", &self.signatures.identity)
            .field("nondistributable", &self.nondistributable)
            .field("concurrency", &self.concurrency)
            .field("budget", &self.budget)
            .field("max_size", &self.max_size)
            .finish_non_exhaustive()
    }
}
