//! The records of repositories, in the tables of a database.

mod apply;
mod commit;
mod limiter;
mod look_up;
pub(crate) mod row;
mod usage;

use async_trait::async_trait;
use wharf_content::Error;
use wharf_reference::Digest;
use wharf_registry::{Commit, Outcome, Record, RecordKey, RecordRange, Records, RepositoryPath, Usage};

use self::look_up::look_up;
pub(crate) use self::{commit::Made, limiter::CommitLimiter, look_up::HAS_RECORDS, usage::Added};
use crate::Database;

#[async_trait]
impl Records for Database {
    async fn values(
        &self,
        repository: &RepositoryPath,
        keys: &[RecordKey],
    ) -> Result<Vec<Option<Record>>, Error> {
        let found = look_up(self, repository, keys, None).await?;
        Ok(found.in_order_of(keys))
    }

    async fn touch(
        &self,
        repository: &RepositoryPath,
        keys: &[RecordKey],
    ) -> Result<Vec<Option<Record>>, Error> {
        let stale_after = self.grace().as_secs_f64() / 4.0;
        let found = look_up(self, repository, keys, Some(stale_after)).await?;
        if found.stale.is_empty() {
            return Ok(found.in_order_of(keys));
        }
        // This waits for whoever removes some of them now; what is gone then is not found again.
        look_up::renew(self, repository, &found).await?;
        self.values(repository, keys).await
    }

    async fn range(
        &self,
        repository: &RepositoryPath,
        range: &RecordRange,
        after: &str,
        limit: usize,
    ) -> Result<Vec<Record>, Error> {
        look_up::page(self, repository, range, after, limit).await
    }

    async fn exists(&self, repository: &RepositoryPath) -> Result<bool, Error> {
        look_up::exists(self, repository).await
    }

    async fn repositories(&self, after: &str, limit: usize) -> Result<Vec<RepositoryPath>, Error> {
        look_up::repositories(self, after, limit).await
    }

    async fn holders(&self, digest: &Digest, limit: usize) -> Result<Vec<RepositoryPath>, Error> {
        look_up::holders(self, digest, limit).await
    }

    async fn usage(&self, repository: &RepositoryPath, user: Option<&str>) -> Result<Usage, Error> {
        look_up::bytes_of(self, repository, user).await
    }

    async fn commit(&self, repository: &RepositoryPath, commit: Commit) -> Result<Outcome, Error> {
        match self.make(repository, &commit, None).await? {
            Made::Outcome(outcome) => Ok(outcome),
            Made::Stale => Err(unplaced()),
        }
    }

    fn health(&self) -> Result<(), Error> {
        self.last_failure()
    }
}

impl Database {
    /// As [`Records::usage`], with the bytes of open uploads, but for these.
    pub(crate) async fn usage_with_uploads(
        &self,
        repository: &RepositoryPath,
        user: Option<&str>,
        but: &[String],
    ) -> Result<Usage, Error> {
        look_up::bytes_with_uploads(self, repository, user, but).await
    }
}

fn unplaced() -> Error {
    let message = "a commit without content cannot fail for its content";
    Error::new(wharf_content::ErrorKind::Other, message)
}
