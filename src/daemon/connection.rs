//! Requests to a daemon.

use std::{io, sync::Arc};

use http::Method;
use url::Url;
use wharf_content::{Error, ErrorKind};
use wharf_distribution::kind_of_http;
use wharf_http::{
    Connect as _, HttpService, Origin, Peer, Request, RequestClass, ReqwestConnector, Response, Timeouts,
    TlsSettings,
};

use super::{DaemonHost, answer};

/// A daemon that has answered, and the version of the API that it speaks.
pub(super) struct Connection {
    service: Arc<dyn HttpService>,
    base: Url,
    pub(super) host: DaemonHost,
    version: Option<Version>,
}

/// A version of Docker's API.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Version(pub(super) u16, pub(super) u16);

impl Version {
    /// Reads `1.44`.
    fn parse(text: &str) -> Option<Self> {
        let (major, minor) = text.split_once('.')?;
        let number = |digits: &str| {
            let are_digits = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
            are_digits.then(|| digits.parse().ok()).flatten()
        };
        Some(Self(number(major)?, number(minor)?))
    }
}

impl Connection {
    /// Asks the daemon which version of the API it speaks. Its own newest version is used: a daemon refuses those that
    /// are too old for it, and paths without a version are about to go.
    pub(super) async fn open(
        host: &DaemonHost,
        tls: &TlsSettings,
        timeouts: Timeouts,
    ) -> Result<Self, Error> {
        let base = host.base()?;
        let fail = |error: wharf_http::Error| unreachable(host, error);
        let origin = Origin::of(&base).map_err(fail)?;
        let connector = ReqwestConnector::new().with_timeouts(timeouts);
        #[cfg(unix)]
        let connector = match host.socket() {
            Some(path) => connector.with_unix_socket(path),
            None => connector,
        };
        let service = connector
            .connect(&Peer::named(origin, Arc::new(tls.clone())))
            .map_err(fail)?;
        let mut connection = Self {
            service,
            base,
            host: host.clone(),
            version: None,
        };
        let ping = connection.request(Method::GET, "_ping", &[], RequestClass::Question)?;
        let response = connection.service.call(ping).await.map_err(fail)?;
        if response.status() == http::StatusCode::NOT_FOUND {
            let message = format!("the server at {host} does not speak Docker's API");
            return Err(Error::new(ErrorKind::Unsupported, message));
        }
        if !response.status().is_success() {
            return Err(answer::refused(response, "ask", host).await);
        }
        let version = response.headers().get("api-version");
        connection.version = version.and_then(|value| Version::parse(value.to_str().ok()?));
        Ok(connection)
    }

    /// True if the daemon speaks this version of the API, or a later one.
    pub(super) fn speaks(&self, version: Version) -> bool {
        self.version.is_some_and(|own| own >= version)
    }

    /// A request for a path of the API.
    pub(super) fn request(
        &self,
        method: Method,
        path: &str,
        query: &[(&str, &str)],
        class: RequestClass,
    ) -> Result<Request, Error> {
        let mut url = self.base.clone();
        {
            let mut segments = url
                .path_segments_mut()
                .map_err(|()| Error::new(ErrorKind::Invalid, format!("{} has no paths", self.host)))?;
            segments.pop_if_empty();
            if let Some(Version(major, minor)) = self.version {
                segments.push(&format!("v{major}.{minor}"));
            }
            segments.extend(path.split('/'));
        }
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        let mut request = Request::new(method, url);
        request.bulk = true; // a connection of HTTP/1.1, as the daemon speaks it
        request.class = class;
        Ok(request)
    }

    /// Sends a request. `doing` is what an error says of it, before "the daemon".
    pub(super) async fn send(&self, request: Request, doing: &str) -> Result<Response, Error> {
        let response = self.service.call(request).await;
        let response = response.map_err(|error| unreachable(&self.host, error))?;
        if response.status().is_success() {
            return Ok(response);
        }
        Err(answer::refused(response, doing, &self.host).await)
    }
}

/// The error of a request that had no answer.
fn unreachable(host: &DaemonHost, error: wharf_http::Error) -> Error {
    let cause = std::error::Error::source(&error).and_then(|cause| cause.downcast_ref::<io::Error>());
    let (kind, why) = match (cause.map(io::Error::kind), host.socket()) {
        (Some(io::ErrorKind::NotFound), Some(_)) => (
            ErrorKind::Network,
            "there is no such socket; start the daemon, or give the address at which it listens",
        ),
        (Some(io::ErrorKind::PermissionDenied), Some(_)) => (
            ErrorKind::Denied,
            "this user may not use the socket; add the user to the group of the socket, which is docker by default, or \
             use a daemon of this user",
        ),
        (Some(io::ErrorKind::ConnectionRefused), _) => {
            (ErrorKind::Network, "nobody answers there; start the daemon")
        }
        _ => {
            let message = format!("cannot use the daemon at {host}");
            return Error::new(kind_of_http(error.kind()), message).with_source(error);
        }
    };
    Error::new(kind, format!("cannot reach the daemon at {host}: {why}")).with_source(error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_compared_as_numbers() {
        for (text, expected) in [
            ("1.41", Some(Version(1, 41))),
            ("1.9", Some(Version(1, 9))),
            ("2.0", Some(Version(2, 0))),
            ("", None),
            ("1", None),
            ("1.", None),
            ("1.41/../x", None),
            ("+1.4", None),
            ("1.4.1", None),
            ("1.99999", None),
        ] {
            assert_eq!(Version::parse(text), expected, "{text}");
        }
        assert!(Version(1, 9) < Version(1, 41) && Version(1, 48) < Version(2, 0));
    }
}
