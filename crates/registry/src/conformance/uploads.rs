use bytes::Bytes;
use wharf_content::ErrorKind;
use wharf_reference::Algorithm;

use super::{ConformanceFailure, Run};
use crate::{Content, Uploads};

const OPEN_UPLOAD: &str = "0123456789abcdef";
const OPEN_NOTE: &str = "{\"note\":\"of an open upload\"}";

impl Run {
    pub(super) async fn no_uploads(&mut self, uploads: &dyn Uploads) -> Result<(), ConformanceFailure> {
        self.case = "uploads in the beginning";
        let listed = self.ok(uploads.uploads().await)?;
        self.that(listed.is_empty(), "are none")?;
        self.missing(uploads.flush("00").await, "say NotFound")?;
        self.ok(uploads.discard("00").await)?;
        self.that(true, "are discarded although they are not there")
    }

    pub(super) async fn uploads(
        &mut self,
        content: &dyn Content,
        uploads: &dyn Uploads,
        algorithm: Algorithm,
    ) -> Result<(), ConformanceFailure> {
        self.case = "uploads";
        let id = match algorithm {
            Algorithm::Sha256 => "a1",
            _ => "a2",
        };
        self.ok(uploads.begin(id, "a note").await)?;
        let length = self.ok(uploads.flush(id).await)?;
        self.that(length == 0, "begin empty")?;
        let listed = self.ok(uploads.uploads().await)?;
        self.that(
            listed == [(id.to_owned(), "a note".to_owned())],
            "are listed with their notes",
        )?;
        let part = |text: &'static [u8]| Bytes::from_static(text);
        self.ok(uploads
            .append(id, 0, vec![part(b"012"), part(b""), part(b"345")])
            .await)?;
        self.ok(uploads.append(id, 6, vec![part(b"xyz")]).await)?;
        self.ok(uploads.append(id, 6, vec![part(b"6789")]).await)?;
        let bytes = self.read_upload(uploads, id).await?;
        self.that(
            bytes == b"0123456789",
            "grow at the end, and forget what lay beyond an offset",
        )?;
        let gap = uploads.append(id, 11, vec![part(b"x")]).await;
        self.that(gap.is_err(), "have no gaps")?;
        let length = self.ok(uploads.length(id).await)?;
        self.that(length == Some(10), "say their length")?;
        let length = self.ok(uploads.flush(id).await)?;
        self.that(length == 10, "know their length")?;
        let proof = self.proof(algorithm, b"0123456789")?;
        let other = self.proof(algorithm, b"012345678")?;
        let finished = uploads.finish(id, &other).await;
        let refused = matches!(finished, Err(error) if error.kind() == ErrorKind::Mismatch);
        self.that(refused, "do not become content of another length")?;
        self.ok(uploads.finish(id, &proof).await)?;
        self.missing(uploads.flush(id).await, "are gone when they have become content")?;
        let length = self.ok(uploads.length(id).await)?;
        self.that(length.is_none(), "and have no length then")?;
        let size = self.ok(content.size(proof.digest()).await)?;
        self.that(size == Some(10), "become content")?;
        self.ok(content.remove(proof.digest()).await)?;
        self.ok(uploads.begin("d4", "").await)?;
        self.ok(uploads.discard("d4").await)?;
        let listed = self.ok(uploads.uploads().await)?;
        self.that(listed.is_empty(), "are gone when they are discarded")
    }

    /// Leaves an upload with four bytes that have been flushed.
    pub(super) async fn leave_upload(&mut self, uploads: &dyn Uploads) -> Result<(), ConformanceFailure> {
        self.ok(uploads.begin(OPEN_UPLOAD, OPEN_NOTE).await)?;
        self.ok(uploads
            .append(OPEN_UPLOAD, 0, vec![Bytes::from_static(b"1234")])
            .await)?;
        let length = self.ok(uploads.flush(OPEN_UPLOAD).await)?;
        self.that(length == 4, "is safe")
    }

    /// Looks for the upload that [`Run::leave_upload`] left, and goes on with it.
    pub(super) async fn find_upload(&mut self, uploads: &dyn Uploads) -> Result<(), ConformanceFailure> {
        let listed = self.ok(uploads.uploads().await)?;
        let found = listed.contains(&(OPEN_UPLOAD.into(), OPEN_NOTE.into()));
        self.that(found, "open uploads do, with their notes")?;
        let length = self.ok(uploads.flush(OPEN_UPLOAD).await)?;
        self.that(length == 4, "and what was flushed")?;
        self.ok(uploads
            .append(OPEN_UPLOAD, 4, vec![Bytes::from_static(b"5678")])
            .await)?;
        let bytes = self.read_upload(uploads, OPEN_UPLOAD).await?;
        self.that(bytes == b"12345678", "and they go on")
    }
}
