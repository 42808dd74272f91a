//! The rules for which hosts belong to one operator.

use url::Host;

/// Registries and their token servers at other domains: a whole host, or with a leading dot every host
/// below it.
const KNOWN_PAIRS: [(&str, &str); 3] = [
    ("nvcr.io", "authn.nvidia.com"),
    (".scw.cloud", "api.scaleway.com"),
    ("registry.hub.docker.com", "auth.docker.io"),
];

pub(super) fn is_known_pair(registry: &str, realm: &str) -> bool {
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

/// The registrable domain of a host; `None` for addresses, single labels and shared
/// platforms.
pub(super) fn registrable_domain(host: &str) -> Option<&str> {
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
