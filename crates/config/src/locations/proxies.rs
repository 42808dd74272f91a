//! The variables that name proxies.

use std::{ffi::OsStr, fmt};

use super::Locations;

/// The variables that name proxies, as programs written in Go read them (golang.org/x/net/http/httpproxy): in
/// capitals before small letters, and empty ones not at all. `ALL_PROXY` is not one of them.
///
/// # Deviation
///
/// In a CGI program (`REQUEST_METHOD` is set) a client can set `HTTP_PROXY` by sending a header `Proxy`, so
/// only `http_proxy` counts there. Go refuses plain http altogether then.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct ProxyVariables(Vec<(&'static str, String)>);

const NAMES: [&str; 7] = [
    "HTTP_PROXY",
    "http_proxy",
    "HTTPS_PROXY",
    "https_proxy",
    "NO_PROXY",
    "no_proxy",
    "REQUEST_METHOD",
];

impl ProxyVariables {
    pub(super) const fn none() -> Self {
        Self(Vec::new())
    }

    pub(super) fn offer(&mut self, name: &str, value: &OsStr) {
        if let Some(name) = NAMES.into_iter().find(|known| *known == name) {
            self.0.push((name, value.to_string_lossy().into_owned()));
        }
    }

    fn first(&self, names: &[&str]) -> Option<(&'static str, &str)> {
        let found = names
            .iter()
            .find_map(|name| self.0.iter().rev().find(|(held, _)| held == name));
        found.map(|(name, value)| (*name, value.as_str()))
    }

    /// The proxy for plain http, with the name of the variable.
    #[must_use]
    pub fn http(&self) -> Option<(&'static str, &str)> {
        if self.is_cgi() {
            self.first(&["http_proxy"])
        } else {
            self.first(&["HTTP_PROXY", "http_proxy"])
        }
    }

    /// The proxy for https, with the name of the variable.
    #[must_use]
    pub fn https(&self) -> Option<(&'static str, &str)> {
        self.first(&["HTTPS_PROXY", "https_proxy"])
    }

    /// The hosts that are reached directly, with the name of the variable.
    #[must_use]
    pub fn no_proxy(&self) -> Option<(&'static str, &str)> {
        self.first(&["NO_PROXY", "no_proxy"])
    }

    fn is_cgi(&self) -> bool {
        self.first(&["REQUEST_METHOD"]).is_some()
    }
}

impl Locations {
    /// The variables that name proxies.
    #[must_use]
    pub const fn proxies(&self) -> &ProxyVariables {
        &self.proxies
    }
}

/// The values may hold passwords.
impl fmt::Debug for ProxyVariables {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set()
            .entries(self.0.iter().map(|(name, _)| name))
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_are_read_as_go_reads_them() {
        type Found = Option<(&'static str, &'static str)>;
        type Row = (&'static [(&'static str, &'static str)], Found, Found, Found);
        let table: [Row; 8] = [
            (&[], None, None, None),
            (&[("HTTP_PROXY", "a")], Some(("HTTP_PROXY", "a")), None, None),
            (
                &[("http_proxy", "b"), ("HTTP_PROXY", "a")],
                Some(("HTTP_PROXY", "a")),
                None,
                None,
            ),
            (
                &[("HTTPS_PROXY", ""), ("https_proxy", "b")],
                None,
                Some(("https_proxy", "b")),
                None,
            ),
            (&[("no_proxy", "c")], None, None, Some(("no_proxy", "c"))),
            (&[("ALL_PROXY", "a"), ("all_proxy", "a")], None, None, None),
            (
                &[
                    ("REQUEST_METHOD", "GET"),
                    ("HTTP_PROXY", "evil"),
                    ("HTTPS_PROXY", "a"),
                ],
                None,
                Some(("HTTPS_PROXY", "a")),
                None,
            ),
            (
                &[
                    ("REQUEST_METHOD", "GET"),
                    ("HTTP_PROXY", "evil"),
                    ("http_proxy", "a"),
                ],
                Some(("http_proxy", "a")),
                None,
                None,
            ),
        ];
        for (variables, http, https, no_proxy) in table {
            let locations = Locations::from_vars(variables.iter().copied());
            let found = locations.proxies();
            assert_eq!(
                (found.http(), found.https(), found.no_proxy()),
                (http, https, no_proxy)
            );
        }
        let secret = Locations::from_vars([("HTTPS_PROXY", "http://ada:CANARY@proxy")]);
        assert!(!format!("{secret:?}").contains("CANARY"));
        assert_eq!(Locations::none().proxies().https(), None);
    }
}
