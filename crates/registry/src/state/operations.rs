//! Changes of repositories: recorded in the backend and made in memory in one step.

use std::sync::Arc;

use tokio::sync::{OwnedRwLockReadGuard, OwnedRwLockWriteGuard};
use wharf_content::{Error, ErrorKind, Verified};
use wharf_reference::{Digest, Tag};

use super::{Links, RegistryState, Repository, Reservation, random_id};
use crate::{BlobRecord, Change, Record, RecordKey, RepositoryPath};

/// The amount of content that was removed.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Removed {
    pub(crate) content: u64,
    pub(crate) bytes: u64,
}

/// A shared lock under which no content is removed, so that content that was found can be linked.
pub(crate) type Present = OwnedRwLockReadGuard<()>;

/// The exclusive lock of a repository.
pub(crate) type Closed = OwnedRwLockWriteGuard<()>;

impl RegistryState {
    /// Prevents the removal of content until the result is dropped.
    pub(crate) async fn hold_content(&self) -> Present {
        Arc::clone(&self.sweep).read_owned().await
    }

    /// Makes an upload content, which is not removed before the result is dropped.
    pub(crate) async fn finish_upload(&self, upload: &str, content: &Verified) -> Result<Present, Error> {
        let present = self.hold_content().await;
        self.backend.finish(upload, content).await?;
        self.mark_verified(content.digest());
        Ok(present)
    }

    /// Begins an upload that no client sees. Its id.
    pub(crate) async fn begin_unlisted(&self) -> Result<String, Error> {
        let id = random_id()?;
        self.backend.begin(&id, "").await?;
        Ok(id)
    }

    /// Drops an upload after a failure, which is reported instead of one of the drop: an upload that stays is
    /// dropped when a registry opens.
    pub(crate) async fn discard(&self, upload: &str) {
        let _ = self.backend.discard(upload).await;
    }

    /// Makes an upload that no client sees a blob of a repository; drops it if that fails.
    pub(crate) async fn add_blob(
        self: &Arc<Self>,
        path: &RepositoryPath,
        upload: &str,
        content: &Verified,
    ) -> Result<(), Error> {
        let present = match self.finish_upload(upload, content).await {
            Ok(present) => present,
            Err(error) => {
                self.discard(upload).await;
                return Err(error);
            }
        };
        let record = BlobRecord::new(content.size());
        self.link_blob(path, content.digest(), record, None, (present, None))
            .await
    }

    /// Links a blob whose content has been present since `held` was taken, and ends its upload and its
    /// reservation.
    pub(crate) async fn link_blob(
        self: &Arc<Self>,
        path: &RepositoryPath,
        digest: &Digest,
        record: BlobRecord,
        upload: Option<&str>,
        held: (Present, Option<Reservation>),
    ) -> Result<(), Error> {
        let repository = self.repository(path);
        let commit_lock = Arc::clone(&repository.commit_lock).read_owned().await;
        let changes = vec![Change::Put(Record::Blob(digest.clone(), record))];
        let upload = upload.map(str::to_owned);
        self.commit(&repository, changes, upload, (held, commit_lock))
            .await
    }

    /// Removes the link of a blob. `false` if there is none.
    pub(crate) async fn delete_blob(
        self: &Arc<Self>,
        path: &RepositoryPath,
        digest: &Digest,
    ) -> Result<bool, Error> {
        let there = |repository: &Repository| repository.blob(digest).is_some();
        self.delete(path, there, RecordKey::Blob(digest.clone())).await
    }

    /// Removes the link of a manifest, and its tags. `false` if there is none.
    pub(crate) async fn delete_manifest(
        self: &Arc<Self>,
        path: &RepositoryPath,
        digest: &Digest,
    ) -> Result<bool, Error> {
        let there = |repository: &Repository| repository.content().manifests.contains_key(digest);
        self.delete(path, there, RecordKey::Manifest(digest.clone()))
            .await
    }

    /// Removes a tag if `may` accepts the digest at which it points. `false` if it is not removed.
    pub(crate) async fn delete_tag(
        self: &Arc<Self>,
        path: &RepositoryPath,
        tag: &Tag,
        may: impl Fn(&Digest) -> bool,
    ) -> Result<bool, Error> {
        let there = |repository: &Repository| repository.content().tags.get(tag).is_some_and(&may);
        self.delete(path, there, RecordKey::Tag(tag.clone())).await
    }

    /// Removes the contents among these digests that no repository links, and counts them; a dry run only
    /// counts.
    pub(crate) async fn remove_unlinked(&self, digests: &[Digest], dry_run: bool) -> Result<Removed, Error> {
        let mut removed = Removed::default();
        let _sweep = self.sweep.write().await;
        for digest in digests {
            if self.aggregates.is_linked(digest) {
                continue;
            }
            removed.bytes += self.backend.size(digest).await?.unwrap_or_default();
            removed.content += 1;
            if !dry_run {
                self.forget(digest);
                self.backend.remove(digest).await?;
            }
        }
        Ok(removed)
    }

    async fn delete(
        self: &Arc<Self>,
        path: &RepositoryPath,
        there: impl Fn(&Repository) -> bool,
        key: RecordKey,
    ) -> Result<bool, Error> {
        let Some(repository) = self.existing(path) else {
            return Ok(false);
        };
        let closed = repository.close().await;
        if !there(&repository) {
            return Ok(false);
        }
        self.commit(&repository, vec![Change::Remove(key)], None, closed)
            .await?;
        Ok(true)
    }

    /// Records changes and makes them in memory, all or none, and holds `held` until then. A manifest is
    /// removed with its tags. An upload or a reservation that became content ends in the same step, so that
    /// its bytes count once.
    ///
    /// The work runs to its end although its caller has gone: no cancellation comes between the record and
    /// the memory.
    pub(crate) async fn commit(
        self: &Arc<Self>,
        repository: &Arc<Repository>,
        changes: Vec<Change>,
        upload: Option<String>,
        held: impl Send + 'static,
    ) -> Result<(), Error> {
        let (state, repository) = (Arc::clone(self), Arc::clone(repository));
        let commit = async move {
            let changes = with_tags(&repository.content(), changes);
            state.record(&repository.path, &changes).await?;
            let counting = state.reservations();
            let mut uploads = upload.is_some().then(|| state.uploads());
            if let (Some(uploads), Some(upload)) = (&mut uploads, &upload) {
                uploads.remove(upload);
            }
            let mut content = repository.content_mut();
            for change in changes {
                content.apply(change);
            }
            drop((content, uploads, held, counting));
            Ok(())
        };
        let interrupted = |error| Error::wrap(ErrorKind::Cancelled, error);
        tokio::spawn(commit).await.map_err(interrupted)?
    }
}

/// Adds, before the removal of a manifest, the removal of the manifest's tags.
fn with_tags(content: &Links, changes: Vec<Change>) -> Vec<Change> {
    let mut all = Vec::with_capacity(changes.len());
    for change in changes {
        if let Change::Remove(RecordKey::Manifest(digest)) = &change {
            let tags = content.tags_of(digest).cloned();
            all.extend(tags.map(|tag| Change::Remove(RecordKey::Tag(tag))));
        }
        all.push(change);
    }
    all
}

impl Repository {
    /// Locks the repository, so that nobody else changes it.
    pub(crate) async fn close(&self) -> Closed {
        Arc::clone(&self.commit_lock).write_owned().await
    }
}
