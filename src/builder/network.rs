//! Settings of the protocol's client, passed on as they are.

use std::sync::Arc;

use wharf_auth::RealmPolicy;
use wharf_content::Progress;
use wharf_http::{Connect, ProxySettings, RetryPolicy, Timeouts};
use wharf_reference::Registry;

use super::ClientBuilder;

impl ClientBuilder {
    fn map(
        mut self,
        set: impl FnOnce(wharf_distribution::ClientBuilder) -> wharf_distribution::ClientBuilder,
    ) -> Self {
        self.protocol = set(self.protocol);
        self
    }

    /// Time limits: for a connection, for the head of an answer by class of request, for pauses in bodies. Default:
    /// [`Timeouts::default`].
    pub fn with_timeouts(self, timeouts: Timeouts) -> Self {
        self.map(|protocol| protocol.with_timeouts(timeouts))
    }

    /// When failed requests are sent again, how often, and after which waits. Default: [`RetryPolicy::default`].
    pub fn with_retry(self, retry: RetryPolicy) -> Self {
        self.map(|protocol| protocol.with_retry(retry))
    }

    /// The `User-Agent` header of every request. Default: `wharf/` and the version. Characters that no header can
    /// carry make [`ClientBuilder::build`] fail with [`ErrorKind::Invalid`](wharf_content::ErrorKind::Invalid).
    pub fn with_user_agent(self, user_agent: impl Into<String>) -> Self {
        self.map(|protocol| protocol.with_user_agent(user_agent))
    }

    /// The proxies that requests go through. Default: those of the environment that the
    /// [`Locations`](wharf_config::Locations) were read from (`HTTP_PROXY`, `HTTPS_PROXY`, `NO_PROXY`); none without.
    pub fn with_proxies(mut self, proxies: ProxySettings) -> Self {
        self.has_proxies = true;
        self.map(|protocol| protocol.with_proxies(proxies))
    }

    /// Which token servers may receive credentials beside those of the registry's own host or domain. Default:
    /// [`RealmPolicy::default`].
    pub fn with_realms(self, realms: RealmPolicy) -> Self {
        self.map(|protocol| protocol.with_realms(realms))
    }

    /// Another transport than the built-in one. Time limits and proxies are that transport's own then.
    pub fn with_connect(self, connect: impl Connect + 'static) -> Self {
        self.map(|protocol| protocol.with_connect(connect))
    }

    /// Speaks plain http with this registry, and never tries https: for a registry inside this machine, such as
    /// one in a test.
    pub fn with_plain_http(self, registry: Registry) -> Self {
        self.map(|protocol| protocol.with_plain_http(registry))
    }

    /// Fetches a layer that the registry does not have from the URLs that its descriptor lists; see
    /// [`with_foreign_urls`](wharf_distribution::ClientBuilder::with_foreign_urls). Default: they are ignored.
    pub fn with_foreign_urls(self) -> Self {
        self.map(wharf_distribution::ClientBuilder::with_foreign_urls)
    }

    /// Tells what the user should know and is no failure, each thing once, as
    /// [`Event::Warning`](wharf_content::Event::Warning): what is odd in the configuration, files of certs.d that are
    /// ignored, files with credentials that others can read, what registries warn of. Default: it is logged.
    /// [`Client::warnings`](crate::Client::warnings) has them all.
    pub fn with_warnings(mut self, listener: impl Progress + 'static) -> Self {
        self.warnings = Some(Arc::new(listener));
        self
    }
}
