use std::{collections::HashSet, fmt, num::NonZeroUsize, sync::Arc};

use wharf_copy::Selection;
use wharf_reference::Digest;

use crate::Client;

use super::{Event, Naming, TagPattern};

type Listener = dyn Fn(Event<'_>) + Send + Sync;

/// The settings of a plan and its run.
///
/// ```
/// use wharf::sync::{Naming, Options};
///
/// let options = Options::default()
///     .with_naming(Naming::Scoped)
///     .with_keep_going(true)
///     .with_denied(["-debug$".parse()?]);
/// # Ok::<(), wharf::Error>(())
/// ```
#[derive(Clone)]
#[must_use]
pub struct Options {
    pub(super) naming: Naming,
    pub(super) suffix: String,
    pub(super) allowed: Vec<TagPattern>,
    pub(super) denied: Vec<TagPattern>,
    pub(super) keep_going: bool,
    pub(super) dry_run: bool,
    pub(super) prune: bool,
    pub(super) at_once: NonZeroUsize,
    pub(super) except: Arc<HashSet<Digest>>,
    pub(super) copy: wharf_copy::Options,
    pub(super) writer: Option<Client>,
    listener: Option<Arc<Listener>>,
}

impl Default for Options {
    /// The last component as the name, all images of an index, 4 images at once; the first failure ends the work, and
    /// nothing is removed.
    fn default() -> Self {
        Self {
            naming: Naming::default(),
            suffix: String::new(),
            allowed: Vec::new(),
            denied: Vec::new(),
            keep_going: false,
            dry_run: false,
            prune: false,
            at_once: const { NonZeroUsize::new(4).unwrap() },
            except: Arc::default(),
            copy: wharf_copy::Options::from(Selection::All),
            writer: None,
            listener: None,
        }
    }
}

impl Options {
    /// Sets how images are named at the destination. Default: [`Naming::Last`].
    pub fn with_naming(mut self, naming: Naming) -> Self {
        self.naming = naming;
        self
    }

    /// Sets text that is appended to each name, and thereby to the tag. Default: none.
    pub fn with_suffix(mut self, suffix: impl Into<String>) -> Self {
        self.suffix = suffix.into();
        self
    }

    /// Copies only images whose location (`docker://quay.io/fedora/fedora:40`) matches one of these patterns.
    pub fn with_allowed(mut self, patterns: impl IntoIterator<Item = TagPattern>) -> Self {
        self.allowed = patterns.into_iter().collect();
        self
    }

    /// Copies no image whose location matches one of these patterns, also if it is allowed.
    pub fn with_denied(mut self, patterns: impl IntoIterator<Item = TagPattern>) -> Self {
        self.denied = patterns.into_iter().collect();
        self
    }

    /// Sets whether a failure leaves the other images to be copied. Default: `false`.
    pub const fn with_keep_going(mut self, keep_going: bool) -> Self {
        self.keep_going = keep_going;
        self
    }

    /// Sets whether nothing is written: [`run`](super::run) reports what it would do. Default: `false`.
    pub const fn with_dry_run(mut self, dry_run: bool) -> Self {
        self.dry_run = dry_run;
        self
    }

    /// Sets whether names at the destination that the set does not have are removed, of those repositories of a registry,
    /// and prefixes of names in a layout, to which the plan copies something. With a suffix, only names with it are
    /// removed. Nothing is removed if an image or a list failed. Default: `false`.
    ///
    /// Never removed are names in a repository or layout that the set is read from, and tags of signatures and referrers,
    /// such as `sha256-HEX.sig`. Where a registry removes no tags, it is asked to remove the manifest, if no other tag, no
    /// index of one, and no image of the set needs it.
    pub const fn with_prune(mut self, prune: bool) -> Self {
        self.prune = prune;
        self
    }

    /// Sets the most images that are compared or copied at once. Default: 4. An archive is written one image after the
    /// other.
    pub const fn with_concurrency(mut self, images: NonZeroUsize) -> Self {
        self.at_once = images;
        self
    }

    /// Leaves these blobs out of an archive, because its receiver has them.
    pub fn with_except(mut self, digests: impl IntoIterator<Item = Digest>) -> Self {
        self.except = Arc::new(digests.into_iter().collect());
        self
    }

    /// Sets the options of each copy: the images of an index, referrers, signatures, limits. A name in them is ignored.
    /// Default: all images of an index.
    pub fn with_copy(mut self, options: impl Into<wharf_copy::Options>) -> Self {
        self.copy = options.into();
        self
    }

    /// Sets another client for the destination, with logins and certificates of its own.
    pub fn with_writer(mut self, client: &Client) -> Self {
        self.writer = Some(client.clone());
        self
    }

    /// Sets the function that receives the events. It is called from several tasks and must return at once.
    pub fn with_progress(mut self, listener: impl Fn(Event<'_>) + Send + Sync + 'static) -> Self {
        self.listener = Some(Arc::new(listener));
        self
    }

    pub(super) const fn listener(&self) -> Option<&Arc<Listener>> {
        self.listener.as_ref()
    }

    pub(super) fn report(&self, event: Event<'_>) {
        if let Some(listener) = &self.listener {
            listener(event);
        }
    }

    /// True if the patterns let an image of this location pass.
    pub(super) fn admits(&self, location: &str) -> bool {
        let matches = |patterns: &[TagPattern]| patterns.iter().any(|pattern| pattern.is_match(location));
        (self.allowed.is_empty() || matches(&self.allowed)) && !matches(&self.denied)
    }
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options")
            .field("naming", &self.naming)
            .field("suffix", &self.suffix)
            .field("allowed", &self.allowed)
            .field("denied", &self.denied)
            .field("keep_going", &self.keep_going)
            .field("dry_run", &self.dry_run)
            .field("prune", &self.prune)
            .field("at_once", &self.at_once)
            .field("except", &self.except.len())
            .field("copy", &self.copy)
            .finish_non_exhaustive()
    }
}
