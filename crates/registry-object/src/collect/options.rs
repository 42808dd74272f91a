use std::{path::PathBuf, time::Duration};

/// The times after which storage is reclaimed, all by the database's clock. They are the same in all processes that
/// share a storage; the defaults are right for nearly all.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Reclamation {
    /// The time after its last request after which an upload is dropped. Default: 24 hours.
    pub uploads: Duration,
    /// The time after which an object that became no content is given up, since whoever writes it last said that it
    /// still does. Default: 24 hours.
    pub pending: Duration,
    /// The time for which the object of a removed content stays, for those who still read it. With backups of the
    /// database, as long as the oldest of them is kept: its rows need their objects when they come back. Default: 10
    /// minutes.
    pub hold: Duration,
    /// The time after which an object is deleted once more, since a process that was stopped may have written it after
    /// the first time. Default: 7 days.
    pub again: Duration,
    /// The time for which the ids of commits are kept for repetitions. Default: 24 hours.
    pub commits: Duration,
    /// Where the object store is a directory, its root, so that the partial files of processes that died are removed
    /// after a day. Listings of the store hide them. Default: `None`.
    pub directory: Option<PathBuf>,
}

impl Default for Reclamation {
    fn default() -> Self {
        const HOUR: u64 = 60 * 60;
        Self {
            uploads: Duration::from_secs(24 * HOUR),
            pending: Duration::from_secs(24 * HOUR),
            hold: Duration::from_secs(10 * 60),
            again: Duration::from_secs(7 * 24 * HOUR),
            commits: Duration::from_secs(24 * HOUR),
            directory: None,
        }
    }
}
