//! The key of the tokens that a registry issues: its own, or one that all registries over a storage share.

use std::{
    sync::{Arc, RwLock},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use tokio::{sync::Mutex, time::Instant};
use wharf_content::Error;

use super::mac::Key;
use crate::{Backend, sync::RwLockExt as _};

/// The time for which a shared key is used before it is asked for again: tokens that another registry has revoked are accepted
/// for so long.
const KEY_AGE: Duration = Duration::from_secs(5);
/// The time for which a shared key is used although a token does not have it.
const RETRY_AGE: Duration = Duration::from_secs(1);

/// The keys of a registry.
pub(super) struct Keys {
    backend: Arc<dyn Backend>,
    current: RwLock<Option<Arc<Signer>>>,
    /// Held by the one request that asks for the key.
    asking: Mutex<()>,
    /// The instant from which the expiry times count of tokens that are not shared.
    epoch: Instant,
}

/// A key, and how it was come by.
pub(super) struct Signer {
    pub(super) key: Key,
    is_shared: bool,
    asked: Instant,
}

impl Keys {
    pub(super) fn new(backend: Arc<dyn Backend>) -> Self {
        Self {
            backend,
            current: RwLock::default(),
            asking: Mutex::default(),
            epoch: Instant::now(),
        }
    }

    /// The key for a new token, which no registry has revoked.
    pub(super) async fn for_issue(&self) -> Result<Arc<Signer>, Error> {
        self.of_age(Duration::ZERO).await
    }

    /// The key for a token that was presented.
    pub(super) async fn for_verification(&self) -> Result<Arc<Signer>, Error> {
        self.of_age(KEY_AGE).await
    }

    /// Another key than this one, with which a token was not signed; `None` if there is none.
    pub(super) async fn newer_than(&self, signer: &Arc<Signer>) -> Result<Option<Arc<Signer>>, Error> {
        if !signer.is_shared {
            return Ok(None);
        }
        let newer = self.of_age(RETRY_AGE).await?;
        Ok((!Arc::ptr_eq(&newer, signer)).then_some(newer))
    }

    /// Makes every token invalid that was signed so far.
    pub(super) async fn revoke(&self) -> Result<(), Error> {
        // Nobody is told the old key meanwhile, to keep it.
        let _asking = self.asking.lock().await;
        self.backend.revoke_tokens().await?;
        *self.current.write_locked() = None;
        Ok(())
    }

    /// The time by which the tokens of a key expire, in milliseconds: of all machines if the key is shared.
    pub(super) fn now(&self, signer: &Signer) -> u64 {
        let now = if signer.is_shared {
            SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
        } else {
            self.epoch.elapsed()
        };
        u64::try_from(now.as_millis()).unwrap_or(u64::MAX)
    }

    async fn of_age(&self, age: Duration) -> Result<Arc<Signer>, Error> {
        if let Some(signer) = self.cached(age) {
            return Ok(signer);
        }
        let begun = Instant::now();
        let _asking = self.asking.lock().await;
        let waited = begun.elapsed();
        if let Some(signer) = self.cached(age.max(waited)) {
            return Ok(signer);
        }
        let asked = Instant::now();
        let signer = match self.backend.token_secret().await? {
            Some(shared) => Signer {
                key: Key::shared(&shared),
                is_shared: true,
                asked,
            },
            None => Signer {
                key: Key::random()?,
                is_shared: false,
                asked,
            },
        };
        let signer = Arc::new(signer);
        *self.current.write_locked() = Some(Arc::clone(&signer));
        Ok(signer)
    }

    /// The key, if it is of this registry alone or was asked for less than `age` ago.
    fn cached(&self, age: Duration) -> Option<Arc<Signer>> {
        let signer = self.current.read_locked().clone()?;
        (!signer.is_shared || signer.asked.elapsed() < age).then_some(signer)
    }
}
