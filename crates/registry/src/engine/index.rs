//! The index: the records of all repositories, in memory.

use std::{
    collections::BTreeMap,
    iter,
    ops::Bound,
    sync::{Arc, RwLock},
};

use super::{Repository, aggregates::Aggregates};
use crate::{RepositoryPath, packed, sync::RwLockExt as _};

/// The number of repositories that are listed at a time, so that other tasks run in between.
const PART: usize = 256;

pub(crate) struct Index {
    repositories: RwLock<BTreeMap<RepositoryPath, Arc<Repository>>>,
    pub(super) aggregates: Arc<Aggregates>,
}

impl Default for Index {
    fn default() -> Self {
        Self {
            repositories: RwLock::default(),
            aggregates: Arc::new(Aggregates::new()),
        }
    }
}

impl Index {
    /// The repository, created if it does not exist.
    pub(super) fn repository(&self, path: &RepositoryPath) -> Arc<Repository> {
        if let Some(repository) = self.existing(path.as_str()) {
            return repository;
        }
        let mut repositories = self.repositories.write_locked();
        let new = || Arc::new(Repository::new(path.clone(), Arc::clone(&self.aggregates)));
        Arc::clone(repositories.entry(path.clone()).or_insert_with(new))
    }

    /// The repository, if anything was ever pushed to it.
    pub(super) fn existing(&self, path: &str) -> Option<Arc<Repository>> {
        let repositories = self.repositories.read_locked();
        repositories.get(path).cloned()
    }

    /// The repositories whose names come after this one, in order. They are looked up part by part: a page
    /// costs no more than it shows, and changes do not wait for a long list.
    pub(super) fn repositories_after(&self, name: &str) -> impl Iterator<Item = Arc<Repository>> {
        let mut last = name.to_owned();
        let part = move || {
            let repositories = self.repositories.read_locked();
            let after = (Bound::Excluded(last.as_str()), Bound::Unbounded);
            let part = repositories.range::<str, _>(after).take(PART);
            let part = part
                .map(|(_, repository)| Arc::clone(repository))
                .collect::<Vec<_>>();
            part.last()?.path.as_str().clone_into(&mut last);
            Some(part)
        };
        iter::from_fn(part).flatten()
    }

    /// Forgets repositories that hold nothing and that no request is about to fill, so that names alone take
    /// no memory.
    pub(super) fn forget_empty(&self) {
        let mut repositories = self.repositories.write_locked();
        // Under this lock nobody comes by one whose only owner is the map.
        repositories
            .retain(|_, repository| Arc::strong_count(repository) > 1 || !repository.content().is_empty());
    }
}

/// An index that is being made from packed changes.
#[derive(Default)]
pub(crate) struct Loading {
    index: Index,
    /// The repository of the last change: most are followed by one of the same.
    last: Option<Arc<Repository>>,
}

impl Loading {
    /// Makes the next change of a repository: a packed key and its value, or `None` if the record is removed. `None` if
    /// that is no record.
    pub(crate) fn apply(&mut self, path: &str, key: &[u8], value: Option<&[u8]>) -> Option<()> {
        let repository = match self.last.take().filter(|last| last.path.as_str() == path) {
            Some(last) => last,
            None => match self.index.existing(path) {
                Some(existing) => existing,
                None => self.index.repository(&RepositoryPath::parse(path).ok()?),
            },
        };
        match value {
            Some(value) if packed::is_record(key, value) => repository.content_mut().put(key, value),
            None if packed::unpack_key(key).is_some() => repository.content_mut().remove(key),
            _ => return None,
        }
        self.last = Some(repository);
        Some(())
    }

    pub(crate) fn end(self) -> Index {
        drop(self.last);
        self.index.forget_empty();
        self.index
    }
}
