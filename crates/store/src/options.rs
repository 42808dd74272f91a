use std::path::PathBuf;

/// How a [`Layout`](crate::Layout) keeps its content.
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
    /// Whether content must survive a power failure; [`Durability::Durable`] by default.
    #[must_use]
    pub const fn with_durability(mut self, durability: Durability) -> Self {
        self.durability = durability;
        self
    }

    /// When the bytes of a blob are hashed; [`Verify::Once`] by default.
    #[must_use]
    pub const fn with_verify(mut self, verify: Verify) -> Self {
        self.verify = verify;
        self
    }

    /// Keeps blobs in a directory that several layouts share, as skopeo's `--dest-shared-blob-dir` does:
    /// `DIRECTORY/sha256/...` stands for `blobs/sha256/...`.
    ///
    /// No layout knows what the others need, so such a store cannot be collected.
    #[must_use]
    pub fn with_shared_blobs(mut self, directory: impl Into<PathBuf>) -> Self {
        self.shared_blobs = Some(directory.into());
        self
    }

    /// Sets whether a new store has the mode 0755 instead of 0700, so that other users can read it. Default: `false`.
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
    /// Works without file locks, for a file system that has none. Then only one process at a time may use the store,
    /// which nothing checks. By default a store on such a file system is refused.
    #[must_use]
    pub fn without_locks(mut self) -> Options {
        self.0.without_locks = true;
        self.0
    }
}

/// What a power failure may cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum Durability {
    /// Nothing that was acknowledged: files are synced before they are visible, and directories before a name
    /// is given.
    #[default]
    Durable,
    /// The images of the last seconds. Blobs are not synced, and every process hashes them again before it
    /// uses them; index.json is never damaged.
    Fast,
}

/// When stored bytes are hashed again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum Verify {
    /// On the first read in each process, and again when the file has changed.
    #[default]
    Once,
    /// On every read.
    Always,
}
