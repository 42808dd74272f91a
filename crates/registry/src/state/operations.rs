//! Changes of repositories: recorded in the backend and made in memory in one step.

use std::sync::Arc;

use tokio::sync::{OwnedRwLockReadGuard, OwnedRwLockWriteGuard};
use wharf_content::{Error, ErrorKind};
use wharf_reference::{Digest, Tag};

use super::{BlobRecord, Edit, Repository, Reservation, State};
use crate::route::Path;

/// As long as it is held, no content is removed: what is found can be linked.
pub(crate) type Present = OwnedRwLockReadGuard<()>;

/// As long as it is held, nobody else changes the repository.
pub(crate) type Closed = OwnedRwLockWriteGuard<()>;

impl State {
    /// Keeps all content where it is.
    pub(crate) async fn hold_content(&self) -> Present {
        Arc::clone(&self.sweep).read_owned().await
    }

    /// Gives a repository a blob whose content has been present since `held` was taken, and ends the upload and
    /// the reservation that it was.
    pub(crate) async fn link_blob(
        self: &Arc<Self>,
        path: &Path,
        digest: &Digest,
        record: BlobRecord,
        upload: Option<&str>,
        held: (Present, Option<Reservation>),
    ) -> Result<(), Error> {
        let repository = self.repository(path);
        let gate = Arc::clone(&repository.gate).read_owned().await;
        let edits = vec![Edit::Blob(digest.clone(), record)];
        let upload = upload.map(str::to_owned);
        self.commit(&repository, edits, upload, (held, gate)).await
    }

    /// Takes a blob out of a repository. `false` if it is not there.
    pub(crate) async fn delete_blob(self: &Arc<Self>, path: &Path, digest: &Digest) -> Result<bool, Error> {
        let there = |repository: &Repository| repository.blob(digest).is_some();
        self.delete(path, there, Edit::RemoveBlob(digest.clone())).await
    }

    /// Takes a manifest and its tags out of a repository. `false` if it is not there.
    pub(crate) async fn delete_manifest(
        self: &Arc<Self>,
        path: &Path,
        digest: &Digest,
    ) -> Result<bool, Error> {
        let there = |repository: &Repository| repository.content().manifests.contains_key(digest);
        self.delete(path, there, Edit::RemoveManifest(digest.clone()))
            .await
    }

    /// Takes a tag out of a repository. `false` if it is not there.
    pub(crate) async fn delete_tag(
        self: &Arc<Self>,
        path: &Path,
        tag: &Tag,
        may: impl Fn(&Digest) -> bool,
    ) -> Result<bool, Error> {
        let there = |repository: &Repository| repository.content().tags.get(tag).is_some_and(&may);
        self.delete(path, there, Edit::RemoveTag(tag.clone())).await
    }

    async fn delete(
        self: &Arc<Self>,
        path: &Path,
        there: impl Fn(&Repository) -> bool,
        edit: Edit,
    ) -> Result<bool, Error> {
        let Some(repository) = self.existing(path) else {
            return Ok(false);
        };
        let closed = repository.close().await;
        if !there(&repository) {
            return Ok(false);
        }
        self.commit(&repository, vec![edit], None, closed).await?;
        Ok(true)
    }

    /// Records edits and makes them, all or none, and holds `held` until then. An upload or a reservation
    /// that became content ends in the same step, for who counts what is used. Once begun, it goes on although nobody waits for it
    /// any more: no crash and no cancellation comes between the record and the memory.
    pub(crate) async fn commit(
        self: &Arc<Self>,
        repository: &Arc<Repository>,
        edits: Vec<Edit>,
        upload: Option<String>,
        held: impl Send + 'static,
    ) -> Result<(), Error> {
        let (state, repository) = (Arc::clone(self), Arc::clone(repository));
        let commit = async move {
            let mut changes = Vec::with_capacity(edits.len());
            for edit in &edits {
                edit.record(&repository.path, &repository.content(), &mut changes)?;
            }
            state.record(changes).await?;
            let counting = state.reservations();
            let mut uploads = upload.is_some().then(|| state.uploads());
            if let (Some(uploads), Some(upload)) = (&mut uploads, &upload) {
                uploads.remove(upload);
            }
            let mut content = repository.content_mut();
            for edit in edits {
                content.apply(edit);
            }
            drop((content, uploads, held, counting));
            Ok(())
        };
        let interrupted = |error| Error::wrap(ErrorKind::Cancelled, error);
        tokio::spawn(commit).await.map_err(interrupted)?
    }
}

impl Repository {
    /// Waits until nobody else changes the repository.
    pub(crate) async fn close(&self) -> Closed {
        Arc::clone(&self.gate).write_owned().await
    }
}
