//! The address of a daemon.

use std::{
    fmt,
    path::{Path, PathBuf},
    str::FromStr,
};

use url::Url;
use wharf_content::{Error, ErrorKind};

/// The port of a daemon that speaks TLS.
const TLS_PORT: u16 = 2376;
/// The port of a daemon that speaks plain http.
const PLAIN_PORT: u16 = 2375;

/// The address of a Docker daemon or of Podman's service.
///
/// | text | connection |
/// |---|---|
/// | `unix:///PATH` | a socket of this machine |
/// | `tcp://HOST[:PORT]`, `https://HOST[:PORT]` | TLS; of `tcp`, the port is 2376 by default |
/// | `http://HOST[:PORT]` | plain text: whoever is on the way reads and changes everything |
///
/// ```
/// let host: wharf::DaemonHost = "tcp://build.example.com".parse()?;
/// assert_eq!(host.to_string(), "tcp://build.example.com:2376");
/// assert!("ssh://build.example.com".parse::<wharf::DaemonHost>().is_err());
/// # Ok::<(), wharf::Error>(())
/// ```
///
/// Parsing fails with [`ErrorKind::Unsupported`] for another kind of connection, such as `ssh://`, and with
/// [`ErrorKind::Invalid`] for text that is no address. An address has no user name and no password.
#[derive(Clone, PartialEq, Eq)]
pub struct DaemonHost(Kind);

#[derive(Clone, PartialEq, Eq)]
enum Kind {
    Unix(PathBuf),
    /// http or https.
    Network(Url),
}

impl DaemonHost {
    /// The address that Docker listens at by default: `unix:///var/run/docker.sock`.
    #[must_use]
    pub fn docker() -> Self {
        Self::unix("/var/run/docker.sock")
    }

    /// A socket of this machine.
    pub(super) fn unix(path: impl Into<PathBuf>) -> Self {
        Self(Kind::Unix(path.into()))
    }

    /// An address that `DOCKER_HOST` has where TLS is not wanted: `tcp://` is plain text then.
    pub(super) fn parse_plain(text: &str) -> Result<Self, Error> {
        match text.strip_prefix("tcp://") {
            Some(rest) => network(text, "http", rest, PLAIN_PORT),
            None => text.parse(),
        }
    }

    /// The path of the socket, of a daemon that has one.
    pub(super) fn socket(&self) -> Option<&Path> {
        match &self.0 {
            Kind::Unix(path) => Some(path),
            Kind::Network(_) => None,
        }
    }

    /// True if the connection is encrypted.
    pub(super) fn is_encrypted(&self) -> bool {
        matches!(&self.0, Kind::Network(url) if url.scheme() == "https")
    }

    /// The URL below which the paths of the API are.
    pub(super) fn base(&self) -> Result<Url, Error> {
        match &self.0 {
            Kind::Unix(_) => {
                Url::parse("http://localhost/").map_err(|error| Error::wrap(ErrorKind::Invalid, error))
            }
            Kind::Network(url) => Ok(url.clone()),
        }
    }
}

impl FromStr for DaemonHost {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let Some((scheme, rest)) = text.split_once("://") else {
            return Err(invalid(text, "it is no address of a daemon"));
        };
        match scheme {
            "unix" => socket(text, rest),
            "tcp" => network(text, "https", rest, TLS_PORT),
            "https" => network(text, "https", rest, 443),
            "http" => network(text, "http", rest, 80),
            "ssh" => {
                let message = format!(
                    "{}: connections by ssh are not supported; forward the daemon's socket to this machine, as `ssh -L` \
                     does, and write unix:///PATH",
                    shown(text)
                );
                Err(Error::new(ErrorKind::Unsupported, message))
            }
            "npipe" | "fd" | "vsock" => {
                let message = format!(
                    "{}: a daemon is not reached by {scheme}; write unix:///PATH, tcp://HOST:PORT or http://HOST:PORT",
                    shown(text)
                );
                Err(Error::new(ErrorKind::Unsupported, message))
            }
            _ => Err(invalid(text, "it is no address of a daemon")),
        }
    }
}

fn socket(text: &str, path: &str) -> Result<DaemonHost, Error> {
    if !path.starts_with('/') || path.ends_with('/') || path.contains(char::is_control) {
        return Err(invalid(text, "the absolute path of a socket is expected"));
    }
    if cfg!(not(unix)) {
        let message = format!(
            "{}: this system has no such sockets; write tcp://HOST:PORT",
            shown(text)
        );
        return Err(Error::new(ErrorKind::Unsupported, message));
    }
    Ok(DaemonHost::unix(path))
}

fn network(text: &str, scheme: &str, rest: &str, port: u16) -> Result<DaemonHost, Error> {
    // A URL is read as browsers read it, without tabs and with other slashes: what is meant is written otherwise.
    let is_odd = |c: char| c.is_control() || c.is_whitespace() || c == '\\';
    let url = Url::parse(&format!("{scheme}://{rest}"));
    let Some(mut url) = url
        .ok()
        .filter(|_| !rest.starts_with('/') && !rest.contains(is_odd))
    else {
        return Err(invalid(text, "a host and a port are expected"));
    };
    if !url.username().is_empty() || url.password().is_some() {
        let message = "an address of a daemon has no user name and no password; a daemon knows its clients by their \
                       certificates";
        return Err(Error::new(ErrorKind::Invalid, message));
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err(invalid(text, "an address of a daemon has no query"));
    }
    // A port that is the scheme's own is not kept in its URLs, but in those of a scheme without one.
    let written = Url::parse(&format!("tcp://{rest}"))
        .ok()
        .and_then(|url| url.port());
    if written.is_none() {
        url.set_port(Some(port))
            .map_err(|()| invalid(text, "a host and a port are expected"))?;
    }
    Ok(DaemonHost(Kind::Network(url)))
}

fn invalid(text: &str, why: &str) -> Error {
    let message = format!(
        "{}: {why}; write unix:///PATH, tcp://HOST:PORT or http://HOST:PORT",
        shown(text)
    );
    Error::new(ErrorKind::Invalid, message)
}

/// An address for a message, without what may be a password.
fn shown(text: &str) -> String {
    let text = text.rsplit_once('@').map_or(text, |(_, host)| host);
    let short: String = text.chars().take(200).collect();
    format!("{short:?}")
}

impl fmt::Display for DaemonHost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Kind::Unix(path) => write!(f, "unix://{}", path.display()),
            Kind::Network(url) => {
                let scheme = if url.scheme() == "https" { "tcp" } else { "http" };
                write!(f, "{scheme}://{}", url.host_str().unwrap_or_default())?;
                write!(f, ":{}", url.port_or_known_default().unwrap_or_default())?;
                f.write_str(url.path().trim_end_matches('/'))
            }
        }
    }
}

impl fmt::Debug for DaemonHost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_and_printed() {
        for (text, printed, base) in [
            ("unix:///run/d.sock", "unix:///run/d.sock", "http://localhost/"),
            ("tcp://h", "tcp://h:2376", "https://h:2376/"),
            ("tcp://h:443", "tcp://h:443", "https://h/"),
            (
                "tcp://127.0.0.1:99/",
                "tcp://127.0.0.1:99",
                "https://127.0.0.1:99/",
            ),
            ("tcp://[::1]:99", "tcp://[::1]:99", "https://[::1]:99/"),
            ("tcp://h:1/docker", "tcp://h:1/docker", "https://h:1/docker"),
            ("https://h", "tcp://h:443", "https://h/"),
            ("http://h", "http://h:80", "http://h/"),
            ("http://h:2375", "http://h:2375", "http://h:2375/"),
            ("tcp://h:0443", "tcp://h:443", "https://h/"),
            ("tcp://h:443/docker", "tcp://h:443/docker", "https://h/docker"),
            ("tcp://[::443]", "tcp://[::443]:2376", "https://[::443]:2376/"),
            ("http://h:080", "http://h:80", "http://h/"),
        ] {
            let host: DaemonHost = text.parse().unwrap();
            assert_eq!(host.to_string(), printed, "{text}");
            assert_eq!(host.base().unwrap().as_str(), base, "{text}");
            assert_eq!(printed.parse::<DaemonHost>().unwrap(), host, "{text}");
        }
        let plain = DaemonHost::parse_plain("tcp://h").unwrap();
        assert_eq!(plain.to_string(), "http://h:2375");
        assert!(!plain.is_encrypted());
    }

    #[test]
    fn what_is_no_address_is_refused_without_its_password() {
        use ErrorKind::{Invalid, Unsupported};
        for (text, kind, part) in [
            (
                "ssh://user:CANARY@h",
                Unsupported,
                "connections by ssh are not supported",
            ),
            ("npipe:////./pipe/docker_engine", Unsupported, "npipe"),
            ("fd://", Unsupported, "fd"),
            ("/var/run/docker.sock", Invalid, "unix:///PATH"),
            ("unix://", Invalid, "absolute path"),
            ("unix://run/d.sock", Invalid, "absolute path"),
            ("unix:///run/", Invalid, "absolute path"),
            ("unix:///a\0b", Invalid, "absolute path"),
            ("unix:///a\nb", Invalid, "absolute path"),
            ("tcp:///h", Invalid, "a host and a port"),
            ("tcp://h:\t443", Invalid, "a host and a port"),
            ("tcp://h:443\\x", Invalid, "a host and a port"),
            ("tcp://h\n:443", Invalid, "a host and a port"),
            ("http://h /x", Invalid, "a host and a port"),
            ("tcp://", Invalid, "a host and a port"),
            ("tcp://h:99999", Invalid, "a host and a port"),
            ("tcp://u:CANARY@h:1", Invalid, "no password"),
            ("http://CANARY@h:1", Invalid, "no password"),
            ("tcp://u:CANARY@h:x", Invalid, "a host and a port"),
            ("http://h:1?x", Invalid, "no query"),
            ("http://h:1#x", Invalid, "no query"),
            ("ftp://h", Invalid, "no address"),
            ("", Invalid, "no address"),
            ("h:2375", Invalid, "no address"),
        ] {
            let error = text.parse::<DaemonHost>().unwrap_err();
            assert_eq!(error.kind(), kind, "{text}");
            assert!(error.to_string().contains(part), "{text}: {error}");
            assert!(!format!("{error:?}").contains("CANARY"), "{error:?}");
        }
    }
}
