//! The rules for which token server may be asked, and which may be sent credentials (docs/threats.md, N4).

mod domain;
mod text;

use url::Url;
use wharf_http::{Origin, printable};

use self::domain::{is_known_pair, registrable_domain};
use crate::{AuthError, AuthErrorKind};

/// The longest realm, in bytes.
const MAX_REALM: usize = 4096;

/// Decides which realms may be asked for tokens, and which may be sent credentials.
///
/// | realm | may be sent |
/// |---|---|
/// | https at the registry's own host, on any port | credentials |
/// | https within the registry's registrable domain | credentials |
/// | https at a host of a known pair, or at a trusted one ([`RealmPolicy::trust`]) | credentials |
/// | any other https | anonymous requests only |
/// | http at the host of a registry that is https | credentials, over https: a server behind a TLS proxy often does not know that it is |
/// | http, where the registry itself is plain http at the same host | credentials, if plain text may carry them |
/// | any other http; no URL; with user info | nothing |
///
/// `localhost`, `127.0.0.1` and `[::1]` count as one host; every other address of the loopback network
/// (`127.0.0.2`) is a host of its own. A fragment is left out, as it is never sent. A realm that is a path
/// (`/token`) is at the registry's own origin. One without a scheme (`//host/token`,
/// `host.example:5001/token`) is https, or has the registry's scheme if it is at the registry's host.
///
/// The registrable domain is found without a public suffix list, which is large and goes out of date: it is
/// the last two labels, or three under the usual second levels of countries (`co.uk`). There is none on
/// platforms whose subdomains belong to different people. Where these rules are too strict,
/// [`RealmPolicy::trust`] adds a host.
///
/// ```
/// use wharf_auth::RealmPolicy;
/// use wharf_http::Origin;
///
/// let registry = Origin::of(&"https://registry.example".parse()?)?; let policy = RealmPolicy::default();
/// let login = |policy: &RealmPolicy, realm| policy.judge(&registry, realm).map(|realm|
/// realm.may_have_credentials); assert_eq!(login(&policy, "https://auth.registry.example/token").ok(),
/// Some(true)); assert_eq!(login(&policy, "https://sso.test/token").ok(), Some(false));
/// assert_eq!(login(&policy.trust("sso.test"), "https://sso.test/token").ok(), Some(true));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Default)]
pub struct RealmPolicy {
    trusted: Vec<String>,
}

/// A realm that may be asked for tokens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Realm {
    /// The URL of the token server.
    pub url: Url,
    /// True if credentials may be sent there.
    pub may_have_credentials: bool,
}

impl RealmPolicy {
    /// Allows the token server at this host to receive the credentials of every registry that names it in a
    /// challenge.
    #[must_use]
    pub fn trust(mut self, host: impl AsRef<str>) -> Self {
        self.trusted.push(normal(host.as_ref()).to_ascii_lowercase());
        self
    }

    /// Judges the realm that the registry at `registry` named.
    ///
    /// # Errors
    ///
    /// [`AuthErrorKind::InvalidRealm`] if it is not a URL, is longer than 4,096 bytes or contains a user
    /// name; [`AuthErrorKind::InsecureRealm`] if it is http at another host than the registry's.
    pub fn judge(&self, registry: &Origin, realm: &str) -> Result<Realm, AuthError> {
        let shown = || printable(realm, 120);
        let invalid = |what: &str| {
            let message = format!(
                "the registry names a token server that cannot be used, {:?}: {what}",
                shown()
            );
            Err(AuthError::new(AuthErrorKind::InvalidRealm, message))
        };
        if realm.len() > MAX_REALM {
            return invalid("it is too long");
        }
        let Some(mut url) = text::read(registry, realm) else {
            return invalid("it is no URL");
        };
        url.set_fragment(None);
        let Ok(origin) = Origin::of(&url) else {
            return invalid("it is neither https nor http");
        };
        if !url.username().is_empty() || url.password().is_some() {
            return invalid("it contains a user name");
        }
        let same_host = origin.host() == registry.host()
            || (is_this_machine(origin.host()) && is_this_machine(registry.host()));
        let is_as_plain_as_the_registry = same_host && !registry.is_encrypted();
        if !origin.is_encrypted() && !is_as_plain_as_the_registry {
            let message = format!("the registry names a token server without encryption, {origin}");
            return Err(AuthError::new(AuthErrorKind::InsecureRealm, message));
        }
        let may_have_credentials = same_host
            || is_known_pair(registry.host(), origin.host())
            || self.trusted.iter().any(|host| host == origin.host())
            || registrable_domain(registry.host())
                .is_some_and(|domain| registrable_domain(origin.host()) == Some(domain));
        Ok(Realm {
            url,
            may_have_credentials,
        })
    }
}

fn normal(host: &str) -> &str {
    host.strip_suffix('.').unwrap_or(host)
}

/// True if the host is one of the usual names of the local machine.
fn is_this_machine(host: &str) -> bool {
    matches!(host, "localhost" | "127.0.0.1" | "::1" | "[::1]")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judge(registry: &str, realm: &str) -> Result<bool, AuthErrorKind> {
        let origin = Origin::of(&Url::parse(registry).unwrap()).unwrap();
        RealmPolicy::default()
            .trust("Auth.Corp.example.")
            .judge(&origin, realm)
            .map(|realm| realm.may_have_credentials)
            .map_err(|error| error.kind())
    }

    #[test]
    fn table() {
        use AuthErrorKind::{InsecureRealm, InvalidRealm};
        let long = format!("https://a.example/{}", "x".repeat(10_000));
        let table = [
            (
                "https://registry-1.docker.io",
                "https://auth.docker.io/token",
                Ok(true),
            ),
            (
                "https://registry.gitlab.com",
                "https://gitlab.com/jwt/auth",
                Ok(true),
            ),
            ("https://ghcr.io", "https://ghcr.io/token", Ok(true)),
            ("https://r.example:5000", "https://r.example:5001/t", Ok(true)),
            ("https://r.example", "https://evil.test/t", Ok(false)),
            (
                "https://docker.io.evil.test",
                "https://auth.docker.io/t",
                Ok(false),
            ),
            ("https://a.co.uk", "https://b.co.uk/t", Ok(false)),
            ("https://r.a.co.uk", "https://auth.a.co.uk/t", Ok(true)),
            ("https://mine.azurecr.io", "https://yours.azurecr.io/t", Ok(false)),
            ("https://mine.azurecr.io", "https://mine.azurecr.io/t", Ok(true)),
            (
                "https://1.dkr.ecr.eu-west-1.amazonaws.com",
                "https://x.s3.amazonaws.com/t",
                Ok(false),
            ),
            ("https://io", "https://a.io/t", Ok(false)),
            ("https://10.0.0.1", "https://11.0.0.1/t", Ok(false)),
            ("https://127.0.0.1:1", "https://127.0.0.1:2/t", Ok(true)),
            ("https://nvcr.io", "https://authn.nvidia.com/token", Ok(true)),
            ("https://xnvcr.io", "https://authn.nvidia.com/token", Ok(false)),
            (
                "https://rg.fr-par.scw.cloud",
                "https://api.scaleway.com/x",
                Ok(true),
            ),
            ("https://r.example", "https://auth.corp.example/t", Ok(true)),
            ("https://r.test", "https://auth.corp.example/t", Ok(true)),
            (
                "https://r.test",
                "https://auth.corp.example.evil.test/t",
                Ok(false),
            ),
            ("https://r.test", "http://r.test/t", Ok(true)),
            ("https://r.test", "http://auth.r.test/t", Err(InsecureRealm)),
            ("https://r.test", "http://evil.test/t", Err(InsecureRealm)),
            ("http://r.test", "http://r.test/t", Ok(true)),
            ("http://r.test", "http://auth.r.test/t", Err(InsecureRealm)),
            ("http://r.test", "https://auth.r.test/t", Ok(true)),
            ("https://r.test", "//evil.test/t", Ok(false)),
            ("https://r.test", "evil.test/t", Ok(false)),
            ("https://r.test", "/token", Ok(true)),
            ("https://r.test", "token", Err(InvalidRealm)),
            ("https://r.test", "my registry", Err(InvalidRealm)),
            ("https://r.test", "r.test@evil.test/t", Err(InvalidRealm)),
            ("https://r.test", "file:///etc/passwd", Err(InvalidRealm)),
            ("https://r.test", "", Err(InvalidRealm)),
            ("https://r.test", "javascript:alert(1)", Err(InvalidRealm)),
            ("https://r.test", "https://r.test@evil.test/t", Err(InvalidRealm)),
            ("https://r.test", "https://r.test/t#f", Ok(true)),
            ("http://127.0.0.1:5000", "http://localhost:5001/t", Ok(true)),
            ("http://localhost:5000", "http://[::1]:5001/t", Ok(true)),
            ("https://127.0.0.2", "https://127.0.0.4/t", Ok(false)),
            ("https://127.0.0.1", "https://127.0.0.2/t", Ok(false)),
            ("http://localhost", "http://127.0.0.2/t", Err(InsecureRealm)),
            (
                "http://localhost.r.test",
                "http://127.0.0.1/t",
                Err(InsecureRealm),
            ),
            (
                "http://127.0.0.1:5000",
                "http://10.0.0.1:5001/t",
                Err(InsecureRealm),
            ),
            (
                "https://127.0.0.1:5000",
                "http://localhost:5001/t",
                Err(InsecureRealm),
            ),
            ("https://r.test", long.as_str(), Err(InvalidRealm)),
        ];
        for (registry, realm, expected) in table {
            assert_eq!(judge(registry, realm), expected, "{registry} {realm:.60}");
        }
    }
}
