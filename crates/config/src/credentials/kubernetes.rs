//! Matching of keys of Kubernetes pull secrets (Kubernetes documentation, *Images*, *Interpretation of
//! config.json*).

use super::key::{CredentialKey, comparable_host, strip_scheme};

/// The specificity of a key that matches; greater is more specific.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Fit {
    path_segments: usize,
    without_wildcard: bool,
}

/// Matches the key of an entry, in which `*` and `?` stand within one label of the host and whose path stands
/// for all below it.
pub(super) fn fit(pattern: &str, wanted: &CredentialKey) -> Option<Fit> {
    let rest = strip_scheme(pattern).unwrap_or(pattern);
    let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
    // The versions of the protocol stand for the whole host.
    let path = ["v1", "v2"]
        .iter()
        .find_map(|version| {
            path.strip_prefix(version)
                .filter(|rest| rest.is_empty() || rest.starts_with('/'))
        })
        .unwrap_or(path);
    let segments = |path| str::split(path, '/').filter(|segment| !segment.is_empty());
    let mut wanted_path = segments(wanted.path().unwrap_or_default());
    let inside = segments(path).all(|segment| wanted_path.next() == Some(segment));
    let host = comparable_host(host, true);
    if !inside || !host_matches(&host, &comparable_host(wanted.registry().as_str(), true)) {
        return None;
    }
    Some(Fit {
        path_segments: segments(path).count(),
        without_wildcard: !host.contains(['*', '?']),
    })
}

/// Compares label by label, and the port as it is.
fn host_matches(pattern: &str, host: &str) -> bool {
    if pattern.starts_with('[') || host.starts_with('[') {
        return pattern == host; // an address has no labels
    }
    let (pattern, pattern_port) = pattern.split_once(':').unwrap_or((pattern, ""));
    let (host, port) = host.split_once(':').unwrap_or((host, ""));
    pattern_port == port
        && pattern.split('.').count() == host.split('.').count()
        && pattern
            .split('.')
            .zip(host.split('.'))
            .all(|(pattern, label)| label_matches(pattern.as_bytes(), label.as_bytes()))
}

fn label_matches(pattern: &[u8], label: &[u8]) -> bool {
    // Where to go on if the last `*` has to take one byte more.
    let mut retry: Option<(&[u8], &[u8])> = None;
    let (mut pattern, mut rest) = (pattern, label);
    loop {
        match (pattern.split_first(), rest.split_first()) {
            (Some((b'*', after)), _) => {
                retry = Some((after, rest));
                pattern = after;
            }
            (Some((expected, after)), Some((byte, left))) if *expected == b'?' || expected == byte => {
                (pattern, rest) = (after, left);
            }
            (None, None) => return true,
            _ => match retry {
                Some((after, [_, left @ ..])) => {
                    retry = Some((after, left));
                    (pattern, rest) = (after, left);
                }
                _ => return false,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_match_as_kubernetes_documents() {
        for (pattern, wanted, matches) in [
            ("*.kubernetes.io", "abc.kubernetes.io", true),
            ("*.kubernetes.io", "kubernetes.io", false),
            ("*.*.kubernetes.io", "abc.kubernetes.io", false),
            ("*.*.kubernetes.io", "prefix.abc.kubernetes.io", true),
            ("*-good.kubernetes.io", "prefix-good.kubernetes.io", true),
            ("*-good.kubernetes.io", "prefix.kubernetes.io", false),
            ("*.io", "kubernetes.io.evil", false),
            ("h?.example", "h1.example", true),
            ("h?.example", "h.example", false),
            ("a*b*c.example", "aXbYbZc.example", true),
            ("a*b*c.example", "aXbYbZ.example", false),
            ("example.com", "example.com:5000", false),
            ("example.com:5000", "example.com:5000", true),
            ("*.example.com:5000", "a.example.com", false),
            ("example.com/images", "example.com/images/app", true),
            ("example.com/images", "example.com/images-other", false),
            ("example.com/images", "example.com", false),
            ("https://example.com/v2/", "example.com/a", true),
            ("https://example.com/v1/team", "example.com/team/a", true),
            ("https://example.com/v1x", "example.com/a", false),
            ("https://index.docker.io/v1/", "docker.io/library/alpine", true),
            ("example.com.evil", "example.com", false),
            ("[::1]:5000", "[::1]:5000/a", true),
        ] {
            let wanted = CredentialKey::parse(wanted).unwrap();
            assert_eq!(fit(pattern, &wanted).is_some(), matches, "{pattern} {wanted}");
        }
    }
}
