//! One connection to the server.

use std::{ops::Deref, time::Duration};

use tokio::{
    io::{AsyncRead, AsyncWrite},
    task::JoinHandle,
    time::timeout,
};
use tokio_postgres::{Client, Connection};

use super::tls::Tls;

/// The time in which a statement that nobody waits for may end by itself.
const SHORT: Duration = Duration::from_millis(50);
/// The time in which the server has to end it after that. A server that does not is one that does not answer, and the
/// connection is given up.
const LONG: Duration = Duration::from_secs(10);

/// A connection, and the task that reads and writes it.
pub(super) struct Session {
    client: Client,
    task: JoinHandle<()>,
}

impl Session {
    /// A connection that was just made.
    pub(super) fn new<S, T>(client: Client, connection: Connection<S, T>) -> Self
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
        T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        // It ends when the client is dropped and its statements are answered. A failure is told by the statements
        // that it breaks.
        let task = tokio::spawn(async move { drop(connection.await) });
        Self { client, task }
    }

    /// Closes the connection, and waits until the server has ended what is under way on it: a statement that waits for
    /// a lock does not notice that nobody waits for it.
    pub(super) async fn close(self, tls: Tls) {
        let Self { client, mut task } = self;
        let canceling = client.cancel_token();
        drop(client);
        if timeout(SHORT, &mut task).await.is_ok() {
            return;
        }
        let ended = async {
            let _ = canceling.cancel_query(tls).await; // one that is not heard is waited for all the same
            let _ = (&mut task).await;
        };
        if timeout(LONG, ended).await.is_err() {
            task.abort();
        }
    }
}

impl Deref for Session {
    type Target = Client;

    fn deref(&self) -> &Client {
        &self.client
    }
}
