//! The client's own transport among the hosts of a stage.

use std::{io, net::SocketAddr, sync::Arc};

use async_trait::async_trait;
use wharf_http::{Connect, DnsResolver, Error, HttpService, Peer, PeerAddress, Request, Response};

use super::Names;

#[async_trait]
impl DnsResolver for Names {
    async fn resolve(&self, host: &str) -> io::Result<Vec<SocketAddr>> {
        let found = self.lookup(host);
        if found.is_empty() {
            return Err(io::ErrorKind::NotFound.into());
        }
        Ok(found)
    }
}

/// Connections of another connector, of which those to one host seem to lead to another address.
#[derive(Debug)]
pub struct Pretend {
    inner: Arc<dyn Connect>,
    host: &'static str,
    address: SocketAddr,
}

impl Pretend {
    /// Makes the answers of this host seem to come from this address, which is written with its port.
    pub fn new(inner: Arc<dyn Connect>, host: &'static str, address: &str) -> Self {
        Self {
            inner,
            host,
            address: address.parse().expect("an address with a port"),
        }
    }
}

impl Connect for Pretend {
    fn connect(&self, peer: &Peer) -> Result<Arc<dyn HttpService>, Error> {
        let inner = self.inner.connect(peer)?;
        if peer.origin.host() != self.host {
            return Ok(inner);
        }
        Ok(Arc::new(PretendService(inner, self.address)))
    }
}

#[derive(Debug)]
struct PretendService(Arc<dyn HttpService>, SocketAddr);

#[async_trait]
impl HttpService for PretendService {
    async fn call(&self, request: Request) -> Result<Response, Error> {
        let mut response = self.0.call(request).await?;
        response.extensions_mut().insert(PeerAddress(self.1));
        Ok(response)
    }
}
