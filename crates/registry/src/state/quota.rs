//! Quotas: how many bytes a repository and a user may have.

use std::{fmt, sync::Arc};

use wharf_reference::Digest;

use super::{QuotaBytes, RegistryState, Reservation, Reservations, Session};
use crate::{Limits, RepositoryPath};

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
    linked: QuotaBytes,
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
            linked: QuotaBytes::default(),
        }
    }

    /// The quota for content that the repository may link already. `linked` is the size in bytes of the
    /// linked content and the user whom it counts for; `None` if the content is not linked.
    pub(crate) fn with_linked(mut self, linked: Option<(u64, Option<&str>)>) -> Self {
        if let Some((size, user)) = linked {
            let is_own = user == self.user.as_deref();
            self.linked = QuotaBytes {
                repository: size,
                user: if is_own { size } else { 0 },
            };
        }
        self
    }

    /// The quota for a blob that the repository may link already.
    pub(crate) fn with_blob(self, state: &RegistryState, digest: &Digest) -> Self {
        let repository = state.existing(&self.path);
        let content = repository.as_ref().map(|repository| repository.content());
        let link = content.as_ref().and_then(|content| content.blobs.get(digest));
        self.with_linked(link.map(|link| (link.size(), link.record.user.as_deref())))
    }

    /// Reserves room for content of this many bytes, beside the content that is linked, the uploads under way
    /// and the other reservations. Bytes that are linked already need no room.
    pub(crate) fn reserve(&self, state: &RegistryState, bytes: u64) -> Result<Reservation, QuotaExceeded> {
        let more = QuotaBytes {
            repository: bytes.saturating_sub(self.linked.repository),
            user: bytes.saturating_sub(self.linked.user),
        };
        let mut reserved = state.reservations();
        if more.repository > 0 {
            self.check_repository(state, &reserved, more.repository)?;
        }
        if more.user > 0 {
            self.check_user(state, &reserved, more.user)?;
        }
        Ok(reserved.add(self.path.clone(), self.user.clone(), more))
    }

    /// Checks that the uploads under way have room.
    pub(crate) fn check_uploads(&self, state: &RegistryState) -> Result<(), QuotaExceeded> {
        let reserved = state.reservations();
        self.check_repository(state, &reserved, 0)?;
        self.check_user(state, &reserved, 0)
    }

    fn check_repository(
        &self,
        state: &RegistryState,
        reserved: &Reservations,
        more: u64,
    ) -> Result<(), QuotaExceeded> {
        let Some(limit) = self.repository else {
            return Ok(());
        };
        let of_this = |session: &Session| session.repository == self.path;
        let used = with_uploads(state, of_this, || {
            let repository = state.existing(&self.path);
            repository.map_or(0, |repository| repository.content().bytes)
        });
        let used = used.saturating_add(reserved.of_repository(&self.path));
        let linked = if more == 0 { self.linked.repository } else { 0 };
        within(used, linked, more, limit, QuotaExceeded::Repository)
    }

    fn check_user(
        &self,
        state: &RegistryState,
        reserved: &Reservations,
        more: u64,
    ) -> Result<(), QuotaExceeded> {
        let Some((user, limit)) = self.user.as_ref().zip(self.of_user) else {
            return Ok(());
        };
        let of_this = |session: &Session| session.user.as_ref() == Some(user);
        let used = with_uploads(state, of_this, || state.aggregates.usage.of(user));
        let used = used.saturating_add(reserved.of_user(user));
        let linked = if more == 0 { self.linked.user } else { 0 };
        within(used, linked, more, limit, QuotaExceeded::User)
    }
}

/// Bytes of some uploads and of the content, both at one moment.
fn with_uploads(state: &RegistryState, which: impl Fn(&Session) -> bool, content: impl Fn() -> u64) -> u64 {
    let uploads = state.uploads();
    let uploading = uploads.values().filter(|session| which(session));
    let uploading = uploading.map(|session| session.received()).sum::<u64>();
    uploading.saturating_add(content())
}

fn within(
    used: u64,
    linked: u64,
    more: u64,
    limit: u64,
    exceeded: QuotaExceeded,
) -> Result<(), QuotaExceeded> {
    if used.saturating_sub(linked).saturating_add(more) <= limit {
        return Ok(());
    }
    Err(exceeded)
}
