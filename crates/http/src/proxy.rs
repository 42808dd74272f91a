use std::{fmt, net::IpAddr, str::FromStr as _};

use url::{Host, Url};

use crate::{Error, ErrorKind, Origin, Redacted, Scheme};

/// Which proxy requests go through, as `HTTP_PROXY`, `HTTPS_PROXY` and `NO_PROXY` say it. The values come from
/// the caller; nothing is read from the environment here. Default: none.
///
/// A user name and password in a proxy's URL are for the proxy alone. This machine is never reached through
/// one.
#[derive(Clone, Default)]
pub struct ProxySettings {
    http: Option<Url>,
    https: Option<Url>,
    except: Vec<Exception>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Exception {
    Everything,
    /// A domain and, unless only its subdomains are meant, the domain itself; a port if one is given.
    Domain {
        name: String,
        itself: bool,
        port: Option<u16>,
    },
    Network {
        address: IpAddr,
        bits: u8,
    },
}

impl ProxySettings {
    /// The same with a proxy for requests over plain http.
    ///
    /// Fails with [`ErrorKind::Settings`] if it is no URL of a http or https proxy.
    pub fn with_http(mut self, proxy: &str) -> Result<Self, Error> {
        self.http = parse(proxy)?;
        Ok(self)
    }

    /// The same with a proxy for requests over https, which it passes on without seeing into them.
    ///
    /// Fails with [`ErrorKind::Settings`] if it is no URL of a http or https proxy.
    pub fn with_https(mut self, proxy: &str) -> Result<Self, Error> {
        self.https = parse(proxy)?;
        Ok(self)
    }

    /// The same with hosts that are reached directly, separated by commas: names, which stand for their
    /// subdomains too, `.domain` for subdomains alone, addresses, networks (`10.0.0.0/8`), each but the last
    /// with an optional port, or `*`.
    #[must_use]
    pub fn with_no_proxy(mut self, list: &str) -> Self {
        self.except
            .extend(list.split(',').map(str::trim).filter_map(exception));
        self
    }

    /// The proxy for an origin.
    #[must_use]
    pub fn proxy_for(&self, origin: &Origin) -> Option<&Url> {
        let proxy = match origin.scheme() {
            Scheme::Http => self.http.as_ref(),
            Scheme::Https => self.https.as_ref(),
        }?;
        let direct = origin.is_loopback() || self.except.iter().any(|exception| exception.holds(origin));
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
    match Url::parse(&with_scheme) {
        Ok(url) if matches!(url.scheme(), "http" | "https") && url.has_host() => Ok(Some(url)),
        _ => Err(Error::new(
            ErrorKind::Settings,
            "the proxy is not a http or https URL",
        )),
    }
}

fn exception(entry: &str) -> Option<Exception> {
    if entry == "*" {
        return Some(Exception::Everything);
    }
    if let Some((address, bits)) = entry.split_once('/') {
        let address = IpAddr::from_str(address).ok()?;
        let bits: u8 = bits.parse().ok()?;
        return Some(Exception::Network { address, bits });
    }
    if let Ok(address) = IpAddr::from_str(entry.trim_matches(['[', ']'])) {
        let bits = if address.is_ipv4() { 32 } else { 128 };
        return Some(Exception::Network { address, bits });
    }
    let (name, port) = match entry.rsplit_once(':') {
        Some((name, port)) => (name, Some(port.parse().ok()?)),
        None => (entry, None),
    };
    let subdomains = name.strip_prefix("*.").or_else(|| name.strip_prefix('.'));
    let bare = subdomains.unwrap_or(name).to_ascii_lowercase();
    (!bare.is_empty()).then_some(Exception::Domain {
        name: bare,
        itself: subdomains.is_none(),
        port,
    })
}

impl Exception {
    fn holds(&self, origin: &Origin) -> bool {
        match self {
            Self::Everything => true,
            Self::Domain { name, itself, port } => {
                let host = origin.host();
                let below = host
                    .strip_suffix(name.as_str())
                    .is_some_and(|rest| rest.ends_with('.'));
                (below || (*itself && host == name)) && port.is_none_or(|port| port == origin.port())
            }
            Self::Network { address, bits } => match (Host::parse(origin.host()), address) {
                (Ok(Host::Ipv4(host)), IpAddr::V4(network)) => {
                    same_prefix(u32::from(host).into(), u32::from(*network).into(), *bits, 32)
                }
                (Ok(Host::Ipv6(host)), IpAddr::V6(network)) => {
                    same_prefix(host.into(), (*network).into(), *bits, 128)
                }
                _ => false,
            },
        }
    }
}

fn same_prefix(left: u128, right: u128, bits: u8, width: u8) -> bool {
    let ignored = u32::from(width.saturating_sub(bits));
    bits <= width && (left ^ right).checked_shr(ignored).unwrap_or_default() == 0
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
    fn exceptions() {
        let settings = ProxySettings::default()
            .with_http("http://user:CANARY@proxy.example:3128")
            .unwrap()
            .with_https("proxy.example")
            .unwrap()
            .with_no_proxy(
                "corp.example, .sub.example,10.0.0.0/8,192.168.1.7, port.example:8443,[2001:db8::1]",
            );
        assert!(!format!("{settings:?}").contains("CANARY"));
        let table = [
            ("https://ghcr.io", true),
            ("http://ghcr.io", true),
            ("https://corp.example", false),
            ("https://a.corp.example", false),
            ("https://notcorp.example", true),
            ("https://sub.example", true),
            ("https://a.sub.example", false),
            ("https://10.255.0.1", false),
            ("https://11.0.0.1", true),
            ("https://192.168.1.7:5000", false),
            ("https://192.168.1.8", true),
            ("https://port.example:8443", false),
            ("https://port.example", true),
            ("https://[2001:db8::1]", false),
            ("http://localhost:5000", false),
            ("http://127.0.0.1", false),
        ];
        for (url, proxied) in table {
            let origin = Origin::of(&Url::parse(url).unwrap()).unwrap();
            assert_eq!(settings.proxy_for(&origin).is_some(), proxied, "{url}");
        }
        assert!(ProxySettings::default().with_http("socks5://x").is_err());
        assert!(ProxySettings::default().with_https("").unwrap().https.is_none());
        let all = settings.with_no_proxy("*");
        assert!(
            all.proxy_for(&Origin::of(&Url::parse("https://ghcr.io").unwrap()).unwrap())
                .is_none()
        );
    }
}
