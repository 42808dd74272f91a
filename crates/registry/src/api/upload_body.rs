//! Receives the body of a request into an upload session.

use std::sync::Arc;

use http::{StatusCode, header};
use http_body::Body as _;
use tokio::sync::OwnedMutexGuard;
use wharf_content::{ErrorKind, Hasher};
use wharf_reference::Digest;

use super::{
    RepositoryRequest,
    receive::{Intake, content_length},
    session::{kept_range, no_session},
    value,
};
use crate::{
    ErrorCode,
    body::RequestBody,
    error::ApiError,
    range,
    state::{Session, UploadProgress},
};

/// The facts about a request's body that are known before it is read.
struct Announced<'a> {
    /// The length in bytes, if the request has a `Content-Range`.
    length: Option<u64>,
    /// The digest of the blob that the upload is to become, if the upload ends with this body.
    digest: Option<&'a Digest>,
}

impl RepositoryRequest<'_> {
    /// Receives a body at the end of what the session has, alone among the requests for the session. `digest`
    /// is that of the blob, if the upload ends with this body.
    pub(super) async fn receive(
        &self,
        id: &str,
        session: &Arc<Session>,
        digest: Option<&Digest>,
        body: RequestBody,
    ) -> Result<OwnedMutexGuard<UploadProgress>, ApiError> {
        let mut progress = self.claim(id, session)?;
        let length = self.check_range(id, session, &progress)?;
        if progress.offset == 0 {
            match digest {
                Some(digest) => progress.hasher = Some(Hasher::new(digest.algorithm())?),
                None if progress.hasher.is_none() => progress.hasher = Some(Hasher::new(session.algorithm)?),
                None => {}
            }
        }
        let announced = Announced { length, digest };
        self.take(id, session, &mut progress, body, announced).await?;
        Ok(progress)
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
}
