mod exception;

use std::fmt;

use url::Url;

use self::exception::Exception;
use crate::{Error, ErrorKind, Origin, Redacted, Scheme};

/// The proxies of requests, with the rules by which programs written in Go read `HTTP_PROXY`, `HTTPS_PROXY`
/// and `NO_PROXY` (golang.org/x/net/http/httpproxy). The caller passes the values; this crate reads no
/// environment variable. Default: no proxy.
///
/// A user name and password in the URL of a proxy are sent to the proxy only. The local machine
/// (`localhost` and loopback addresses) is never reached through a proxy. The proxy resolves the names of
/// servers.
///
/// ```
/// use wharf_http::{Origin, ProxySettings};
///
/// let proxies = ProxySettings::default()
///     .with_https("http://proxy.example:3128")?
///     .with_no_proxy("internal.example, 10.0.0.0/8");
/// let proxy_for = |url: &str| Some(proxies.proxy_for(&Origin::of(&url.parse().ok()?).ok()?)?.to_string());
/// assert_eq!(proxy_for("https://registry.example").as_deref(), Some("http://proxy.example:3128/"));
/// assert_eq!(proxy_for("https://registry.internal.example"), None);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Default)]
pub struct ProxySettings {
    http: Option<Url>,
    https: Option<Url>,
    except: Vec<Exception>,
}

impl ProxySettings {
    /// Sets the proxy for requests over plain http; an empty text sets none. A URL without a scheme is that
    /// of an http proxy.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Settings`] if the text is no URL of a proxy that speaks http, https, socks5 or socks5h.
    pub fn with_http(mut self, proxy: &str) -> Result<Self, Error> {
        self.http = parse(proxy)?;
        Ok(self)
    }

    /// Sets the proxy for requests over https; an empty text sets none. The proxy passes the encrypted
    /// bytes on and cannot read them.
    ///
    /// # Errors
    ///
    /// As [`ProxySettings::with_http`].
    pub fn with_https(mut self, proxy: &str) -> Result<Self, Error> {
        self.https = parse(proxy)?;
        Ok(self)
    }

    /// Adds hosts that are reached without a proxy. The entries of the list are separated by commas or
    /// spaces. An entry is a name, which includes its subdomains; `.domain` or `*.domain`, for subdomains
    /// alone; an address; a network (`10.0.0.0/8`); or `*`, for every host. A name, a domain and an address
    /// may have a port. An entry of any other form has no effect. A network includes only hosts that are
    /// written as addresses: names are not resolved.
    ///
    /// # Deviation
    ///
    /// Go separates entries by commas alone, and reads `a b` as one host, which matches nothing.
    #[must_use]
    pub fn with_no_proxy(mut self, list: &str) -> Self {
        let entries = list.split(|c: char| c == ',' || c.is_ascii_whitespace());
        self.except.extend(entries.filter_map(Exception::parse));
        self
    }

    /// The proxy for requests to this origin; `None` for a direct connection.
    #[must_use]
    pub fn proxy_for(&self, origin: &Origin) -> Option<&Url> {
        let proxy = match origin.scheme() {
            Scheme::Http => self.http.as_ref(),
            Scheme::Https => self.https.as_ref(),
        }?;
        let direct = origin.is_loopback() || self.except.iter().any(|exception| exception.matches(origin));
        (!direct).then_some(proxy)
    }
}

fn parse(proxy: &str) -> Result<Option<Url>, Error> {
    let proxy = proxy.trim();
    if proxy.is_empty() {
        return Ok(None);
    }
    let with_scheme = if proxy.contains("://") {
        proxy.to_owned()
    } else {
        format!("http://{proxy}")
    };
    // The value is not part of the message: it may contain a password.
    let invalid = || {
        let message =
            "it is not the URL of a proxy, such as http://proxy.example:3128 or socks5://proxy.example:1080";
        Error::new(ErrorKind::Settings, message)
    };
    // As in Go, the proxy resolves the names for socks5, too.
    let with_scheme = match with_scheme.split_once("://") {
        Some((scheme, rest)) if scheme.eq_ignore_ascii_case("socks5") => format!("socks5h://{rest}"),
        _ => with_scheme,
    };
    let url = Url::parse(&with_scheme).map_err(|_| invalid())?;
    let known = matches!(url.scheme(), "http" | "https" | "socks5h");
    if known && url.host_str().is_some_and(|host| !host.is_empty()) {
        Ok(Some(url))
    } else {
        Err(invalid())
    }
}

impl fmt::Debug for ProxySettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProxySettings")
            .field("http", &self.http.as_ref().map(Redacted))
            .field("https", &self.https.as_ref().map(Redacted))
            .field("except", &self.except)
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn proxies_are_urls_or_hosts() {
        let table = [
            ("http://proxy.example:3128", Some("http://proxy.example:3128/")),
            ("https://proxy.example", Some("https://proxy.example/")),
            ("proxy.example:3128", Some("http://proxy.example:3128/")),
            (" 10.0.0.1:80 ", Some("http://10.0.0.1/")),
            ("http://[2001:db8::1]:3128", Some("http://[2001:db8::1]:3128/")),
            (
                "http://user:CANARY@proxy.example",
                Some("http://user:CANARY@proxy.example/"),
            ),
            (
                "socks5://proxy.example:1080",
                Some("socks5h://proxy.example:1080"),
            ),
            (
                "SOCKS5://proxy.example:1080",
                Some("socks5h://proxy.example:1080"),
            ),
            (
                "socks5h://user:CANARY@proxy.example",
                Some("socks5h://user:CANARY@proxy.example"),
            ),
            ("socks4://proxy.example", None),
            ("ftp://CANARY@proxy.example", None),
            ("http://", None),
            ("://CANARY", None),
            ("http://proxy example", None),
            ("http://proxy.example:port", None),
        ];
        for (text, expected) in table {
            match ProxySettings::default().with_https(text) {
                Ok(settings) => {
                    assert_eq!(settings.https.as_ref().map(Url::as_str), expected, "{text}");
                    assert!(!format!("{settings:?}").contains("CANARY"), "{settings:?}");
                }
                Err(error) => {
                    assert_eq!(expected, None, "{text}: {error}");
                    assert!(!format!("{error} {error:?}").contains("CANARY"), "{error:?}");
                }
            }
        }
        assert!(ProxySettings::default().with_https(" ").unwrap().https.is_none());
    }

    #[test]
    fn each_scheme_has_its_proxy_and_this_machine_none() {
        let settings = ProxySettings::default().with_https("proxy.example").unwrap();
        let table = [
            ("https://ghcr.io", true),
            ("http://ghcr.io", false),
            ("https://localhost:5000", false),
            ("https://127.0.0.1", false),
            ("https://127.8.9.1:5000", false),
            ("https://[::1]:5000", false),
        ];
        for (url, proxied) in table {
            let origin = Origin::of(&Url::parse(url).unwrap()).unwrap();
            assert_eq!(settings.proxy_for(&origin).is_some(), proxied, "{url}");
        }
    }

    #[test]
    fn exceptions_are_read_as_go_reads_them() {
        let table = [
            ("corp.example", "https://corp.example", false),
            ("corp.example", "https://a.corp.example", false),
            ("corp.example", "https://notcorp.example", true),
            ("CORP.example", "https://corp.example", false),
            ("corp.example.", "https://corp.example", false),
            (".corp.example", "https://corp.example", true),
            (".corp.example", "https://a.corp.example", false),
            ("*.corp.example", "https://corp.example", true),
            ("*.corp.example", "https://a.b.corp.example", false),
            ("port.example:8443", "https://port.example:8443", false),
            ("port.example:8443", "https://port.example", true),
            ("port.example:443", "https://port.example", false),
            ("10.0.0.0/8", "https://10.255.0.1", false),
            ("10.0.0.0/8", "https://11.0.0.1", true),
            ("10.0.0.0/8", "https://ten.example", true),
            ("10.1.2.3/8", "https://10.9.9.9", false),
            ("0.0.0.0/0", "https://8.8.8.8", false),
            ("10.0.0.0/33", "https://10.0.0.1", true),
            ("192.168.1.7", "https://192.168.1.7:5000", false),
            ("192.168.1.7:5000", "https://192.168.1.7:5000", false),
            ("192.168.1.7:5000", "https://192.168.1.7", true),
            ("192.168.1.7", "https://192.168.1.70", true),
            ("2001:db8::1", "https://[2001:db8::1]", false),
            ("[2001:db8::1]:5000", "https://[2001:db8::1]:5000", false),
            ("[2001:db8::1]:5000", "https://[2001:db8::1]", true),
            ("2001:db8::/32", "https://[2001:db8:7::1]", false),
            ("2001:db8::/32", "https://[2001:db9::1]", true),
            ("*", "https://anything.example", false),
            ("a.example, b.example", "https://b.example", false),
            ("a.example b.example", "https://a.example", false),
            (" , ,b.example,", "https://b.example", false),
            ("b\u{fc}cher.example", "https://xn--bcher-kva.example", false),
            (":443", "https://a.example", true),
            ("a.example:x", "https://a.example", true),
            ("", "https://a.example", true),
        ];
        let settings = ProxySettings::default().with_https("proxy.example").unwrap();
        for (list, url, proxied) in table {
            let origin = Origin::of(&Url::parse(url).unwrap()).unwrap();
            let settings = settings.clone().with_no_proxy(list);
            assert_eq!(settings.proxy_for(&origin).is_some(), proxied, "{list} {url}");
        }
    }
}
