use std::fmt;

use async_trait::async_trait;
use wharf_content::Error;
use wharf_reference::Digest;

use super::{Commit, Outcome, Record, RecordKey};
use crate::RepositoryPath;

/// The links of each repository: blobs, manifests and tags, as small records.
///
/// Reads see all commits that were acknowledged before the read began, by any handle on the same storage, and
/// no commit in part. A registry keeps no records of its own: it reads what a request needs, judges it, and
/// commits with guards for what it has relied on. If a guard is refused, it reads and judges again.
///
/// An error of a read says that it could not be looked up, never that it is not there.
#[async_trait]
pub trait Records: Send + Sync + fmt::Debug {
    /// The records with these keys, all of one moment, in the order of the keys; `None` for a key without a
    /// record.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Corrupt`](wharf_content::ErrorKind::Corrupt) for a record that cannot be read; those of the
    /// storage.
    async fn values(
        &self,
        repository: &RepositoryPath,
        keys: &[RecordKey],
    ) -> Result<Vec<Option<Record>>, Error>;

    /// As [`Records::values`]; and the blobs and manifests among the records count as used now: a client learns
    /// that they are here, and a collection leaves them alone for the grace. An engine may skip that for a
    /// record that was used less than a quarter of the grace ago.
    ///
    /// # Errors
    ///
    /// As [`Records::values`].
    async fn touch(
        &self,
        repository: &RepositoryPath,
        keys: &[RecordKey],
    ) -> Result<Vec<Option<Record>>, Error>;

    /// The first `limit` records of a range whose names come after `after`, which need not be there, in byte
    /// order of the names: the tag of a tag, the digest of a manifest. The empty name comes before all.
    ///
    /// # Errors
    ///
    /// As [`Records::values`].
    async fn range(
        &self,
        repository: &RepositoryPath,
        range: &RecordRange,
        after: &str,
        limit: usize,
    ) -> Result<Vec<Record>, Error>;

    /// Whether the repository has a blob or a manifest.
    ///
    /// # Errors
    ///
    /// Those of the storage.
    async fn exists(&self, repository: &RepositoryPath) -> Result<bool, Error>;

    /// The first `limit` repositories that have a blob or a manifest and come after `after`, which need not be
    /// a repository, in byte order.
    ///
    /// # Errors
    ///
    /// Those of the storage.
    async fn repositories(&self, after: &str, limit: usize) -> Result<Vec<RepositoryPath>, Error>;

    /// Repositories that have a blob with this digest, at most `limit`, in any order.
    ///
    /// # Errors
    ///
    /// Those of the storage.
    async fn holders(&self, digest: &Digest, limit: usize) -> Result<Vec<RepositoryPath>, Error>;

    /// Bytes that count against quotas now: of blobs and manifests, and of open uploads as far as this engine
    /// knows them, those of this process to the last byte that was received.
    ///
    /// # Errors
    ///
    /// Those of the storage.
    async fn usage(&self, repository: &RepositoryPath, user: Option<&str>) -> Result<Usage, Error>;

    /// Makes the changes, all or none, if all guards hold. A record of a blob or a manifest that is put here,
    /// and not by [`Content::link`](super::Content::link), is of content that is not there (yet).
    ///
    /// A commit with an id that was committed before changes nothing and is [`Outcome::Committed`], for at least
    /// as long as a request may be repeated; an engine that forgets ids keeps them for a day. An engine repeats
    /// by itself what its storage asks to repeat.
    ///
    /// If the future is dropped, the commit may be made or not, but not in part.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::NoSpace`](wharf_content::ErrorKind::NoSpace) on a full disk; those of the storage. An engine
    /// in this process has changed nothing then; of one beyond a network the caller does not know, and may call
    /// again with the same id.
    async fn commit(&self, repository: &RepositoryPath, commit: Commit) -> Result<Outcome, Error>;

    /// Reports whether changes can be committed. Must not wait. By default nothing is known to fail.
    ///
    /// # Errors
    ///
    /// The reason why no change can be committed until the storage works again. A failure of one call alone,
    /// as on a full disk, is not reported here.
    fn health(&self) -> Result<(), Error> {
        Ok(())
    }
}

/// A range of a repository's records.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum RecordRange {
    /// All tags.
    Tags,
    /// The manifests whose subject is this digest, and whose artifact type is the given one, if one is given.
    Referrers(Digest, Option<String>),
    /// The manifests that need the blob with this digest.
    Needing(Digest),
}

/// Bytes that count against quotas.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Usage {
    /// Of the repository.
    pub repository: u64,
    /// Of the user, in all repositories; 0 without a user.
    pub user: u64,
}
