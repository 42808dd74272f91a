//! The limits of open uploads, and which upload is dropped for a new one.
//!
//! | no room | makes way |
//! |---|---|
//! | for the user's, in all repositories | the user's own upload that nobody has used for the longest, if that is a minute |
//! | in the repository, where another has more than the newcomer | the upload of whoever has most that nobody has used for the longest |
//! | in the repository, else | the newcomer's own that nobody has used for the longest, if that is a minute |
//!
//! If no upload is dropped, the answer is 429 with `Retry-After`.

use std::{collections::HashMap, sync::Arc, time::Duration};

use http::StatusCode;

use super::RepositoryRequest;
use crate::{
    OpenUpload, UploadLimits, UploadOwner, UploadSession, UploadsOf,
    client::Network,
    error::ApiError,
    state::{Claimed, RegistryState},
};

/// The time without a request after which an upload may be dropped for another of its own client.
const ABANDONED: Duration = Duration::from_secs(60);

/// The most times that others may take the room that was made.
const ATTEMPTS: usize = 5;

impl RepositoryRequest<'_> {
    /// Begins an upload. If the limits leave no room for it, another one is dropped.
    pub(super) async fn open_session(&self, id: &str, session: &UploadSession) -> Result<(), ApiError> {
        let limits = &self.registry.config.limits;
        let limits = UploadLimits {
            repository: limits.uploads,
            owner: self.principal.user.as_ref().map(|_| limits.user_uploads),
        };
        for _ in 0..ATTEMPTS {
            if self
                .registry
                .state
                .backend
                .begin_within(id, session, limits)
                .await?
            {
                return Ok(());
            }
            self.make_room().await?;
        }
        Err(too_many(Duration::ZERO))
    }

    /// Drops an upload if the limits leave no room for one more.
    async fn make_room(&self) -> Result<(), ApiError> {
        let limits = &self.registry.config.limits;
        let state = &self.registry.state;
        let owner = self.owner();
        if self.principal.user.is_some() {
            let own = state.backend.open(UploadsOf::Owner(&owner)).await?;
            if own.len() >= limits.user_uploads {
                make_way(state, own, ABANDONED).await?;
            }
        }
        let here = state.backend.open(UploadsOf::Repository(&self.path)).await?;
        if here.len() < limits.uploads {
            return Ok(());
        }
        let mut by_owner = HashMap::<UploadOwner, Vec<OpenUpload>>::new();
        for upload in here {
            by_owner.entry(upload.owner.clone()).or_default().push(upload);
        }
        let own = by_owner.remove(&owner).unwrap_or_default();
        let most = by_owner.into_values().max_by_key(Vec::len).unwrap_or_default();
        if most.len() > own.len() + 1 {
            make_way(state, most, Duration::ZERO).await
        } else {
            make_way(state, own, ABANDONED).await
        }
    }

    /// The owner of the uploads that this client opens.
    pub(super) fn owner(&self) -> UploadOwner {
        match &self.principal.user {
            Some(user) => UploadOwner::User(Arc::clone(user)),
            None => UploadOwner::Anonymous(self.client.network.map(Network::address)),
        }
    }
}

/// Drops the upload that has not been used for the longest time, if that is at least `idle` and no request
/// writes to it.
async fn make_way(
    state: &RegistryState,
    mut uploads: Vec<OpenUpload>,
    idle: Duration,
) -> Result<(), ApiError> {
    uploads.sort_by_key(|upload| std::cmp::Reverse(upload.idle));
    let longest = uploads.first().map_or(Duration::ZERO, |upload| upload.idle);
    for upload in uploads {
        if upload.idle < idle {
            break;
        }
        if let Claimed::Yes(_claim) = state.writers.claim(&upload.id) {
            state.backend.discard(&upload.id).await?;
            return Ok(());
        }
    }
    Err(too_many(ABANDONED.saturating_sub(longest)))
}

/// The client may come again after so long.
fn too_many(wait: Duration) -> ApiError {
    ApiError::wait(
        StatusCode::TOO_MANY_REQUESTS,
        wait.as_secs().max(1),
        "too many uploads are open",
    )
}
