//! The beginning of uploads: sessions, single requests and mounts.

use std::sync::Arc;

use http::StatusCode;
use wharf_content::Error;
use wharf_reference::{Algorithm, Digest};

use super::RepositoryRequest;
use crate::{
    Action, BlobRecord, ErrorCode, Registry, RepositoryPath,
    body::RequestBody,
    error::{ApiError, ApiResult},
    route::parse_digest,
    state::Session,
};

/// The most repositories that are searched for a blob when the client names none.
const HOLDERS: usize = 1000;

impl RepositoryRequest<'_> {
    /// POST: opens a session, takes a whole blob, or mounts one (distribution-spec, *Pushing blobs* and
    /// *Mounting a blob from another repository*).
    pub(super) async fn begin_upload(&self, body: RequestBody) -> ApiResult {
        let digest = self.query.value("digest").map(parse_digest).transpose()?;
        // No blob has a digest that cannot be one: as every mount that cannot be done, it becomes an upload.
        let mount = self
            .query
            .value("mount")
            .and_then(|mount| parse_digest(mount).ok());
        if let Some(mount) = &mount
            && let Some(size) = self.mountable(mount)
            && self.mount(mount, size).await?
        {
            return self.created(mount);
        }
        let algorithm = match (&digest, &mount, self.query.value("digest-algorithm")) {
            (Some(digest), _, _) | (None, Some(digest), None) => digest.algorithm(),
            (None, _, Some("sha256")) | (None, None, None) => Algorithm::Sha256,
            (None, _, Some("sha512")) => Algorithm::Sha512,
            (None, _, Some(_)) => {
                return Err(ApiError::bad(
                    ErrorCode::DigestInvalid,
                    "this digest algorithm is not supported; use sha256 or sha512",
                ));
            }
        };
        self.expire().await?;
        self.make_room().await?;
        let session = Session::new(self.path.clone(), self.owner(), algorithm);
        let (id, session) = self.registry.state.begin(session).await?;
        match digest {
            Some(digest) => {
                let outcome = self.finish(&id, session, digest, body).await;
                if outcome.is_err() {
                    self.registry.state.abandon(&id).await?;
                }
                outcome
            }
            None => self.progress(StatusCode::ACCEPTED, &id, &session),
        }
    }

    /// The size of a blob, in bytes, that may be mounted: the blob is in a repository that the client may
    /// pull from. Blobs of other repositories are treated as missing.
    fn mountable(&self, digest: &Digest) -> Option<u64> {
        let state = &self.registry.state;
        let authentication = &self.registry.config.authentication;
        if let Some(from) = self.query.value("from") {
            let path = RepositoryPath::parse(from).ok()?; // no name, so nothing is there
            let repository = state
                .existing(&path)
                .filter(|_| authentication.allows(&self.principal, &path, Action::Pull));
            return repository?.touch_blob(digest);
        }
        let holders = state.aggregates.holders_of(digest, HOLDERS);
        let mut lenders = holders
            .iter()
            .filter(|path| authentication.lends(&self.principal, path));
        lenders.find_map(|path| state.existing(path)?.touch_blob(digest))
    }

    /// Links content of another repository. `false` if the content is gone.
    async fn mount(&self, digest: &Digest, size: u64) -> Result<bool, ApiError> {
        let state = &self.registry.state;
        let present = state.hold_content().await;
        if !state.is_present(digest, size).await? {
            return Ok(false);
        }
        let quota = self.quota().with_blob(state, digest);
        let reservation = quota.reserve(state, size)?;
        let record = self.blob_record(size);
        let held = (present, Some(reservation));
        state.link_blob(&self.path, digest, record, None, held).await?;
        Ok(true)
    }

    /// The record of a blob that the client pushes.
    pub(super) fn blob_record(&self, size: u64) -> BlobRecord {
        BlobRecord {
            size,
            user: self.principal.user.as_deref().map(Box::from),
        }
    }

    /// Drops expired sessions.
    async fn expire(&self) -> Result<(), ApiError> {
        expire(self.registry).await.map_err(ApiError::from)
    }
}

/// Drops the upload sessions that have not been used for longer than the limit.
pub(crate) async fn expire(registry: &Registry) -> Result<(), Error> {
    let expiry = registry.config.limits.upload_expiry;
    let idle = registry
        .state
        .uploads()
        .iter()
        .filter(|(_, session)| session.idle() >= expiry)
        .map(|(id, session)| (id.clone(), Arc::clone(&session.progress)))
        .collect::<Vec<_>>();
    for (id, progress) in idle {
        if let Ok(mut progress) = progress.try_lock_owned() {
            progress.ended = true;
            registry.state.abandon(&id).await?;
        }
    }
    Ok(())
}
