//! Scopes of registries, as policy.json and registries.d write them: names of images and what is above them.

use wharf_reference::Reference;

/// The scopes an image of a registry is in, the most specific first.
pub(crate) fn of_reference(reference: &Reference) -> Vec<String> {
    let repository = reference.repository().to_string();
    let mut scopes = Vec::new();
    match (reference.digest(), reference.tag()) {
        (Some(digest), _) => scopes.push(format!("{repository}@{digest}")),
        (None, Some(tag)) => scopes.push(format!("{repository}:{tag}")),
        (None, None) => {}
    }
    let mut path = repository.as_str();
    while let Some((parent, _)) = path.rsplit_once('/') {
        scopes.push(path.to_owned());
        path = parent;
    }
    scopes.push(path.to_owned());
    // A wildcard is for every port, and for hosts below the domain alone.
    let registry = reference.registry();
    let mut host = registry.host();
    while let Some((_, domain)) = host.split_once('.') {
        scopes.push(format!("*.{domain}"));
        host = domain;
    }
    scopes
}

/// Why no name of an image is in a scope of registries, where that is plain.
pub(crate) fn never_matches(scope: &str) -> Option<&'static str> {
    let registry = scope.split_once('/').map_or(scope, |(registry, _)| registry);
    if scope.contains("://") {
        Some("never matches: leave out the scheme, as in registry.example/team")
    } else if scope.ends_with('/') {
        Some("never matches: leave out the slash at the end")
    } else if registry == "index.docker.io" {
        Some("never matches: names of Docker Hub begin with docker.io")
    } else if scope.contains('*') && (!scope.starts_with("*.") || scope.contains(['/', ':'])) {
        Some("never matches: a wildcard is `*.` and a domain, without port and path")
    } else {
        None
    }
}
