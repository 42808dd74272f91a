//! Quotas: how many bytes a repository and a user may have.

use std::{fmt, sync::Arc};

use wharf_content::Error;
use wharf_reference::Digest;

use super::{PushError, RegistryState};
use crate::{Guard, Limits, RepositoryPath, Usage};

/// The bytes that a user may have, and the bytes that may be in a repository.
#[derive(Clone)]
pub(crate) struct Quota {
    path: RepositoryPath,
    /// Bytes that the repository may have; `None` for no limit.
    repository: Option<u64>,
    user: Option<Arc<str>>,
    /// Bytes that the user may have; `None` for no limit.
    of_user: Option<u64>,
    /// Bytes of the content that count against each quota already, because the repository links the content.
    /// Only the bytes beyond these need room.
    linked: Usage,
}

/// The quota for which some bytes are too many.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum QuotaExceeded {
    Repository,
    User,
}

impl fmt::Display for QuotaExceeded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Repository => "the repository's quota is used up",
            Self::User => "the user's quota is used up",
        })
    }
}

impl Quota {
    pub(crate) fn new(limits: &Limits, path: &RepositoryPath, user: Option<&Arc<str>>) -> Self {
        Self {
            path: path.clone(),
            repository: limits.repository,
            user: user.cloned(),
            of_user: limits.user,
            linked: Usage::default(),
        }
    }

    /// The quota for content that the repository may link already. `linked` is the size in bytes of the
    /// linked content and the user whom it counts for; `None` if the content is not linked.
    pub(crate) fn with_linked(mut self, linked: Option<(u64, Option<&str>)>) -> Self {
        if let Some((size, user)) = linked {
            let is_own = user == self.user.as_deref();
            self.linked = Usage {
                repository: size,
                user: if is_own { size } else { 0 },
            };
        }
        self
    }

    /// The quota for a blob that the repository may link already.
    pub(crate) async fn with_blob(self, state: &RegistryState, digest: &Digest) -> Result<Self, Error> {
        if !self.is_limited() {
            return Ok(self);
        }
        let record = state.repository(&self.path).blob(digest).await?;
        let linked = record
            .as_ref()
            .map(|record| (record.size, record.user.as_deref()));
        Ok(self.with_linked(linked))
    }

    fn is_limited(&self) -> bool {
        self.repository.is_some() || self.of_user().is_some()
    }

    /// The user whom the content counts for, and the bytes that they may have.
    fn of_user(&self) -> Option<(&str, u64)> {
        self.user.as_deref().zip(self.of_user)
    }

    /// The guards of a commit that links the content. They count what is linked; what is under way has been
    /// checked before.
    pub(crate) fn guards(&self) -> Vec<Guard> {
        let repository = self.repository.map(Guard::RepositoryQuota);
        let user = self
            .of_user()
            .map(|(user, limit)| Guard::UserQuota(user.into(), limit));
        repository.into_iter().chain(user).collect()
    }

    /// Checks that there is room for content of this many bytes, beside the content that is linked and the
    /// uploads under way. Bytes that are linked already need no room.
    pub(crate) async fn check_room(&self, state: &RegistryState, bytes: u64) -> Result<(), PushError> {
        let more = Usage {
            repository: bytes.saturating_sub(self.linked.repository),
            user: bytes.saturating_sub(self.linked.user),
        };
        let used = self.used(state).await?;
        let exceeds = |more: u64, used: u64, limit: u64| more > 0 && used.saturating_add(more) > limit;
        if self
            .repository
            .is_some_and(|limit| exceeds(more.repository, used.repository, limit))
        {
            return Err(QuotaExceeded::Repository.into());
        }
        if self
            .of_user()
            .is_some_and(|(_, limit)| exceeds(more.user, used.user, limit))
        {
            return Err(QuotaExceeded::User.into());
        }
        Ok(())
    }

    /// Checks that the uploads under way have room.
    pub(crate) async fn check_uploads(&self, state: &RegistryState) -> Result<(), PushError> {
        let used = self.used(state).await?;
        let exceeds = |used: u64, linked: u64, limit: u64| used.saturating_sub(linked) > limit;
        if self
            .repository
            .is_some_and(|limit| exceeds(used.repository, self.linked.repository, limit))
        {
            return Err(QuotaExceeded::Repository.into());
        }
        if self
            .of_user()
            .is_some_and(|(_, limit)| exceeds(used.user, self.linked.user, limit))
        {
            return Err(QuotaExceeded::User.into());
        }
        Ok(())
    }

    /// The bytes that are used; none without a limit.
    async fn used(&self, state: &RegistryState) -> Result<Usage, Error> {
        if !self.is_limited() {
            return Ok(Usage::default());
        }
        let user = self.of_user().map(|(user, _)| user);
        state.backend.usage(&self.path, user).await
    }
}
