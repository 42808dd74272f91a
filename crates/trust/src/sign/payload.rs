//! The payloads that are signed, byte for byte.

use std::time::{SystemTime, UNIX_EPOCH};

use wharf_reference::{Digest, Reference};

use crate::payload::PayloadType;

/// The program that payloads say they were made by.
const CREATOR: &str = concat!("wharf ", env!("CARGO_PKG_VERSION"));

/// A payload for a complete name, with its maker and time, as Skopeo and Podman write it: compact JSON, members in
/// the order of their names. No text in it needs an escape, by the grammars of names and digests.
pub(super) fn full(kind: PayloadType, manifest: &Digest, identity: &Reference, now: SystemTime) -> String {
    let timestamp = now.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let optional = format!(r#"{{"creator":"{CREATOR}","timestamp":{timestamp}}}"#);
    payload(kind, manifest, identity.as_str(), &optional)
}

/// A payload as cosign writes it.
pub(super) fn of_cosign(manifest: &Digest, identity: &Reference) -> String {
    payload(
        PayloadType::Cosign,
        manifest,
        identity.repository().as_str(),
        "null",
    )
}

fn payload(kind: PayloadType, manifest: &Digest, identity: &str, optional: &str) -> String {
    let kind = kind.text();
    format!(
        r#"{{"critical":{{"identity":{{"docker-reference":"{identity}"}},"image":{{"docker-manifest-digest":"{manifest}"}},"type":"{kind}"}},"optional":{optional}}}"#
    )
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::payload::Payload;

    const DIGEST: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    #[test]
    fn payloads_are_these_bytes() {
        let digest = Digest::parse(DIGEST).unwrap();
        let now = UNIX_EPOCH + Duration::from_secs(1_700_000_000);
        let version = env!("CARGO_PKG_VERSION");
        for (kind, name, signed, text) in [
            (
                PayloadType::Simple,
                "busybox:1",
                "docker.io/library/busybox:1",
                "atomic container signature",
            ),
            (
                PayloadType::Cosign,
                "a.example:5000/b/c:1.0_x",
                "a.example:5000/b/c:1.0_x",
                "cosign container image signature",
            ),
        ] {
            let name = Reference::parse(name).unwrap();
            let made = full(kind, &digest, &name, now);
            let expected = format!(
                r#"{{"critical":{{"identity":{{"docker-reference":"{signed}"}},"image":{{"docker-manifest-digest":"{DIGEST}"}},"type":"{text}"}},"optional":{{"creator":"wharf {version}","timestamp":1700000000}}}}"#
            );
            assert_eq!(made, expected);
            let read = Payload::parse(made.as_bytes(), kind).unwrap();
            assert_eq!(read.reference, signed);
            assert_eq!(read.timestamp, Some(1_700_000_000));
        }
    }

    #[test]
    fn payloads_of_cosign_are_for_the_repository_and_say_no_more() {
        let digest = Digest::parse(DIGEST).unwrap();
        for name in [
            "a.example/b:1".to_owned(),
            format!("a.example/b@{DIGEST}"),
            format!("a.example/b:1@{DIGEST}"),
        ] {
            let made = of_cosign(&digest, &Reference::parse(&name).unwrap());
            let expected = format!(
                r#"{{"critical":{{"identity":{{"docker-reference":"a.example/b"}},"image":{{"docker-manifest-digest":"{DIGEST}"}},"type":"cosign container image signature"}},"optional":null}}"#
            );
            assert_eq!(made, expected);
            Payload::parse(made.as_bytes(), PayloadType::Cosign).unwrap();
        }
    }
}
