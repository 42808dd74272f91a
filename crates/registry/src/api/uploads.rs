//! The beginning of uploads: sessions, single requests and mounts.

use http::StatusCode;
use wharf_content::Error;
use wharf_reference::{Algorithm, Digest};

use super::{RepositoryRequest, upload_body::Claimant};
use crate::{
    Action, BlobRecord, ErrorCode, NewContent, Registry, RepositoryPath, StoredContent, Upload,
    UploadSession,
    body::RequestBody,
    error::{ApiError, ApiResult},
    random,
    route::parse_digest,
    state::Claimed,
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
            && let Some((from, content)) = self.mountable(mount).await?
            && self.mount(&from, content).await?
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
        let session = UploadSession::new(self.path.clone(), self.owner(), algorithm);
        let state = &self.registry.state;
        let id = random::id()?;
        let claimed = digest.as_ref().map(|_| state.writers.claim(&id));
        self.open_session(&id, &session).await?;
        let upload = Upload::new(session, 0, None);
        match (digest, claimed) {
            (Some(digest), Some(Claimed::Yes(claim))) => {
                let outcome = self.finish(Claimant { claim, upload }, digest, body).await;
                if outcome.is_err() {
                    state.discard(&id).await; // the client does not know its name
                }
                outcome
            }
            _ => self.progress(StatusCode::ACCEPTED, &id, &upload),
        }
    }

    /// The content of a blob that may be mounted: the blob is in a repository that the client may pull from.
    /// Blobs of other repositories are treated as missing.
    async fn mountable(&self, digest: &Digest) -> Result<Option<(RepositoryPath, StoredContent)>, ApiError> {
        let state = &self.registry.state;
        let authentication = &self.registry.config.authentication;
        if let Some(from) = self.query.value("from") {
            let Ok(path) = RepositoryPath::parse(from) else {
                return Ok(None); // no name, so nothing is there
            };
            if !authentication.allows(&self.principal, &path, Action::Pull) {
                return Ok(None);
            }
            let content = state.repository(&path).touch_blob(digest).await?;
            return Ok(content.map(|content| (path, content)));
        }
        for path in state.backend.holders(digest, HOLDERS).await? {
            if authentication.lends(&self.principal, &path)
                && let Some(content) = state.repository(&path).touch_blob(digest).await?
            {
                return Ok(Some((path, content)));
            }
        }
        Ok(None)
    }

    /// Links content of another repository. `false` if the content is gone.
    async fn mount(&self, from: &RepositoryPath, content: StoredContent) -> Result<bool, ApiError> {
        let state = &self.registry.state;
        let quota = self.quota().with_blob(state, &content.digest).await?;
        quota.check_room(state, content.size).await?;
        let record = self.blob_record(content.size);
        let event = self.blob_event(&content.digest, content.size, Some(from))?;
        let content = NewContent::Stored(content);
        let linked = state.link_blob(&self.path, content, record, Some(&quota), event);
        Ok(linked.await?)
    }

    /// The record of a blob that the client pushes.
    pub(super) fn blob_record(&self, size: u64) -> BlobRecord {
        let record = BlobRecord::new(size);
        match &self.principal.user {
            Some(user) => record.with_user(user),
            None => record,
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
    registry.state.backend.expire(expiry).await
}
