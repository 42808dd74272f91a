use std::time::Duration;

use bytes::Bytes;
use wharf_content::{Error, ErrorKind};
use wharf_reference::Algorithm;

use super::{ConformanceFailure, Run, collect, session_of, stream};
use crate::{
    Backend, BlobRecord, Incoming, NewContent, Record, RecordKey, UploadLimits, UploadOwner, UploadSession,
    Uploads, UploadsOf, Usage, Written,
};

const OPEN_UPLOAD: &str = "0123456789abcdef0123456789abcdef";
const KEPT: &str = "kept/after/closing";

impl Run {
    /// Writes chunks to an upload whose bytes are hashed.
    pub(super) async fn write(
        &self,
        uploads: &dyn Uploads,
        id: &str,
        offset: u64,
        chunks: &[&'static [u8]],
    ) -> Result<Written, Error> {
        let chunks = chunks.iter().map(|chunk| Ok(Bytes::from_static(chunk)));
        let incoming = Incoming::new(stream(chunks.collect())).with_algorithm(Algorithm::Sha256);
        uploads.write(id, offset, incoming).await
    }

    fn conflicts<T>(&mut self, result: Result<T, Error>, message: &str) -> Result<(), ConformanceFailure> {
        let conflicts = matches!(result, Err(error) if error.kind() == ErrorKind::Conflict);
        self.that(conflicts, message)
    }

    pub(super) async fn sessions(&mut self, backend: &dyn Backend) -> Result<(), ConformanceFailure> {
        self.case = "sessions";
        let (path, other) = (self.path("sessions")?, self.path("sessions/other")?);
        let [a, b, c, unseen] = self.ids()?;
        let resumed = self.ok(backend.resume(&a).await)?;
        let status = self.ok(backend.status(&a).await)?;
        self.that(resumed.is_none() && status.is_none(), "are none in the beginning")?;
        self.ok(backend.discard(&a).await)?;
        let (of_bob, of_eve) = (session_of("bob", &path), session_of("eve", &path));
        let elsewhere = UploadSession::new(other.clone(), of_bob.owner.clone(), Algorithm::Sha512);
        for (id, session) in [(&a, &of_bob), (&b, &of_eve), (&c, &elsewhere)] {
            self.ok(backend.begin(id, Some(session)).await)?;
        }
        self.ok(backend.begin(&unseen, None).await)?;
        for (id, session) in [(&a, &of_bob), (&b, &of_eve), (&c, &elsewhere)] {
            let upload = self.resume(backend, id).await?;
            self.that(upload.session == *session, "are what they were begun with")?;
            self.that(upload.offset == 0, "begin empty")?;
        }
        let resumed = self.ok(backend.resume(&unseen).await)?;
        self.that(resumed.is_none(), "are those of clients")?;
        for (of, expected) in [
            (UploadsOf::Repository(&path), vec![&a, &b]),
            (UploadsOf::Repository(&other), vec![&c]),
            (UploadsOf::Owner(&of_bob.owner), vec![&a, &c]),
            (UploadsOf::Owner(&UploadOwner::Anonymous(None)), vec![]),
        ] {
            let open = self.ok(backend.open(of).await)?;
            let mut open = open.iter().map(|upload| &upload.id).collect::<Vec<_>>();
            let mut expected = expected;
            open.sort_unstable();
            expected.sort_unstable();
            self.that(open == expected, "are listed by repository and by owner")?;
        }
        for (repository, owner, begins) in [
            (3, None, true),
            (2, None, false),
            (3, Some(2), false),
            (3, Some(3), true),
        ] {
            let id = self.ok(crate::random::id())?;
            let limits = UploadLimits { repository, owner };
            let begun = self.ok(backend.begin_within(&id, &of_bob, limits).await)?;
            self.that(begun == begins, "are no more than the limits say")?;
            let resumed = self.ok(backend.resume(&id).await)?;
            self.that(
                resumed.is_some() == begins,
                "begin where there is room, and nowhere else",
            )?;
            self.ok(backend.discard(&id).await)?;
        }
        let written = self.write(backend, &a, 0, &[b"12345"]).await;
        self.ok(written)?;
        let usage = self.ok(backend.usage(&path, Some("bob")).await)?;
        let expected = Usage {
            repository: 5,
            user: 5,
        };
        self.that(usage == expected, "count against quotas")?;
        self.ok(backend.discard(&a).await)?;
        let resumed = self.ok(backend.resume(&a).await)?;
        self.that(resumed.is_none(), "are gone when they are discarded")?;
        let usage = self.ok(backend.usage(&path, Some("bob")).await)?;
        self.that(usage == Usage::default(), "count no more then")?;
        let written = self.write(backend, &a, 5, &[b"6"]).await;
        self.missing(written, "take nothing then")?;
        self.ok(backend.expire(Duration::from_secs(3600)).await)?;
        self.resume(backend, &b).await?;
        self.ok(backend.expire(Duration::ZERO).await)?;
        for id in [&b, &c] {
            let resumed = self.ok(backend.resume(id).await)?;
            self.that(resumed.is_none(), "expire")?;
        }
        self.ok(backend.discard(&unseen).await)
    }

    fn ids(&self) -> Result<[String; 4], ConformanceFailure> {
        let id = || self.ok(crate::random::id());
        Ok([id()?, id()?, id()?, id()?])
    }

    pub(super) async fn writes(&mut self, backend: &dyn Backend) -> Result<(), ConformanceFailure> {
        self.case = "writes";
        let path = self.path("writes")?;
        let [id, ..] = self.ids()?;
        let session = session_of("bob", &path);
        self.ok(backend.begin(&id, Some(&session)).await)?;
        let mut offset = 0;
        for (chunks, end) in [
            (&[&b"012"[..], b"", b"345"][..], 6),
            (&[b"6789"], 10),
            (&[], 10),
            (&[b"x"], 11),
        ] {
            let written = self.write(backend, &id, offset, chunks).await;
            let written = self.ok(written)?;
            self.that(
                written.offset == end && written.failure.is_none(),
                "move the offset by what came",
            )?;
            offset = end;
            let upload = self.resume(backend, &id).await?;
            self.that(upload.offset == end, "are seen by the next request")?;
            for hasher in [written.hasher, upload.hasher].into_iter().flatten() {
                let whole = b"0123456789x".get(..usize::try_from(end).unwrap_or_default());
                let expected = self.proof(Algorithm::Sha256, whole.unwrap_or_default())?;
                let hashed = self.ok(hasher.prove())?;
                self.that(hashed == expected, "are hashed")?;
            }
        }
        for wrong in [0, 10, 12] {
            let written = self.write(backend, &id, wrong, &[b"yz"]).await;
            self.conflicts(written, "begin where the upload ends")?;
        }
        let upload = self.resume(backend, &id).await?;
        self.that(upload.offset == 11, "at another offset keep nothing")?;
        let bytes = self.ok(backend.read_upload(&id).await)?;
        let bytes = self.ok(collect(bytes).await)?;
        self.that(bytes == b"0123456789x", "can be read again")?;
        let proof = self.proof(Algorithm::Sha256, b"0123456789x")?;
        let key = RecordKey::Blob(proof.digest().clone());
        let record = Record::Blob(proof.digest().clone(), BlobRecord::new(11));
        let content = NewContent::Upload(id.clone(), proof);
        let outcome = backend.link(&path, content, self.put(record)?).await;
        self.committed(outcome, "become content")?;
        let resumed = self.ok(backend.resume(&id).await)?;
        self.that(resumed.is_none(), "end with that")?;
        let written = self.write(backend, &id, 11, &[b"more"]).await;
        self.missing(written, "end with that for late writers, too")?;
        let usage = self.ok(backend.usage(&path, Some("bob")).await)?;
        self.that((usage.repository, usage.user) == (11, 0), "count once")?;
        let stored = self.linked(backend, &path, key.clone()).await?;
        let bytes = self.read(backend, &stored, 0..11).await?;
        self.that(bytes == b"0123456789x", "are the content")?;
        let outcome = backend.commit(&path, self.remove(key)?).await;
        self.committed(outcome, "are unlinked")
    }

    pub(super) async fn broken_writes(&mut self, backend: &dyn Backend) -> Result<(), ConformanceFailure> {
        self.case = "writes that break off";
        let path = self.path("writes")?;
        let [id, ..] = self.ids()?;
        let session = session_of("ada", &path);
        self.ok(backend.begin(&id, Some(&session)).await)?;
        let written = self.write(backend, &id, 0, &[b"0123"]).await;
        self.ok(written)?;
        let broken = || Err(Error::new(ErrorKind::Cancelled, "the client has gone"));
        let chunks = vec![
            Ok(Bytes::from_static(b"456")),
            Ok(Bytes::from_static(b"7")),
            broken(),
        ];
        let incoming = Incoming::new(stream(chunks)).with_algorithm(Algorithm::Sha256);
        let written = self.ok(backend.write(&id, 4, incoming).await)?;
        let failure = written.failure.as_ref().map(Error::kind);
        self.that(
            failure == Some(ErrorKind::Cancelled),
            "tell the failure of the stream",
        )?;
        self.that((4..=8).contains(&written.offset), "keep no more than what came")?;
        let upload = self.resume(backend, &id).await?;
        self.that(upload.offset == written.offset, "are where they are said to be")?;
        let rest = b"0123456789".get(usize::try_from(upload.offset).unwrap_or_default()..);
        let chunks = vec![Ok(Bytes::from_static(rest.unwrap_or_default()))];
        let incoming = Incoming::new(stream(chunks)).with_algorithm(Algorithm::Sha256);
        let written = self.ok(backend.write(&id, upload.offset, incoming).await)?;
        self.that(written.offset == 10, "go on")?;
        let expected = self.proof(Algorithm::Sha256, b"0123456789")?;
        if let Some(hasher) = written.hasher {
            let hashed = self.ok(hasher.prove())?;
            self.that(hashed == expected, "are hashed right")?;
        }
        let bytes = self.ok(backend.read_upload(&id).await)?;
        let bytes = self.ok(collect(bytes).await)?;
        self.that(bytes == b"0123456789", "are whole in the end")?;
        self.ok(backend.discard(&id).await)
    }

    /// Leaves a session with four bytes.
    pub(super) async fn leave_session(&mut self, backend: &dyn Backend) -> Result<(), ConformanceFailure> {
        self.case = "sessions that are left behind";
        let session = session_of("ada", &self.path(KEPT)?);
        self.ok(backend.begin(OPEN_UPLOAD, Some(&session)).await)?;
        let written = self.write(backend, OPEN_UPLOAD, 0, &[b"1234"]).await;
        let written = self.ok(written)?;
        self.that(written.offset == 4, "are safe")
    }

    /// Looks for the session that [`Run::leave_session`] left, and goes on with it.
    pub(super) async fn find_session(&mut self, backend: &dyn Backend) -> Result<(), ConformanceFailure> {
        let path = self.path(KEPT)?;
        let upload = self.resume(backend, OPEN_UPLOAD).await?;
        self.that(upload.session == session_of("ada", &path), "sessions do")?;
        self.that(upload.offset == 4, "and their bytes")?;
        let open = self.ok(backend.open(UploadsOf::Repository(&path)).await)?;
        self.that(open.len() == 1, "and are listed")?;
        let written = self.write(backend, OPEN_UPLOAD, 4, &[b"5678"]).await;
        let written = self.ok(written)?;
        self.that(written.offset == 8, "and go on")?;
        if let Some(hasher) = written.hasher {
            let (hashed, expected) = (
                self.ok(hasher.prove())?,
                self.proof(Algorithm::Sha256, b"12345678")?,
            );
            self.that(hashed == expected, "and are hashed right")?;
        }
        let bytes = self.ok(backend.read_upload(OPEN_UPLOAD).await)?;
        let bytes = self.ok(collect(bytes).await)?;
        self.that(bytes == b"12345678", "and are whole")
    }
}
