use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, MutexGuard,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::{
    sync::{self, OwnedMutexGuard},
    time::Instant,
};
use wharf_content::{Error, ErrorKind, Hasher};

use crate::{RepositoryPath, UploadLimits, UploadSession, sync::LockExt as _};

/// The open uploads.
#[derive(Default)]
pub(super) struct Sessions(Mutex<HashMap<String, Arc<OpenSession>>>);

pub(super) struct OpenSession {
    /// The session of a client; `None` for an upload that no client sees.
    pub(super) client: Option<UploadSession>,
    /// Locked by whoever writes to the upload or makes it content.
    progress: Arc<sync::Mutex<Progress>>,
    state: Mutex<SessionState>,
}

struct SessionState {
    /// Bytes that survive a crash.
    offset: u64,
    /// Bytes that were received, while a request writes.
    received: Option<Arc<AtomicU64>>,
    touched: Instant,
    /// The hasher after `offset` bytes, while nobody writes.
    hasher: Option<Hasher>,
}

/// The right to change an upload.
pub(super) struct Progress {
    /// Whether the upload has ended.
    pub(super) ended: bool,
}

pub(super) fn missing() -> Error {
    Error::new(ErrorKind::NotFound, "no such upload")
}

impl Sessions {
    fn map(&self) -> MutexGuard<'_, HashMap<String, Arc<OpenSession>>> {
        self.0.locked()
    }

    pub(super) fn begin(&self, id: &str, client: Option<UploadSession>) {
        self.map()
            .insert(id.to_owned(), Arc::new(OpenSession::new(client, 0)));
    }

    /// As [`Sessions::begin`], if fewer are open than the limits say.
    pub(super) fn begin_within(&self, id: &str, client: &UploadSession, limits: UploadLimits) -> bool {
        let mut map = self.map();
        let count = |is_one: &dyn Fn(&UploadSession) -> bool| {
            let clients = map.values().filter_map(|session| session.client.as_ref());
            clients.filter(|other| is_one(other)).count()
        };
        let has_room = count(&|other| other.repository == client.repository) < limits.repository
            && limits
                .owner
                .is_none_or(|limit| count(&|other| other.owner == client.owner) < limit);
        if has_room {
            let session = OpenSession::new(Some(client.clone()), 0);
            map.insert(id.to_owned(), Arc::new(session));
        }
        has_room
    }

    /// Adds a session that was open when the storage was last used.
    pub(super) fn reopen(&self, id: String, client: UploadSession, length: u64) {
        self.map()
            .insert(id, Arc::new(OpenSession::new(Some(client), length)));
    }

    pub(super) fn get(&self, id: &str) -> Option<Arc<OpenSession>> {
        self.map().get(id).cloned()
    }

    pub(super) fn remove(&self, id: &str) {
        self.map().remove(id);
    }

    /// The uploads of clients for which `which` holds.
    pub(super) fn of_clients<'f>(
        &self,
        which: impl Fn(&UploadSession) -> bool + 'f,
    ) -> Vec<(String, Arc<OpenSession>)> {
        let map = self.map();
        let these = map
            .iter()
            .filter(|(_, session)| session.client.as_ref().is_some_and(&which));
        these
            .map(|(id, session)| (id.clone(), Arc::clone(session)))
            .collect()
    }

    /// The uploads that have not been used for so long.
    pub(super) fn idle(&self, idle: Duration) -> Vec<(String, Arc<OpenSession>)> {
        let map = self.map();
        let these = map.iter().filter(|(_, session)| session.idle() >= idle);
        these
            .map(|(id, session)| (id.clone(), Arc::clone(session)))
            .collect()
    }

    /// Bytes of the uploads in a repository and of those of a user. `then` runs before any upload can end.
    pub(super) fn received<T>(
        &self,
        repository: &RepositoryPath,
        user: Option<&str>,
        then: impl FnOnce(u64, u64) -> T,
    ) -> T {
        let map = self.map();
        let (mut here, mut own) = (0_u64, 0_u64);
        for session in map.values() {
            let Some(client) = &session.client else { continue };
            let is_own = user.is_some() && client.user() == user;
            if client.repository == *repository || is_own {
                let received = session.received();
                if client.repository == *repository {
                    here = here.saturating_add(received);
                }
                if is_own {
                    own = own.saturating_add(received);
                }
            }
        }
        then(here, own)
    }

    /// The number of uploads of clients, and their bytes.
    pub(super) fn count(&self) -> (usize, u64) {
        let map = self.map();
        let clients = map.values().filter(|session| session.client.is_some());
        clients.fold((0, 0), |(count, bytes), session| {
            (count + 1, bytes + session.received())
        })
    }

    /// Does the last step of an upload that has become content, and removes it: its bytes count once.
    pub(super) fn end<T>(&self, id: Option<&str>, then: impl FnOnce() -> T) -> T {
        let Some(id) = id else { return then() };
        let mut map = self.map();
        map.remove(id);
        then()
    }
}

impl OpenSession {
    fn new(client: Option<UploadSession>, offset: u64) -> Self {
        Self {
            client,
            progress: Arc::new(sync::Mutex::new(Progress { ended: false })),
            state: Mutex::new(SessionState {
                offset,
                received: None,
                touched: Instant::now(),
                hasher: None,
            }),
        }
    }

    fn state(&self) -> MutexGuard<'_, SessionState> {
        self.state.locked()
    }

    /// The right to change the upload, unless another has it or the upload has ended.
    pub(super) fn claim(&self) -> Result<OwnedMutexGuard<Progress>, Error> {
        let claimed = Arc::clone(&self.progress).try_lock_owned();
        let progress = claimed
            .map_err(|_| Error::new(ErrorKind::Conflict, "another request is writing to the upload"))?;
        if progress.ended {
            return Err(missing());
        }
        Ok(progress)
    }

    pub(super) fn offset(&self) -> u64 {
        self.state().offset
    }

    /// The offset, and the hasher after so many bytes, if it is known.
    pub(super) fn progress(&self) -> (u64, Option<Hasher>) {
        let state = self.state();
        (state.offset, state.hasher.clone())
    }

    /// Begins a write, and returns the hasher after the bytes that are there. The bytes count as `received`
    /// says until the result is dropped.
    pub(super) fn write(self: &Arc<Self>, received: Arc<AtomicU64>) -> (Writing, Option<Hasher>) {
        let hasher = {
            let mut state = self.state();
            received.fetch_max(state.offset, Ordering::AcqRel);
            state.received = Some(received);
            state.hasher.take()
        };
        (Writing(Arc::clone(self)), hasher)
    }

    fn received(&self) -> u64 {
        let state = self.state();
        let received = state.received.as_ref();
        received.map_or(state.offset, |received| received.load(Ordering::Acquire))
    }

    /// Counts the upload as used now; the time since it was used before.
    pub(super) fn touch(&self) -> Duration {
        let mut state = self.state();
        let idle = state.touched.elapsed();
        state.touched = Instant::now();
        idle
    }

    pub(super) fn idle(&self) -> Duration {
        self.state().touched.elapsed()
    }
}

/// A write under way.
pub(super) struct Writing(Arc<OpenSession>);

impl Writing {
    /// Ends the write: so many bytes survive a crash now, and this is the hasher after them.
    pub(super) fn end(&self, offset: u64, hasher: Option<Hasher>) {
        let mut state = self.0.state();
        state.received = None;
        state.offset = offset;
        state.hasher = hasher;
        state.touched = Instant::now();
    }
}

impl Drop for Writing {
    fn drop(&mut self) {
        self.0.state().received = None;
    }
}
