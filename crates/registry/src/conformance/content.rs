use std::time::Duration;

use bytes::Bytes;
use wharf_content::ErrorKind;
use wharf_reference::Algorithm;

use super::{ConformanceFailure, Run, collect};
use crate::{
    Backend, BlobRecord, Change, Commit, GcOptions, Guard, Incoming, NewContent, Outcome, Record, RecordKey,
    Refusal, StoredContent,
};

const DIGITS: &[u8] = b"0123456789";

/// A collection without grace.
pub(super) fn now() -> GcOptions {
    GcOptions::default().with_grace(Duration::ZERO)
}

impl Run {
    /// An upload with these bytes that no client sees.
    async fn unseen(&self, backend: &dyn Backend, bytes: &[u8]) -> Result<String, ConformanceFailure> {
        let id = self.ok(crate::random::id())?;
        self.ok(backend.begin(&id, None).await)?;
        let incoming = Incoming::new(super::stream(vec![Ok(Bytes::copy_from_slice(bytes))]));
        let written = self.ok(backend.write(&id, 0, incoming).await)?;
        if written.failure.is_some() || written.offset != bytes.len() as u64 {
            return Err(self.fail("are written"));
        }
        Ok(id)
    }

    fn blob_commit(&self, content: &NewContent, size: u64) -> Result<Commit, ConformanceFailure> {
        self.put(Record::Blob(content.digest().clone(), BlobRecord::new(size)))
    }

    pub(super) async fn linked_uploads(
        &mut self,
        backend: &dyn Backend,
        algorithm: Algorithm,
    ) -> Result<(), ConformanceFailure> {
        self.case = "uploads that become content";
        let path = self.path("content")?;
        let proof = self.proof(algorithm, DIGITS)?;
        let key = RecordKey::Blob(proof.digest().clone());
        let absent = StoredContent::new(proof.digest().clone(), 10);
        let present = self.is_present(backend, &absent).await?;
        self.that(!present, "are not there before")?;
        let read = backend.read(&absent, 0..1).await;
        self.missing(read, "say NotFound when they are read before")?;
        let id = self.unseen(backend, DIGITS).await?;
        let content = NewContent::Upload(id.clone(), proof.clone());
        let commit = self.blob_commit(&content, 10)?;
        let outcome = backend.link(&path, content.clone(), commit.clone()).await;
        self.committed(outcome, "are linked")?;
        let outcome = backend.link(&path, content.clone(), commit).await;
        self.committed(outcome, "are linked already, when the call is repeated")?;
        let again = backend
            .link(&path, content.clone(), self.blob_commit(&content, 10)?)
            .await;
        self.missing(again, "are no uploads any more")?;
        let stored = self.linked(backend, &path, key.clone()).await?;
        self.that(
            stored.digest == *proof.digest() && stored.size == 10,
            "have their digest and size",
        )?;
        let present = self.is_present(backend, &stored).await?;
        self.that(present, "are there")?;
        for range in [0..10, 0..1, 9..10, 3..7, 5..5] {
            let bytes = self.read(backend, &stored, range.clone()).await?;
            let expected = DIGITS.get(index(range.start)..index(range.end));
            let message = format!("are read from {} to {}", range.start, range.end);
            self.that(Some(bytes.as_slice()) == expected, &message)?;
        }
        self.ok(backend.verify(&stored).await)?;
        self.that(backend.is_verified(&stored), "are verified then")?;
        let id = self.unseen(backend, DIGITS).await?;
        let content = NewContent::Upload(id, proof);
        let commit = self.blob_commit(&content, 10)?;
        let outcome = backend.link(&path, content, commit).await;
        self.committed(outcome, "may come twice")?;
        let stored = self.linked(backend, &path, key.clone()).await?;
        let bytes = self.read(backend, &stored, 0..10).await?;
        self.that(bytes == DIGITS, "are the same then")?;
        let outcome = backend.commit(&path, self.remove(key)?).await;
        self.committed(outcome, "are unlinked")?;
        self.ok(backend.collect(&now()).await)?;
        self.that(true, "are collected")
    }

    pub(super) async fn linked_bytes(&mut self, backend: &dyn Backend) -> Result<(), ConformanceFailure> {
        self.case = "manifests";
        let path = self.path("manifests")?;
        let blob = self.blob(backend, &path, Bytes::from_static(b"{}")).await?;
        let (content, commit) = self.manifest_of(&blob, 2)?;
        let digest = content.digest().clone();
        let tag = Record::Tag(self.parsed_tag("v1")?, digest.clone());
        let mut commit = commit;
        commit.changes.push(Change::Put(tag.clone()));
        let outcome = backend.link(&path, content.clone(), commit.clone()).await;
        self.committed(outcome, "are linked with their tags")?;
        let value = self.value(backend, &path, tag.key()).await?;
        self.that(value == Some(tag), "have their tags")?;
        let stored = self
            .linked(backend, &path, RecordKey::Manifest(digest.clone()))
            .await?;
        let NewContent::Bytes(bytes, _) = &content else {
            return Err(self.fail("are bytes"));
        };
        let read = self.read(backend, &stored, 0..stored.size).await?;
        self.that(read == *bytes, "are read")?;
        let read = self.read(backend, &stored, 1..5).await?;
        self.that(Some(read.as_slice()) == bytes.get(1..5), "are read in part")?;
        commit.id = self.ok(crate::CommitId::random())?;
        let outcome = backend.link(&path, content, commit).await;
        self.committed(outcome, "may be pushed again")?;
        let changes = [RecordKey::Manifest(digest), RecordKey::Blob(blob)].map(Change::Remove);
        let outcome = backend.commit(&path, self.commit_of(changes)?).await;
        self.committed(outcome, "are removed with what they need")?;
        self.ok(backend.collect(&now()).await)?;
        self.that(true, "are collected")
    }

    pub(super) async fn shared_content(&mut self, backend: &dyn Backend) -> Result<(), ConformanceFailure> {
        self.case = "content of two repositories";
        let (one, other) = (self.path("shared/one")?, self.path("shared/other")?);
        let bytes = vec![7; 3_000_000];
        let digest = self.blob(backend, &one, bytes.clone().into()).await?;
        let key = RecordKey::Blob(digest.clone());
        let stored = self.linked(backend, &one, key.clone()).await?;
        let content = NewContent::Stored(stored.clone());
        let commit = self.blob_commit(&content, stored.size)?;
        let outcome = backend.link(&other, content.clone(), commit).await;
        self.committed(outcome, "is linked in the second")?;
        let outcome = backend.commit(&one, self.remove(key.clone())?).await;
        self.committed(outcome, "is unlinked in the first")?;
        let manifest = self.manifest_of(&digest, stored.size)?;
        let outcome = backend.link(&other, manifest.0, manifest.1).await;
        self.committed(outcome, "is needed in the second")?;
        self.ok(backend.collect(&now()).await)?;
        let shared = self.linked(backend, &other, key.clone()).await?;
        let reading = self.ok(backend.read(&shared, 0..shared.size).await)?;
        let changes = [
            key.clone(),
            manifest_key(&self.manifest_of(&digest, stored.size)?.0),
        ];
        let outcome = backend
            .commit(&other, self.commit_of(changes.map(Change::Remove))?)
            .await;
        self.committed(outcome, "is unlinked in the second")?;
        self.ok(backend.collect(&now()).await)?;
        let read = collect(reading).await;
        self.that(
            read.is_ok_and(|read| read == bytes),
            "is read to its end although it is collected meanwhile",
        )?;
        let gone = StoredContent::new(self.name("nowhere")?, 7);
        let content = NewContent::Stored(gone);
        let commit = self.blob_commit(&content, 7)?;
        let outcome = self.ok(backend.link(&other, content, commit).await)?;
        self.that(
            outcome == Outcome::Refused(Refusal::Content),
            "is not linked if it is nowhere",
        )
    }

    pub(super) async fn refused_links(&mut self, backend: &dyn Backend) -> Result<(), ConformanceFailure> {
        self.case = "links that are refused";
        let path = self.path("refused")?;
        let proof = self.proof(Algorithm::Sha256, b"refused")?;
        let key = RecordKey::Blob(proof.digest().clone());
        let id = self.unseen(backend, b"refused").await?;
        let content = NewContent::Upload(id.clone(), proof.clone());
        let commit = self.blob_commit(&content, 7)?;
        let commit = commit.with_guard(Guard::Present(key.clone()));
        let outcome = backend.link(&path, content, commit).await;
        self.refused(outcome, 0, "are refused by their guards")?;
        let value = self.value(backend, &path, key.clone()).await?;
        self.that(value.is_none(), "link nothing")?;
        self.ok(backend.discard(&id).await)?;
        let id = self.unseen(backend, b"refuse").await?;
        let content = NewContent::Upload(id.clone(), proof.clone());
        let commit = self.blob_commit(&content, 7)?;
        let outcome = backend.link(&path, content, commit).await;
        let mismatch = matches!(outcome, Err(error) if error.kind() == ErrorKind::Mismatch);
        self.that(mismatch, "have the size that was verified")?;
        self.ok(backend.discard(&id).await)?;
        let content = NewContent::Upload(id, proof);
        let commit = self.blob_commit(&content, 7)?;
        let outcome = backend.link(&path, content, commit).await;
        self.missing(outcome, "have an upload")?;
        let value = self.value(backend, &path, key).await?;
        self.that(value.is_none(), "leave no record")
    }

    pub(super) async fn quarantine(&mut self, backend: &dyn Backend) -> Result<(), ConformanceFailure> {
        self.case = "content that is found corrupt";
        let path = self.path("quarantine")?;
        let bytes = Bytes::from_static(b"some content");
        let digest = self.blob(backend, &path, bytes.clone()).await?;
        let key = RecordKey::Blob(digest);
        let stored = self.linked(backend, &path, key.clone()).await?;
        self.ok(backend.quarantine(&stored).await)?;
        let present = self.is_present(backend, &stored).await?;
        self.that(!present, "is not there any more")?;
        let read = backend.read(&stored, 0..1).await;
        self.missing(read, "says NotFound when it is read")?;
        self.ok(backend.quarantine(&stored).await)?;
        let value = self.value(backend, &path, key.clone()).await?;
        self.that(value.is_some(), "keeps its links")?;
        self.blob(backend, &path, bytes.clone()).await?;
        let stored = self.linked(backend, &path, key.clone()).await?;
        let read = self.read(backend, &stored, 0..stored.size).await?;
        self.that(read == bytes, "is healed by a push")?;
        let outcome = backend.commit(&path, self.remove(key)?).await;
        self.committed(outcome, "is unlinked")?;
        self.ok(backend.collect(&now()).await)?;
        self.that(true, "is collected")
    }

    pub(super) async fn collections(&mut self, backend: &dyn Backend) -> Result<(), ConformanceFailure> {
        self.case = "collections";
        let path = self.path("collected")?;
        let needed = self.blob(backend, &path, Bytes::from_static(b"{}")).await?;
        let loose = self.blob(backend, &path, Bytes::from_static(b"loose")).await?;
        let (content, mut commit) = self.manifest_of(&needed, 2)?;
        let manifest = manifest_key(&content);
        let tag = Record::Tag(self.parsed_tag("v1")?, content.digest().clone());
        commit.changes.push(Change::Put(tag.clone()));
        let outcome = backend.link(&path, content, commit).await;
        self.committed(outcome, "leave what is linked")?;
        let (needed, loose) = (RecordKey::Blob(needed), RecordKey::Blob(loose));
        let keys = [manifest.clone(), needed.clone(), loose.clone()];
        let report = self.ok(backend.collect(&GcOptions::default()).await)?;
        self.that(
            (report.manifests, report.blobs) == (0, 0),
            "leave what was pushed within the grace",
        )?;
        let report = self.ok(backend.collect(&now().with_dry_run(true)).await)?;
        self.that(
            (report.manifests, report.blobs) == (0, 1),
            "count when they are dry",
        )?;
        let values = self.ok(backend.values(&path, &keys).await)?;
        self.that(
            values.iter().all(Option::is_some),
            "remove nothing when they are dry",
        )?;
        let report = self.ok(backend.collect(&now()).await)?;
        self.that(
            (report.manifests, report.blobs) == (0, 1),
            "tell what they remove",
        )?;
        let there = self.there(backend, &path, &keys).await?;
        self.that(there == [true, true, false], "remove what no manifest needs")?;
        let outcome = backend.commit(&path, self.remove(tag.key())?).await;
        self.committed(outcome, "leave tags alone")?;
        let report = self.ok(backend.collect(&now()).await)?;
        self.that(report.manifests == 0, "leave manifests without a tag")?;
        let report = self.ok(backend.collect(&now().with_untagged(true)).await)?;
        self.that(
            (report.manifests, report.blobs) == (1, 1),
            "remove them if they are to",
        )?;
        let exists = self.ok(backend.exists(&path).await)?;
        self.that(!exists, "leave nothing behind")
    }

    async fn there(
        &self,
        backend: &dyn Backend,
        path: &crate::RepositoryPath,
        keys: &[RecordKey],
    ) -> Result<Vec<bool>, ConformanceFailure> {
        let values = self.ok(backend.values(path, keys).await)?;
        Ok(values.iter().map(Option::is_some).collect())
    }
}

pub(super) fn manifest_key(content: &NewContent) -> RecordKey {
    RecordKey::Manifest(content.digest().clone())
}

fn index(position: u64) -> usize {
    usize::try_from(position).unwrap_or(usize::MAX)
}
