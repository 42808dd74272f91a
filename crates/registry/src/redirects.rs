use std::{fmt, net::IpAddr, sync::Arc, time::Duration};

use http::{HeaderMap, header};

/// The blobs that are read from the storage itself, and the clients that are led there.
///
/// GET of a blob is answered 307 then, with a URL that the backend has signed
/// ([`Content::url`](crate::Content::url)). HEAD, manifests, requests with `If-Range`, and everything of a
/// pull-through cache are answered here, and so is every blob for which the backend has no URL.
///
/// Whoever gets the URL has the blob until the URL expires. The registry does not see whether and how much of it
/// was read, quotas of traffic and logs do not count it, and a damaged blob is only noticed by the client. Clients
/// need a way to the storage.
///
/// ```
/// use std::time::Duration;
/// use wharf_registry::{Redirects, Registry};
///
/// let redirects = Redirects::new()
///     .with_lifetime(Duration::from_secs(60))
///     .with_clients(|client| client.user_agent.is_some_and(|agent| agent.starts_with("containers/")));
/// let registry = Registry::memory().with_redirects(redirects);
/// # let _ = registry;
/// ```
#[derive(Clone)]
pub struct Redirects {
    lifetime: Duration,
    least: u64,
    clients: Option<Clients>,
}

type Clients = Arc<dyn Fn(&RedirectedClient<'_>) -> bool + Send + Sync>;

/// A client that may be led to the storage.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct RedirectedClient<'a> {
    /// The address that the request came from, as [`ClientAddress`](crate::ClientAddress) tells it.
    pub address: Option<IpAddr>,
    /// The `User-Agent`, if it is text.
    pub user_agent: Option<&'a str>,
    /// The user, if the request had a login.
    pub user: Option<&'a str>,
}

impl Redirects {
    /// Redirects of all clients, for blobs of at least 64 KiB, to URLs that are valid for five minutes.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            lifetime: Duration::from_secs(5 * 60),
            least: 64 * 1024,
            clients: None,
        }
    }

    /// Sets for how long a URL is valid. A client needs it for the beginning of a download, and gets another one
    /// for its rest. Default: 5 minutes.
    #[must_use]
    pub const fn with_lifetime(mut self, lifetime: Duration) -> Self {
        self.lifetime = lifetime;
        self
    }

    /// Sets the size in bytes below which a blob is answered here, which takes less time than another request.
    /// Default: 64 KiB.
    #[must_use]
    pub const fn with_least_size(mut self, bytes: u64) -> Self {
        self.least = bytes;
        self
    }

    /// Sets which clients are led to the storage; the others are answered here. Must not block. Default: all.
    #[must_use]
    pub fn with_clients(
        mut self,
        clients: impl Fn(&RedirectedClient<'_>) -> bool + Send + Sync + 'static,
    ) -> Self {
        self.clients = Some(Arc::new(clients));
        self
    }

    pub(crate) const fn lifetime(&self) -> Duration {
        self.lifetime
    }

    /// Whether a GET of a blob of so many bytes may be led away.
    pub(crate) fn allow(
        &self,
        size: u64,
        headers: &HeaderMap,
        address: Option<IpAddr>,
        user: Option<&str>,
    ) -> bool {
        // The storage has other entity tags.
        if size < self.least || headers.contains_key(header::IF_RANGE) {
            return false;
        }
        let user_agent = headers.get(header::USER_AGENT);
        let client = RedirectedClient {
            address,
            user_agent: user_agent.and_then(|value| value.to_str().ok()),
            user,
        };
        self.clients.as_ref().is_none_or(|clients| clients(&client))
    }
}

impl Default for Redirects {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Redirects {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Redirects")
            .field("lifetime", &self.lifetime)
            .field("least", &self.least)
            .finish_non_exhaustive()
    }
}
