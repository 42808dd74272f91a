use http::{HeaderMap, Method, StatusCode, header::LOCATION};
use url::Url;

use crate::{Error, ErrorKind, Origin};

/// The most hops of one chain.
const MAX_HOPS: usize = 5;
/// The longest `Location`, in bytes.
const MAX_LOCATION: usize = 16 * 1024;

/// Decides where a redirect leads, and whether credentials may go along. Pure: it sends nothing.
///
/// | answer | what happens |
/// |---|---|
/// | 301, 302, 307, 308 to the same origin | same method, same credentials, the body again if it can be |
/// | the same to another origin | GET and HEAD only, without credentials, now and for the rest of the chain, even if it comes back (N1, N2) |
/// | 303 | GET |
/// | https to http | refused |
/// | a URL seen before, or the sixth hop | refused (X6) |
#[derive(Debug)]
pub struct Chain {
    home: Origin,
    current: Url,
    visited: Vec<(Method, Url)>,
    left_home: bool,
}

impl Chain {
    /// A chain that begins with a request to `url`; its origin is the one that credentials belong to.
    pub fn new(method: &Method, url: Url) -> Result<Self, Error> {
        Ok(Self {
            home: Origin::of(&url)?,
            visited: vec![(method.clone(), url.clone())],
            current: url,
            left_home: false,
        })
    }

    /// Where the chain is.
    #[must_use]
    pub const fn url(&self) -> &Url {
        &self.current
    }

    /// Whether the chain has been at its first origin all along: only then may a request carry credentials,
    /// and only then do challenges count (N3).
    #[must_use]
    pub const fn is_home(&self) -> bool {
        !self.left_home
    }

    /// Takes in an answer to a request with this method: `Some` with the next request's method if it is a
    /// redirect to follow, `None` if it is the final answer.
    ///
    /// Fails with [`ErrorKind::Redirect`] for a redirect that must not be followed.
    pub fn advance(
        &mut self,
        method: &Method,
        status: StatusCode,
        headers: &HeaderMap,
    ) -> Result<Option<Method>, Error> {
        let keeps_method = match status.as_u16() {
            301 | 302 | 307 | 308 => true,
            303 => false,
            _ => return Ok(None),
        };
        let mut locations = headers.get_all(LOCATION).iter();
        let (Some(location), None) = (locations.next(), locations.next()) else {
            return refuse("a redirect without exactly one Location");
        };
        let next = resolve_location(&self.current, location.as_bytes())?;
        let origin = Origin::of(&next)?;
        if Origin::of(&self.current)?.is_encrypted() && !origin.is_encrypted() {
            return refuse(format!("it leads from https to plain http, at {origin}"));
        }
        let next_method = if keeps_method || *method == Method::HEAD {
            method.clone()
        } else {
            Method::GET
        };
        let reads = next_method == Method::GET || next_method == Method::HEAD;
        if origin != self.home {
            if !reads {
                return refuse(format!("it would send a {next_method} to another host, {origin}"));
            }
            self.left_home = true;
        }
        if self.visited.len() > MAX_HOPS {
            return refuse(format!("more than {MAX_HOPS} hops"));
        }
        let hop = (next_method.clone(), next);
        if self.visited.contains(&hop) {
            return refuse("it leads in a circle");
        }
        self.current = hop.1.clone();
        self.visited.push(hop);
        Ok(Some(next_method))
    }
}

fn refuse<T>(why: impl Into<String>) -> Result<T, Error> {
    Err(Error::new(ErrorKind::Redirect, why))
}

/// A URL that a server sent, against the URL it answered (RFC 3986): absolute, http or https, without
/// fragment.
///
/// Fails with [`ErrorKind::Redirect`] if it is too long, is no URL or has user info, which could disguise the
/// host.
pub fn resolve_location(base: &Url, location: &[u8]) -> Result<Url, Error> {
    let text = std::str::from_utf8(location).unwrap_or_default().trim();
    if text.is_empty() || text.len() > MAX_LOCATION {
        return refuse("the server sent an empty, overlong or unreadable URL");
    }
    let mut url = base
        .join(text)
        .map_err(|_| Error::new(ErrorKind::Redirect, "the server sent something that is no URL"))?;
    if !url.username().is_empty() || url.password().is_some() {
        return refuse("the server sent a URL with a user name in it");
    }
    url.set_fragment(None);
    Origin::of(&url)
        .map_err(|_| Error::new(ErrorKind::Redirect, "the server sent a URL that is not http"))?;
    Ok(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(hops: &[(&str, u16, &str)]) -> Result<(String, bool), ErrorKind> {
        let (first, ..) = hops[0];
        let mut parts = first.split(' ');
        let mut method: Method = parts.next().unwrap().parse().unwrap();
        let mut chain = Chain::new(&method, Url::parse(parts.next().unwrap()).unwrap()).unwrap();
        for (_, status, location) in hops {
            let mut headers = HeaderMap::new();
            headers.insert(LOCATION, location.parse().unwrap());
            let status = StatusCode::from_u16(*status).unwrap();
            match chain.advance(&method, status, &headers) {
                Ok(Some(next)) => method = next,
                Ok(None) => break,
                Err(error) => return Err(error.kind()),
            }
        }
        Ok((format!("{method} {}", chain.url()), chain.is_home()))
    }

    #[test]
    fn credentials_stay_with_their_origin() {
        for status in [301, 302, 303, 307, 308] {
            let home = [
                ("/b", "https://r.example/b"),
                ("b", "https://r.example/v2/b"),
                ("https://R.EXAMPLE/b", "https://r.example/b"),
                ("https://r.example:443/b", "https://r.example/b"),
                ("//r.example/b", "https://r.example/b"),
            ];
            for (location, url) in home {
                let got = run(&[("GET https://r.example/v2/a", status, location)]);
                assert_eq!(got, Ok((format!("GET {url}"), true)), "{status} {location}");
            }
            let away = [
                "https://evil.example/b",
                "https://r.example:444/b",
                "https://sub.r.example/b",
                "https://example/b",
                "https://r.example.evil/b",
            ];
            for location in away {
                let got = run(&[("GET https://r.example/v2/a", status, location)]).unwrap();
                assert!(!got.1, "{status} {location}");
            }
            for location in [
                "http://r.example/b",
                "https://r.example@evil/b",
                "ftp://r.example/",
                "",
                "http://[",
            ] {
                let got = run(&[("GET https://r.example/v2/a", status, location)]);
                assert_eq!(got, Err(ErrorKind::Redirect), "{status} {location}");
            }
        }
    }

    #[test]
    fn a_chain_that_comes_back_stays_without_credentials() {
        let got = run(&[
            ("GET https://a.example/1", 307, "https://b.example/2"),
            ("", 307, "https://a.example/3"),
        ]);
        assert_eq!(got, Ok(("GET https://a.example/3".to_owned(), false)));
    }

    #[test]
    fn circles_and_long_chains_end() {
        let circle = run(&[("GET https://a.example/1", 307, "/2"), ("", 307, "/1")]);
        assert_eq!(circle, Err(ErrorKind::Redirect));
        let itself = run(&[("GET https://a.example/1", 307, "/1")]);
        assert_eq!(itself, Err(ErrorKind::Redirect));
        let hops = ["/2", "/3", "/4", "/5", "/6", "/7"].map(|to| ("GET https://a.example/1", 307, to));
        assert_eq!(run(&hops[..5]).unwrap().0, "GET https://a.example/6");
        assert_eq!(run(&hops), Err(ErrorKind::Redirect));
    }

    #[test]
    fn methods_and_bodies() {
        let table = [
            ("PUT", 307, "/b", Ok("PUT")),
            ("PUT", 303, "/b", Ok("GET")),
            ("POST", 302, "/b", Ok("POST")),
            ("HEAD", 303, "/b", Ok("HEAD")),
            ("HEAD", 307, "https://b.example/", Ok("HEAD")),
            ("PUT", 307, "https://b.example/", Err(ErrorKind::Redirect)),
            ("DELETE", 302, "https://b.example/", Err(ErrorKind::Redirect)),
            ("PUT", 303, "https://b.example/", Ok("GET")),
        ];
        for (method, status, location, expected) in table {
            let first = format!("{method} https://a.example/a");
            let got = run(&[(&first, status, location)]).map(|(line, _)| line);
            let method = got.as_deref().map(|line| line.split(' ').next().unwrap());
            assert_eq!(method.map_err(|kind| *kind), expected, "{first} {status}");
        }
    }
}
