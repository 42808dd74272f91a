//! Answers the requests of one connection, which hyper reads.

use std::{
    fmt,
    net::SocketAddr,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use http::{Request, Response};
use http_body::{Frame, SizeHint};
use hyper::body::Incoming;

use crate::{
    Body, ClientAddress, Registry,
    behaviour::Behaviour,
    connections::{OpenConnection, RequestGuard},
    drain::Unread,
    host,
};

/// The service for one connection that hyper calls.
pub(super) struct Service {
    registry: Registry,
    peer: SocketAddr,
    unread: Unread,
    connection: Arc<OpenConnection>,
}

impl Service {
    pub(super) fn new(registry: Registry, peer: SocketAddr, connection: Arc<OpenConnection>) -> Self {
        Self {
            registry,
            peer,
            unread: Unread::default(),
            connection,
        }
    }

    pub(super) fn idle_timeout(&self) -> Duration {
        self.registry.config.limits.idle
    }

    pub(super) fn unread(&self) -> Unread {
        self.unread.clone()
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
pub(super) struct Sent {
    body: Body,
    _running: RequestGuard,
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
pub(super) struct HungUp;

impl fmt::Display for HungUp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a fault closed the connection")
    }
}

impl std::error::Error for HungUp {}
