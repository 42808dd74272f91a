use std::sync::{Arc, OnceLock, RwLock, RwLockReadGuard, RwLockWriteGuard};

use tokio::sync;

use super::{
    Aggregates,
    links::{Link, Links},
};
use crate::{RepositoryPath, sync::RwLockExt as _};

/// The number of entries that are looked at before others may change the repository.
const PART: usize = 512;

/// A repository. Content is shared between repositories, but only content that a repository links can be read
/// in it.
pub(crate) struct Repository {
    pub(crate) path: RepositoryPath,
    commit_lock: OnceLock<Arc<sync::RwLock<()>>>,
    content: RwLock<Links>,
}

impl Repository {
    pub(crate) fn new(path: RepositoryPath, aggregates: Arc<Aggregates>) -> Self {
        Self {
            content: RwLock::new(Links::new(path.clone(), aggregates)),
            path,
            commit_lock: OnceLock::new(),
        }
    }

    /// Locked exclusively while manifests and tags change, so that checks and changes are one step; locked
    /// shared while blobs are linked.
    pub(crate) fn commit_lock(&self) -> Arc<sync::RwLock<()>> {
        Arc::clone(self.commit_lock.get_or_init(Arc::default))
    }

    pub(crate) fn content(&self) -> RwLockReadGuard<'_, Links> {
        self.content.read_locked()
    }

    pub(super) fn content_mut(&self) -> RwLockWriteGuard<'_, Links> {
        self.content.write_locked()
    }

    /// Passes the digests of all blobs, or of all manifests, to `each`. Others can change the repository in between.
    pub(super) fn each(&self, kind: u8, mut each: impl FnMut(&[u8], Link<'_>)) {
        let mut start = vec![kind];
        loop {
            let content = self.content();
            let mut last = None;
            for (key, value) in content.entries_of(&start, &[kind]).take(PART) {
                if let (Some((_, digest)), Some(link)) = (key.split_first(), Link::of(value)) {
                    each(digest, link);
                }
                last = Some(key);
            }
            let Some(last) = last else { return };
            start = [last, &[0]].concat(); // which follows it
        }
    }
}
