//! Which token server may receive what (N4).

use url::{Host, Url};
use wharf_http::{Origin, printable};

use crate::{AuthError, AuthErrorKind};

const MAX_REALM: usize = 4096;

/// Decides which realms may be asked, and which may be sent credentials.
///
/// | realm | may get |
/// |---|---|
/// | https at the registry's own host, on any port | credentials |
/// | https within the registry's registrable domain | credentials |
/// | https at a host of a known pair, or a configured one | credentials |
/// | any other https | anonymous requests only |
/// | http at the host of a registry that is https | credentials, over https: what ends TLS often does not tell |
/// | http, where the registry itself is plain http at the same host | credentials, if plain text may carry them |
/// | any other http; no URL; with user info or fragment | nothing |
///
/// A realm that is a path (`/token`) is at the registry's own origin, and one without a scheme (`//host/token`,
/// `host.example:5001/token`) is https, or the registry's own scheme at the registry's own host.
///
/// The registrable domain is taken without a public suffix list, which is large and ages: the last two labels,
/// or three under the usual country suffixes (`co.uk`), and none at all on platforms whose subdomains belong
/// to different people. Where that is too strict, [`RealmPolicy::trust`] says so for a host.
#[derive(Debug, Clone, Default)]
pub struct RealmPolicy {
    trusted: Vec<String>,
}

/// A realm that may be asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Realm {
    /// Where.
    pub url: Url,
    /// Whether credentials may be sent there.
    pub may_have_credentials: bool,
}

impl RealmPolicy {
    /// Lets the token server at this host receive credentials of every registry that names it.
    #[must_use]
    pub fn trust(mut self, host: impl AsRef<str>) -> Self {
        self.trusted.push(normal(host.as_ref()).to_ascii_lowercase());
        self
    }

    /// Judges the realm that the registry at `registry` named.
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
        let Some(url) = read(registry, realm) else {
            return invalid("it is no URL");
        };
        let Ok(origin) = Origin::of(&url) else {
            return invalid("it is neither https nor http");
        };
        if !url.username().is_empty() || url.password().is_some() {
            return invalid("it contains a user name");
        }
        if url.fragment().is_some() {
            return invalid("it has a fragment");
        }
        let same_host = origin.host() == registry.host();
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

/// The URL that a realm means, whatever of it was left out.
fn read(registry: &Origin, realm: &str) -> Option<Url> {
    let url = if realm.starts_with('/') {
        Url::parse(&format!("{registry}/")).ok()?.join(realm).ok()?
    } else if realm.contains("://") {
        Url::parse(realm).ok()?
    } else {
        with_scheme(registry, realm)?
    };
    Some(encrypted_as(registry, url))
}

/// A realm that begins with a host: one with a dot or a port in it, or the registry's own.
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

/// Http at the host of a registry that is https, as it is reached: at the registry's own port, or the other one that
/// it names.
fn encrypted_as(registry: &Origin, url: Url) -> Url {
    let mut url = registry.over_tls(url);
    let is_same_host = Origin::of(&url).is_ok_and(|origin| origin.host() == registry.host());
    if registry.is_encrypted() && is_same_host && url.scheme() == "http" {
        let _ = url.set_scheme("https"); // cannot fail: both are schemes of the web
    }
    url
}

fn normal(host: &str) -> &str {
    host.strip_suffix('.').unwrap_or(host)
}

/// Registries whose token server is elsewhere: whole hosts, or all below one.
const KNOWN_PAIRS: [(&str, &str); 3] = [
    ("nvcr.io", "authn.nvidia.com"),
    (".scw.cloud", "api.scaleway.com"),
    ("registry.hub.docker.com", "auth.docker.io"),
];

fn is_known_pair(registry: &str, realm: &str) -> bool {
    KNOWN_PAIRS.iter().any(|(left, right)| {
        let matches = if left.starts_with('.') {
            registry.ends_with(left)
        } else {
            registry == *left
        };
        matches && realm == *right
    })
}

/// Second labels under which countries register domains.
const SECOND_LEVEL: [&str; 30] = [
    "ac", "adv", "asn", "asso", "biz", "co", "com", "edu", "firm", "gen", "go", "gob", "gouv", "gov", "id",
    "ind", "info", "ltd", "me", "mil", "name", "ne", "net", "nhs", "nom", "or", "org", "plc", "sch", "web",
];

/// Domains whose subdomains belong to different people.
const SHARED: [&str; 52] = [
    "amazonaws.com",
    "amazonaws.com.cn",
    "appspot.com",
    "awsapps.com",
    "azure-api.net",
    "azure.com",
    "azurecontainer.io",
    "azurecr.cn",
    "azurecr.io",
    "azurecr.us",
    "azureedge.net",
    "azurefd.net",
    "azurewebsites.net",
    "blogspot.com",
    "cloudapp.net",
    "cloudfront.net",
    "codeberg.page",
    "deno.dev",
    "digitaloceanspaces.com",
    "duckdns.org",
    "dyndns.org",
    "edgekey.net",
    "fastly.net",
    "firebaseapp.com",
    "fly.dev",
    "github.dev",
    "github.io",
    "gitlab.io",
    "gitpod.io",
    "googleapis.com",
    "googleusercontent.com",
    "herokuapp.com",
    "hf.space",
    "jfrog.io",
    "jfrog.org",
    "loca.lt",
    "localtunnel.me",
    "netlify.app",
    "ngrok.app",
    "ngrok.io",
    "ngrok-free.app",
    "nip.io",
    "no-ip.org",
    "on.aws",
    "onrender.com",
    "pages.dev",
    "railway.app",
    "run.app",
    "sslip.io",
    "ts.net",
    "vercel.app",
    "workers.dev",
];

/// The domain somebody registered, as far as it can be told: `None` for addresses, single labels and shared
/// platforms.
fn registrable_domain(host: &str) -> Option<&str> {
    if !matches!(Host::parse(host), Ok(Host::Domain(_))) {
        return None;
    }
    let labels: Vec<&str> = host.rsplit('.').collect();
    let count = match labels.as_slice() {
        [top, second, ..] if top.len() == 2 && SECOND_LEVEL.contains(second) => 3,
        _ => 2,
    };
    if labels.len() < count {
        return None;
    }
    let length = labels
        .iter()
        .take(count)
        .map(|label| label.len() + 1)
        .sum::<usize>()
        - 1;
    let domain = host.get(host.len().checked_sub(length)?..)?;
    let shared = SHARED
        .iter()
        .any(|shared| host == *shared || is_below(host, shared));
    (!shared).then_some(domain)
}

fn is_below(host: &str, domain: &str) -> bool {
    host.strip_suffix(domain).is_some_and(|rest| rest.ends_with('.'))
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
            ("https://r.test", "https://r.test/t#f", Err(InvalidRealm)),
            ("https://r.test", long.as_str(), Err(InvalidRealm)),
        ];
        for (registry, realm, expected) in table {
            assert_eq!(judge(registry, realm), expected, "{registry} {realm:.60}");
        }
    }

    /// Where a realm is asked for tokens: what was left out of it is the registry's, and http is not taken at its word
    /// behind TLS.
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
            let judged = RealmPolicy::default().judge(&origin, realm);
            let url = judged.ok().map(|realm| realm.url.to_string());
            assert_eq!(url.as_deref(), expected, "{registry} {realm}");
        }
    }
}
