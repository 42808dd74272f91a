use alloc::string::String;

use crate::{
    ParseError, ParseErrorKind, Reference,
    text::{Text, text_type},
};

/// The longest registry and path together, in bytes.
pub(crate) const MAX_NAME_LENGTH: usize = 255;

/// Docker Hub, as it is written in a full name.
pub(crate) const DOCKER_HUB: &str = "docker.io";
pub(crate) const DOCKER_HUB_LEGACY: &str = "index.docker.io";
/// Where Docker Hub keeps repositories of a single component.
pub(crate) const OFFICIAL: &str = "library/";

/// A registry: `host` or `host:port`, as it stands in a full image name.
///
/// The case of the host is kept as it was written; use [`Registry::host`] with an ASCII case-insensitive
/// comparison to compare hosts.
#[derive(Clone)]
pub struct Registry {
    text: Text,
}

impl Registry {
    /// Parses `host`, `host:port`, `[ipv6]` or `[ipv6]:port`. `index.docker.io` becomes `docker.io`.
    pub fn parse(text: &str) -> Result<Self, ParseError> {
        scan_registry(text)?;
        let text = if text == DOCKER_HUB_LEGACY {
            DOCKER_HUB
        } else {
            text
        };
        Ok(Self {
            text: Text::new(text),
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

    /// The host without the port; an IPv6 address keeps its brackets.
    #[must_use]
    pub fn host(&self) -> &str {
        split_port(self.as_str()).0
    }

    /// The port, if one was written.
    #[must_use]
    pub fn port(&self) -> Option<u16> {
        split_port(self.as_str()).1.and_then(|port| port.parse().ok())
    }

    /// Whether this is Docker Hub.
    #[must_use]
    pub fn is_docker_hub(&self) -> bool {
        self.as_str() == DOCKER_HUB
    }
}

text_type!(Registry);

/// A repository: registry and path, such as `docker.io/library/alpine`, in full form.
#[derive(Clone)]
pub struct Repository {
    text: Text,
    slash: u16,
}

impl Repository {
    /// Parses a repository and normalises it as [`Reference::parse`] does; a tag or digest is an error.
    pub fn parse(text: &str) -> Result<Self, ParseError> {
        let reference = Reference::parse(text)?;
        if reference.has_tag() || reference.has_digest() {
            let end = text.find('@').unwrap_or(text.len());
            let position = text.get(..end).unwrap_or_default().rfind(':').unwrap_or(end);
            return Err(ParseError::new(ParseErrorKind::InvalidPath, position));
        }
        Ok(reference.repository())
    }

    /// A repository from its two parts. Docker Hub's `library/` is added to a path of one component.
    pub fn new(registry: &Registry, path: &str) -> Result<Self, ParseError> {
        let mut text = String::with_capacity(registry.as_str().len() + 1 + path.len());
        text.push_str(registry.as_str());
        text.push('/');
        text.push_str(path);
        let host = registry.as_str();
        if !(host.contains(['.', ':']) || host == "localhost")
            && host.bytes().all(|b| !b.is_ascii_uppercase())
        {
            return Err(ParseError::new(ParseErrorKind::InvalidHost, 0)); // would read as a path of Docker Hub
        }
        Self::parse(&text)
    }

    pub(crate) const fn from_scanned(text: Text, slash: u16) -> Self {
        Self { text, slash }
    }

    /// The registry.
    #[must_use]
    pub fn registry(&self) -> Registry {
        Registry {
            text: self.text.slice(0, self.slash.into()),
        }
    }

    /// The path within the registry, such as `library/alpine`.
    #[must_use]
    pub fn path(&self) -> &str {
        self.text.part(usize::from(self.slash) + 1, self.text.len())
    }
}

text_type!(Repository);

/// Splits `host:port`; the colons of a bracketed IPv6 address are not a port's.
fn split_port(text: &str) -> (&str, Option<&str>) {
    let search_from = text.rfind(']').map_or(0, |bracket| bracket + 1);
    match text.get(search_from..).and_then(|rest| rest.rfind(':')) {
        Some(colon) => (
            text.get(..search_from + colon).unwrap_or_default(),
            text.get(search_from + colon + 1..),
        ),
        None => (text, None),
    }
}

/// Checks `host[:port]`.
pub(crate) fn scan_registry(text: &str) -> Result<(), ParseError> {
    if text.is_empty() {
        return Err(ParseError::new(ParseErrorKind::Empty, 0));
    }
    if text.len() > MAX_NAME_LENGTH {
        return Err(ParseError::new(ParseErrorKind::NameTooLong, MAX_NAME_LENGTH));
    }
    let (host, port) = split_port(text);
    if let Some(inner) = host.strip_prefix('[') {
        let inner = inner
            .strip_suffix(']')
            .ok_or(ParseError::new(ParseErrorKind::InvalidHost, host.len()))?;
        if inner.parse::<core::net::Ipv6Addr>().is_err() {
            return Err(ParseError::new(ParseErrorKind::InvalidHost, 1));
        }
    } else {
        scan_host(host)?;
    }
    if let Some(port) = port {
        let position = host.len() + 1;
        let invalid = ParseError::new(ParseErrorKind::InvalidPort, position);
        if port.is_empty() || !port.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(invalid);
        }
        if port.parse::<u16>().ok().is_none_or(|port| port == 0) {
            return Err(invalid);
        }
    }
    Ok(())
}

fn scan_host(host: &str) -> Result<(), ParseError> {
    let invalid = |position| Err(ParseError::new(ParseErrorKind::InvalidHost, position));
    let mut previous = b'.';
    for (position, byte) in host.bytes().enumerate() {
        let ok = match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' => true,
            b'-' => previous != b'.',
            b'.' => previous != b'.' && previous != b'-',
            _ => false,
        };
        if !ok {
            return invalid(position);
        }
        previous = byte;
    }
    if matches!(previous, b'.' | b'-') {
        invalid(host.len())
    } else {
        Ok(())
    }
}

/// Checks a repository path: components of lowercase letters and digits, separated inside by `.`, `_`, `__`
/// or hyphens, joined by `/`.
pub(crate) fn scan_path(path: &str) -> Result<(), ParseError> {
    if path.is_empty() {
        return Err(ParseError::new(ParseErrorKind::Empty, 0));
    }
    let mut separator: &[u8] = b"/"; // as if a component had just begun
    let bytes = path.as_bytes();
    let mut start = 0;
    for (position, byte) in bytes.iter().enumerate() {
        match byte {
            b'a'..=b'z' | b'0'..=b'9' => {
                separator = b"";
                start = position + 1;
            }
            b'.' | b'_' | b'-' | b'/' => {
                let next = bytes.get(start..=position).unwrap_or_default();
                let ok = match next {
                    [b'.' | b'_' | b'-' | b'/'] => separator.is_empty(),
                    [b'_', b'_'] => true,
                    hyphens => hyphens.iter().all(|byte| *byte == b'-'),
                };
                if !ok {
                    return Err(ParseError::new(ParseErrorKind::InvalidPath, position));
                }
                separator = next;
                if *byte == b'/' {
                    start = position + 1;
                    separator = b"/";
                }
            }
            b'A'..=b'Z' => return Err(ParseError::new(ParseErrorKind::UppercasePath, position)),
            _ => return Err(ParseError::new(ParseErrorKind::InvalidPath, position)),
        }
    }
    if separator.is_empty() {
        Ok(())
    } else {
        Err(ParseError::new(ParseErrorKind::InvalidPath, path.len()))
    }
}
