//! Upload sessions, from the first chunk to the blob.

use std::sync::Arc;

use http::{HeaderName, Response, StatusCode, header};
use http_body::Body as _;
use tokio::sync::OwnedMutexGuard;
use wharf_content::{Error, ErrorKind, Hasher};
use wharf_reference::Digest;

use super::{
    DIGEST, RepositoryRequest, digest_value, empty,
    receive::{Intake, content_length},
    value,
};
use crate::{
    Body, ErrorCode,
    body::RequestBody,
    error::{ApiError, ApiResult},
    range,
    route::parse_digest,
    state::{RegistryState, Session, UploadProgress},
};

const UPLOAD_ID: HeaderName = HeaderName::from_static("docker-upload-uuid");

/// The facts about a request's body that are known before it is read.
struct Announced<'a> {
    /// The length in bytes, if the request has a `Content-Range`.
    length: Option<u64>,
    /// The digest of the blob that the upload is to become, if the upload ends with this body.
    digest: Option<&'a Digest>,
}

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
        let mut progress = self.claim(id, &session)?;
        let expected = self.check_range(id, &session, &progress)?;
        if progress.hasher.is_none() && progress.offset == 0 {
            progress.hasher = Some(Hasher::new(session.algorithm)?);
        }
        self.take(
            id,
            &session,
            &mut progress,
            body,
            Announced {
                length: expected,
                digest: None,
            },
        )
        .await?;
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
        let mut progress = self.claim(id, &session)?;
        let expected = self.check_range(id, &session, &progress)?;
        if progress.offset == 0 {
            progress.hasher = Some(Hasher::new(digest.algorithm())?);
        }
        self.take(
            id,
            &session,
            &mut progress,
            body,
            Announced {
                length: expected,
                digest: Some(&digest),
            },
        )
        .await?;
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

    /// Receives the body into the upload. On success and on failure the session records how many bytes are
    /// stored.
    async fn take(
        &self,
        id: &str,
        session: &Arc<Session>,
        progress: &mut UploadProgress,
        body: RequestBody,
        announced: Announced<'_>,
    ) -> Result<(), ApiError> {
        let Announced {
            length: expected,
            digest,
        } = announced;
        if body.is_end_stream() && expected.is_none() {
            return Ok(());
        }
        let limits = &self.registry.config.limits;
        let end = expected.map(|length| progress.offset.saturating_add(length));
        let mut intake = Intake {
            backend: Arc::clone(&self.registry.state.backend),
            upload: id.to_owned(),
            offset: progress.offset,
            hasher: progress.hasher.take(),
            limit: [limits.blob, end].into_iter().flatten().min(),
            account: self.account(session, digest),
            idle: limits.idle,
        };
        let mut outcome = intake.take(body).await;
        let kept = match intake.backend.flush(&intake.upload).await {
            Ok(kept) => kept.min(intake.offset),
            Err(error) if error.kind() == ErrorKind::NotFound => {
                progress.ended = true;
                self.registry.state.abandon(id).await?;
                return Err(no_session());
            }
            Err(error) => {
                outcome = outcome.and(Err(error.into()));
                0 // what was kept is not known, so nothing is
            }
        };
        if kept != intake.offset {
            outcome = outcome.and(Err(ApiError::new(
                StatusCode::INTERNAL_SERVER_ERROR,
                ErrorCode::Unknown,
                "the registry's storage failed",
            )));
        }
        if outcome.is_ok() && end.is_some_and(|end| end != kept) {
            outcome = Err(ApiError::bad(
                ErrorCode::SizeInvalid,
                "the chunk is shorter than its range",
            ));
        }
        progress.hasher = intake.hasher.filter(|hasher| hasher.count() == kept);
        progress.offset = kept;
        session.acknowledge(kept);
        outcome
    }

    /// Counts received bytes against the quotas at once, so that concurrent uploads do not exceed them
    /// together.
    fn account(
        &self,
        session: &Arc<Session>,
        digest: Option<&Digest>,
    ) -> Box<dyn Fn(u64) -> Result<(), ApiError> + Send + Sync> {
        let state = Arc::clone(&self.registry.state);
        let quota = match digest {
            Some(digest) => self.quota().with_blob(&state, digest),
            None => self.quota(),
        };
        let session = Arc::clone(session);
        Box::new(move |received| {
            session.receive(received);
            if session.is_cancelled() {
                return Err(no_session());
            }
            Ok(quota.check_uploads(&state)?)
        })
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

    /// The lock with which one request at a time writes to a session.
    fn claim(&self, id: &str, session: &Session) -> Result<OwnedMutexGuard<UploadProgress>, ApiError> {
        let claimed = Arc::clone(&session.progress).try_lock_owned();
        let progress = claimed.map_err(|_| self.out_of_step(StatusCode::CONFLICT, id, session))?;
        if progress.ended {
            return Err(no_session());
        }
        Ok(progress)
    }

    /// The length of the chunk in bytes, if the request states it. Fails if the chunk does not begin where
    /// the last one ended.
    fn check_range(
        &self,
        id: &str,
        session: &Session,
        progress: &UploadProgress,
    ) -> Result<Option<u64>, ApiError> {
        let range = range::content_range(self.headers)
            .map_err(|()| ApiError::bad(ErrorCode::BlobUploadInvalid, "invalid Content-Range"))?;
        let Some(range) = range else {
            return Ok(None);
        };
        if range.start != progress.offset {
            return Err(self.out_of_step(StatusCode::RANGE_NOT_SATISFIABLE, id, session));
        }
        let length = range.end - range.start;
        if content_length(self.headers).is_some_and(|announced| announced != length) {
            return Err(ApiError::bad(
                ErrorCode::SizeInvalid,
                "Content-Length and Content-Range differ",
            ));
        }
        Ok(Some(length))
    }

    fn out_of_step(&self, status: StatusCode, id: &str, session: &Session) -> ApiError {
        let mut failure = ApiError::new(
            status,
            ErrorCode::BlobUploadInvalid,
            "the chunk does not begin where the stored bytes end",
        );
        if let Ok(location) = self.location(&format!("blobs/uploads/{id}")) {
            failure = failure.with_header(header::LOCATION, location);
        }
        match value(kept_range(session)) {
            Ok(range) => failure.with_header(header::RANGE, range),
            Err(_) => failure,
        }
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

fn no_session() -> ApiError {
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
fn kept_range(session: &Session) -> String {
    format!("0-{}", session.acknowledged().saturating_sub(1))
}
