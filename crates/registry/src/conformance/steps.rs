//! Steps that several cases have.

use std::{ops::Range, sync::Arc};

use bytes::Bytes;
use wharf_content::{Error, Manifest};
use wharf_reference::{Algorithm, Digest};

use super::{ConformanceFailure, Run, collect, stream};
use crate::{
    Backend, BlobRecord, Change, Commit, Content, Guard, ManifestRecord, NewContent, Outcome, Record,
    RecordKey, Records, Refusal, RepositoryPath, StoredContent, Upload, Uploads,
};

impl Run {
    pub(super) fn committed(
        &mut self,
        outcome: Result<Outcome, Error>,
        message: &str,
    ) -> Result<(), ConformanceFailure> {
        let outcome = self.ok(outcome)?;
        self.that(outcome == Outcome::Committed, message)
    }

    pub(super) fn refused(
        &mut self,
        outcome: Result<Outcome, Error>,
        guard: usize,
        message: &str,
    ) -> Result<(), ConformanceFailure> {
        let outcome = self.ok(outcome)?;
        self.that(outcome == Outcome::Refused(Refusal::Guard(guard)), message)
    }

    pub(super) fn commit_of(
        &self,
        changes: impl IntoIterator<Item = Change>,
    ) -> Result<Commit, ConformanceFailure> {
        self.ok(Commit::new(changes.into_iter().collect()))
    }

    pub(super) fn put(&self, record: Record) -> Result<Commit, ConformanceFailure> {
        self.commit_of([Change::Put(record)])
    }

    pub(super) fn remove(&self, key: RecordKey) -> Result<Commit, ConformanceFailure> {
        self.commit_of([Change::Remove(key)])
    }

    pub(super) async fn value(
        &self,
        records: &dyn Records,
        path: &RepositoryPath,
        key: RecordKey,
    ) -> Result<Option<Record>, ConformanceFailure> {
        let values = self.ok(records.values(path, &[key]).await)?;
        Ok(values.into_iter().next().flatten())
    }

    /// The content that a record names, as the backend wants to be asked for it.
    pub(super) async fn linked(
        &self,
        records: &dyn Records,
        path: &RepositoryPath,
        key: RecordKey,
    ) -> Result<StoredContent, ConformanceFailure> {
        match self.value(records, path, key).await? {
            Some(Record::Blob(digest, record)) => Ok(record.content(&digest)),
            Some(Record::Manifest(digest, record)) => Ok(record.content(&digest)),
            _ => Err(self.fail("is not linked")),
        }
    }

    pub(super) async fn read(
        &self,
        content: &dyn Content,
        stored: &StoredContent,
        range: Range<u64>,
    ) -> Result<Vec<u8>, ConformanceFailure> {
        let stream = self.ok(content.read(stored, range).await)?;
        self.ok(collect(stream).await)
    }

    pub(super) async fn is_present(
        &self,
        content: &dyn Content,
        stored: &StoredContent,
    ) -> Result<bool, ConformanceFailure> {
        let present = self.ok(content.are_present(std::slice::from_ref(stored)).await)?;
        Ok(present == [true])
    }

    pub(super) async fn resume(&self, uploads: &dyn Uploads, id: &str) -> Result<Upload, ConformanceFailure> {
        let upload = self.ok(uploads.resume(id).await)?;
        upload.ok_or_else(|| self.fail("can be resumed"))
    }

    /// Makes bytes a blob of a repository.
    pub(super) async fn blob(
        &self,
        backend: &dyn Backend,
        path: &RepositoryPath,
        bytes: Bytes,
    ) -> Result<Digest, ConformanceFailure> {
        let id = self.ok(crate::random::id())?;
        let content = self.proof(Algorithm::Sha256, &bytes)?;
        let digest = content.digest().clone();
        self.ok(backend.begin(&id, None).await)?;
        let incoming = crate::Incoming::new(stream(vec![Ok(bytes)]));
        self.ok(backend.write(&id, 0, incoming).await)?;
        let record = Record::Blob(digest.clone(), BlobRecord::new(content.size()));
        let linked = backend.link(path, NewContent::Upload(id, content), self.put(record)?);
        match self.ok(linked.await)? {
            Outcome::Committed => Ok(digest),
            Outcome::Refused(refusal) => Err(self.fail(format!("is refused: {refusal:?}"))),
        }
    }

    /// A manifest that needs a blob, as bytes, and the commit that links it with a guard for the blob.
    pub(super) fn manifest_of(
        &self,
        blob: &Digest,
        size: u64,
    ) -> Result<(NewContent, Commit), ConformanceFailure> {
        let document = format!(
            r#"{{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","config":{{"mediaType":"application/vnd.oci.empty.v1+json","digest":"{blob}","size":{size}}},"layers":[]}}"#
        );
        let bytes = Bytes::from(document);
        let manifest = self.ok(Manifest::parse(bytes.clone(), None))?;
        let record = Arc::new(ManifestRecord::of(&manifest, None));
        let digest = manifest.digest().clone();
        let commit = self
            .put(Record::Manifest(digest, record))?
            .with_guard(Guard::Present(RecordKey::Blob(blob.clone())));
        let content = NewContent::Bytes(bytes.clone(), self.proof(Algorithm::Sha256, &bytes)?);
        Ok((content, commit))
    }
}
