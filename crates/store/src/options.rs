use std::path::PathBuf;

/// The settings of a [`Layout`](crate::Layout).
///
/// ```
/// use wharf_store::{Durability, Options};
/// let cache = Options::default().with_durability(Durability::Fast).with_access_for_all(true);
/// ```
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct Options {
    pub(crate) durability: Durability,
    pub(crate) verify: Verify,
    pub(crate) shared_blobs: Option<PathBuf>,
    pub(crate) readable_by_all: bool,
    pub(crate) without_locks: bool,
}

impl Options {
    /// Sets whether content must survive a power failure. Default [`Durability::Durable`].
    #[must_use]
    pub const fn with_durability(mut self, durability: Durability) -> Self {
        self.durability = durability;
        self
    }

    /// Sets when the bytes of a blob are hashed. Default [`Verify::Once`].
    #[must_use]
    pub const fn with_verify(mut self, verify: Verify) -> Self {
        self.verify = verify;
        self
    }

    /// Stores blobs in a directory that several layouts share, as skopeo's `--dest-shared-blob-dir` does:
    /// `DIRECTORY/sha256/...` stands for `blobs/sha256/...`.
    ///
    /// Such a layout cannot be collected, because it does not know what the other layouts need.
    #[must_use]
    pub fn with_shared_blobs(mut self, directory: impl Into<PathBuf>) -> Self {
        self.shared_blobs = Some(directory.into());
        self
    }

    /// Sets whether a new layout has the mode 0755 instead of 0700, so that other users can read it.
    /// Default: `false`.
    #[must_use]
    pub const fn with_access_for_all(mut self, access: bool) -> Self {
        self.readable_by_all = access;
        self
    }

    /// Settings that give up a guarantee of the store.
    pub const fn dangerous(self) -> DangerousOptions {
        DangerousOptions(self)
    }
}

/// Settings of [`Options`] that give up a guarantee of the store.
///
/// ```
/// let options = wharf_store::Options::default().dangerous().without_locks();
/// ```
#[derive(Debug, Clone)]
#[must_use]
pub struct DangerousOptions(Options);

impl DangerousOptions {
    /// Works without file locks, for a file system that has none. Then only one process at a time may use
    /// the layout, which nothing checks. By default a layout on such a file system is refused.
    #[must_use]
    pub fn without_locks(mut self) -> Options {
        self.0.without_locks = true;
        self.0
    }
}

/// The content that a power failure may destroy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum Durability {
    /// No content that was acknowledged: files are synced before they are visible, and directories before a
    /// name is set.
    #[default]
    Durable,
    /// The images of the last seconds. Blobs are not synced, and every process hashes them before the first
    /// use; index.json is never corrupt.
    Fast,
}

/// The reads for which stored bytes are hashed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum Verify {
    /// The first read in each process, and the first after the file has changed; but not a read for a receiver that
    /// hashes the bytes, such as a registry ([`Blob::unverified`](wharf_content::Blob::unverified)).
    #[default]
    Once,
    /// Every read.
    Always,
}
