//! Upload sessions, from the first chunk to the blob.

use std::sync::Arc;

use http::{HeaderName, Response, StatusCode, header};
use wharf_content::{Error, ErrorKind, Hasher};
use wharf_reference::Digest;

use super::{DIGEST, RepositoryRequest, digest_value, empty, upload_body::Claimant, value};
use crate::{
    Body, ErrorCode, NewContent, Upload,
    body::RequestBody,
    error::{ApiError, ApiResult},
    route::parse_digest,
    state::{Claimed, PushError},
};

const UPLOAD_ID: HeaderName = HeaderName::from_static("docker-upload-uuid");

impl RepositoryRequest<'_> {
    /// GET of a session (distribution-spec, end-13).
    pub(super) async fn upload_status(&self, id: &str) -> ApiResult {
        let upload = self.registry.state.backend.status(id).await?;
        let upload = self.own(id, upload).await?;
        self.progress(StatusCode::NO_CONTENT, id, &upload)
    }

    /// DELETE of a session (distribution-spec, end-14). A request that is writing to the session is
    /// cancelled, and the session ends when that request has ended: a client that breaks off an upload cannot
    /// know whether the registry has noticed.
    pub(super) async fn cancel_upload(&self, id: &str) -> ApiResult {
        self.session(id).await?;
        let state = Arc::clone(&self.registry.state);
        match state.writers.claim(id) {
            Claimed::Yes(_claim) => state.backend.discard(id).await?,
            Claimed::Cancelled => return Err(no_session()),
            Claimed::Busy => {
                let running = state.writers.cancel(id);
                let id = id.to_owned();
                // A failure leaves a session without its client, which expires.
                drop(tokio::spawn(async move {
                    if let Some(running) = running {
                        drop(running.lock_owned().await);
                    }
                    let discarded = state.backend.discard(&id).await;
                    state.writers.forget(&id);
                    discarded
                }));
            }
        }
        Ok(empty(StatusCode::NO_CONTENT))
    }

    /// PATCH: takes a chunk, or a stream without `Content-Range` (distribution-spec, *Pushing a blob in
    /// chunks*).
    pub(super) async fn continue_upload(&self, id: &str, body: RequestBody) -> ApiResult {
        let mut claimant = self.claim(id).await?;
        self.receive(&mut claimant, None, body).await?;
        self.progress(StatusCode::ACCEPTED, id, &claimant.upload)
    }

    /// PUT: receives the rest of the bytes and closes the session.
    pub(super) async fn finish_upload(&self, id: &str, body: RequestBody) -> ApiResult {
        let digest = self
            .query
            .value("digest")
            .ok_or_else(|| ApiError::bad(ErrorCode::DigestInvalid, "the digest is missing"))?;
        let digest = parse_digest(digest)?;
        let claimant = self.claim(id).await?;
        self.finish(claimant, digest, body).await
    }

    pub(super) async fn finish(
        &self,
        mut claimant: Claimant,
        digest: Digest,
        body: RequestBody,
    ) -> ApiResult {
        self.receive(&mut claimant, Some(&digest), body).await?;
        let Claimant { claim, upload } = claimant;
        if let Err(failure) = self.commit(claim.id(), upload, &digest).await {
            // A client that is asked to come again finds its bytes.
            if !failure.is_temporary() {
                self.registry.state.discard(claim.id()).await;
            }
            return Err(failure);
        }
        self.created(&digest)
    }

    /// Makes a finished upload a blob of this repository, if it has the digest.
    async fn commit(&self, id: &str, upload: Upload, digest: &Digest) -> Result<(), ApiError> {
        let state = &self.registry.state;
        let fits =
            |hasher: &Hasher| hasher.algorithm() == digest.algorithm() && hasher.count() == upload.offset;
        let content = match upload.hasher.filter(fits) {
            Some(hasher) => hasher.prove()?,
            None => state.rehash(id, digest.algorithm()).await.map_err(gone)?,
        };
        if content.digest() != digest {
            return Err(ApiError::bad(
                ErrorCode::DigestInvalid,
                "the content does not have this digest",
            ));
        }
        let record = self.blob_record(content.size());
        let event = self.blob_event(digest, content.size(), None)?;
        let content = NewContent::Upload(id.to_owned(), content);
        match state
            .link_blob(&self.path, content, record, Some(&self.quota()), event)
            .await
        {
            Ok(true) => Ok(()),
            Ok(false) => Err(no_session()),
            Err(PushError::Storage(error)) => Err(gone(error)),
            Err(error) => Err(error.into()),
        }
    }

    /// The session with this id, if this client opened it in this repository.
    pub(super) async fn session(&self, id: &str) -> Result<Upload, ApiError> {
        let upload = self.registry.state.backend.resume(id).await?;
        self.own(id, upload).await
    }

    /// The upload, if it is this client's in this repository, and has not expired.
    async fn own(&self, id: &str, upload: Option<Upload>) -> Result<Upload, ApiError> {
        let state = &self.registry.state;
        let upload = upload.filter(|upload| {
            upload.session.repository == self.path
                && upload.session.user() == self.principal.user.as_deref()
                && !state.writers.is_cancelled(id)
        });
        let upload = upload.ok_or_else(no_session)?;
        if upload.idle >= self.registry.config.limits.upload_expiry {
            state.backend.discard(id).await?; // it has expired, although it counts as used now
            return Err(no_session());
        }
        Ok(upload)
    }

    pub(super) fn progress(&self, status: StatusCode, id: &str, upload: &Upload) -> ApiResult {
        let mut response = empty(status);
        let headers = response.headers_mut();
        headers.insert(header::LOCATION, self.location(&format!("blobs/uploads/{id}"))?);
        headers.insert(header::RANGE, value(kept_range(upload))?);
        headers.insert(UPLOAD_ID, value(id)?);
        Ok(response)
    }

    pub(super) fn created(&self, digest: &Digest) -> Result<Response<Body>, ApiError> {
        let mut response = empty(StatusCode::CREATED);
        let headers = response.headers_mut();
        headers.insert(header::LOCATION, self.location(&format!("blobs/{digest}"))?);
        headers.insert(DIGEST, digest_value(digest)?);
        Ok(response)
    }
}

pub(super) fn no_session() -> ApiError {
    ApiError::missing(ErrorCode::BlobUploadUnknown, "no such upload")
}

/// The failure that a client gets for an error of the backend: a missing upload if the upload's bytes are
/// gone ([`ErrorKind::NotFound`]), else the error itself.
fn gone(error: Error) -> ApiError {
    match error.kind() {
        ErrorKind::NotFound => no_session(),
        _ => error.into(),
    }
}

/// The stored bytes as a `Range` header; `0-0` for none, as other registries say it.
pub(super) fn kept_range(upload: &Upload) -> String {
    format!("0-{}", upload.offset.saturating_sub(1))
}
