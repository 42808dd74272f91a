//! Settings of the protocol's client, passed on as they are.

use std::sync::Arc;

use wharf_auth::RealmPolicy;
use wharf_config::SignatureLocations;
use wharf_content::Progress;
use wharf_http::{Connect, ProxySettings, RetryPolicy, Timeouts};

use super::ClientBuilder;
use crate::IntoRegistry;

impl ClientBuilder {
    pub(super) fn map(
        mut self,
        set: impl FnOnce(wharf_distribution::ClientBuilder) -> wharf_distribution::ClientBuilder,
    ) -> Self {
        self.protocol = set(self.protocol);
        self
    }

    /// Sets the time limits: for making a connection, for the head of an answer by class of request, and for
    /// pauses in bodies. Default: [`Timeouts::default`].
    ///
    /// ```
    /// use std::time::Duration;
    /// use wharf::{Client, http::Timeouts};
    ///
    /// let timeouts = Timeouts::default().with_content(Duration::from_secs(20 * 60)); // a cache that fetches first
    /// let client = Client::builder().with_timeouts(timeouts).build()?;
    /// # Ok::<(), wharf::Error>(())
    /// ```
    pub fn with_timeouts(self, timeouts: Timeouts) -> Self {
        self.map(|protocol| protocol.with_timeouts(timeouts))
    }

    /// Sets which failed requests are sent again, how often, and after which waits. Default:
    /// [`RetryPolicy::default`].
    ///
    /// ```
    /// use wharf::{Client, http::RetryPolicy};
    ///
    /// let client = Client::builder().with_retry(RetryPolicy::default().with_max_attempts(3)).build()?;
    /// # Ok::<(), wharf::Error>(())
    /// ```
    pub fn with_retry(self, retry: RetryPolicy) -> Self {
        self.map(|protocol| protocol.with_retry(retry))
    }

    /// Sets the `User-Agent` header of every request. Default: `wharf/` and the version. With characters that
    /// no header can carry, [`ClientBuilder::build`] fails with
    /// [`ErrorKind::Invalid`](wharf_content::ErrorKind::Invalid).
    ///
    /// ```
    /// let client = wharf::Client::builder().with_user_agent("deploy-bot/1.4").build()?;
    /// # Ok::<(), wharf::Error>(())
    /// ```
    pub fn with_user_agent(self, user_agent: impl Into<String>) -> Self {
        self.map(|protocol| protocol.with_user_agent(user_agent))
    }

    /// Sets the proxies that requests go through. Default: those that `HTTP_PROXY`, `HTTPS_PROXY` and
    /// `NO_PROXY` name in the environment that the [`Locations`](wharf_config::Locations) were read from;
    /// none without these.
    ///
    /// ```
    /// use wharf::{Client, http::ProxySettings};
    ///
    /// let proxies = ProxySettings::default().with_https("http://proxy.example.com:3128")?.with_no_proxy(".example.com");
    /// let client = Client::builder().with_proxies(proxies).build()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn with_proxies(mut self, proxies: ProxySettings) -> Self {
        self.has_proxies = true;
        self.map(|protocol| protocol.with_proxies(proxies))
    }

    /// Sets which token servers may receive credentials beside those of the registry's own host or domain.
    /// Default: [`RealmPolicy::default`].
    ///
    /// ```
    /// use wharf::{Client, auth::RealmPolicy};
    ///
    /// let client = Client::builder().with_realms(RealmPolicy::default().trust("login.example.net")).build()?;
    /// # Ok::<(), wharf::Error>(())
    /// ```
    pub fn with_realms(self, realms: RealmPolicy) -> Self {
        self.map(|protocol| protocol.with_realms(realms))
    }

    /// Sets where the signatures of images are kept. Default: where the host's registries.d says; nowhere if
    /// there is none, or without the feature `trust`.
    ///
    /// ```
    /// use wharf::{Client, config::{Lookaside, SignatureStore}};
    ///
    /// let lookaside = Lookaside::parse("https://signatures.example.com/lookaside")?;
    /// let store = SignatureStore::default().with_lookaside(lookaside);
    /// let client = Client::builder().with_signature_locations(store).build()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn with_signature_locations(mut self, locations: impl SignatureLocations + 'static) -> Self {
        self.signature_locations = Some(Arc::new(locations));
        self
    }

    /// Sets what sends the requests, instead of the built-in HTTP client. The time limits and proxies of this
    /// builder have no effect then.
    ///
    /// ```
    /// use wharf::{Client, http::ReqwestConnector};
    ///
    /// let client = Client::builder().with_connect(ReqwestConnector::new()).build()?;
    /// # Ok::<(), wharf::Error>(())
    /// ```
    pub fn with_connect(self, connect: impl Connect + 'static) -> Self {
        self.map(|protocol| protocol.with_connect(connect))
    }

    /// Speaks plain http with this registry, and never https: for a registry on this machine, such as one in
    /// a test.
    ///
    /// ```no_run
    /// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
    /// use wharf::{Client, ImageBuilder, Platform};
    ///
    /// let server = wharf_registry::Registry::memory().serve().await?; // stops when it is dropped
    /// let client = Client::builder().with_plain_http(server.registry()).build()?;
    /// let image = ImageBuilder::for_platform(Platform::host()).build()?;
    /// client.push_image(&image, server.reference("team/app:1")?).await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn with_plain_http(mut self, registry: impl IntoRegistry) -> Self {
        match self.accept(registry.into_registry()) {
            Some(registry) => self.map(|protocol| protocol.with_plain_http(registry)),
            None => self,
        }
    }

    /// Sets whether a layer that the registry does not have is fetched from the URLs that its descriptor
    /// lists; see [`with_foreign_urls`](wharf_distribution::ClientBuilder::with_foreign_urls). Default:
    /// `false`.
    ///
    /// ```
    /// let client = wharf::Client::builder().with_foreign_urls(true).build()?;
    /// # Ok::<(), wharf::Error>(())
    /// ```
    pub fn with_foreign_urls(self, foreign_urls: bool) -> Self {
        self.map(|protocol| protocol.with_foreign_urls(foreign_urls))
    }

    /// Sets the daemon that `docker-daemon:` locations are in. Default: [`Daemon::docker`](crate::Daemon::docker).
    ///
    /// ```
    /// use wharf::{Client, Daemon};
    ///
    /// let client = Client::builder().with_daemon(Daemon::podman()).build()?;
    /// # Ok::<(), wharf::Error>(())
    /// ```
    #[cfg(feature = "daemon")]
    pub fn with_daemon(mut self, daemon: crate::Daemon) -> Self {
        self.daemon = daemon;
        self
    }

    /// Sets the directory for temporary files. Below it the images of an archive are stored meanwhile that is read as a
    /// stream: from standard input (`/dev/stdin`) or a pipe, or compressed as a whole. It must have room for all of them, and they
    /// are removed when the image was read; those of standard input, which can be read once, with the client. In it is a layer, too, that is
    /// made as it is sent, for a registry that takes no layer but a whole one. Default: the directory of the system.
    ///
    /// ```
    /// let client = wharf::Client::builder().with_scratch("/var/tmp").build()?;
    /// # Ok::<(), wharf::Error>(())
    /// ```
    pub fn with_scratch(self, directory: impl Into<std::path::PathBuf>) -> Self {
        let directory = directory.into();
        #[cfg_attr(
            not(feature = "archive"),
            expect(unused_mut, reason = "archives alone are read as streams")
        )]
        let mut builder = self.map(|protocol| protocol.with_scratch(directory.clone()));
        #[cfg(feature = "archive")]
        {
            builder.streams = crate::files::Streams::new(directory);
        }
        builder
    }

    /// Sets the listener for warnings: each is one [`Event::Warning`](wharf_content::Event::Warning), at the
    /// moment it arises. They are about oddities in the configuration, files of certs.d that are ignored,
    /// files with credentials that others can read, and come from registries. Default: they are logged.
    /// [`Client::warnings`](crate::Client::warnings) has them all.
    ///
    /// ```
    /// use wharf::{Client, Event};
    ///
    /// let listener = |event: Event<'_>| {
    ///     if let Event::Warning { message } = event {
    ///         eprintln!("warning: {message}");
    ///     }
    /// };
    /// let client = Client::builder().with_warnings(listener).build()?;
    /// # Ok::<(), wharf::Error>(())
    /// ```
    pub fn with_warnings(mut self, listener: impl Progress + 'static) -> Self {
        self.warnings = Some(Arc::new(listener));
        self
    }
}
