//! Connections that are used one after the other.

use std::{
    ops::Deref,
    sync::{Mutex, MutexGuard, PoisonError},
};

use tokio::{
    sync::{Semaphore, SemaphorePermit},
    time::{Instant, timeout_at},
};
use tokio_postgres::{Client, Config};
use wharf_content::{Error, ErrorKind};

use super::{error, tls::Tls};

pub(super) struct Pool {
    config: Config,
    tls: Tls,
    permits: Semaphore,
    idle: Mutex<Vec<Client>>,
    /// Why the last connection could not be made.
    failure: Mutex<Option<(ErrorKind, String)>>,
}

impl Pool {
    pub(super) fn new(config: Config, tls: Tls, connections: usize) -> Self {
        Self {
            config,
            tls,
            permits: Semaphore::new(connections),
            idle: Mutex::default(),
            failure: Mutex::default(),
        }
    }

    /// An idle connection, or else a new one.
    pub(super) async fn connection(&self, deadline: Instant) -> Result<Connection<'_>, Error> {
        let permit = timeout_at(deadline, self.permits.acquire()).await;
        let permit = permit.map_err(|_| error::late("get one of the connections, which are all in use"))?;
        let permit = permit.map_err(|_| Error::new(ErrorKind::Other, "the connections were closed"))?;
        let idle = self.usable();
        let is_reused = idle.is_some();
        let client = match idle {
            Some(client) => client,
            None => self.connect(deadline).await?,
        };
        Ok(Connection {
            client: Some(client),
            is_reused,
            pool: self,
            _permit: permit,
        })
    }

    /// The reason why the last connection could not be made, if it could not.
    pub(super) fn last_failure(&self) -> Result<(), Error> {
        let failure = self.failure.lock().unwrap_or_else(PoisonError::into_inner);
        match &*failure {
            Some((kind, message)) => Err(Error::new(*kind, message.clone())),
            None => Ok(()),
        }
    }

    async fn connect(&self, deadline: Instant) -> Result<Client, Error> {
        let connected = self.try_connect(deadline).await;
        let failure = connected
            .as_ref()
            .err()
            .map(|error| (error.kind(), error.to_string()));
        *self.failure.lock().unwrap_or_else(PoisonError::into_inner) = failure;
        connected
    }

    async fn try_connect(&self, deadline: Instant) -> Result<Client, Error> {
        let connecting = self.config.connect(self.tls.clone());
        let connected = timeout_at(deadline, connecting)
            .await
            .map_err(|_| error::late("connect"))?;
        let (client, connection) = connected.map_err(|failure| error::failed("connect", &failure))?;
        // It ends when the client is dropped. A failure is told by the statements that it breaks.
        tokio::spawn(async move { drop(connection.await) });
        Ok(client)
    }

    /// The connection that was used last, of those that the server has not closed.
    fn usable(&self) -> Option<Client> {
        let mut idle = self.idle();
        idle.retain(|client| !client.is_closed());
        idle.pop()
    }

    fn idle(&self) -> MutexGuard<'_, Vec<Client>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A connection in use. It is closed when it is dropped, since a statement may be under way: see
/// [`Connection::release`].
pub(super) struct Connection<'p> {
    client: Option<Client>,
    is_reused: bool,
    pool: &'p Pool,
    _permit: SemaphorePermit<'p>,
}

impl Connection<'_> {
    /// Whether it was used before, so that the server may have closed it meanwhile.
    pub(super) const fn is_reused(&self) -> bool {
        self.is_reused
    }

    /// Returns the connection to the pool. Only for one that has no statement and no transaction under way.
    pub(super) fn release(mut self) {
        if let Some(client) = self.client.take() {
            self.pool.idle().push(client);
        }
    }
}

impl Deref for Connection<'_> {
    type Target = Client;

    #[expect(
        clippy::expect_used,
        reason = "only `release` takes the client, and it takes the connection too"
    )]
    fn deref(&self) -> &Client {
        self.client
            .as_ref()
            .expect("a connection has a client until it is released")
    }
}
