use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use async_trait::async_trait;
use tokio::{sync, time::Instant};
use wharf_content::{Error, Source};

use crate::{state::SingleFlight, sync::LockExt as _};

/// The time for which an absence upstream is remembered.
const MISSING_FOR: Duration = Duration::from_secs(10);
/// The most absences upstream that are remembered.
const MAX_MISSING: usize = 10_000;

/// The source of a registry that is a pull-through cache: content that the registry does not have is fetched
/// from here.
///
/// The implementation has credentials of its own: those of clients are never sent upstream.
///
/// ```
/// use std::sync::Arc;
///
/// use async_trait::async_trait;
/// use wharf_content::{Error, Source};
/// use wharf_registry::{Registry, Upstream};
///
/// /// Another registry of this process.
/// struct Another(Registry);
///
/// #[async_trait]
/// impl Upstream for Another {
///     async fn repository(&self, path: &str) -> Result<Arc<dyn Source>, Error> {
///         Ok(Arc::new(self.0.repository(path)?))
///     }
/// }
///
/// # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
/// let cache = Registry::memory().with_upstream(Another(Registry::memory()));
/// let request = http::Request::get("/v2/library/alpine/manifests/latest").body(String::new())?;
/// assert_eq!(cache.handle(request).await.status(), 404);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[async_trait]
pub trait Upstream: Send + Sync {
    /// The upstream repository for the repository at `path`.
    ///
    /// # Errors
    ///
    /// [`NotFound`](wharf_content::ErrorKind::NotFound) if there is none: clients get 404, and the absence is
    /// remembered for 10 s. Other errors become 429, 502 or 504, unless the content is here.
    async fn repository(&self, path: &str) -> Result<Arc<dyn Source>, Error>;
}

#[async_trait]
impl<U: Upstream + ?Sized> Upstream for Arc<U> {
    async fn repository(&self, path: &str) -> Result<Arc<dyn Source>, Error> {
        (**self).repository(path).await
    }
}

/// An upstream, with the fetches under way.
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

    /// Waits for the right to fetch an item.
    pub(crate) async fn acquire(&self, key: &str) -> sync::OwnedMutexGuard<()> {
        self.fetches.acquire(&key.to_owned()).await
    }

    /// Whether upstream has recently reported that the item does not exist.
    pub(crate) fn is_missing(&self, key: &str) -> bool {
        let missing = self.missing.locked();
        missing
            .get(key)
            .is_some_and(|since| since.elapsed() < MISSING_FOR)
    }

    pub(crate) fn note_missing(&self, key: &str) {
        let mut missing = self.missing.locked();
        missing.retain(|_, since| since.elapsed() < MISSING_FOR);
        if missing.len() < MAX_MISSING {
            missing.insert(key.to_owned(), Instant::now());
        }
    }
}
