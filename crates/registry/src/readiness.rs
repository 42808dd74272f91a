use std::{
    fmt,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use tokio::{
    task::AbortHandle,
    time::{sleep, timeout},
};
use wharf_content::{Error, ErrorKind};

use crate::{Registry, sync::LockExt as _};

/// The pause between two looks at the backend.
const INTERVAL: Duration = Duration::from_secs(3);
/// The time within which a look must be answered.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);
/// The failed looks in a row after which the registry is not ready.
const FAILURES: u32 = 3;

/// Whether a registry should be sent requests: for the readiness probe of a load balancer.
///
/// The backend is looked at every 3 s ([`Backend::ping`](crate::Backend::ping)). The registry is not ready after
/// three looks in a row that failed or were not answered within 10 s, until one is answered; while no change can be
/// recorded ([`Registry::health`]); and once it drains. It goes on answering requests all the time. Clones share the
/// state; the looks end when the last is dropped.
///
/// ```
/// use wharf_registry::{Readiness, Registry};
///
/// # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
/// let registry = Registry::memory();
/// let readiness = Readiness::watch(&registry);
/// assert!(readiness.check().is_ok());
/// readiness.drain(); // before Server::shutdown
/// assert_eq!(readiness.check().unwrap_err().to_string(), "draining");
/// # });
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone)]
pub struct Readiness(Arc<Watch>);

struct Watch {
    registry: Registry,
    outlook: Arc<Outlook>,
    looking: AbortHandle,
}

/// The result of the looks.
#[derive(Default)]
struct Outlook {
    draining: AtomicBool,
    failed: Mutex<Failed>,
}

#[derive(Default)]
struct Failed {
    /// Looks in a row.
    looks: u32,
    /// The reason why the last of them failed.
    reason: String,
}

impl Failed {
    /// Notes a look. Returns what there is to tell if enough looks have failed now, or none fails any more.
    #[expect(clippy::option_option, reason = "there may be nothing to tell")]
    fn note(&mut self, answered: Result<(), Error>) -> Option<Option<NotReady>> {
        match answered {
            Ok(()) => (std::mem::take(self).looks >= FAILURES).then_some(None),
            Err(error) => {
                self.looks = self.looks.saturating_add(1);
                self.reason = error.to_string();
                (self.looks == FAILURES).then(|| Some(NotReady::Unreachable(self.reason.clone())))
            }
        }
    }
}

/// The reason why a registry is not ready.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum NotReady {
    /// It is about to end.
    Draining,
    /// The backend does not answer, for this reason.
    Unreachable(String),
    /// The backend records no changes, for this reason.
    ReadOnly(String),
}

impl Readiness {
    /// Looks at the backend of a registry from now on. To be called in a tokio runtime with a clock.
    #[must_use]
    pub fn watch(registry: &Registry) -> Self {
        let outlook = Arc::<Outlook>::default();
        let looking = tokio::spawn(look(registry.clone(), Arc::clone(&outlook)));
        Self(Arc::new(Watch {
            registry: registry.clone(),
            outlook,
            looking: looking.abort_handle(),
        }))
    }

    /// Makes the registry not ready for good: it is about to end.
    pub fn drain(&self) {
        self.0.outlook.draining.store(true, Ordering::Relaxed);
    }

    /// Whether the registry is ready. Does not wait.
    ///
    /// # Errors
    ///
    /// The reason why it is not.
    pub fn check(&self) -> Result<(), NotReady> {
        let outlook = &self.0.outlook;
        if outlook.draining.load(Ordering::Relaxed) {
            return Err(NotReady::Draining);
        }
        {
            let failed = outlook.failed.locked();
            if failed.looks >= FAILURES {
                return Err(NotReady::Unreachable(failed.reason.clone()));
            }
        }
        let health = self.0.registry.health();
        health.map_err(|error| NotReady::ReadOnly(error.to_string()))
    }
}

async fn look(registry: Registry, outlook: Arc<Outlook>) {
    loop {
        let answered = timeout(ANSWER_TIMEOUT, registry.state.backend.ping()).await;
        let answered = answered.unwrap_or_else(|_| {
            let message = format!("no answer within {} s", ANSWER_TIMEOUT.as_secs());
            Err(Error::new(ErrorKind::Timeout, message))
        });
        let changed = outlook.failed.locked().note(answered);
        if let Some(unreachable) = changed
            && let Some(observer) = registry.state.observer()
        {
            observer.reachable(unreachable.as_ref());
        }
        sleep(INTERVAL).await;
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.looking.abort();
    }
}

impl fmt::Debug for Readiness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Readiness")
            .field("ready", &self.check())
            .finish_non_exhaustive()
    }
}

impl fmt::Display for NotReady {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Draining => f.write_str("draining"),
            Self::Unreachable(reason) => write!(f, "the storage does not answer: {reason}"),
            Self::ReadOnly(reason) => write!(f, "changes cannot be recorded: {reason}"),
        }
    }
}

impl std::error::Error for NotReady {}
