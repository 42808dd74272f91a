use std::{fmt, net::IpAddr};

use wharf_reference::{Registry, Repository};

use crate::host;

/// The `prefix` of a `[[registry]]` table: a registry, a namespace or repository in one, or
/// the subdomains of a domain (`*.example.com`).
///
/// Two prefixes are equal if they match the same names.
///
/// # Deviation
///
/// Upstream compares bytes; here hosts are compared label by label without regard to ASCII case, ports as
/// numbers and paths component by component:
///
/// - `*.example.com` matches `a.example.com.example.com`, which upstream misses;
/// - an exact host is more specific than a wildcard, however long that is; upstream lets `*.example.com`
///   beat `a.example.com`.
///
/// # Ports
///
/// As upstream, a host without a port, and a wildcard, which cannot have one, stand for the host on every
/// port. A host without a dot, such as `registry`, is found in names with a port only. `example.com:5000` is
/// more specific than `example.com`. A prefix with a path names its port, or the lack of one, exactly:
/// `example.com/team` does not match `example.com:5000/team`.
///
/// # Docker Hub
///
/// `docker.io/team` is a namespace. The images that Docker Hub knows by one component are below
/// `docker.io/library`: `docker.io/library/alpine`.
#[derive(Debug, Clone)]
pub struct Prefix {
    text: String,
    pattern: Pattern,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Pattern {
    Exact(Exact),
    /// The domain after `*`, with its leading dot, in lower case.
    Subdomains(String),
    /// The text of a prefix that no repository name has.
    Never(String),
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Exact {
    host: String,
    port: Option<u16>,
    /// Empty for the whole registry.
    path: String,
}

/// The specificity of a prefix, from the greatest: an exact host over a wildcard, then the longer domain or
/// path, then the one that names the port.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Specificity {
    exact: bool,
    length: usize,
    same_port: bool,
}

/// A repository split by the prefix that matched it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Rest<'a> {
    /// The port of the name, if the prefix stands for every port.
    pub(crate) port: Option<u16>,
    /// The path after the prefix, without a slash in front; empty if the prefix is the repository.
    pub(crate) path: &'a str,
}

impl Prefix {
    /// Reads a prefix. One that can never match is kept, with the reason.
    pub(crate) fn new(text: &str) -> (Self, Option<&'static str>) {
        let parsed = match text.strip_prefix("*.") {
            Some(domain) => subdomains(domain),
            None => exact(text),
        };
        let (pattern, warning) = match parsed {
            Ok(pattern) => (pattern, None),
            Err(reason) => (Pattern::Never(text.to_owned()), Some(reason)),
        };
        let prefix = Self {
            text: text.to_owned(),
            pattern,
        };
        (prefix, warning)
    }

    /// A text that is the same for equal prefixes and differs for others.
    pub(crate) fn key(&self) -> String {
        match &self.pattern {
            Pattern::Never(text) => text.clone(),
            Pattern::Subdomains(domain) => format!("*{domain}"),
            Pattern::Exact(Exact { host, port, path }) => match port {
                Some(port) => format!("{host}:{port}/{path}"),
                None => format!("{host}/{path}"),
            },
        }
    }

    /// The prefix as it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// True for a prefix `*.DOMAIN`, which matches subdomains.
    #[must_use]
    pub const fn is_wildcard(&self) -> bool {
        matches!(self.pattern, Pattern::Subdomains(_))
    }

    pub(crate) fn matches<'a>(&self, name: &'a Name<'a>) -> Option<(Specificity, Rest<'a>)> {
        match &self.pattern {
            Pattern::Never(_) => None,
            Pattern::Subdomains(domain) => {
                let labels = name.host.strip_suffix(domain.as_str())?;
                if labels.is_empty() {
                    return None;
                }
                let specificity = Specificity {
                    exact: false,
                    length: domain.len(),
                    same_port: false,
                };
                let (port, path) = (name.port, name.path);
                Some((specificity, Rest { port, path }))
            }
            Pattern::Exact(exact) => exact.matches(name),
        }
    }
}

impl Exact {
    fn matches<'a>(&self, name: &'a Name<'a>) -> Option<(Specificity, Rest<'a>)> {
        let same_port = self.port == name.port;
        let every_port = self.port.is_none() && self.path.is_empty();
        if self.host != name.host || !(same_port || every_port) {
            return None;
        }
        let specificity = Specificity {
            exact: true,
            length: self.path.len(),
            same_port,
        };
        let rest = Rest {
            port: name.port.filter(|_| !same_port),
            path: strip_components(name.path, &self.path)?,
        };
        Some((specificity, rest))
    }
}

/// The path after its leading components; `None` if they are others.
fn strip_components<'a>(path: &'a str, leading: &str) -> Option<&'a str> {
    if leading.is_empty() {
        return Some(path);
    }
    let rest = path.strip_prefix(leading)?;
    if rest.is_empty() {
        return Some(rest);
    }
    rest.strip_prefix('/')
}

fn subdomains(domain: &str) -> Result<Pattern, &'static str> {
    const NO_DOMAIN: &str = "never matches: a wildcard is `*.` and a domain";
    // As a host of a name, where a dot makes any domain recognisable.
    match Registry::parse(&format!("x.{domain}")) {
        Ok(_) => Ok(Pattern::Subdomains(format!(".{}", domain.to_ascii_lowercase()))),
        Err(_) => Err(NO_DOMAIN),
    }
}

fn exact(text: &str) -> Result<Pattern, &'static str> {
    if text.contains('*') {
        return Err("never matches: a wildcard may only be the first label, as in `*.example.com`");
    }
    let (registry, path) = text.split_once('/').unwrap_or((text, ""));
    if is_address_range(registry, path) {
        return Err("never matches: a range of addresses is not supported; write one table for each host");
    }
    if text.contains('@') || path.contains(':') {
        return Err("never matches: registries are looked up without tag and digest");
    }
    if registry == "index.docker.io" {
        return Err("never matches: names of Docker Hub begin with docker.io");
    }
    if host::is_plain_label(text) {
        return Ok(Pattern::Exact(Exact {
            host: host::comparable(text),
            port: None,
            path: String::new(),
        }));
    }
    let Ok(registry) = Registry::parse(registry) else {
        return Err(
            "never matches: it does not begin with a registry, such as example.com or localhost:5000",
        );
    };
    if !path.is_empty() && Repository::new(&registry, path).is_err() {
        return Err("never matches: the path is not that of a repository");
    }
    Ok(Pattern::Exact(Exact {
        host: host::comparable(registry.host()),
        port: registry.port(),
        path: path.to_owned(),
    }))
}

/// True for a range of addresses such as `10.0.0.0/8`, which Docker takes for its insecure registries.
fn is_address_range(address: &str, bits: &str) -> bool {
    let address = address.trim_start_matches('[').trim_end_matches(']');
    address.parse::<IpAddr>().is_ok() && bits.parse::<u8>().is_ok_and(|bits| bits <= 128)
}

/// A repository name taken apart for matching.
#[derive(Debug)]
pub(crate) struct Name<'a> {
    host: String,
    port: Option<u16>,
    path: &'a str,
}

impl<'a> Name<'a> {
    pub(crate) fn new(repository: &'a Repository) -> Self {
        Self::of(&repository.registry(), repository.path())
    }

    pub(crate) fn of(registry: &Registry, path: &'a str) -> Self {
        Self {
            host: host::comparable(registry.host()),
            port: registry.port(),
            path,
        }
    }

    /// The other way to write the same registry: with or without the port of https.
    pub(crate) fn synonym(&self) -> Option<Self> {
        const HTTPS: u16 = 443;
        let port = match self.port {
            None => Some(HTTPS),
            Some(HTTPS) => None,
            Some(_) => return None,
        };
        let (host, path) = (self.host.clone(), self.path);
        Some(Self { host, port, path })
    }
}

impl fmt::Display for Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.text)
    }
}

impl PartialEq for Prefix {
    fn eq(&self, other: &Self) -> bool {
        self.pattern == other.pattern
    }
}

impl Eq for Prefix {}
