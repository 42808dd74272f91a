//! Connections that are used one after the other.

use std::{
    ops::Deref,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::{
    runtime::Handle,
    sync::{OwnedSemaphorePermit, Semaphore},
    time::{Instant, timeout_at},
};
use tokio_postgres::Config;
use wharf_content::{Error, ErrorKind};

use super::{error, session::Session, tls::Tls};

pub(super) struct Pool {
    config: Config,
    tls: Tls,
    /// One for each connection to the server, but for the idle ones.
    permits: Arc<Semaphore>,
    /// One for each connection that may have to wait for the lock of another transaction: fewer than all, so that reads go on
    /// while those wait.
    writers: Arc<Semaphore>,
    idle: Mutex<Vec<Session>>,
    /// Why the last connection could not be made.
    failure: Mutex<Option<(ErrorKind, String)>>,
}

/// The purpose of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Use {
    /// Statements that wait for no other transaction.
    Read,
    /// Statements that may.
    Write,
}

impl Pool {
    pub(super) fn new(config: Config, tls: Tls, connections: usize) -> Self {
        let writers = connections.saturating_sub(connections.div_ceil(4)).max(1);
        Self {
            config,
            tls,
            permits: Arc::new(Semaphore::new(connections)),
            writers: Arc::new(Semaphore::new(writers)),
            idle: Mutex::default(),
            failure: Mutex::default(),
        }
    }

    /// An idle connection, or else a new one.
    pub(super) async fn connection(&self, purpose: Use, deadline: Instant) -> Result<Connection<'_>, Error> {
        let mut permits = Vec::with_capacity(2);
        if purpose == Use::Write {
            permits.push(acquire(&self.writers, deadline).await?);
        }
        permits.push(acquire(&self.permits, deadline).await?);
        let idle = self.usable();
        let is_reused = idle.is_some();
        let session = match idle {
            Some(session) => session,
            None => self.connect(deadline).await?,
        };
        Ok(Connection {
            session: Some(session),
            permits,
            is_reused,
            pool: self,
        })
    }

    /// The reason why the last connection could not be made, if it could not and none has worked since.
    pub(super) fn last_failure(&self) -> Result<(), Error> {
        match &*self.failure() {
            Some((kind, message)) => Err(Error::new(*kind, message.clone())),
            None => Ok(()),
        }
    }

    async fn connect(&self, deadline: Instant) -> Result<Session, Error> {
        let connected = self.try_connect(deadline).await;
        let failure = connected
            .as_ref()
            .err()
            .map(|error| (error.kind(), error.to_string()));
        *self.failure() = failure;
        connected
    }

    async fn try_connect(&self, deadline: Instant) -> Result<Session, Error> {
        let connecting = self.config.connect(self.tls.clone());
        let connected = timeout_at(deadline, connecting)
            .await
            .map_err(|_| error::late("connect"))?;
        let (client, connection) = connected.map_err(|failure| error::failed("connect", &failure))?;
        Ok(Session::new(client, connection))
    }

    /// The connection that was used last, of those that the server has not closed.
    fn usable(&self) -> Option<Session> {
        let mut idle = self.idle();
        idle.retain(|session| !session.is_closed());
        idle.pop()
    }

    fn idle(&self) -> MutexGuard<'_, Vec<Session>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn failure(&self) -> MutexGuard<'_, Option<(ErrorKind, String)>> {
        self.failure.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn acquire(permits: &Arc<Semaphore>, deadline: Instant) -> Result<OwnedSemaphorePermit, Error> {
    let permit = timeout_at(deadline, Arc::clone(permits).acquire_owned()).await;
    let permit = permit.map_err(|_| error::late("get one of the connections, which are all in use"))?;
    permit.map_err(|_| Error::new(ErrorKind::Other, "the connections were closed"))
}

/// A connection in use. It is closed when it is dropped, since a statement may be under way: see
/// [`Connection::release`].
pub(super) struct Connection<'p> {
    session: Option<Session>,
    permits: Vec<OwnedSemaphorePermit>,
    is_reused: bool,
    pool: &'p Pool,
}

impl Connection<'_> {
    /// Whether it was used before, so that the server may have closed it meanwhile.
    pub(super) const fn is_reused(&self) -> bool {
        self.is_reused
    }

    /// Returns the connection to the pool. Only for one that has no statement and no transaction under way.
    pub(super) fn release(mut self) {
        if let Some(session) = self.session.take() {
            self.pool.idle().push(session);
            *self.pool.failure() = None; // whatever one more connection has met, requests are answered
        }
    }
}

/// The permits last until the server has ended what is under way: requests that are given up faster than their statements
/// end would take all connections that the server has.
impl Drop for Connection<'_> {
    fn drop(&mut self) {
        let permits = std::mem::take(&mut self.permits);
        if let Some(session) = self.session.take()
            && let Ok(runtime) = Handle::try_current()
        {
            let tls = self.pool.tls.clone();
            runtime.spawn(async move {
                session.close(tls).await;
                drop(permits);
            });
        }
    }
}

impl Deref for Connection<'_> {
    type Target = Session;

    #[expect(
        clippy::expect_used,
        reason = "only `release` and the drop take the session, and they take the connection too"
    )]
    fn deref(&self) -> &Session {
        self.session
            .as_ref()
            .expect("a connection has a session until it is released")
    }
}
