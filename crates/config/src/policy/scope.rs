//! Scopes of transports in policy.json: directories, streams of images.

use std::path::{Component, Path};

use wharf_reference::Digest;

use crate::scope;

/// The scopes an image of a layout is in, the most specific first.
pub(super) fn of_layout(directory: &Path) -> Vec<String> {
    let paths = directory.ancestors().filter(|path| path.parent().is_some());
    paths.map(|path| path.display().to_string()).collect()
}

/// The warning for the author of a scope that may not match what its author expects; `None` for every other
/// scope.
pub(super) fn warning(transport: &str, name: &str) -> Option<&'static str> {
    match transport {
        "oci" if name.contains(':') => Some(
            "a rule for oci is for a directory, and never for one image in it; write the directory alone, without the \
             colon and what follows",
        ),
        "docker" => scope::never_matches(name),
        _ => None,
    }
}

/// The fault in a scope of a transport; `None` for a valid scope, and for every scope of an unknown transport.
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
        "docker-daemon" => Digest::parse(scope)
            .is_ok_and(|id| id.algorithm().is_supported())
            .then_some("an image that is read by its ID is in no scope but the empty one"),
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
