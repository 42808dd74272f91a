use std::sync::Arc;

use super::Call;
use crate::{
    ErrorCode,
    error::Failure,
    route::Path,
    state::{Session, State},
};

/// How much a client may have in a repository.
pub(super) struct Quota {
    state: Arc<State>,
    path: Path,
    repository: Option<u64>,
    /// Who, and how much.
    user: Option<(Arc<str>, u64)>,
}

impl Quota {
    pub(super) fn of(call: &Call<'_>) -> Self {
        let limits = &call.registry.config.limits;
        Self {
            state: Arc::clone(&call.registry.state),
            path: call.path.clone(),
            repository: limits.repository,
            user: call.principal.user.clone().zip(limits.user),
        }
    }

    /// Whether there is room for so many bytes more than what is there and what is being uploaded.
    pub(super) fn check(&self, more: u64) -> Result<(), Failure> {
        let within = |used: u64, limit| used.saturating_add(more) <= limit;
        if let Some(limit) = self.repository
            && !within(self.of_repository(), limit)
        {
            let message = "the repository's quota is used up";
            return Err(Failure::too_large(ErrorCode::Denied, message));
        }
        if let Some((user, limit)) = &self.user
            && !within(self.of_user(user), *limit)
        {
            let message = "the user's quota is used up";
            return Err(Failure::too_large(ErrorCode::Denied, message));
        }
        Ok(())
    }

    fn of_repository(&self) -> u64 {
        let of_this = |session: &Session| session.repository == self.path;
        self.with_uploads(of_this, || {
            let repository = self.state.existing(&self.path);
            repository.map_or(0, |repository| repository.content().bytes)
        })
    }

    fn of_user(&self, user: &Arc<str>) -> u64 {
        let of_this = |session: &Session| session.user.as_ref() == Some(user);
        self.with_uploads(of_this, || self.state.shared.usage.of(user))
    }

    /// Bytes of some uploads and of the content, both at one moment.
    fn with_uploads(&self, which: impl Fn(&Session) -> bool, content: impl Fn() -> u64) -> u64 {
        let uploads = self.state.uploads();
        let uploading = uploads.values().filter(|session| which(session));
        let uploading = uploading.map(|session| session.received()).sum::<u64>();
        uploading.saturating_add(content())
    }
}
