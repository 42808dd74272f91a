use http::{HeaderMap, Method, StatusCode};
use url::Url;

use crate::{
    Error, Origin, Scheme,
    location::{only_location, refuse, resolve_location},
};

/// The most redirects of one request.
const MAX_HOPS: usize = 5;

/// Decides whether a redirect is followed, and whether credentials go with it. It sends nothing itself.
///
/// | answer | decision |
/// |---|---|
/// | 301, 302, 307, 308 to the same origin | same method, same credentials, the body again if it can be |
/// | 301, 302, 307, 308 to another origin | GET and HEAD only, without credentials, for the rest of the chain, even if it returns (docs/threats.md, N1, N2) |
/// | 303 | GET |
/// | https to http at the same host and port, or at port 80 | https at that port: see [`Origin::over_tls`] |
/// | https to http anywhere else | refused, unless [plain http is allowed](RedirectChain::allowing_plain_http): then as another origin |
/// | a URL seen before, or the sixth redirect | refused (docs/threats.md, X6) |
///
/// A chain [within its origin](RedirectChain::within_origin) refuses every other origin, with one
/// exception: https at the default port or at the same port in place of http. For a request other than GET
/// it accepts 307 and 308 only.
#[derive(Debug)]
pub struct RedirectChain {
    home: Origin,
    current: Url,
    visited: Vec<(Method, Url)>,
    left_home: bool,
    reach: Reach,
}

/// The origins that a chain may lead to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reach {
    /// The first origin, or the https origin of its host once it redirects there.
    Origin,
    /// Every origin, but never from https to http.
    Encrypted,
    /// Every origin.
    Plain,
}

impl RedirectChain {
    /// A chain that begins with a request to `url`. Credentials belong to the origin of that URL.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Settings`](crate::ErrorKind::Settings) if the URL is neither http nor https.
    pub fn new(method: &Method, url: Url) -> Result<Self, Error> {
        Ok(Self {
            home: Origin::of(&url)?,
            visited: vec![(method.clone(), url.clone())],
            current: url,
            left_home: false,
            reach: Reach::Encrypted,
        })
    }

    /// Allows redirects from https to http, for a server whose certificate is not verified either.
    #[must_use]
    pub const fn allowing_plain_http(mut self) -> Self {
        self.reach = Reach::Plain;
        self
    }

    /// Refuses redirects to another origin, for requests that carry secrets in their own headers or bodies.
    #[must_use]
    pub const fn within_origin(mut self) -> Self {
        self.reach = Reach::Origin;
        self
    }

    /// The URL of the next request, or of the last response.
    #[must_use]
    pub const fn url(&self) -> &Url {
        &self.current
    }

    /// True if all requests went to the first origin. Only then may a request carry credentials, and only
    /// then do challenges count (docs/threats.md, N3).
    #[must_use]
    pub const fn is_home(&self) -> bool {
        !self.left_home
    }

    /// Judges the response to a request with this method: `Some` with the method of the next request if it
    /// is a redirect to follow, `None` if it is the final response.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Redirect`](crate::ErrorKind::Redirect) for a redirect that must not be followed.
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
        let current = Origin::of(&self.current)?;
        let Some(location) = only_location(headers) else {
            return refuse("a redirect without exactly one Location");
        };
        let next = current.over_tls(resolve_location(&self.current, location)?);
        let origin = Origin::of(&next)?;
        if self.reach != Reach::Plain && current.is_encrypted() && !origin.is_encrypted() {
            return refuse(format!("it leads from https to plain http, at {origin}"));
        }
        let next_method = if keeps_method || *method == Method::HEAD {
            method.clone()
        } else {
            Method::GET
        };
        let reads = next_method == Method::GET || next_method == Method::HEAD;
        if self.reach == Reach::Origin {
            self.check_within_origin(&current, origin)?;
            if *method != Method::GET && !matches!(status.as_u16(), 307 | 308) {
                return refuse(format!("the redirect would change the {method} to a GET"));
            }
        } else if origin != self.home {
            if !reads {
                return refuse(format!(
                    "the redirect would send a {next_method} to another host, {origin}"
                ));
            }
            self.left_home = true;
        }
        if self.visited.len() > MAX_HOPS {
            return refuse(format!("more than {MAX_HOPS} redirects"));
        }
        let hop = (next_method.clone(), next);
        if self.visited.contains(&hop) {
            return refuse("the redirects lead in a loop");
        }
        self.current = hop.1.clone();
        self.visited.push(hop);
        Ok(Some(next_method))
    }
}

impl RedirectChain {
    /// Checks that the next origin is the first one, or the https origin of the same host, which then
    /// becomes the first.
    fn check_within_origin(&mut self, current: &Origin, next: Origin) -> Result<(), Error> {
        let is_encrypted_twin = !current.is_encrypted()
            && next.is_encrypted()
            && next.host() == current.host()
            && (next.port() == Scheme::Https.default_port() || next.port() == current.port());
        if next != *current && !is_encrypted_twin {
            return refuse(format!(
                "it leads to another host, {next}, which does not get this request"
            ));
        }
        self.home = next;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use http::header::LOCATION;

    use super::*;
    use crate::ErrorKind;

    fn run(hops: &[(&str, u16, &str)]) -> Result<(String, bool), ErrorKind> {
        let (first, ..) = hops[0];
        let mut parts = first.split(' ');
        let mut method: Method = parts.next().unwrap().parse().unwrap();
        let mut chain = RedirectChain::new(&method, Url::parse(parts.next().unwrap()).unwrap()).unwrap();
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
                ("r.example/b", "https://r.example/b"),
                ("http://r.example/b", "https://r.example/b"),
                ("http://r.example:443/b", "https://r.example/b"),
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
                "http://r.example:81/b",
                "http://evil.example/b",
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

    /// The outcome of one redirect: the URL it leads to, and whether credentials go along.
    fn one_hop(
        from: &str,
        settings: fn(RedirectChain) -> RedirectChain,
        method: &str,
        status: u16,
        to: &str,
    ) -> Result<(String, bool), ErrorKind> {
        let method: Method = method.parse().unwrap();
        let mut chain = settings(RedirectChain::new(&method, Url::parse(from).unwrap()).unwrap());
        let mut headers = HeaderMap::new();
        headers.insert(LOCATION, to.parse().unwrap());
        let status = StatusCode::from_u16(status).unwrap();
        chain
            .advance(&method, status, &headers)
            .map_err(|error| error.kind())?;
        Ok((chain.url().to_string(), chain.is_home()))
    }

    #[test]
    fn a_waived_certificate_allows_plain_http() {
        let table = [
            (
                "http://storage.example/b",
                Ok(("http://storage.example/b", false)),
            ),
            ("http://r.example:9000/b", Ok(("http://r.example:9000/b", false))),
            // The same host is reached as it was asked.
            ("http://r.example/b", Ok(("https://r.example/b", true))),
            ("http://r.example@evil/b", Err(ErrorKind::Redirect)),
            ("https://cdn.example/b", Ok(("https://cdn.example/b", false))),
        ];
        for (to, expected) in table {
            let got = one_hop(
                "https://r.example/a",
                RedirectChain::allowing_plain_http,
                "GET",
                307,
                to,
            );
            assert_eq!(got, expected.map(|(url, home)| (url.to_owned(), home)), "{to}");
        }
        for method in ["PUT", "PATCH", "DELETE"] {
            let away = "http://storage.example/b";
            let got = one_hop(
                "https://r.example/a",
                RedirectChain::allowing_plain_http,
                method,
                307,
                away,
            );
            assert_eq!(got, Err(ErrorKind::Redirect));
        }
    }

    #[test]
    fn a_chain_within_its_origin_stays_there() {
        let table = [
            ("https://a.example", "GET", 301, "/u", "https://a.example/u"),
            (
                "https://a.example",
                "GET",
                302,
                "https://A.example:443/u",
                "https://a.example/u",
            ),
            (
                "https://a.example",
                "GET",
                303,
                "/u?x=1",
                "https://a.example/u?x=1",
            ),
            (
                "https://a.example",
                "GET",
                307,
                "http://a.example/u",
                "https://a.example/u",
            ),
            (
                "https://a.example",
                "GET",
                308,
                "//a.example/u",
                "https://a.example/u",
            ),
            ("https://a.example", "POST", 307, "/u", "https://a.example/u"),
            ("https://a.example", "POST", 308, "/u", "https://a.example/u"),
            (
                "http://a.example",
                "GET",
                301,
                "https://a.example/",
                "https://a.example/",
            ),
            (
                "http://a.example:5000",
                "GET",
                301,
                "https://a.example:5000/",
                "https://a.example:5000/",
            ),
            (
                "http://a.example:5000",
                "GET",
                301,
                "https://a.example/u",
                "https://a.example/u",
            ),
        ];
        for (from, method, status, to, expected) in table {
            let got = one_hop(from, RedirectChain::within_origin, method, status, to);
            assert_eq!(
                got.map(|(url, _)| url),
                Ok(expected.to_owned()),
                "{from} {status} {to}"
            );
        }
    }

    #[test]
    fn a_chain_within_its_origin_goes_nowhere_else() {
        let table = [
            ("http://a.example:5000", "GET", 301, "https://a.example:5001/t"),
            ("http://a.example", "GET", 301, "https://b.example/t"),
            ("https://a.example", "GET", 301, "https://b.example/u"),
            ("https://a.example", "GET", 301, "https://a.example:444/u"),
            ("https://a.example", "GET", 301, "http://a.example:81/u"),
            ("https://a.example", "GET", 301, "https://a.example@b.example/u"),
            ("https://a.example", "POST", 301, "/u"),
            ("https://a.example", "POST", 302, "/u"),
            ("https://a.example", "POST", 303, "/u"),
        ];
        for (from, method, status, to) in table {
            let got = one_hop(from, RedirectChain::within_origin, method, status, to);
            assert_eq!(got, Err(ErrorKind::Redirect), "{from} {method} {status} {to}");
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
