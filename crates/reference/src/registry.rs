use crate::{
    ParseError, ParseErrorKind, scan,
    text::{Text, text_type},
};

/// Docker Hub, as it is written in a full name.
pub(crate) const DOCKER_HUB: &str = "docker.io";
/// A former name of Docker Hub, still found in names and configuration.
pub(crate) const DOCKER_HUB_LEGACY: &str = "index.docker.io";

/// A registry: `host` or `host:port`, as it stands in a full image name.
///
/// As upstream, the case of the host is not changed and counts in comparisons; compare [`Registry::host`]
/// without regard to ASCII case to compare hosts.
#[derive(Clone)]
pub struct Registry {
    text: Text,
}

impl Registry {
    /// Parses `host`, `host:port`, `[ipv6]` or `[ipv6]:port`, of at most 255 bytes. `index.docker.io`
    /// becomes `docker.io`.
    ///
    /// # Deviation
    ///
    /// A host that no name can have is refused with [`ParseErrorKind::AmbiguousHost`]: without a dot, a port
    /// or an upper-case letter, and other than `localhost`, it reads as the first component of a Docker Hub
    /// path. Upstream accepts it as a search registry and then asks Docker Hub. Such a host is reached by
    /// naming its port.
    ///
    /// # Errors
    ///
    /// [`ParseErrorKind::Empty`], [`ParseErrorKind::InvalidHost`], [`ParseErrorKind::AmbiguousHost`],
    /// [`ParseErrorKind::InvalidPort`] or [`ParseErrorKind::HostTooLong`] for a text that is not one of these
    /// forms; [`ParseErrorKind::Scheme`] for a URL.
    pub fn parse(text: &str) -> Result<Self, ParseError> {
        let bytes = text.as_bytes();
        if bytes.is_empty() {
            return Err(ParseError::new(ParseErrorKind::Empty, 0));
        }
        scan::registry(bytes).map_err(|error| match text.find("://") {
            Some(position) => ParseError::new(ParseErrorKind::Scheme, position),
            None => error.in_input(text),
        })?;
        if !scan::is_registry(bytes) {
            return Err(ParseError::new(ParseErrorKind::AmbiguousHost, text.len()));
        }
        Ok(Self {
            text: Text::new(if text == DOCKER_HUB_LEGACY {
                DOCKER_HUB
            } else {
                text
            }),
        })
    }

    /// Docker Hub, `docker.io`.
    #[must_use]
    pub fn docker_hub() -> Self {
        Self {
            text: Text::new(DOCKER_HUB),
        }
    }

    pub(crate) const fn from_scanned(text: Text) -> Self {
        Self { text }
    }

    /// The registry of a name as it was written.
    pub(crate) fn from_written(text: Text) -> Self {
        if text.as_str() == DOCKER_HUB_LEGACY {
            Self::docker_hub()
        } else {
            Self { text }
        }
    }

    /// The host without the port; an IPv6 address with its brackets.
    #[must_use]
    pub fn host(&self) -> &str {
        split_port(self.as_str()).0
    }

    /// The port, if one was written.
    #[must_use]
    pub fn port(&self) -> Option<u16> {
        split_port(self.as_str()).1?.parse().ok()
    }

    /// True if this is Docker Hub, exactly `docker.io`: as upstream, no other spelling gets the Docker Hub
    /// rules.
    #[must_use]
    pub fn is_docker_hub(&self) -> bool {
        self.as_str() == DOCKER_HUB
    }
}

text_type!(Registry);

/// Splits `host:port`; the colons of a bracketed IPv6 address are not a port's.
fn split_port(text: &str) -> (&str, Option<&str>) {
    match text.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
        _ => (text, None),
    }
}
