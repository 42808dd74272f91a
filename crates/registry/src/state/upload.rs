//! Uploads on their way to a blob.

use bytes::Bytes;
use wharf_content::{ByteStream, Error, ErrorKind, Hasher, Verified};
use wharf_reference::Algorithm;

use super::{PushError, Quota, RegistryState, push::quota_exceeded};
use crate::{
    BlobRecord, Change, Commit, Event, Incoming, NewContent, Outcome, Record, Refusal, RepositoryPath,
    Written, random,
};

impl RegistryState {
    /// Writes a stream to an upload that no client sees. The id of the upload, whose bytes are all there.
    pub(crate) async fn take(
        &self,
        bytes: ByteStream,
        algorithm: Option<Algorithm>,
    ) -> Result<(String, Written), Error> {
        let id = random::id()?;
        self.backend.begin(&id, None).await?;
        let incoming = Incoming::new(bytes);
        let incoming = match algorithm {
            Some(algorithm) => incoming.with_algorithm(algorithm),
            None => incoming,
        };
        let written = self.backend.write(&id, 0, incoming).await;
        let written = written.and_then(|mut written| match written.failure.take() {
            Some(failure) => Err(failure),
            None => Ok(written),
        });
        match written {
            Ok(written) => Ok((id, written)),
            Err(error) => {
                self.discard(&id).await;
                Err(error)
            }
        }
    }

    /// Drops an upload after a failure, which is reported instead of one of the drop.
    pub(crate) async fn discard(&self, upload: &str) {
        let _ = self.backend.discard(upload).await;
    }

    /// Hashes an upload whose bytes were not hashed when they were received.
    pub(crate) async fn rehash(&self, upload: &str, algorithm: Algorithm) -> Result<Verified, Error> {
        hash(self.backend.read_upload(upload).await?, algorithm).await
    }

    /// Makes an upload that no client sees a blob of a repository; drops it if that fails.
    pub(crate) async fn add_blob(
        &self,
        path: &RepositoryPath,
        upload: &str,
        content: Verified,
        event: Option<Event>,
    ) -> Result<(), Error> {
        let record = BlobRecord::new(content.size());
        let content = NewContent::Upload(upload.to_owned(), content);
        let linked = self.link_blob(path, content, record, None, event).await;
        if linked.is_err() {
            self.discard(upload).await;
        }
        Ok(linked.map(drop)?)
    }

    /// Links content as a blob. `false` if it is gone.
    pub(crate) async fn link_blob(
        &self,
        path: &RepositoryPath,
        content: NewContent,
        record: BlobRecord,
        quota: Option<&Quota>,
        event: Option<Event>,
    ) -> Result<bool, PushError> {
        let guards = quota.map(Quota::guards).unwrap_or_default();
        let record = Record::Blob(content.digest().clone(), record);
        let commit = Commit::new(vec![Change::Put(record)])?
            .with_guards(guards.iter().cloned())
            .with_events(event);
        match self.link(path, content, commit).await? {
            Outcome::Committed => Ok(true),
            Outcome::Refused(Refusal::Content) => Ok(false),
            Outcome::Refused(refusal) => Err(match quota_exceeded(&guards, refusal) {
                Some(exceeded) => exceeded.into(),
                None => super::view::busy().into(),
            }),
        }
    }
}

/// Reads a stream to its end, and hashes it.
pub(crate) async fn hash(mut bytes: ByteStream, algorithm: Algorithm) -> Result<Verified, Error> {
    let mut hasher = Hasher::new(algorithm)?;
    while let Some(chunk) = std::future::poll_fn(|context| bytes.as_mut().poll_next(context)).await {
        let chunk: Bytes = chunk?;
        let hashing = tokio::task::spawn_blocking(move || {
            hasher.update(&chunk);
            hasher
        });
        hasher = hashing
            .await
            .map_err(|error| Error::wrap(ErrorKind::Cancelled, error))?;
    }
    hasher.prove()
}
