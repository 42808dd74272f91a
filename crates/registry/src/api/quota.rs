use std::sync::Arc;

use super::Call;
use crate::{
    ErrorCode, RepositoryPath,
    error::Failure,
    state::{More, Reservation, Reservations, Session, State},
};

/// How much a client may have in a repository.
pub(super) struct Quota {
    state: Arc<State>,
    path: RepositoryPath,
    repository: Option<u64>,
    user: Option<Arc<str>>,
    /// How much the user may have.
    of_user: Option<u64>,
    /// Bytes of the content that count against each quota already, because the repository links the content.
    /// Only the bytes beyond these need room.
    linked: More,
}

impl Quota {
    pub(super) fn of(call: &Call<'_>) -> Self {
        let limits = &call.registry.config.limits;
        Self {
            state: Arc::clone(&call.registry.state),
            path: call.path.clone(),
            repository: limits.repository,
            user: call.principal.user.clone(),
            of_user: limits.user,
            linked: More::default(),
        }
    }

    /// The quota for content that the repository may link already. `linked` is the size in bytes of the
    /// linked content and the user whom it counts for; `None` if the content is not linked.
    pub(super) fn of_linked(call: &Call<'_>, linked: Option<(u64, Option<&str>)>) -> Self {
        let mut quota = Self::of(call);
        if let Some((size, user)) = linked {
            let is_own = user == quota.user.as_deref();
            quota.linked = More {
                repository: size,
                user: if is_own { size } else { 0 },
            };
        }
        quota
    }

    /// Room for so many bytes more than what is there, what is being uploaded and what others have reserved. What
    /// adds nothing needs none.
    pub(super) fn reserve(&self, bytes: u64) -> Result<Reservation, Failure> {
        let more = More {
            repository: bytes.saturating_sub(self.linked.repository),
            user: bytes.saturating_sub(self.linked.user),
        };
        let mut reserved = self.state.reservations();
        if more.repository > 0 {
            self.check_repository(&reserved, more.repository)?;
        }
        if more.user > 0 {
            self.check_user(&reserved, more.user)?;
        }
        Ok(reserved.add(self.path.clone(), self.user.clone(), more))
    }

    /// Whether what is being uploaded is within what there is room for.
    pub(super) fn check_uploads(&self) -> Result<(), Failure> {
        let reserved = self.state.reservations();
        self.check_repository(&reserved, 0)?;
        self.check_user(&reserved, 0)
    }

    fn check_repository(&self, reserved: &Reservations, more: u64) -> Result<(), Failure> {
        let Some(limit) = self.repository else {
            return Ok(());
        };
        let of_this = |session: &Session| session.repository == self.path;
        let used = self.with_uploads(of_this, || {
            let repository = self.state.existing(&self.path);
            repository.map_or(0, |repository| repository.content().bytes)
        });
        let used = used.saturating_add(reserved.of_repository(&self.path));
        let linked = if more == 0 { self.linked.repository } else { 0 };
        within(used, linked, more, limit, "the repository's quota is used up")
    }

    fn check_user(&self, reserved: &Reservations, more: u64) -> Result<(), Failure> {
        let Some((user, limit)) = self.user.as_ref().zip(self.of_user) else {
            return Ok(());
        };
        let of_this = |session: &Session| session.user.as_ref() == Some(user);
        let used = self.with_uploads(of_this, || self.state.shared.usage.of(user));
        let used = used.saturating_add(reserved.of_user(user));
        let linked = if more == 0 { self.linked.user } else { 0 };
        within(used, linked, more, limit, "the user's quota is used up")
    }

    /// Bytes of some uploads and of the content, both at one moment.
    fn with_uploads(&self, which: impl Fn(&Session) -> bool, content: impl Fn() -> u64) -> u64 {
        let uploads = self.state.uploads();
        let uploading = uploads.values().filter(|session| which(session));
        let uploading = uploading.map(|session| session.received()).sum::<u64>();
        uploading.saturating_add(content())
    }
}

fn within(used: u64, linked: u64, more: u64, limit: u64, message: &'static str) -> Result<(), Failure> {
    if used.saturating_sub(linked).saturating_add(more) <= limit {
        return Ok(());
    }
    Err(Failure::too_large(ErrorCode::Denied, message))
}
