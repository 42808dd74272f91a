use http::{HeaderMap, Request, Version, header, uri::Authority};

use crate::{ErrorCode, error::ApiError};

/// Refuses a request of HTTP/1.1 without a `Host` header, with two, or with a malformed one (RFC 9112, 3.2).
/// The value is not compared with anything: this server has one registry.
pub(crate) fn check<B>(request: &Request<B>) -> Result<(), ApiError> {
    if request.version() == Version::HTTP_11 && !is_right(request.headers()) {
        return Err(ApiError::bad(
            ErrorCode::Unsupported,
            "a request needs exactly one Host header, of a host and an optional port",
        ));
    }
    Ok(())
}

fn is_right(headers: &HeaderMap) -> bool {
    let mut values = headers.get_all(header::HOST).iter();
    let (Some(value), None) = (values.next(), values.next()) else {
        return false;
    };
    let Ok(text) = value.to_str() else {
        return false;
    };
    // Who asks for a target without an authority says so with nothing.
    text.is_empty() || text.parse::<Authority>().is_ok() && !text.contains('@')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_one_host_and_it_is_one() {
        for (hosts, version, good) in [
            (&["registry.example"] as &[&str], Version::HTTP_11, true),
            (&["registry.example:5000"], Version::HTTP_11, true),
            (&["[::1]:5000"], Version::HTTP_11, true),
            (&["127.0.0.1"], Version::HTTP_11, true),
            (&[""], Version::HTTP_11, true),
            (&[], Version::HTTP_11, false),
            (&["a", "a"], Version::HTTP_11, false),
            (&["a", "b"], Version::HTTP_11, false),
            (&["a, b"], Version::HTTP_11, false),
            (&["a b"], Version::HTTP_11, false),
            (&["ada@a"], Version::HTTP_11, false),
            (&["http://a/"], Version::HTTP_11, false),
            (&["a/v2"], Version::HTTP_11, false),
            (&["[::1"], Version::HTTP_11, false),
            (&[], Version::HTTP_10, true),
            (&[], Version::HTTP_2, true),
        ] {
            let mut request = Request::builder().version(version);
            for host in hosts {
                request = request.header(header::HOST, *host);
            }
            let checked = check(&request.body(()).unwrap());
            assert_eq!(checked.is_ok(), good, "{hosts:?} {version:?}");
        }
    }
}
