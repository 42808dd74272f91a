//! Receives the body of a request into an upload session.

use std::sync::Arc;

use http::{StatusCode, header};
use http_body::Body as _;
use wharf_content::{ErrorKind, Hasher};
use wharf_reference::Digest;

use super::{
    RepositoryRequest,
    receive::{Allowing, Rules, UploadBody, content_length},
    session::{kept_range, no_session},
    value,
};
use crate::{
    ErrorCode, Incoming, Upload,
    body::RequestBody,
    error::ApiError,
    range,
    state::{Claim, Claimed},
};

/// A session to which a request writes, alone among the requests of this process.
pub(super) struct Claimant {
    pub(super) claim: Claim,
    pub(super) upload: Upload,
}

impl RepositoryRequest<'_> {
    /// Claims the session with this id for the request.
    pub(super) async fn claim(&self, id: &str) -> Result<Claimant, ApiError> {
        match self.registry.state.writers.claim(id) {
            Claimed::Yes(claim) => {
                let upload = self.session(id).await?;
                Ok(Claimant { claim, upload })
            }
            Claimed::Busy => Err(self.busy(id).await),
            Claimed::Cancelled => Err(no_session()),
        }
    }

    /// Receives a body at the end of what the session has. `digest` is that of the blob, if the upload ends
    /// with this body. On success and on failure the upload records how many bytes are stored.
    pub(super) async fn receive(
        &self,
        claimant: &mut Claimant,
        digest: Option<&Digest>,
        body: RequestBody,
    ) -> Result<(), ApiError> {
        let Claimant { claim, upload } = claimant;
        let length = self.check_range(claim.id(), upload)?;
        let algorithm = digest.map_or(upload.session.algorithm, Digest::algorithm);
        if upload.offset == 0 {
            upload.hasher = Some(Hasher::new(algorithm)?);
        }
        if body.is_end_stream() && length.is_none() {
            return Ok(());
        }
        let limits = &self.registry.config.limits;
        let end = length.map(|length| upload.offset.saturating_add(length));
        let rules = Rules {
            limit: [limits.blob, end].into_iter().flatten().min(),
            idle: limits.idle,
            allow: self.allow(claim, digest).await?,
        };
        let (bytes, failure) = UploadBody::stream(body, rules, upload.offset, claim.received());
        let incoming = Incoming::new(bytes)
            .with_algorithm(algorithm)
            .with_received(claim.received());
        let backend = &self.registry.state.backend;
        let written = match backend.write(claim.id(), upload.offset, incoming).await {
            Ok(written) => written,
            Err(error) if error.kind() == ErrorKind::NotFound => return Err(no_session()),
            Err(error) if error.kind() == ErrorKind::Conflict => return Err(self.busy(claim.id()).await),
            Err(error) => return Err(error.into()),
        };
        upload.offset = written.offset;
        upload.hasher = written.hasher;
        if let Some(failure) = failure.take() {
            return Err(failure);
        }
        if let Some(error) = written.failure {
            return Err(error.into());
        }
        if end.is_some_and(|end| end != upload.offset) {
            return Err(ApiError::bad(
                ErrorCode::SizeInvalid,
                "the chunk is shorter than its range",
            ));
        }
        Ok(())
    }

    /// The length of the chunk in bytes, if the request states it. Fails if the chunk does not begin where
    /// the last one ended.
    fn check_range(&self, id: &str, upload: &Upload) -> Result<Option<u64>, ApiError> {
        let range = range::content_range(self.headers)
            .map_err(|()| ApiError::bad(ErrorCode::BlobUploadInvalid, "invalid Content-Range"))?;
        let Some(range) = range else {
            return Ok(None);
        };
        if range.start != upload.offset {
            return Err(self.out_of_step(StatusCode::RANGE_NOT_SATISFIABLE, id, upload));
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

    /// The check of received bytes against the quotas, as they come, so that concurrent uploads do not exceed
    /// them together.
    async fn allow(
        &self,
        claim: &Claim,
        digest: Option<&Digest>,
    ) -> Result<Box<dyn Fn() -> Allowing + Send + Sync>, ApiError> {
        let state = Arc::clone(&self.registry.state);
        let quota = match digest {
            Some(digest) => self.quota().with_blob(&state, digest).await?,
            None => self.quota(),
        };
        let quota = Arc::new(quota);
        let is_cancelled = claim.cancellation();
        Ok(Box::new(move || {
            let cancelled = is_cancelled();
            let (state, quota) = (Arc::clone(&state), Arc::clone(&quota));
            Box::pin(async move {
                if cancelled {
                    return Err(no_session());
                }
                Ok(quota.check_uploads(&state).await?)
            })
        }))
    }

    /// The failure of a request to a session to which another one writes.
    async fn busy(&self, id: &str) -> ApiError {
        match self.session(id).await {
            Ok(upload) => self.out_of_step(StatusCode::CONFLICT, id, &upload),
            Err(failure) => failure,
        }
    }

    fn out_of_step(&self, status: StatusCode, id: &str, upload: &Upload) -> ApiError {
        let mut failure = ApiError::new(
            status,
            ErrorCode::BlobUploadInvalid,
            "the chunk does not begin where the stored bytes end",
        );
        if let Ok(location) = self.location(&format!("blobs/uploads/{id}")) {
            failure = failure.with_header(header::LOCATION, location);
        }
        match value(kept_range(upload)) {
            Ok(range) => failure.with_header(header::RANGE, range),
            Err(_) => failure,
        }
    }
}
