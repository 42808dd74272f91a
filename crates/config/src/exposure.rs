use std::fs::Metadata;

/// How a file with a secret in it is not private.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Exposure {
    /// Its permissions let others than its owner read or change it.
    OpenToOthers,
    /// It belongs to another user, who is not the superuser.
    OfAnotherUser,
}

impl Exposure {
    /// The exposure of a file; `None` if it is private. On systems without Unix permissions, every file counts
    /// as private.
    #[cfg(unix)]
    #[must_use]
    pub fn of(metadata: &Metadata) -> Option<Self> {
        use std::os::unix::fs::MetadataExt;
        if metadata.mode() & 0o077 != 0 {
            Some(Self::OpenToOthers)
        } else if ![0, rustix::process::geteuid().as_raw()].contains(&metadata.uid()) {
            Some(Self::OfAnotherUser)
        } else {
            None
        }
    }

    /// The exposure of a file; `None` if it is private. On systems without Unix permissions, every file counts
    /// as private.
    #[cfg(not(unix))]
    #[must_use]
    pub const fn of(_: &Metadata) -> Option<Self> {
        None
    }
}
