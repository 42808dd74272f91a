//! One download per digest within this process; between processes the lock of the ingest file sees to it.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError, Weak},
};

use tokio::sync::{Mutex as AsyncMutex, OwnedMutexGuard};
use wharf_reference::Digest;

/// The digests that are being received.
#[derive(Debug, Default)]
pub(crate) struct Flights(Mutex<HashMap<Digest, Weak<AsyncMutex<()>>>>);

impl Flights {
    /// Waits until no other task of this process receives the digest.
    pub(crate) async fn enter(&self, digest: &Digest) -> OwnedMutexGuard<()> {
        let turn = self.turn(digest);
        turn.lock_owned().await
    }

    fn turn(&self, digest: &Digest) -> Arc<AsyncMutex<()>> {
        let mut flights = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(turn) = flights.get(digest).and_then(Weak::upgrade) {
            return turn;
        }
        flights.retain(|_, turn| turn.strong_count() > 0);
        let turn = Arc::new(AsyncMutex::new(()));
        flights.insert(digest.clone(), Arc::downgrade(&turn));
        turn
    }
}
