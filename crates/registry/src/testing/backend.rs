//! Failures of a backend on demand.

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, MutexGuard},
};

use tokio::sync::watch;
use wharf_content::{Error, ErrorKind};

use crate::{
    Backend, BackendCall, SignedUrl,
    backend::{Hooked, Hooks},
    sync::LockExt as _,
};

/// The failures of a backend, for tests of what is above it. Clones share them.
///
/// ```
/// use wharf_content::ErrorKind;
/// use wharf_registry::{BackendFaults, MemoryBackend, Registry};
///
/// # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
/// let (backend, faults) = BackendFaults::around(MemoryBackend::default());
/// let registry = Registry::open(backend).await?;
/// faults.fail_all(ErrorKind::Network);
/// let request = http::Request::get("/v2/lib/app/tags/list").body(String::new())?;
/// assert_eq!(registry.handle(request).await.status(), 503);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Default)]
pub struct BackendFaults(Arc<Shared>);

#[derive(Default)]
struct Shared {
    script: Mutex<Script>,
    /// Whether calls wait for their end.
    stalled: watch::Sender<bool>,
}

#[derive(Default)]
struct Script {
    failing: HashMap<BackendCall, ErrorKind>,
    calls: HashMap<BackendCall, u64>,
    url: Option<SignedUrl>,
}

impl BackendFaults {
    /// A backend that fails when the second result says so.
    pub fn around(backend: impl Backend + 'static) -> (impl Backend, Self) {
        let faults = Self::default();
        (Hooked::new(Arc::new(backend), faults.clone()), faults)
    }

    fn script(&self) -> MutexGuard<'_, Script> {
        self.0.script.locked()
    }

    /// Makes a call fail, from now on.
    pub fn fail(&self, call: BackendCall, kind: ErrorKind) {
        self.script().failing.insert(call, kind);
    }

    /// Makes all calls fail, from now on.
    pub fn fail_all(&self, kind: ErrorKind) {
        for call in BackendCall::ALL {
            self.fail(call, kind);
        }
    }

    /// Makes all calls wait, until [`BackendFaults::heal`].
    pub fn stall(&self) {
        self.0.stalled.send_replace(true);
    }

    /// Makes all calls work again.
    pub fn heal(&self) {
        self.script().failing.clear();
        self.0.stalled.send_replace(false);
    }

    /// Gives all content this URL.
    pub fn set_url(&self, url: Option<SignedUrl>) {
        self.script().url = url;
    }

    /// The number of times that the registry has made a call, failed ones included.
    #[must_use]
    pub fn calls(&self, call: BackendCall) -> u64 {
        self.script().calls.get(&call).copied().unwrap_or_default()
    }
}

impl Hooks for BackendFaults {
    async fn before(&self, call: BackendCall) -> Result<(), Error> {
        let failure = {
            let mut script = self.script();
            *script.calls.entry(call).or_default() += 1;
            script.failing.get(&call).copied()
        };
        let mut stalled = self.0.stalled.subscribe();
        let _ = stalled.wait_for(|stalled| !stalled).await; // its sender lives as long as this
        match failure {
            Some(kind) => Err(Error::new(kind, format!("{} fails on demand", call.name()))),
            None => Ok(()),
        }
    }

    fn url(&self) -> Option<SignedUrl> {
        self.script().url.clone()
    }
}

impl fmt::Debug for BackendFaults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BackendFaults").finish_non_exhaustive()
    }
}
