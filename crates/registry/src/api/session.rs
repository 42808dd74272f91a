//! Upload sessions, from the first chunk to the blob.

use std::sync::Arc;

use http::{HeaderName, Response, StatusCode, header};
use tokio::sync::OwnedMutexGuard;
use wharf_content::{Error, ErrorKind, Hasher};
use wharf_reference::Digest;

use super::{DIGEST, RepositoryRequest, digest_value, empty, value};
use crate::{
    Body, ErrorCode,
    body::RequestBody,
    error::{ApiError, ApiResult},
    route::parse_digest,
    state::{RegistryState, Session, UploadProgress},
};

const UPLOAD_ID: HeaderName = HeaderName::from_static("docker-upload-uuid");

impl RepositoryRequest<'_> {
    /// GET of a session (distribution-spec, end-13).
    pub(super) async fn upload_status(&self, id: &str) -> ApiResult {
        let session = self.session(id)?;
        if self.registry.state.backend.length(id).await?.is_none() {
            return Err(no_session());
        }
        session.touch();
        self.progress(StatusCode::NO_CONTENT, id, &session)
    }

    /// DELETE of a session (distribution-spec, end-14). A request that is writing to the session is
    /// cancelled, and the session ends when that request has ended: a client that breaks off an upload cannot
    /// know whether the registry has noticed.
    pub(super) async fn cancel_upload(&self, id: &str) -> ApiResult {
        let session = self.session(id)?;
        session.cancel();
        let state = Arc::clone(&self.registry.state);
        if let Ok(progress) = Arc::clone(&session.progress).try_lock_owned() {
            end(&state, id, progress).await?;
        } else {
            let (writing, id) = (Arc::clone(&session.progress), id.to_owned());
            // A failure leaves a session that cannot be used, until the registry opens again.
            drop(tokio::spawn(async move {
                end(&state, &id, writing.lock_owned().await).await
            }));
        }
        Ok(empty(StatusCode::NO_CONTENT))
    }

    /// PATCH: takes a chunk, or a stream without `Content-Range` (distribution-spec, *Pushing a blob in
    /// chunks*).
    pub(super) async fn continue_upload(&self, id: &str, body: RequestBody) -> ApiResult {
        let session = self.session(id)?;
        let _progress = self.receive(id, &session, None, body).await?; // until the answer is made
        self.progress(StatusCode::ACCEPTED, id, &session)
    }

    /// PUT: receives the rest of the bytes and closes the session.
    pub(super) async fn finish_upload(&self, id: &str, body: RequestBody) -> ApiResult {
        let digest = self
            .query
            .value("digest")
            .ok_or_else(|| ApiError::bad(ErrorCode::DigestInvalid, "the digest is missing"))?;
        let digest = parse_digest(digest)?;
        let session = self.session(id)?;
        self.finish(id, session, digest, body).await
    }

    pub(super) async fn finish(
        &self,
        id: &str,
        session: Arc<Session>,
        digest: Digest,
        body: RequestBody,
    ) -> ApiResult {
        let mut progress = self.receive(id, &session, Some(&digest), body).await?;
        let outcome = self.commit(id, &mut progress, &digest).await;
        progress.ended = true;
        if outcome.is_err() {
            self.registry.state.abandon(id).await?;
        }
        outcome?;
        self.created(&digest)
    }

    /// Makes a finished upload a blob of this repository, if it has the digest.
    async fn commit(&self, id: &str, progress: &mut UploadProgress, digest: &Digest) -> Result<(), ApiError> {
        let state = &self.registry.state;
        let hasher = progress.hasher.take();
        let fits =
            |hasher: &Hasher| hasher.algorithm() == digest.algorithm() && hasher.count() == progress.offset;
        let content = match hasher.filter(fits) {
            Some(hasher) => hasher.prove()?,
            None => state.rehash(id, digest.algorithm()).await.map_err(gone)?,
        };
        if content.digest() != digest {
            return Err(ApiError::bad(
                ErrorCode::DigestInvalid,
                "the content does not have this digest",
            ));
        }
        let present = state.finish_upload(id, &content).await.map_err(gone)?;
        let record = self.blob_record(progress.offset);
        state
            .link_blob(&self.path, digest, record, Some(id), (present, None))
            .await?;
        Ok(())
    }

    /// The session with this id, if this client opened it in this repository.
    fn session(&self, id: &str) -> Result<Arc<Session>, ApiError> {
        let sessions = self.registry.state.uploads();
        let session = sessions.get(id).filter(|session| {
            session.repository == self.path
                && session.user == self.principal.user
                && !session.is_cancelled()
                && session.idle() < self.registry.config.limits.upload_expiry
        });
        session.cloned().ok_or_else(no_session)
    }

    pub(super) fn progress(&self, status: StatusCode, id: &str, session: &Session) -> ApiResult {
        let mut response = empty(status);
        let headers = response.headers_mut();
        headers.insert(header::LOCATION, self.location(&format!("blobs/uploads/{id}"))?);
        headers.insert(header::RANGE, value(kept_range(session))?);
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

/// Ends a session that did not become a blob, unless it has ended already.
async fn end(
    state: &RegistryState,
    id: &str,
    mut progress: OwnedMutexGuard<UploadProgress>,
) -> Result<(), Error> {
    if !progress.ended {
        progress.ended = true;
        state.abandon(id).await?;
    }
    Ok(())
}

/// The stored bytes as a `Range` header; `0-0` for none, as other registries say it.
pub(super) fn kept_range(session: &Session) -> String {
    format!("0-{}", session.acknowledged().saturating_sub(1))
}
