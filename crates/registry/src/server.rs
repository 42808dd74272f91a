use std::{
    fmt, io,
    net::SocketAddr,
    pin::{Pin, pin},
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use http::{Request, Response};
use http_body::{Frame, SizeHint};
use hyper::{body::Incoming, server::conn::http1};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    server::graceful::{GracefulShutdown, Watcher},
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream},
    sync::watch,
    task::{JoinHandle, JoinSet},
};
use wharf_reference::{ParseError, Reference};

use crate::{
    Body, ClientAddress, Registry,
    behaviour::Behaviour,
    connections::{self, Connections, OpenConnection, Received, that_files_allow},
    drain::Unread,
    host,
    stream::ClientStream,
};

/// The time that a client may take for a TLS handshake, and for the head of a request.
const HEAD_TIMEOUT: Duration = Duration::from_secs(30);
/// The time that a client that has connected may take to send its first request when the server shuts down.
const LAST_REQUEST: Duration = Duration::from_secs(1);
/// The interval in which expired upload sessions are dropped.
const EXPIRY_INTERVAL: Duration = Duration::from_secs(60);

/// A registry on a port of this machine. Dropping it closes all connections at once; [`Server::shutdown`]
/// lets requests end.
///
/// It speaks HTTP/1.1, also over TLS. The head of a request may have 100 headers and about 400 kB, more is
/// answered 431, and must arrive within 30 s of the connection or of the last answer; the rest is bounded by
/// [`Limits`](crate::Limits).
pub struct Server {
    address: SocketAddr,
    name: wharf_reference::Registry,
    registry: Registry,
    scheme: &'static str,
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
}

/// The transport of a connection.
#[derive(Clone)]
enum Transport {
    Plain,
    #[cfg(feature = "tls")]
    Tls(tokio_rustls::TlsAcceptor),
}

impl Registry {
    /// Serves the registry in plain HTTP on an unused port of 127.0.0.1.
    ///
    /// # Errors
    ///
    /// The port cannot be opened.
    pub async fn serve(self) -> io::Result<Server> {
        self.serve_on(([127, 0, 0, 1], 0).into()).await
    }

    /// Serves the registry in plain HTTP at this address; port 0 is any unused one.
    ///
    /// Unless [an external URL](Registry::with_external_url) is set, challenges lead clients to `http://` and
    /// the address.
    ///
    /// # Errors
    ///
    /// The port cannot be opened.
    pub async fn serve_on(self, address: SocketAddr) -> io::Result<Server> {
        self.listen(address, Transport::Plain).await
    }

    /// Serves the registry at this address in HTTP over TLS; see [`Registry::serve_on`].
    ///
    /// # Errors
    ///
    /// The port cannot be opened.
    #[cfg(feature = "tls")]
    pub async fn serve_tls(self, address: SocketAddr, tls: &crate::Tls) -> io::Result<Server> {
        let acceptor = tls.acceptor().map_err(io::Error::other)?;
        self.listen(address, Transport::Tls(acceptor)).await
    }

    async fn listen(mut self, address: SocketAddr, transport: Transport) -> io::Result<Server> {
        let listener = TcpListener::bind(address).await?;
        let address = listener.local_addr()?;
        let name = name_of(address)?;
        let scheme = match transport {
            Transport::Plain => "http",
            #[cfg(feature = "tls")]
            Transport::Tls(_) => "https",
        };
        let config = self.config_mut();
        config.listening = Some(format!("{scheme}://{address}"));
        #[cfg(feature = "htpasswd")]
        {
            config.authentication.users.queue = crate::auth::PasswordQueue::default(); // which ends with it
        }
        let (stop, stopped) = watch::channel(false);
        let task = tokio::spawn(accept(listener, transport, self.clone(), stopped));
        Ok(Server {
            address,
            name,
            registry: self,
            scheme,
            stop,
            task,
        })
    }
}

impl Server {
    /// The address at which the server listens.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// The URL of the server: scheme, host and port, without a slash at the end.
    #[must_use]
    pub fn url(&self) -> String {
        format!("{}://{}", self.scheme, self.address)
    }

    /// The registry in the name of an image: `127.0.0.1:port`. The zone of an IPv6 address is not in it.
    #[must_use]
    pub fn registry(&self) -> wharf_reference::Registry {
        self.name.clone()
    }

    /// The full name of an image of this registry: `reference("lib/app:1")` is `127.0.0.1:port/lib/app:1`.
    ///
    /// # Errors
    ///
    /// The name breaks the grammar of references.
    pub fn reference(&self, name: &str) -> Result<Reference, ParseError> {
        Reference::parse(&format!("{}/{name}", self.name))
    }

    /// The registry that is served.
    #[must_use]
    pub const fn service(&self) -> &Registry {
        &self.registry
    }

    /// Stops accepting connections, and returns when the running requests have been answered. Connections
    /// without a request are closed at once, those that never had one after a second.
    pub async fn shutdown(mut self) {
        self.stop.send_replace(true);
        let _ = (&mut self.task).await; // an aborted task has stopped, too
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server")
            .field("address", &self.address)
            .finish_non_exhaustive()
    }
}

/// The registry at this address, as the names of images have it: without a zone, and an IPv4 address as such.
fn name_of(address: SocketAddr) -> io::Result<wharf_reference::Registry> {
    let address = SocketAddr::new(address.ip().to_canonical(), address.port());
    wharf_reference::Registry::parse(&address.to_string()).map_err(io::Error::other)
}

/// Accepts connections until it is told to stop. Dropping the future drops the connections.
async fn accept(
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
    let service = service(registry, peer, Arc::clone(&connection));
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
    let idle = service.registry.config.limits.idle;
    let stream = ClientStream::new(stream, idle, service.unread.clone());
    let connection = http.serve_connection(TokioIo::new(stream), service);
    let _ = watcher.watch(connection).await;
}

/// The service for one connection that hyper calls.
struct Service {
    registry: Registry,
    peer: SocketAddr,
    unread: Unread,
    connection: Arc<OpenConnection>,
}

fn service(registry: Registry, peer: SocketAddr, connection: Arc<OpenConnection>) -> Service {
    Service {
        registry,
        peer,
        unread: Unread::default(),
        connection,
    }
}

impl hyper::service::Service<Request<Incoming>> for Service {
    type Response = Response<Sent>;
    type Error = HungUp;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, HungUp>> + Send>>;

    fn call(&self, request: Request<Incoming>) -> Self::Future {
        let registry = self.registry.clone();
        let running = self.connection.begin();
        let refused = host::check(&request).err();
        let mut request = request.map(|body| self.unread.track(body));
        request.extensions_mut().insert(ClientAddress(self.peer.ip()));
        Box::pin(async move {
            let response = registry.handle_unless(refused, request).await;
            if Behaviour::closes_connection(&response) {
                return Err(HungUp);
            }
            Ok(response.map(|body| Sent {
                body,
                _running: running,
            }))
        })
    }
}

/// The body of a response; dropping it ends the request.
struct Sent {
    body: Body,
    _running: connections::RequestGuard,
}

impl http_body::Body for Sent {
    type Data = Bytes;
    type Error = wharf_content::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// A fault closed the connection.
#[derive(Debug)]
struct HungUp;

impl fmt::Display for HungUp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a fault closed the connection")
    }
}

impl std::error::Error for HungUp {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_address_is_a_registry_in_the_names_of_images() {
        for (address, name) in [
            ("127.0.0.1:5000", "127.0.0.1:5000"),
            ("0.0.0.0:443", "0.0.0.0:443"),
            ("[::1]:5000", "[::1]:5000"),
            ("[fe80::1%3]:5000", "[fe80::1]:5000"),
            ("[::ffff:127.0.0.1]:5000", "127.0.0.1:5000"),
            ("[2001:db8::ffff:1]:80", "[2001:db8::ffff:1]:80"),
        ] {
            assert_eq!(name_of(address.parse().unwrap()).unwrap(), name);
        }
    }
}
