use async_trait::async_trait;
use wharf_content::Error;
use wharf_reference::Digest;

use super::LocalBackend;
use crate::{Commit, Outcome, Record, RecordKey, RecordRange, Records, RepositoryPath, Storage, Usage};

#[async_trait]
impl<S: Storage + 'static> Records for LocalBackend<S> {
    async fn values(
        &self,
        repository: &RepositoryPath,
        keys: &[RecordKey],
    ) -> Result<Vec<Option<Record>>, Error> {
        let Some(repository) = self.0.index.existing(repository.as_str()) else {
            return Ok(vec![None; keys.len()]);
        };
        let content = repository.content();
        Ok(keys.iter().map(|key| content.value(key)).collect())
    }

    async fn touch(
        &self,
        repository: &RepositoryPath,
        keys: &[RecordKey],
    ) -> Result<Vec<Option<Record>>, Error> {
        let Some(repository) = self.0.index.existing(repository.as_str()) else {
            return Ok(vec![None; keys.len()]);
        };
        let mut content = repository.content_mut();
        let touched = keys.iter().map(|key| {
            content.touch(key);
            content.value(key)
        });
        Ok(touched.collect())
    }

    async fn range(
        &self,
        repository: &RepositoryPath,
        range: &RecordRange,
        after: &str,
        limit: usize,
    ) -> Result<Vec<Record>, Error> {
        let repository = self.0.index.existing(repository.as_str());
        Ok(repository.map_or_else(Vec::new, |repository| {
            repository.content().range(range, after, limit)
        }))
    }

    async fn exists(&self, repository: &RepositoryPath) -> Result<bool, Error> {
        let repository = self.0.index.existing(repository.as_str());
        Ok(repository.is_some_and(|repository| !repository.content().is_empty()))
    }

    async fn repositories(&self, after: &str, limit: usize) -> Result<Vec<RepositoryPath>, Error> {
        let full = self.0.index.repositories_after(after);
        let full = full.filter(|repository| !repository.content().is_empty());
        Ok(full
            .take(limit)
            .map(|repository| repository.path.clone())
            .collect())
    }

    async fn holders(&self, digest: &Digest, limit: usize) -> Result<Vec<RepositoryPath>, Error> {
        Ok(self.0.index.aggregates.holders_of(&digest.into(), limit))
    }

    async fn usage(&self, repository: &RepositoryPath, user: Option<&str>) -> Result<Usage, Error> {
        Ok(self.0.usage(repository, user))
    }

    async fn commit(&self, repository: &RepositoryPath, commit: Commit) -> Result<Outcome, Error> {
        self.0.commit(repository, None, commit).await
    }

    fn health(&self) -> Result<(), Error> {
        self.0.storage.health()
    }
}
