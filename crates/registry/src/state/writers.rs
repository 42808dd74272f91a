use std::{
    collections::{HashMap, hash_map::Entry},
    sync::{
        Arc, Mutex, MutexGuard,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use tokio::sync::{self, OwnedMutexGuard};

use crate::sync::LockExt as _;

/// The uploads to which requests of this process write, so that the second writer is refused at once, and a
/// writer whose upload is cancelled stops at once. What is right is the backend's to say: it refuses the second
/// writer in any case.
#[derive(Default)]
pub(crate) struct Writers(Mutex<HashMap<String, Arc<Writer>>>);

#[derive(Default)]
struct Writer {
    /// Whether the upload is cancelled: no request may use it, and the request that writes to it stops.
    cancelled: AtomicBool,
    /// Bytes that were received.
    received: Arc<AtomicU64>,
    /// Locked while the request runs.
    running: Arc<sync::Mutex<()>>,
}

/// The right of a request to write to an upload and to end it, as long as this lives.
pub(crate) struct Claim {
    writers: Arc<Writers>,
    id: String,
    writer: Arc<Writer>,
    _running: OwnedMutexGuard<()>,
}

/// The outcome of the wish to write to an upload.
pub(crate) enum Claimed {
    Yes(Claim),
    /// Another request writes to it.
    Busy,
    /// The upload is cancelled.
    Cancelled,
}

impl Writers {
    fn map(&self) -> MutexGuard<'_, HashMap<String, Arc<Writer>>> {
        self.0.locked()
    }

    pub(crate) fn claim(self: &Arc<Self>, id: &str) -> Claimed {
        let mut map = self.map();
        let entry = match map.entry(id.to_owned()) {
            Entry::Occupied(other) if other.get().is_cancelled() => return Claimed::Cancelled,
            Entry::Occupied(_) => return Claimed::Busy,
            Entry::Vacant(entry) => entry,
        };
        let writer = Arc::new(Writer::default());
        let Ok(running) = Arc::clone(&writer.running).try_lock_owned() else {
            return Claimed::Busy;
        };
        entry.insert(Arc::clone(&writer));
        Claimed::Yes(Claim {
            writers: Arc::clone(self),
            id: id.to_owned(),
            writer,
            _running: running,
        })
    }

    /// Whether the upload is cancelled.
    pub(crate) fn is_cancelled(&self, id: &str) -> bool {
        self.map().get(id).is_some_and(|writer| writer.is_cancelled())
    }

    /// Cancels an upload, so that the request that writes to it stops; the lock is free when it has ended. The
    /// upload stays cancelled until [`Writers::forget`].
    pub(crate) fn cancel(&self, id: &str) -> Option<Arc<sync::Mutex<()>>> {
        let map = self.map();
        let writer = map.get(id)?;
        writer.cancelled.store(true, Ordering::Release);
        Some(Arc::clone(&writer.running))
    }

    pub(crate) fn forget(&self, id: &str) {
        self.map().remove(id);
    }
}

impl Writer {
    fn is_cancelled(&self) -> bool {
        self.cancelled.load(Ordering::Acquire)
    }
}

impl Claim {
    pub(crate) fn id(&self) -> &str {
        &self.id
    }

    /// The count of received bytes.
    pub(crate) fn received(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.writer.received)
    }

    /// Tells, also when the claim is gone, whether the upload is cancelled.
    pub(crate) fn cancellation(&self) -> impl Fn() -> bool + Send + Sync + 'static {
        let writer = Arc::clone(&self.writer);
        move || writer.is_cancelled()
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        let mut map = self.writers.map();
        if !self.writer.is_cancelled() {
            map.remove(&self.id);
        }
    }
}
