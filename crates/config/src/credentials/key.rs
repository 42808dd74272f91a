use std::fmt;

use wharf_reference::{ParseError, Reference, Registry, Repository};

/// The key of a stored credential: a registry, or a namespace or repository within it
/// (`containers-auth.json(5)`, *Format*).
///
/// Docker Hub's `library/` is never added here: `docker.io/vendor` is a namespace.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CredentialKey {
    registry: Registry,
    path: Option<String>,
}

impl CredentialKey {
    /// Parses `host[:port]` or `host[:port]/namespace`, as the files write it.
    ///
    /// ```
    /// use wharf_config::CredentialKey;
    ///
    /// let key = CredentialKey::parse("registry.example.com/team")?;
    /// assert_eq!(key.registry().as_str(), "registry.example.com");
    /// # Ok::<(), wharf_reference::ParseError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// A scheme, a tag, a digest, user information, or a registry or namespace that is not valid.
    pub fn parse(text: &str) -> Result<Self, ParseError> {
        if text.contains("://") {
            Reference::parse(text)?; // says where the scheme is
        }
        match text.split_once('/') {
            None => Ok(Self {
                registry: Registry::parse(text)?,
                path: None,
            }),
            Some((host, path)) => {
                let registry = Registry::parse(host)?;
                Repository::new(&registry, path)?;
                Ok(Self {
                    registry,
                    path: Some(path.to_owned()),
                })
            }
        }
    }

    /// Parses the argument of `login` and `logout`: as [`CredentialKey::parse`], or a URL, of which only
    /// the host and port count.
    ///
    /// # Errors
    ///
    /// As [`CredentialKey::parse`].
    pub fn parse_argument(text: &str) -> Result<Self, ParseError> {
        match strip_scheme(text) {
            Some(rest) => Self::parse(rest.split('/').next().unwrap_or_default()),
            None => Self::parse(text),
        }
    }

    /// The registry.
    #[must_use]
    pub const fn registry(&self) -> &Registry {
        &self.registry
    }

    /// The namespace or repository within the registry; `None` means all of it.
    #[must_use]
    pub fn path(&self) -> Option<&str> {
        self.path.as_deref()
    }

    /// True if a credential under this key is for this registry, and for this repository of it if one is
    /// known. Whole path components count; a repository of another registry does not narrow a request.
    #[must_use]
    pub fn covers(&self, registry: &Registry, repository: Option<&Repository>) -> bool {
        let wanted = Self::of(registry, repository);
        let rest = match (&self.path, &wanted.path) {
            (None, _) => Some(""),
            (Some(path), Some(wanted)) => wanted.strip_prefix(path.as_str()),
            (Some(_), None) => None,
        };
        self.registry == wanted.registry
            && rest.is_some_and(|rest| rest.is_empty() || self.path.is_none() || rest.starts_with('/'))
    }

    /// The key for a request to a registry. A repository of another registry does not narrow it: a mirror
    /// must not be given what is meant for the registry it mirrors (docs/threats.md, N20).
    pub(super) fn of(registry: &Registry, repository: Option<&Repository>) -> Self {
        let host = |registry: &Registry| comparable_host(registry.as_str(), true);
        match repository {
            Some(repository) if host(&repository.registry()) == host(registry) => Self {
                registry: registry.clone(),
                path: Some(repository.path().to_owned()),
            },
            _ => Self::from(registry),
        }
    }

    /// The texts to look for, most specific first: the key, then with one path component less, at last the
    /// host alone.
    pub(super) fn candidates(&self) -> impl Iterator<Item = String> {
        let mut next = Some(self.to_string());
        std::iter::from_fn(move || {
            let current = next.take()?;
            next = current
                .rfind('/')
                .and_then(|slash| current.get(..slash))
                .map(str::to_owned);
            Some(current)
        })
    }
}

impl From<&Registry> for CredentialKey {
    fn from(registry: &Registry) -> Self {
        Self {
            registry: registry.clone(),
            path: None,
        }
    }
}

impl From<Registry> for CredentialKey {
    fn from(registry: Registry) -> Self {
        Self { registry, path: None }
    }
}

impl From<&Repository> for CredentialKey {
    fn from(repository: &Repository) -> Self {
        Self {
            registry: repository.registry(),
            path: Some(repository.path().to_owned()),
        }
    }
}

impl fmt::Display for CredentialKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.registry.as_str())?;
        self.path.as_ref().map_or(Ok(()), |path| write!(f, "/{path}"))
    }
}

/// The key of Docker Hub in Docker's files.
pub(super) const DOCKER_HUB_URL: &str = "https://index.docker.io/v1/";

/// The host that an `auths` key stands for, in the form in which hosts are compared: without a scheme and
/// what follows the host of a URL, in lower case, Docker Hub's three names as one.
///
/// Without a scheme nothing is cut off a key of the new formats: `example.com/team` is a namespace.
pub(super) fn comparable_host(key: &str, cut_path: bool) -> String {
    let (rest, is_url) = match strip_scheme(key) {
        Some(rest) => (rest, true),
        None => (key, false),
    };
    let host = if is_url || cut_path {
        rest.split('/').next().unwrap_or_default()
    } else {
        rest
    };
    match host.to_ascii_lowercase() {
        hub if matches!(hub.as_str(), "docker.io" | "registry-1.docker.io") => "index.docker.io".to_owned(),
        host => host,
    }
}

/// True if a key has a slash at its end, which no name of a registry or namespace has, and is this host's
/// without it, perhaps with the version of the protocol before it.
pub(super) fn is_host_with_slash(key: &str, host: &str) -> bool {
    let Some((name, path)) = key.split_once('/') else {
        return false;
    };
    ["", "v1/", "v2/"].contains(&path) && comparable_host(name, false) == comparable_host(host, true)
}

/// The text after `https://` or `http://`; `None` without a scheme.
pub(super) fn strip_scheme(text: &str) -> Option<&str> {
    let (scheme, rest) = text.split_once("://")?;
    let is_known = ["https", "http"]
        .iter()
        .any(|known| scheme.eq_ignore_ascii_case(known));
    is_known.then_some(rest)
}

/// A key from a file as it may be shown: user information cut out, control characters escaped, bounded.
pub(super) fn shown(key: &str) -> String {
    /// The most characters of a credential file's key in a message.
    const LIMIT: usize = 200;
    let visible = match key.rsplit_once('@') {
        Some((_, rest)) => format!("…@{rest}"),
        None => key.to_owned(),
    };
    let mut text: String = visible.chars().take(LIMIT).flat_map(char::escape_debug).collect();
    if visible.chars().nth(LIMIT).is_some() {
        text.push('…');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn candidates_go_from_the_repository_to_the_host() {
        let key = CredentialKey::parse("example.com:5000/team/app").unwrap();
        let all: Vec<_> = key.candidates().collect();
        assert_eq!(
            all,
            [
                "example.com:5000/team/app",
                "example.com:5000/team",
                "example.com:5000"
            ]
        );
    }

    #[test]
    fn hosts_compare_whole() {
        for (key, cut, host) in [
            ("https://example.com/v1/", false, "example.com"),
            ("http://Example.com", false, "example.com"),
            ("example.com/team", false, "example.com/team"),
            ("HTTPS://example.com/v2/", false, "example.com"),
            ("https://example.com/team", false, "example.com"),
            ("example.com/v1/", true, "example.com"),
            ("example.com/", false, "example.com/"),
            ("example.com/v1/", false, "example.com/v1/"),
            ("ftp://example.com", false, "ftp://example.com"),
            ("https://index.docker.io/v1/", false, "index.docker.io"),
            ("docker.io", false, "index.docker.io"),
            ("registry-1.docker.io", false, "index.docker.io"),
            ("example.com.evil", false, "example.com.evil"),
            (
                "https://user:canary@example.com/",
                false,
                "user:canary@example.com",
            ),
        ] {
            assert_eq!(comparable_host(key, cut), host, "{key}");
        }
    }

    #[test]
    fn user_information_is_not_shown() {
        assert_eq!(shown("https://user:canary@example.com/"), "…@example.com/");
        assert_eq!(shown("a\nb"), "a\\nb");
    }
}
