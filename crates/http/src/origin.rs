use std::fmt;

use url::{Host, Url};

use crate::{Error, ErrorKind};

/// The scheme of a URL: http or https.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Scheme {
    /// Plain text.
    Http,
    /// TLS.
    Https,
}

impl Scheme {
    /// The scheme as in a URL: `http` or `https`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }

    /// 80 or 443.
    #[must_use]
    pub const fn default_port(self) -> u16 {
        match self {
            Self::Http => 80,
            Self::Https => 443,
        }
    }
}

impl fmt::Display for Scheme {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// Scheme, host and port (RFC 6454). Credentials and TLS settings belong to one origin.
///
/// The host is in lower case without a trailing dot, and the port is always set, so that two spellings of
/// one origin are equal.
///
/// ```
/// use wharf_http::Origin;
///
/// let origin = Origin::of(&"https://Registry.example:443/v2/".parse()?)?;
/// assert_eq!(origin.to_string(), "https://registry.example");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Origin {
    scheme: Scheme,
    host: Box<str>,
    port: u16,
}

impl Origin {
    /// The origin of a URL.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Settings`] if the URL is neither http nor https, or has no host.
    pub fn of(url: &Url) -> Result<Self, Error> {
        let scheme = match url.scheme() {
            "http" => Scheme::Http,
            "https" => Scheme::Https,
            _ => {
                return Err(Error::new(
                    ErrorKind::Settings,
                    "a URL that is neither http nor https",
                ));
            }
        };
        let host = url.host_str().unwrap_or_default();
        let host = host.strip_suffix('.').unwrap_or(host);
        if host.is_empty() {
            return Err(Error::new(ErrorKind::Settings, "a URL without a host"));
        }
        let port = url.port().unwrap_or_else(|| scheme.default_port());
        Ok(Self {
            scheme,
            host: host.to_ascii_lowercase().into_boxed_str(),
            port,
        })
    }

    /// The scheme.
    #[must_use]
    pub const fn scheme(&self) -> Scheme {
        self.scheme
    }

    /// The host in lower case; an IPv6 address is in brackets.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The port.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// True for https.
    #[must_use]
    pub const fn is_encrypted(&self) -> bool {
        matches!(self.scheme, Scheme::Https)
    }

    /// Corrects an http URL that the server at this https origin sent about itself. If the host is that of
    /// the origin, and the port is 80 or that of the origin, the result is https at the origin; any other
    /// URL is returned unchanged. A server behind a proxy that terminates TLS often does not know that it
    /// is reached over https.
    #[must_use]
    pub fn over_tls(&self, mut url: Url) -> Url {
        let is_same_host = Self::of(&url).is_ok_and(|other| !other.is_encrypted() && other.host == self.host);
        let is_same_port = url.port().is_none_or(|port| port == self.port);
        if self.is_encrypted() && is_same_host && is_same_port && url.set_scheme("https").is_ok() {
            let _ = url.set_port(Some(self.port)); // cannot fail: the URL has a host
        }
        url
    }

    /// True if the host is the local machine by its name or address: `localhost` and names below it,
    /// 127.0.0.0/8, `[::1]`.
    #[must_use]
    pub fn is_loopback(&self) -> bool {
        match Host::parse(&self.host) {
            Ok(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
            Ok(Host::Ipv4(address)) => address.is_loopback(),
            Ok(Host::Ipv6(address)) => address.is_loopback(),
            Err(_) => false,
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", self.scheme, self.host)?;
        if self.port != self.scheme.default_port() {
            write!(f, ":{}", self.port)?;
        }
        Ok(())
    }
}

impl fmt::Debug for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spellings_of_one_origin_are_equal() {
        let table = [
            ("https://Reg.Example/", "https://reg.example", true),
            ("https://reg.example:443/v2/", "https://reg.example", true),
            ("https://reg.example./", "https://reg.example", true),
            ("http://reg.example:80/", "http://reg.example", true),
            ("https://user:pw@reg.example/", "https://reg.example", true),
            ("https://reg.example:444/", "https://reg.example", false),
            ("http://reg.example/", "https://reg.example", false),
            ("https://sub.reg.example/", "https://reg.example", false),
            ("https://reg@evil.example/", "https://reg.example", false),
            ("https://127.1/", "https://127.0.0.1", true),
            ("https://[::0:1]/", "https://[::1]", true),
        ];
        for (left, right, equal) in table {
            let origin = |text| Origin::of(&Url::parse(text).unwrap()).unwrap();
            assert_eq!(origin(left) == origin(right), equal, "{left} {right}");
        }
    }

    #[test]
    fn http_at_a_host_behind_tls_is_https() {
        let table = [
            (
                "https://r.example",
                "http://r.example/x?y",
                "https://r.example/x?y",
            ),
            (
                "https://r.example",
                "http://R.example:80/x",
                "https://r.example/x",
            ),
            (
                "https://r.example",
                "http://r.example:443/x",
                "https://r.example/x",
            ),
            (
                "https://r.example:8443",
                "http://r.example/x",
                "https://r.example:8443/x",
            ),
            (
                "https://r.example:8443",
                "http://r.example:8443/x",
                "https://r.example:8443/x",
            ),
            ("https://[::1]:8443", "http://[::1]/x", "https://[::1]:8443/x"),
            (
                "https://r.example",
                "http://r.example:81/x",
                "http://r.example:81/x",
            ),
            (
                "https://r.example",
                "http://a.r.example/x",
                "http://a.r.example/x",
            ),
            (
                "https://r.example",
                "http://evil.example/x",
                "http://evil.example/x",
            ),
            (
                "https://r.example",
                "https://r.example:80/x",
                "https://r.example:80/x",
            ),
            ("http://r.example", "http://r.example/x", "http://r.example/x"),
            ("http://r.example", "https://r.example/x", "https://r.example/x"),
        ];
        for (origin, url, expected) in table {
            let origin = Origin::of(&Url::parse(origin).unwrap()).unwrap();
            let read = origin.over_tls(Url::parse(url).unwrap());
            assert_eq!(read.as_str(), expected, "{origin} {url}");
        }
    }

    #[test]
    fn prints_without_the_default_port() {
        let origin = |text| Origin::of(&Url::parse(text).unwrap()).unwrap().to_string();
        assert_eq!(origin("https://a:443/x?y"), "https://a");
        assert_eq!(origin("http://a:443/x"), "http://a:443");
    }

    #[test]
    fn loopback_is_told_by_the_parsed_host() {
        let loopback = |text| Origin::of(&Url::parse(text).unwrap()).unwrap().is_loopback();
        for yes in [
            "http://localhost:1/",
            "http://127.0.0.9/",
            "http://[::1]:5/",
            "http://2130706433/",
        ] {
            assert!(loopback(yes), "{yes}");
        }
        for no in [
            "http://localhost.evil/",
            "http://128.0.0.1/",
            "http://127.0.0.1.evil/",
        ] {
            assert!(!loopback(no), "{no}");
        }
    }
}
