use std::{fmt, io, net::SocketAddr, sync::Arc, time::Duration};

use http::{Request, Response};
use hyper::{body::Incoming, server::conn::http1};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    server::graceful::{GracefulShutdown, Watcher},
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream},
    sync::{Semaphore, watch},
    task::{JoinHandle, JoinSet},
};
use wharf_reference::{ParseError, Reference};

use crate::{
    Body, Fault, Injected, LoggedRequest, Registry,
    fault::HangUp,
    linger::{Lingering, Unread},
    patient::Patient,
};

/// How long a client may take for a TLS handshake, and for the head of a request.
const HEAD_TIMEOUT: Duration = Duration::from_secs(30);
/// How often upload sessions are looked at that nobody uses.
const EXPIRY_INTERVAL: Duration = Duration::from_secs(60);

/// A registry on a port of this machine. It stops when this is dropped.
///
/// HTTP/1.1, also over TLS. The head of a request has at most 100 headers and about 400 kB, more is answered 431,
/// and must be there 30 s after the connection was made or the last request was answered; the rest is bounded by
/// [`Limits`](crate::Limits).
pub struct Server {
    address: SocketAddr,
    registry: Registry,
    scheme: &'static str,
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
}

/// How the bytes of a connection are wrapped.
#[derive(Clone)]
enum Transport {
    Plain,
    #[cfg(feature = "tls")]
    Tls(tokio_rustls::TlsAcceptor),
}

impl Registry {
    /// Serves the registry in plain HTTP on an unused port of 127.0.0.1.
    pub async fn serve(self) -> io::Result<Server> {
        self.serve_on(([127, 0, 0, 1], 0).into()).await
    }

    /// Serves the registry in plain HTTP at this address; port 0 is any unused one.
    ///
    /// Unless [an external URL](Registry::with_external_url) is set, clients are told to get their tokens at
    /// `http://` and the address.
    pub async fn serve_on(self, address: SocketAddr) -> io::Result<Server> {
        self.listen(address, Transport::Plain).await
    }

    /// As [`Registry::serve_on`], in HTTP over TLS.
    #[cfg(feature = "tls")]
    pub async fn serve_tls(self, address: SocketAddr, tls: &crate::Tls) -> io::Result<Server> {
        let acceptor = tls.acceptor().map_err(io::Error::other)?;
        self.listen(address, Transport::Tls(acceptor)).await
    }

    async fn listen(mut self, address: SocketAddr, transport: Transport) -> io::Result<Server> {
        let listener = TcpListener::bind(address).await?;
        let address = listener.local_addr()?;
        let scheme = match transport {
            Transport::Plain => "http",
            #[cfg(feature = "tls")]
            Transport::Tls(_) => "https",
        };
        self.config_mut().listening = Some(format!("{scheme}://{address}"));
        let (stop, stopped) = watch::channel(false);
        let task = tokio::spawn(accept(listener, transport, self.clone(), stopped));
        Ok(Server {
            address,
            registry: self,
            scheme,
            stop,
            task,
        })
    }
}

impl Server {
    /// Where it listens.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Scheme, host and port, without a slash at the end.
    #[must_use]
    pub fn url(&self) -> String {
        format!("{}://{}", self.scheme, self.address)
    }

    /// What the registry is called in an image name: `127.0.0.1:port`.
    pub fn registry(&self) -> Result<wharf_reference::Registry, ParseError> {
        wharf_reference::Registry::parse(&self.address.to_string())
    }

    /// The full name of an image here: `reference("lib/app:1")` is `127.0.0.1:port/lib/app:1`.
    pub fn reference(&self, name: &str) -> Result<Reference, ParseError> {
        Reference::parse(&format!("{}/{name}", self.address))
    }

    /// The last requests, oldest first.
    #[must_use]
    pub fn requests(&self) -> Vec<LoggedRequest> {
        self.registry.requests()
    }

    /// The registry that is served.
    #[must_use]
    pub const fn service(&self) -> &Registry {
        &self.registry
    }

    /// Makes the registry misbehave from now on.
    pub fn inject(&self, fault: Fault) -> Injected {
        self.registry.inject(fault)
    }

    /// Accepts no more connections, and returns when the requests that are running have been answered.
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

/// Accepts connections until it is told to stop. Dropped, it drops the connections too.
async fn accept(
    listener: TcpListener,
    transport: Transport,
    registry: Registry,
    mut stopped: watch::Receiver<bool>,
) {
    let graceful = GracefulShutdown::new();
    let room = Arc::new(Semaphore::new(registry.config.limits.connections));
    let mut connections = JoinSet::new();
    let mut expiry = tokio::time::interval(EXPIRY_INTERVAL);
    loop {
        let next = async {
            let permit = Arc::clone(&room).acquire_owned().await;
            (permit, listener.accept().await)
        };
        tokio::select! {
            (permit, accepted) = next => match accepted {
                Ok((stream, _)) => {
                    let (transport, registry) = (transport.clone(), registry.clone());
                    let watcher = graceful.watcher();
                    connections.spawn(async move {
                        serve(stream, transport, registry, watcher).await;
                        drop(permit);
                    });
                }
                // Of one connection, or too many open files: neither is a reason to stop.
                Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
            },
            Some(_) = connections.join_next() => {}
            _ = expiry.tick() => {
                let _ = registry.expire_uploads().await; // tried again in a while
            }
            _ = stopped.changed() => break,
        }
    }
    drop(listener);
    graceful.shutdown().await;
    while connections.join_next().await.is_some() {} // they hold the registry, and it its backend
}

async fn serve(stream: TcpStream, transport: Transport, registry: Registry, watcher: Watcher) {
    let _ = stream.set_nodelay(true); // slower, but not wrong without
    match transport {
        Transport::Plain => speak(stream, registry, watcher).await,
        #[cfg(feature = "tls")]
        Transport::Tls(acceptor) => {
            if let Ok(Ok(stream)) = tokio::time::timeout(HEAD_TIMEOUT, acceptor.accept(stream)).await {
                speak(stream, registry, watcher).await;
            }
        }
    }
}

/// Answers the requests of one connection. How it ends is the client's business.
async fn speak(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    registry: Registry,
    watcher: Watcher,
) {
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(HEAD_TIMEOUT);
    let stream = Patient::new(stream, registry.config.limits.idle);
    let unread = Unread::default();
    let stream = Lingering::new(stream, unread.clone());
    let connection = http.serve_connection(TokioIo::new(stream), service(registry, unread));
    let _ = watcher.watch(connection).await;
}

/// The registry as hyper calls it.
fn service(
    registry: Registry,
    unread: Unread,
) -> impl hyper::service::Service<
    Request<Incoming>,
    Response = Response<Body>,
    Error = HungUp,
    Future: Send + 'static,
> {
    hyper::service::service_fn(move |request: Request<Incoming>| {
        let registry = registry.clone();
        let request = request.map(|body| unread.follow(body));
        async move {
            let response = registry.handle(request).await;
            match response.extensions().get::<HangUp>() {
                Some(_) => Err(HungUp),
                None => Ok(response),
            }
        }
    })
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
