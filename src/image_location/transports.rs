//! The transports, and text that has none of them.

use wharf_content::{Error, ErrorKind};
use wharf_reference::Reference;

/// The transports of containers-transports(5) that are not supported.
const UNSUPPORTED: [&str; 5] = ["atomic", "containers-storage", "ostree", "sif", "tarball"];

/// The transports of containers-transports(5) that are supported.
const SUPPORTED: [&str; 6] = [
    "docker",
    "oci",
    "dir",
    "oci-archive",
    "docker-archive",
    "docker-daemon",
];

/// True if text begins with a transport that Skopeo knows, or with `docker:`, so that it is no name of an
/// image.
pub(super) fn has_transport(text: &str) -> bool {
    let transport = text.split_once(':').map_or("", |(transport, _)| transport);
    SUPPORTED.contains(&transport) || UNSUPPORTED.contains(&transport)
}

/// Why text that begins with no supported transport is refused, and what to write instead.
pub(super) fn not_supported(text: &str) -> Error {
    let transport = text.split_once(':').map_or("", |(transport, _)| transport);
    let unsupported = |instead: &str| {
        let message = format!("{text:?}: the transport {transport} is not supported; {instead}");
        Error::new(ErrorKind::Unsupported, message)
    };
    if transport == "containers-storage" {
        return unsupported(
            "the images of Podman are reached with `podman push IMAGE oci:DIRECTORY` and `podman pull oci:DIRECTORY`, with \
             `podman save` and `podman load`, or as docker-daemon:NAME:TAG through Podman's socket",
        );
    }
    if UNSUPPORTED.contains(&transport) {
        return unsupported("write docker://REFERENCE or oci:DIRECTORY:NAME");
    }
    if let Some(meant) = meant(transport) {
        let message = format!("{text:?}: no transport is called {transport:?}; {meant} is");
        return Error::new(ErrorKind::Invalid, message);
    }
    let reference = text.strip_prefix("docker:").unwrap_or(text);
    let message = if Reference::parse(reference).is_ok() {
        format!(
            "{text:?}: a transport is missing; write docker://{reference}, or oci:DIRECTORY:NAME for a store"
        )
    } else {
        format!("{text:?}: no known transport; write docker://REFERENCE or oci:DIRECTORY:NAME")
    };
    Error::new(ErrorKind::Invalid, message)
}

/// The transport that a word with a typo may mean: one letter or two neighbours differ, or a hyphen is missing.
fn meant(word: &str) -> Option<&'static str> {
    let plain = |text: &str| text.to_ascii_lowercase().replace(['_', '-'], "");
    let word = plain(word);
    let mut known = SUPPORTED.into_iter().filter(|known| *known != "docker");
    known.find(|known| {
        let known = plain(known);
        known.len() > 3 && is_near(word.as_bytes(), known.as_bytes())
    })
}

/// True if two words are equal but for one letter that is other, missing or superfluous, or two that are exchanged.
fn is_near(one: &[u8], other: &[u8]) -> bool {
    let same = one.iter().zip(other).take_while(|(a, b)| a == b).count();
    let rests = (
        one.get(same..).unwrap_or_default(),
        other.get(same..).unwrap_or_default(),
    );
    match rests {
        ([], []) => true,
        ([a, b, one @ ..], [c, d, other @ ..]) if a == d && b == c => one == other,
        ([_, one @ ..], [_, other @ ..]) if one == other => true,
        ([_, one @ ..], other) if one == other => true,
        (one, [_, other @ ..]) => one == other,
        _ => false,
    }
}
