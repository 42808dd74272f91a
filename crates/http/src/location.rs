//! The header `Location`, and other URLs in answers of servers.

use http::{HeaderMap, header::LOCATION};
use url::Url;

use crate::{Error, ErrorKind, Origin};

/// The longest `Location` that is accepted, in bytes.
const MAX_LOCATION: usize = 16 * 1024;

/// The header `Location`, if there is exactly one value; repeated equal values count as one.
#[must_use]
pub fn only_location(headers: &HeaderMap) -> Option<&[u8]> {
    let mut locations = headers.get_all(LOCATION).iter();
    let first = locations.next()?;
    locations.all(|other| other == first).then(|| first.as_bytes())
}

/// Resolves a URL from a server against the URL that the server answered (RFC 3986, section 5). The result
/// is absolute, http or https, and has no fragment. A text that begins with the host and port of `base` is
/// a URL without a scheme, not a path.
///
/// # Errors
///
/// [`ErrorKind::Redirect`] if the text is empty, longer than 16 KiB or not a URL, or has user info, which
/// could disguise the host.
pub fn resolve_location(base: &Url, location: &[u8]) -> Result<Url, Error> {
    let text = std::str::from_utf8(location).unwrap_or_default().trim();
    if text.is_empty() || text.len() > MAX_LOCATION {
        return refuse("the server sent an empty, overlong or unreadable URL");
    }
    let joined = if lacks_scheme(base, text) {
        Url::parse(&format!("{}://{text}", base.scheme()))
    } else {
        base.join(text)
    };
    let mut url =
        joined.map_err(|_| Error::new(ErrorKind::Redirect, "the server sent something that is no URL"))?;
    if !url.username().is_empty() || url.password().is_some() {
        return refuse("the server sent a URL with a user name in it");
    }
    url.set_fragment(None);
    Origin::of(&url)
        .map_err(|_| Error::new(ErrorKind::Redirect, "the server sent a URL that is not http"))?;
    Ok(url)
}

/// True if the text begins with the host and port of `base`, followed by a path.
fn lacks_scheme(base: &Url, text: &str) -> bool {
    let authority = base.authority();
    let (head, rest) = text.split_at_checked(authority.len()).unwrap_or_default();
    !authority.is_empty() && head.eq_ignore_ascii_case(authority) && rest.starts_with('/')
}

/// The error for a redirect that is not followed.
pub(crate) fn refuse<T>(why: impl Into<String>) -> Result<T, Error> {
    Err(Error::new(ErrorKind::Redirect, why))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn several_locations_that_are_one() {
        let table: [(&[&str], Option<&str>); 5] = [
            (&[], None),
            (&["/a"], Some("/a")),
            (&["/a", "/a"], Some("/a")),
            (&["/a", "/b"], None),
            (&["/a", "/a", "/A"], None),
        ];
        for (values, expected) in table {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append(LOCATION, value.parse().unwrap());
            }
            assert_eq!(only_location(&headers), expected.map(str::as_bytes), "{values:?}");
        }
    }

    #[test]
    fn what_is_left_out_is_that_of_the_answer() {
        let table = [
            ("/u?a=b", Some("https://r.example:5000/u?a=b")),
            ("u", Some("https://r.example:5000/v2/u")),
            ("?a", Some("https://r.example:5000/v2/a?a")),
            ("//r.example:5000/u", Some("https://r.example:5000/u")),
            ("r.example:5000/u", Some("https://r.example:5000/u")),
            ("R.Example:5000/u", Some("https://r.example:5000/u")),
            ("r.example/u", Some("https://r.example:5000/v2/r.example/u")),
            ("r.example:5000", None),
            ("r.example:5001/u", None),
            ("https://x@r.example:5000/u", None),
            ("mailto:a@r.example", None),
            (" ", None),
        ];
        let base = Url::parse("https://r.example:5000/v2/a").unwrap();
        for (location, expected) in table {
            let url = resolve_location(&base, location.as_bytes())
                .ok()
                .map(String::from);
            assert_eq!(url.as_deref(), expected, "{location}");
        }
    }
}
