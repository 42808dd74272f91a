use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use tokio::{sync, time::Instant};
use wharf_content::{Error, Source};

use crate::state::SingleFlight;

/// How long an answer that something does not exist upstream is believed.
const MISSING_FOR: Duration = Duration::from_secs(10);
/// The most absences upstream that are remembered.
const MAX_MISSING: usize = 10_000;

/// Where a registry gets what it does not have: it becomes a pull-through cache.
///
/// Credentials are the upstream's own business: what clients send to this registry never goes there.
#[async_trait]
pub trait Upstream: Send + Sync {
    /// What stands behind the repository at `path`.
    ///
    /// Fails with [`NotFound`](wharf_content::ErrorKind::NotFound) if nothing does.
    async fn repository(&self, path: &str) -> Result<Arc<dyn Source>, Error>;
}

#[async_trait]
impl<U: Upstream + ?Sized> Upstream for Arc<U> {
    async fn repository(&self, path: &str) -> Result<Arc<dyn Source>, Error> {
        (**self).repository(path).await
    }
}

/// An upstream, and what is under way to it.
pub(crate) struct PullThrough {
    pub(crate) upstream: Arc<dyn Upstream>,
    fetches: SingleFlight<String>,
    missing: Mutex<HashMap<String, Instant>>,
}

impl PullThrough {
    pub(crate) fn new(upstream: impl Upstream + 'static) -> Self {
        Self {
            upstream: Arc::new(upstream),
            fetches: SingleFlight::default(),
            missing: Mutex::default(),
        }
    }

    /// The right to fetch something; who comes meanwhile waits.
    pub(crate) async fn acquire(&self, key: &str) -> sync::OwnedMutexGuard<()> {
        self.fetches.acquire(&key.to_owned()).await
    }

    /// Whether upstream has said a short while ago that there is no such thing.
    pub(crate) fn is_missing(&self, key: &str) -> bool {
        let missing = self.missing.lock().unwrap_or_else(PoisonError::into_inner);
        missing
            .get(key)
            .is_some_and(|since| since.elapsed() < MISSING_FOR)
    }

    pub(crate) fn note_missing(&self, key: &str) {
        let mut missing = self.missing.lock().unwrap_or_else(PoisonError::into_inner);
        missing.retain(|_, since| since.elapsed() < MISSING_FOR);
        if missing.len() < MAX_MISSING {
            missing.insert(key.to_owned(), Instant::now());
        }
    }
}
