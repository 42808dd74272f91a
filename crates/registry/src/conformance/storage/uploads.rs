use bytes::Bytes;
use wharf_content::ErrorKind;
use wharf_reference::Algorithm;

use super::super::{ConformanceFailure, Run};
use crate::Storage;

const OPEN_UPLOAD: &str = "0123456789abcdef";
const OPEN_NOTE: &str = "{\"note\":\"of an open upload\"}";

impl Run {
    pub(super) async fn no_uploads(&mut self, storage: &dyn Storage) -> Result<(), ConformanceFailure> {
        self.case = "uploads in the beginning";
        let listed = self.ok(storage.uploads().await)?;
        self.that(listed.is_empty(), "are none")?;
        self.missing(storage.flush("00").await, "say NotFound")?;
        self.ok(storage.discard("00").await)?;
        self.that(true, "are discarded although they are not there")
    }

    pub(super) async fn uploads(
        &mut self,
        storage: &dyn Storage,
        algorithm: Algorithm,
    ) -> Result<(), ConformanceFailure> {
        self.case = "uploads";
        let id = match algorithm {
            Algorithm::Sha256 => "a1",
            _ => "a2",
        };
        self.ok(storage.begin(id, "a note").await)?;
        let length = self.ok(storage.flush(id).await)?;
        self.that(length == 0, "begin empty")?;
        let listed = self.ok(storage.uploads().await)?;
        self.that(
            listed == [(id.to_owned(), "a note".to_owned())],
            "are listed with their notes",
        )?;
        let part = |text: &'static [u8]| Bytes::from_static(text);
        self.ok(storage
            .append(id, 0, vec![part(b"012"), part(b""), part(b"345")])
            .await)?;
        self.ok(storage.append(id, 6, vec![part(b"xyz")]).await)?;
        self.ok(storage.append(id, 6, vec![part(b"6789")]).await)?;
        let bytes = self.read_upload(storage, id).await?;
        self.that(
            bytes == b"0123456789",
            "grow at the end, and forget what lay beyond an offset",
        )?;
        let gap = storage.append(id, 11, vec![part(b"x")]).await;
        self.that(gap.is_err(), "have no gaps")?;
        let length = self.ok(storage.length(id).await)?;
        self.that(length == Some(10), "say their length")?;
        let length = self.ok(storage.flush(id).await)?;
        self.that(length == 10, "know their length")?;
        let proof = self.proof(algorithm, b"0123456789")?;
        let other = self.proof(algorithm, b"012345678")?;
        let finished = storage.finish(id, &other).await;
        let refused = matches!(finished, Err(error) if error.kind() == ErrorKind::Mismatch);
        self.that(refused, "do not become content of another length")?;
        self.ok(storage.finish(id, &proof).await)?;
        self.missing(storage.flush(id).await, "are gone when they have become content")?;
        let length = self.ok(storage.length(id).await)?;
        self.that(length.is_none(), "and have no length then")?;
        let size = self.ok(storage.size(proof.digest()).await)?;
        self.that(size == Some(10), "become content")?;
        self.ok(storage.remove(proof.digest()).await)?;
        self.ok(storage.begin("d4", "").await)?;
        self.ok(storage.discard("d4").await)?;
        let listed = self.ok(storage.uploads().await)?;
        self.that(listed.is_empty(), "are gone when they are discarded")
    }

    /// Leaves an upload with four bytes that have been flushed.
    pub(super) async fn leave_upload(&mut self, storage: &dyn Storage) -> Result<(), ConformanceFailure> {
        self.ok(storage.begin(OPEN_UPLOAD, OPEN_NOTE).await)?;
        self.ok(storage
            .append(OPEN_UPLOAD, 0, vec![Bytes::from_static(b"1234")])
            .await)?;
        let length = self.ok(storage.flush(OPEN_UPLOAD).await)?;
        self.that(length == 4, "is safe")
    }

    /// Looks for the upload that [`Run::leave_upload`] left, and goes on with it.
    pub(super) async fn find_upload(&mut self, storage: &dyn Storage) -> Result<(), ConformanceFailure> {
        let listed = self.ok(storage.uploads().await)?;
        let found = listed.contains(&(OPEN_UPLOAD.into(), OPEN_NOTE.into()));
        self.that(found, "open uploads do, with their notes")?;
        let length = self.ok(storage.flush(OPEN_UPLOAD).await)?;
        self.that(length == 4, "and what was flushed")?;
        self.ok(storage
            .append(OPEN_UPLOAD, 4, vec![Bytes::from_static(b"5678")])
            .await)?;
        let bytes = self.read_upload(storage, OPEN_UPLOAD).await?;
        self.that(bytes == b"12345678", "and they go on")
    }
}
