use std::{
    collections::HashMap,
    hash::Hash,
    sync::{Arc, Mutex, Weak},
};

use tokio::sync;

use crate::sync::LockExt as _;

/// Lets one request do the work of a key, while others that need the same work wait.
///
/// `wharf-store` has its own, for digests and with locks that threads wait for; here only async tasks wait. The
/// two share too little for a public type.
pub(crate) struct SingleFlight<K>(Mutex<HashMap<K, Weak<sync::Mutex<()>>>>);

impl<K: Eq + Hash + Clone> SingleFlight<K> {
    /// Waits for the right to do the work of this key.
    pub(crate) async fn acquire(&self, key: &K) -> sync::OwnedMutexGuard<()> {
        let flight = {
            let mut flights = self.0.locked();
            flights.retain(|_, flight| flight.strong_count() > 0);
            let flight: Arc<sync::Mutex<()>> = flights.get(key).and_then(Weak::upgrade).unwrap_or_default();
            flights.insert(key.clone(), Arc::downgrade(&flight));
            flight
        };
        flight.lock_owned().await
    }
}

impl<K> Default for SingleFlight<K> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}
