mod accept;
mod service;

use std::{fmt, io, net::SocketAddr};

use tokio::{net::TcpListener, sync::watch, task::JoinHandle};
use wharf_reference::{ParseError, Reference};

use self::accept::{Transport, accept};
use crate::{Registry, events::Delivering};

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
    delivering: Delivering,
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
        let delivering = Delivering::start(&self);
        Ok(Server {
            address,
            name,
            registry: self,
            scheme,
            stop,
            task,
            delivering,
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
    /// without a request are closed at once, those that never had one after a second. Events that are left are
    /// delivered once more, for at most 5 s.
    pub async fn shutdown(mut self) {
        self.stop.send_replace(true);
        let _ = (&mut self.task).await; // an aborted task has stopped, too
        self.delivering.end(&self.registry).await;
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
