//! The URL of a realm that is written in another way than as a URL.

use url::Url;
use wharf_http::Origin;

/// The URL of a realm, with the omitted parts filled in from the registry; `None` if it is not a URL.
pub(super) fn read(registry: &Origin, realm: &str) -> Option<Url> {
    let url = if realm.starts_with('/') {
        Url::parse(&format!("{registry}/")).ok()?.join(realm).ok()?
    } else if realm.contains("://") {
        Url::parse(realm).ok()?
    } else {
        with_scheme(registry, realm)?
    };
    Some(encrypted_as(registry, url))
}

/// The URL of a realm that begins with a host: the registry's own, or one with a dot or a port.
fn with_scheme(registry: &Origin, realm: &str) -> Option<Url> {
    let authority = realm.split(['/', '?']).next()?;
    if !realm.starts_with(|first: char| first.is_ascii_alphanumeric() || first == '[') {
        return None;
    }
    let url = Url::parse(&format!("https://{realm}")).ok()?;
    let is_own = Origin::of(&url).ok()?.host() == registry.host();
    if !is_own && !authority.contains(['.', ':']) {
        return None;
    }
    if is_own && !registry.is_encrypted() {
        return Url::parse(&format!("http://{realm}")).ok();
    }
    Some(url)
}

/// The https URL for an http URL at the host of a registry that is https: at the port of the registry, or
/// at another port that the URL names.
fn encrypted_as(registry: &Origin, url: Url) -> Url {
    let mut url = registry.over_tls(url);
    let is_same_host = Origin::of(&url).is_ok_and(|origin| origin.host() == registry.host());
    if registry.is_encrypted() && is_same_host && url.scheme() == "http" {
        let _ = url.set_scheme("https"); // cannot fail: both are schemes of the web
    }
    url
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Omitted parts come from the registry, and http at the host of an https registry becomes https.
    #[test]
    fn a_realm_means_the_safe_url() {
        let table = [
            (
                "https://r.test",
                "http://r.test/t?a=b",
                Some("https://r.test/t?a=b"),
            ),
            ("https://r.test", "http://R.test:80/t", Some("https://r.test/t")),
            ("https://r.test", "http://r.test:443/t", Some("https://r.test/t")),
            (
                "https://r.test:8443",
                "http://r.test/t",
                Some("https://r.test:8443/t"),
            ),
            (
                "https://r.test:8443",
                "http://r.test:8443/t",
                Some("https://r.test:8443/t"),
            ),
            (
                "https://r.test",
                "http://r.test:5001/t",
                Some("https://r.test:5001/t"),
            ),
            ("https://r.test", "http://other.test/t", None),
            (
                "https://r.test:5000",
                "/token?x=1",
                Some("https://r.test:5000/token?x=1"),
            ),
            ("http://r.test:5000", "/token", Some("http://r.test:5000/token")),
            ("https://r.test", "//auth.test/t", Some("https://auth.test/t")),
            ("http://r.test", "//r.test/t", Some("http://r.test/t")),
            ("http://r.test", "//auth.test/t", None),
            (
                "https://r.test",
                "auth.test:5001/t",
                Some("https://auth.test:5001/t"),
            ),
            ("https://r.test", "auth.test/t", Some("https://auth.test/t")),
            (
                "https://localhost:5000",
                "localhost:5001/t",
                Some("https://localhost:5001/t"),
            ),
            (
                "http://localhost:5000",
                "localhost:5001/t",
                Some("http://localhost:5001/t"),
            ),
            ("http://r.test", "auth.test/t", Some("https://auth.test/t")),
            ("https://r.test", "registry", None),
            ("https://r.test", "javascript:alert(1)", None),
            ("https://r.test", "mailto:a@r.test", None),
        ];
        for (registry, realm, expected) in table {
            let origin = Origin::of(&Url::parse(registry).unwrap()).unwrap();
            let judged = crate::RealmPolicy::default().judge(&origin, realm);
            let url = judged.ok().map(|realm| realm.url.to_string());
            assert_eq!(url.as_deref(), expected, "{registry} {realm}");
        }
    }
}
