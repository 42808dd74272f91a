use std::{fmt, net::Ipv6Addr};

use wharf_reference::{Registry, Repository};

/// What the `prefix` of a `[[registry]]` table stands for: a registry, a namespace or repository in one, or
/// the subdomains of a domain (`*.example.com`).
///
/// Two prefixes are equal if they match the same names.
///
/// # Deviation
///
/// Upstream compares bytes; here hosts are compared label by label without regard to ASCII case, ports as
/// numbers and paths component by component:
///
/// - `example.com` does not match `example.com:5000`;
/// - `*.example.com` matches `a.example.com.example.com`, which upstream misses;
/// - an exact host is more specific than a wildcard, however long that is; upstream lets `*.example.com`
///   beat `a.example.com`.
///
/// A wildcard cannot name a port, so it covers every port of the hosts it matches, as upstream.
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

/// How narrowly a prefix matches: an exact host over a wildcard, then the longer one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Specificity {
    exact: bool,
    length: usize,
}

/// A repository split by the prefix that matched it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Rest<'a> {
    /// The port that a wildcard left over.
    pub(crate) port: Option<u16>,
    /// What follows the prefix, without a slash in front; empty if the prefix is the repository.
    pub(crate) path: &'a str,
}

impl Prefix {
    /// Reads a prefix, and what its author should know of it. One that can never match is kept.
    pub(crate) fn new(text: &str) -> (Self, Option<&'static str>) {
        let parsed = match text.strip_prefix("*.") {
            Some(domain) => subdomains(domain),
            None => exact(text),
        };
        let (pattern, warning) = match parsed {
            Ok(pattern) => {
                let warning = is_short_hub_path(&pattern).then_some(SHORT_HUB_PATH);
                (pattern, warning)
            }
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

    /// Whether it stands for subdomains.
    #[must_use]
    pub const fn is_wildcard(&self) -> bool {
        matches!(self.pattern, Pattern::Subdomains(_))
    }

    pub(crate) fn matches<'a>(&self, name: &'a Name<'a>) -> Option<(Specificity, Rest<'a>)> {
        let (exact, length, rest) = match &self.pattern {
            Pattern::Never(_) => return None,
            Pattern::Subdomains(domain) => {
                let labels = name.host.strip_suffix(domain.as_str())?;
                if labels.is_empty() {
                    return None;
                }
                let (port, path) = (name.port, name.path);
                (false, domain.len(), Rest { port, path })
            }
            Pattern::Exact(exact) => {
                if exact.host != name.host || exact.port != name.port {
                    return None;
                }
                let path = strip_components(name.path, &exact.path)?;
                (true, exact.path.len(), Rest { port: None, path })
            }
        };
        Some((Specificity { exact, length }, rest))
    }
}

/// What follows the leading components of a path; `None` if they are others.
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

const SHORT_HUB_PATH: &str =
    "does not match that repository: Docker Hub's repositories of one component are in docker.io/library/";

fn is_short_hub_path(pattern: &Pattern) -> bool {
    match pattern {
        Pattern::Exact(exact) => {
            exact.host == "docker.io"
                && !matches!(exact.path.as_str(), "" | "library")
                && !exact.path.contains('/')
        }
        Pattern::Subdomains(_) | Pattern::Never(_) => false,
    }
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
    if text.contains('@') || path.contains(':') {
        return Err("never matches: registries are looked up without tag and digest");
    }
    if registry == "index.docker.io" {
        return Err("never matches: names of Docker Hub begin with docker.io");
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
        host: host_key(registry.host()),
        port: registry.port(),
        path: path.to_owned(),
    }))
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
            host: host_key(registry.host()),
            port: registry.port(),
            path,
        }
    }

    /// The other way to write the same place: https has a port of its own.
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

/// A host in the one form in which it is compared.
fn host_key(host: &str) -> String {
    let address = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    match address.and_then(|address| address.parse::<Ipv6Addr>().ok()) {
        Some(address) => format!("[{address}]"),
        None => host.to_ascii_lowercase(),
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
