//! Taking over what another registry has stored.

mod blobs;
mod directory;
mod distribution;
mod layout;
mod report;
mod source;
mod work;

use std::{fmt, path::Path, sync::Arc};

use wharf_content::{Error, ErrorKind};

use self::{
    directory::DirectoryTree, distribution::Distribution, layout::OwnLayout, source::Source, work::Work,
};
pub use self::{
    report::{ImportReport, SkippedItem},
    source::KeyTree,
};
use crate::{DiskBackend, Registry};

/// The repositories of another registry, read where that registry has stored them.
///
/// Two forms are read: that of Docker's registry (`docker/registry/v2`), in a directory or in any [`KeyTree`], while
/// it goes on serving and taking pushes; and the directory of a [`DiskBackend`], which nobody else may use
/// meanwhile. All bytes are hashed: what does not have its digest is not taken.
///
/// An import may be repeated, and broken off at any point: it copies what is not there yet, and moves the tags that
/// were moved. What is gone from the source stays. So a registry is replaced without a long pause: import while the
/// old one serves, again when it has stopped to take pushes, and then let clients come to the new one.
///
/// Blobs are copied, or [left in place](Import::with_in_place) where the engine reads the storage of the source itself.
///
/// A manifest is taken with the blobs and manifests that it needs and the source has; blobs that no manifest needs
/// are left behind, as the next collection of garbage would remove them. Rights are not checked, quotas do not
/// apply, and no events are told. What cannot be taken is skipped and told ([`Import::with_skipped`]): manifests of schema 1, manifests
/// that lack content (unless the registry is [sparse](Registry::with_sparse)) or are larger than
/// [`Limits::manifest`](crate::Limits::manifest), damaged content, symbolic links, names that are none.
///
/// ```no_run
/// use wharf_registry::{DiskBackend, Import, Registry};
///
/// # async fn example() -> Result<(), wharf_content::Error> {
/// let registry = Registry::open(DiskBackend::open("registry").await?).await?;
/// let import = Import::open("/var/lib/registry").await?;
/// let report = import
///     .with_skipped(|item| eprintln!("skipped {item}"))
///     .run(&registry)
///     .await?;
/// println!("{} manifests, {} tags", report.manifests, report.tags);
/// # Ok(())
/// # }
/// ```
pub struct Import {
    source: Box<dyn Source>,
    modes: Modes,
    skipped: Arc<dyn Fn(&SkippedItem) + Send + Sync>,
}

impl Import {
    /// Reads a directory: the root of Docker's registry, as its configuration names it (`rootdirectory`) or the
    /// `v2` below it, or that of a [`DiskBackend`].
    ///
    /// # Errors
    ///
    /// [`ErrorKind::NotFound`] if it is neither; those of the disk, and for a directory of ours those of
    /// [`DiskBackend::open`].
    pub async fn open(path: impl AsRef<Path>) -> Result<Self, Error> {
        let path = path.as_ref();
        if path.join("registry").join("journal").is_file() {
            return Ok(Self::of(OwnLayout::new(DiskBackend::open(path).await?)));
        }
        if let Some(tree) = DirectoryTree::find(path)? {
            return Ok(Self::from_tree(tree));
        }
        let message = format!(
            "{} has no registry: neither docker/registry/v2, nor repositories and blobs, nor registry/journal",
            path.display()
        );
        Err(Error::new(ErrorKind::NotFound, message))
    }

    /// Reads what Docker's registry has stored below the keys `repositories` and `blobs` of a tree.
    pub fn from_tree(tree: impl KeyTree + 'static) -> Self {
        Self::of(Distribution::new(Arc::new(tree)))
    }

    fn of(source: impl Source + 'static) -> Self {
        Self {
            source: Box::new(source),
            modes: Modes::default(),
            skipped: Arc::new(|_| {}),
        }
    }

    /// Sets whether a tag that the registry has already stays where it is. Default: `false`, it is moved to where
    /// the source has it.
    #[must_use]
    pub fn with_keep_tags(mut self, keep: bool) -> Self {
        self.modes.keep_tags = keep;
        self
    }

    /// Sets whether blobs stay where the source has them, and the registry reads them there, for as long as it has
    /// them: it never writes or deletes what the source has written. Manifests are copied. Default: `false`.
    ///
    /// The engine must be one that reads the storage of the source, and the source a Docker's registry. Nobody else may
    /// delete blobs of the source from then on, so that its own collection of garbage must not run any more. A repeated import asks the storage
    /// for the blobs of all manifests that it finds, and tells those that are gone ([`Import::with_skipped`]): a push
    /// brings them again.
    #[must_use]
    pub fn with_in_place(mut self, in_place: bool) -> Self {
        self.modes.in_place = in_place;
        self
    }

    /// Sets whether blobs that stay in place are taken to have their digests, unread. Default: `false`, they are read
    /// and hashed once. Where the storage holds other bytes, clients are the first to notice.
    #[must_use]
    pub fn with_trusted_digests(mut self, trusted: bool) -> Self {
        self.modes.trusted_digests = trusted;
        self
    }

    /// Sets who is told of what is skipped. Must not block.
    #[must_use]
    pub fn with_skipped(mut self, skipped: impl Fn(&SkippedItem) + Send + Sync + 'static) -> Self {
        self.skipped = Arc::new(skipped);
        self
    }

    /// Copies everything into a registry, which may serve meanwhile. If the future is dropped, what has been copied
    /// stays.
    ///
    /// # Errors
    ///
    /// Those of the registry's backend, and of a source that cannot be reached; [`ErrorKind::Unsupported`] if blobs are
    /// to stay in place and the engine does not read the storage of the source. What is wrong with a single item of
    /// the source is none: the item is skipped.
    pub async fn run(&self, registry: &Registry) -> Result<ImportReport, Error> {
        let mut work = Work::new(self.source.as_ref(), registry, self.modes, self.skipped.as_ref());
        work.run().await?;
        Ok(work.report)
    }
}

/// The ways in which an import may work.
#[derive(Debug, Clone, Copy, Default)]
struct Modes {
    keep_tags: bool,
    in_place: bool,
    trusted_digests: bool,
}

impl fmt::Debug for Import {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Import")
            .field("modes", &self.modes)
            .finish_non_exhaustive()
    }
}
