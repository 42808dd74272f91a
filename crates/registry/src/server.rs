use std::{convert::Infallible, fmt, io, net::SocketAddr, time::Duration};

use http::{Request, Response};
use hyper::{body::Incoming, server::conn::http1};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    server::graceful::GracefulShutdown,
};
use tokio::{net::TcpListener, sync::watch, task::JoinHandle};
use wharf_reference::{ParseError, Reference};

use crate::{Body, LoggedRequest, Registry};

/// How long a client may take to send the head of a request.
const HEADER_TIMEOUT: Duration = Duration::from_secs(30);

/// A registry on a port of this machine. It stops when this is dropped.
pub struct Server {
    address: SocketAddr,
    registry: Registry,
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
}

impl Registry {
    /// Serves the registry in plain HTTP on an unused port of 127.0.0.1.
    pub async fn serve(self) -> io::Result<Server> {
        self.serve_on(([127, 0, 0, 1], 0).into()).await
    }

    /// Serves the registry in plain HTTP at this address; port 0 is any unused one.
    ///
    /// Unless [an external URL](Registry::with_external_url) is set, clients are told to come to
    /// `http://` and the address.
    pub async fn serve_on(mut self, address: SocketAddr) -> io::Result<Server> {
        let listener = TcpListener::bind(address).await?;
        let address = listener.local_addr()?;
        if self.config.external.is_none() {
            self = self.with_external_url(&format!("http://{address}"));
        }
        let (stop, stopped) = watch::channel(false);
        let task = tokio::spawn(accept(listener, self.clone(), stopped));
        Ok(Server {
            address,
            registry: self,
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
        format!("http://{}", self.address)
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

async fn accept(listener: TcpListener, registry: Registry, mut stopped: watch::Receiver<bool>) {
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(HEADER_TIMEOUT);
    let graceful = GracefulShutdown::new();
    let mut connections = tokio::task::JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    let _ = stream.set_nodelay(true); // slower, but not wrong without
                    let connection = http.serve_connection(TokioIo::new(stream), service(&registry));
                    connections.spawn(graceful.watch(connection));
                }
                // Of one connection, or too many open files: neither is a reason to stop.
                Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
            },
            Some(_) = connections.join_next() => {}
            _ = stopped.changed() => break,
        }
    }
    drop(listener);
    graceful.shutdown().await;
}

/// The registry as hyper calls it.
fn service(
    registry: &Registry,
) -> impl hyper::service::Service<
    Request<Incoming>,
    Response = Response<Body>,
    Error = Infallible,
    Future: Send + 'static,
> + use<> {
    let registry = registry.clone();
    hyper::service::service_fn(move |request| {
        let registry = registry.clone();
        async move { Ok(registry.handle(request).await) }
    })
}
