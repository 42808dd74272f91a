use url::Url;
use wharf_http::{Error, ErrorKind, Origin, resolve_location};

use crate::send::RegistryAnswer;

/// The URL of an upload session that an answer names (docs/threats.md, N6).
///
/// It must be on the origin of the registry. An explicit default port makes no difference, and `http` for a
/// host that was asked over https is read as https: registries behind proxies often do not know their own
/// scheme.
pub(crate) fn upload_location(answer: &RegistryAnswer) -> Result<Url, Error> {
    on_origin_of(&answer.url, only_location(answer)?)
}

/// The URL of an upload session on any origin, for a client that allows foreign uploads: https only, unless
/// the registry itself is plain http.
pub(crate) fn upload_location_anywhere(answer: &RegistryAnswer) -> Result<Url, Error> {
    let url = resolve_location(&answer.url, only_location(answer)?)?;
    if Origin::of(&answer.url)?.is_encrypted() && !Origin::of(&url)?.is_encrypted() {
        let message = "the bytes would be sent over plain http, which is not done";
        return Err(Error::new(ErrorKind::Redirect, message));
    }
    Ok(url)
}

fn only_location(answer: &RegistryAnswer) -> Result<&[u8], Error> {
    wharf_http::only_location(&answer.headers).ok_or_else(|| {
        let message = "the registry does not say where to send the bytes";
        Error::new(ErrorKind::Protocol, message)
    })
}

/// Resolves a URL that must be on the origin of `base`.
pub(crate) fn on_origin_of(base: &Url, location: &[u8]) -> Result<Url, Error> {
    let home = Origin::of(base)?;
    let url = home.over_tls(resolve_location(base, location)?);
    let origin = Origin::of(&url)?;
    if origin == home {
        return Ok(url);
    }
    Err(Error::new(
        ErrorKind::Redirect,
        format!("the registry sends the client to another host, {origin}, which is not followed"),
    ))
}

/// The URL with `digest` added to its query, in place of a digest that the server put there. The rest of
/// the query is kept: it may be the state of the session.
pub(crate) fn with_digest(url: &Url, digest: &str) -> Url {
    let mut url = url.clone();
    let others: Vec<String> = url
        .query()
        .unwrap_or_default()
        .split('&')
        .filter(|pair| !pair.is_empty() && !pair.starts_with("digest="))
        .map(str::to_owned)
        .collect();
    let encoded: String = url::form_urlencoded::byte_serialize(digest.as_bytes()).collect();
    let mut query = others.join("&");
    if !query.is_empty() {
        query.push('&');
    }
    query.push_str("digest=");
    query.push_str(&encoded);
    url.set_query(Some(&query));
    url
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn locations_stay_on_their_origin() {
        let base = "https://r.example:8443/v2/a/blobs/uploads/";
        let table = [
            (
                "/v2/a/blobs/uploads/1?_state=x%2By",
                Some("https://r.example:8443/v2/a/blobs/uploads/1?_state=x%2By"),
            ),
            ("1", Some("https://r.example:8443/v2/a/blobs/uploads/1")),
            ("r.example:8443/u?a=b", Some("https://r.example:8443/u?a=b")),
            ("//r.example:8443/u", Some("https://r.example:8443/u")),
            ("https://r.example:8443/u#frag", Some("https://r.example:8443/u")),
            ("http://r.example/u", Some("https://r.example:8443/u")),
            ("http://r.example:8443/u", Some("https://r.example:8443/u")),
            ("http://r.example:80/u", Some("https://r.example:8443/u")),
            ("http://r.example:81/u", None),
            ("https://r.example/u", None),
            ("https://r.example:444/u", None),
            ("https://evil.example:8443/u", None),
            ("//evil.example/u", None),
            ("https://x@r.example:8443/u", None),
            ("", None),
        ];
        for (location, expected) in table {
            let got = on_origin_of(&Url::parse(base).unwrap(), location.as_bytes());
            assert_eq!(got.ok().map(String::from).as_deref(), expected, "{location}");
        }
        let long = format!("/{}", "x".repeat(64 * 1024));
        assert!(on_origin_of(&Url::parse(base).unwrap(), long.as_bytes()).is_err());
        let default = Url::parse("https://r.example/v2/").unwrap();
        assert!(on_origin_of(&default, b"https://r.example:443/u").is_ok());
    }

    #[test]
    fn the_query_is_kept() {
        let table = [
            ("https://r/u", "https://r/u?digest=sha256%3Aab"),
            (
                "https://r/u?_state=a%2Bb+c%3D",
                "https://r/u?_state=a%2Bb+c%3D&digest=sha256%3Aab",
            ),
            (
                "https://r/u?digest=sha256:evil&x=1",
                "https://r/u?x=1&digest=sha256%3Aab",
            ),
        ];
        for (url, expected) in table {
            assert_eq!(
                with_digest(&Url::parse(url).unwrap(), "sha256:ab").as_str(),
                expected
            );
        }
    }
}
