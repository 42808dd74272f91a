//! What a rule of a policy is for: names of registries, repositories, directories.

use std::path::{Component, Path};

use wharf_reference::Reference;

/// The scopes an image of a registry is in, the most specific first.
pub(super) fn of_reference(reference: &Reference) -> Vec<String> {
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

/// The scopes an image of a layout is in, the most specific first.
pub(super) fn of_layout(directory: &Path) -> Vec<String> {
    let paths = directory.ancestors().filter(|path| path.parent().is_some());
    paths.map(|path| path.display().to_string()).collect()
}

/// The warning for the author of a scope that may not match what its author expects; `None` for every other
/// scope.
pub(super) fn warning(transport: &str, scope: &str) -> Option<&'static str> {
    match transport {
        "oci" if scope.contains(':') => Some(
            "a rule for oci is for a directory, and never for one image in it; write the directory alone, without the \
             colon and what follows",
        ),
        "docker" => never_matches(scope),
        _ => None,
    }
}

/// Why no name of an image is in a scope of registries, where that is plain.
fn never_matches(scope: &str) -> Option<&'static str> {
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

/// What is wrong with a scope of a transport, if anything is. Those of transports that nobody knows are not judged.
pub(super) fn problem(transport: &str, scope: &str) -> Option<&'static str> {
    if scope.is_empty() {
        return None;
    }
    match transport {
        "docker-archive" | "tarball" => Some("this transport has no scopes but the empty one"),
        "dir" | "oci" | "oci-archive" | "sif" => {
            let path = Path::new(scope);
            if !scope.starts_with('/') {
                Some("a directory's scope is an absolute path")
            } else if scope == "/" {
                Some("a rule for every directory belongs under the empty scope")
            } else if is_clean(scope, path) {
                None
            } else {
                Some("a directory's scope has no empty, `.` or `..` components and no slash at its end")
            }
        }
        "atomic" => (!is_atomic(scope)).then_some("expected HOST[/NAMESPACE[/STREAM[:TAG]]]"),
        _ => None,
    }
}

fn is_clean(scope: &str, path: &Path) -> bool {
    let normal = path
        .components()
        .all(|component| matches!(component, Component::RootDir | Component::Normal(_)));
    normal && !scope.ends_with('/') && !scope.contains("//") && !scope.contains("/./")
}

/// A registry, a namespace, a stream of images or one of its tags.
fn is_atomic(scope: &str) -> bool {
    let parts: Vec<&str> = scope.split('/').collect();
    let is_name = |name: &str| !name.is_empty() && !name.contains(':');
    match parts.as_slice() {
        [host] => !host.is_empty(),
        [host, namespace] => !host.is_empty() && is_name(namespace),
        [host, namespace, stream] => {
            let (stream, tag) = stream.split_once(':').unwrap_or((stream, "latest"));
            !host.is_empty() && is_name(namespace) && is_name(stream) && is_name(tag)
        }
        _ => false,
    }
}
