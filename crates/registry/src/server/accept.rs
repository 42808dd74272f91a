//! Accepts connections, and serves each until it ends.

use std::{net::SocketAddr, pin::pin, sync::Arc, time::Duration};

use hyper::server::conn::http1;
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    server::graceful::{GracefulShutdown, Watcher},
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream},
    sync::watch,
    task::JoinSet,
};

use super::service::Service;
use crate::{
    Registry,
    connections::{Connections, OpenConnection, Received, that_files_allow},
    stream::ClientStream,
};

/// The time that a client may take for a TLS handshake, and for the head of a request.
const HEAD_TIMEOUT: Duration = Duration::from_secs(30);
/// The time that a client that has connected may take to send its first request when the server shuts down.
const LAST_REQUEST: Duration = Duration::from_secs(1);
/// The interval in which expired upload sessions are dropped.
const EXPIRY_INTERVAL: Duration = Duration::from_secs(60);

/// The transport of a connection.
#[derive(Clone)]
pub(super) enum Transport {
    Plain,
    #[cfg(feature = "tls")]
    Tls(tokio_rustls::TlsAcceptor),
}

/// Accepts connections until it is told to stop. Dropping the future drops the connections.
pub(super) async fn accept(
    listener: TcpListener,
    transport: Transport,
    registry: Registry,
    mut stopped: watch::Receiver<bool>,
) {
    let graceful = GracefulShutdown::new();
    let limit = registry.config.limits.connections;
    let table = Connections::new(that_files_allow().unwrap_or(usize::MAX).min(limit));
    let mut connections = JoinSet::new();
    let mut expiry = tokio::time::interval(EXPIRY_INTERVAL);
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                let Ok((stream, peer)) = accepted else {
                    // Of one connection, or too many open files: neither is a reason to stop.
                    table.shed();
                    tokio::time::sleep(Duration::from_millis(10)).await;
                    continue;
                };
                let received = table.receive(peer.ip());
                let (transport, registry) = (transport.clone(), registry.clone());
                let watcher = graceful.watcher();
                connections.spawn(async move {
                    let connection = match received {
                        Received::Served(connection) => connection,
                        Received::Waits(connection) => match connection.await {
                            Ok(connection) => connection,
                            Err(_) => return,
                        },
                        Received::Refused => return refuse(&stream, &transport).await,
                    };
                    serve(stream, peer, transport, registry, watcher, connection).await;
                });
            }
            Some(_) = connections.join_next() => {}
            _ = expiry.tick() => {
                let _ = registry.expire_uploads().await; // tried again in a while
            }
            _ = stopped.changed() => break,
        }
    }
    drop(listener);
    #[cfg(feature = "htpasswd")]
    registry.config.authentication.users.queue.close();
    let ended = async {
        graceful.shutdown().await;
        while connections.join_next().await.is_some() {} // they hold the registry, and it its backend
    };
    let silent_end = async {
        tokio::time::sleep(LAST_REQUEST).await;
        table.end_silent();
        std::future::pending::<()>().await;
    };
    tokio::select! {
        () = ended => {}
        () = silent_end => {}
    }
}

/// Answers 503 with `Retry-After`, where that takes no TLS handshake.
async fn refuse(stream: &TcpStream, transport: &Transport) {
    const ANSWER: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 1\r\nConnection: close\r\n\
        Content-Length: 0\r\n\r\n";
    if let Transport::Plain = transport
        && stream.writable().await.is_ok()
    {
        let _ = stream.try_write(ANSWER); // its end says it, too
    }
}

/// Serves one connection until it ends or is displaced by another.
async fn serve(
    stream: TcpStream,
    peer: SocketAddr,
    transport: Transport,
    registry: Registry,
    watcher: Watcher,
    connection: OpenConnection,
) {
    let connection = Arc::new(connection);
    let leaving = pin!(connection.told_to_leave());
    let _ = stream.set_nodelay(true); // slower, but not wrong without
    let service = Service::new(registry, peer, Arc::clone(&connection));
    let speaking = async {
        match transport {
            Transport::Plain => speak(stream, service, watcher).await,
            #[cfg(feature = "tls")]
            Transport::Tls(acceptor) => {
                if let Ok(Ok(stream)) = tokio::time::timeout(HEAD_TIMEOUT, acceptor.accept(stream)).await {
                    speak(stream, service, watcher).await;
                }
            }
        }
    };
    tokio::select! {
        () = speaking => {}
        () = leaving => {}
    }
}

/// Answers the requests of one connection. Its errors are the client's and are ignored.
async fn speak(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    service: Service,
    watcher: Watcher,
) {
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(HEAD_TIMEOUT);
    let idle = service.idle_timeout();
    let stream = ClientStream::new(stream, idle, service.unread());
    let connection = http.serve_connection(TokioIo::new(stream), service);
    let _ = watcher.watch(connection).await;
}
