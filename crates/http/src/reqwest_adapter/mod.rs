//! The transport over reqwest, the only module that names reqwest. Everything that reqwest would do by
//! itself is off: redirects, decoding, proxies, retries, the header Referer.

mod allocator;
mod call;
mod classify;
mod identity;
mod pem;
mod protocols;
mod proxied;
mod resolver;
mod rustls_config;

use std::{
    collections::HashMap,
    fmt,
    path::PathBuf,
    sync::{Arc, Mutex, atomic::AtomicU64},
    time::Duration,
};

pub use pem::{CertificateFile, IgnoredBlock};
pub use resolver::DnsResolver;

use crate::{
    Connect, Error, ErrorKind, HttpService, Peer, ProxySettings, Redacted, Timeouts, TlsSettings,
    sync::LockExt as _,
};

/// Connects with reqwest, rustls and ring, over HTTP/2 where the server offers it in the TLS handshake, and
/// over HTTP/1.1 otherwise.
///
/// The first connection of the process lets glibc's allocator retain up to 8 MiB of freed memory in each of its heaps, as a
/// program does that frees a block of 4 MiB; limits that the program has set with mallopt(3) stay.
///
/// ```
/// use std::time::Duration;
/// use wharf_http::{ProxySettings, ReqwestConnector, Timeouts};
///
/// let connector = ReqwestConnector::new()
///     .with_timeouts(Timeouts::default().with_connect(Duration::from_secs(3)))
///     .with_proxies(ProxySettings::default().with_https("http://proxy.example:3128")?);
/// # Ok::<(), wharf_http::Error>(())
/// ```
#[derive(Default)]
pub struct ReqwestConnector {
    timeouts: Timeouts,
    dns: Option<Arc<dyn DnsResolver>>,
    proxies: ProxySettings,
    /// The socket of this machine that every connection is made to.
    socket: Option<PathBuf>,
    /// One configuration per settings: to read the certificates of the system takes milliseconds.
    tls: Mutex<HashMap<Arc<TlsSettings>, rustls::ClientConfig>>,
}

impl ReqwestConnector {
    /// A connector with the default time limits.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the time limits.
    #[must_use]
    pub fn with_timeouts(mut self, timeouts: Timeouts) -> Self {
        self.timeouts = timeouts.bounded();
        self
    }

    /// Sets the proxies. The addresses of servers behind a proxy are not checked (docs/threats.md, N5),
    /// because the proxy resolves their names and connects.
    #[must_use]
    pub fn with_proxies(mut self, proxies: ProxySettings) -> Self {
        self.proxies = proxies;
        self
    }

    /// Sets the resolver of host names. Default: the system's. A port other than 0 in its answer replaces
    /// the default port of a scheme.
    #[must_use]
    pub fn with_dns_resolver(mut self, resolver: impl DnsResolver + 'static) -> Self {
        self.dns = Some(Arc::new(resolver));
        self
    }

    /// Sets the socket of this machine to which every connection is made, whatever the host of the URL. No name is
    /// resolved then, and no proxy is used.
    #[cfg(unix)]
    #[must_use]
    pub fn with_unix_socket(mut self, path: impl Into<PathBuf>) -> Self {
        self.socket = Some(path.into());
        self
    }

    fn tls(&self, settings: &Arc<TlsSettings>) -> Result<rustls::ClientConfig, Error> {
        let mut cache = self.tls.locked();
        if let Some(config) = cache.get(settings) {
            return Ok(config.clone());
        }
        let config = rustls_config::build(settings)?;
        cache.insert(Arc::clone(settings), config.clone());
        Ok(config)
    }
}

impl ReqwestConnector {
    /// The settings of a client with this TLS configuration.
    fn client(
        &self,
        peer: &Peer,
        tls: rustls::ClientConfig,
        proxy: Option<&url::Url>,
    ) -> Result<reqwest::ClientBuilder, Error> {
        let mut builder = reqwest::Client::builder()
            .tls_backend_preconfigured(tls)
            .https_only(peer.origin.is_encrypted())
            .redirect(reqwest::redirect::Policy::none())
            .retry(reqwest::retry::never())
            .referer(false)
            .no_gzip()
            .no_brotli()
            .no_zstd()
            .no_deflate()
            .no_proxy()
            .connect_timeout(self.timeouts.connect)
            .pool_idle_timeout(Duration::from_secs(25))
            .pool_max_idle_per_host(32)
            .tcp_nodelay(true)
            // A server that is gone is noticed within 30 + 4 * 15 s, however long an answer may take: by
            // TCP, and by HTTP/2 behind a proxy, where the TCP connection is the proxy's.
            .tcp_keepalive(Duration::from_secs(30))
            .tcp_keepalive_interval(Duration::from_secs(15))
            .tcp_keepalive_retries(4)
            .http2_keep_alive_interval(Duration::from_secs(30))
            .http2_keep_alive_timeout(Duration::from_secs(30))
            .http1_max_headers(100)
            .http2_max_header_list_size(64 * 1024)
            .dns_resolver(Arc::new(resolver::Resolver {
                floor: peer.floor.filter(|_| proxy.is_none()),
                dns: self.dns.clone(),
            }));
        #[cfg(unix)]
        if let Some(path) = &self.socket {
            builder = builder.unix_socket(path.as_path());
        }
        if let Some(proxy) = proxy {
            builder = builder.proxy(reqwest::Proxy::all(proxy.clone()).map_err(unusable)?);
        }
        Ok(builder)
    }
}

fn unusable(error: reqwest::Error) -> Error {
    Error::from_cause(ErrorKind::Settings, error.without_url())
}

impl Connect for ReqwestConnector {
    fn connect(&self, peer: &Peer) -> Result<Arc<dyn HttpService>, Error> {
        allocator::retain_freed_memory();
        let proxy = self
            .proxies
            .proxy_for(&peer.origin)
            .filter(|_| self.socket.is_none());
        let build = |tls, http2_only| -> Result<reqwest::Client, Error> {
            let builder = self.client(peer, tls, proxy)?;
            let builder = if http2_only {
                builder.http2_prior_knowledge()
            } else {
                builder
            };
            builder.build().map_err(unusable)
        };
        let clients = if peer.origin.is_encrypted() {
            let tls = self.tls(&peer.tls)?;
            call::Clients {
                http1: build(rustls_config::only(tls.clone(), "http/1.1"), false)?,
                http2: build(rustls_config::only(tls.clone(), "h2"), true)?,
                negotiated: build(tls, false)?,
            }
        } else {
            let client = build(rustls_config::none()?, false)?;
            call::Clients {
                negotiated: client.clone(),
                http1: client.clone(),
                http2: client,
            }
        };
        Ok(Arc::new(call::ReqwestService {
            clients,
            learned: protocols::LearnedProtocols::default(),
            answered: AtomicU64::default(),
            timeouts: self.timeouts,
            proxy: proxy.map(|url| Redacted(url).to_string()),
        }))
    }
}

impl fmt::Debug for ReqwestConnector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReqwestConnector")
            .field("timeouts", &self.timeouts)
            .finish_non_exhaustive()
    }
}
