//! Sigstore bundles beside an image: each is the layer of an artifact manifest that refers to the image.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use serde_json::Value;

use crate::{
    BuiltImage, Descriptor, Error, ErrorKind, ImageBuilder, MAX_SIGNATURE_SIZE, Manifest, MediaType,
};

/// The beginning of the types of bundles, of every version.
const PREFIX: &str = "application/vnd.dev.sigstore.bundle";
/// The type of the bundles that are written.
const BUNDLE: &str = "application/vnd.dev.sigstore.bundle.v0.3+json";
/// The longest predicate type that becomes an annotation, in bytes.
const MAX_PREDICATE_TYPE: usize = 255;

/// Whether a list of referrers says that this entry is a bundle. An entry may be one that is listed with another type
/// or without one: [`layer`] tells.
#[must_use]
pub fn is_listed(entry: &Descriptor) -> bool {
    entry.artifact_type().is_some_and(is_type)
}

/// The layer of a referrer that is a bundle; `None` if the referrer is none. `entry` is its entry in the list of
/// referrers. It is a bundle if the entry, the manifest or one of its layers has the type of one.
#[must_use]
pub fn layer<'a>(entry: &Descriptor, referrer: &'a Manifest) -> Option<&'a Descriptor> {
    let layers = referrer.layers();
    let of_type = layers.iter().find(|layer| is_type(layer.media_type()));
    let is_stated = is_listed(entry) || referrer.artifact_type().is_some_and(is_type);
    of_type.or_else(|| layers.first().filter(|_| is_stated))
}

fn is_type(media_type: &MediaType) -> bool {
    media_type.as_str().starts_with(PREFIX)
}

/// The artifact that holds a bundle about `subject`, as cosign writes it.
///
/// # Deviation
///
/// It does not state when it was made, so that the artifact of a bundle is always the same: a bundle that is written
/// twice is there once.
///
/// # Errors
///
/// [`ErrorKind::TooLarge`] for more than [`MAX_SIGNATURE_SIZE`] bytes, [`ErrorKind::Invalid`] if the subject is no
/// manifest.
pub fn artifact(bundle: &Bytes, subject: &Descriptor) -> Result<BuiltImage, Error> {
    if bundle.len() as u64 > MAX_SIGNATURE_SIZE {
        let message = format!("the bundle is larger than the limit of {MAX_SIGNATURE_SIZE} bytes");
        return Err(Error::new(ErrorKind::TooLarge, message));
    }
    let media_type = MediaType::parse(BUNDLE)?;
    let subject = Descriptor::new(
        subject.media_type().clone(),
        subject.digest().clone(),
        subject.size(),
    )?;
    let mut artifact = ImageBuilder::new()
        .with_artifact_type(media_type.clone())
        .with_layer_bytes(media_type, bundle.clone())
        .with_subject(subject);
    for (key, value) in annotations(bundle) {
        artifact = artifact.with_annotation(key, value);
    }
    artifact.build()
}

/// The hints that cosign gives about a bundle; none if the bundle cannot be read.
fn annotations(bundle: &[u8]) -> Vec<(&'static str, String)> {
    let Ok(bundle) = serde_json::from_slice::<Value>(bundle) else {
        return Vec::new();
    };
    let Some(envelope) = bundle.get("dsseEnvelope") else {
        return vec![("dev.sigstore.bundle.content", "message-signature".to_owned())];
    };
    let mut hints = vec![("dev.sigstore.bundle.content", "dsse-envelope".to_owned())];
    let predicate_type = || {
        let payload = STANDARD.decode(envelope.get("payload")?.as_str()?).ok()?;
        let statement: Value = serde_json::from_slice(&payload).ok()?;
        let text = statement.get("predicateType")?.as_str()?.to_owned();
        (text.len() <= MAX_PREDICATE_TYPE).then_some(text)
    };
    hints.extend(predicate_type().map(|text| ("dev.sigstore.bundle.predicateType", text)));
    hints
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bundle_is_known_by_the_type_of_the_entry_the_manifest_or_the_layer() {
        let subject = Descriptor::of(MediaType::OCI_MANIFEST, b"{}");
        let kind = |text: &str| MediaType::parse(text).unwrap();
        let (old, sbom) = (
            "application/vnd.dev.sigstore.bundle+json",
            "application/spdx+json",
        );
        for (listed, artifact_type, layer_type, is_bundle) in [
            (Some(BUNDLE), BUNDLE, BUNDLE, true),
            (Some(old), old, old, true),
            (None, sbom, BUNDLE, true),
            (Some(sbom), BUNDLE, sbom, true),
            (Some("application/vnd.oci.empty.v1+json"), BUNDLE, BUNDLE, true),
            (Some(BUNDLE), sbom, sbom, true),
            (None, sbom, sbom, false),
            (Some(sbom), sbom, sbom, false),
            (None, "application/x-dev.sigstore.bundle", sbom, false),
        ] {
            let referrer = ImageBuilder::new()
                .with_artifact_type(kind(artifact_type))
                .with_layer_bytes(kind(layer_type), "{}")
                .with_subject(subject.clone())
                .build()
                .unwrap();
            let mut entry = Descriptor::of(MediaType::OCI_MANIFEST, referrer.root().bytes());
            if let Some(listed) = listed {
                entry = entry.with_artifact_type(kind(listed));
            }
            let found = layer(&entry, referrer.root());
            assert_eq!(
                found.is_some(),
                is_bundle,
                "{listed:?} {artifact_type} {layer_type}"
            );
        }
    }

    #[test]
    fn an_artifact_of_a_bundle_is_always_the_same() {
        let payload = STANDARD.encode(r#"{"predicateType":"https://sigstore.dev/cosign/sign/v1"}"#);
        let subject = Descriptor::of(MediaType::OCI_MANIFEST, b"image").with_annotation("a", "b");
        let json = |text: String| Bytes::from(text);
        let hints = |bundle: &Bytes| {
            let built = artifact(bundle, &subject).unwrap();
            assert_eq!(built.digest(), artifact(bundle, &subject).unwrap().digest());
            let root = built.root();
            assert_eq!(root.artifact_type().map(MediaType::as_str), Some(BUNDLE));
            assert_eq!(
                root.config().map(Descriptor::media_type),
                Some(&MediaType::OCI_EMPTY)
            );
            assert_eq!(root.subject().map(Descriptor::digest), Some(subject.digest()));
            assert!(root.subject().unwrap().annotations().is_empty());
            let texts: Vec<String> = root.annotations().values().cloned().collect();
            texts.join(" ")
        };
        let long = STANDARD.encode(format!(r#"{{"predicateType":"{}"}}"#, "x".repeat(300)));
        for (bundle, expected) in [
            (
                json(format!(r#"{{"dsseEnvelope":{{"payload":"{payload}"}}}}"#)),
                "dsse-envelope https://sigstore.dev/cosign/sign/v1",
            ),
            (
                json(format!(r#"{{"dsseEnvelope":{{"payload":"{long}"}}}}"#)),
                "dsse-envelope",
            ),
            (
                json(r#"{"dsseEnvelope":{"payload":7}}"#.to_owned()),
                "dsse-envelope",
            ),
            (json(r#"{"messageSignature":{}}"#.to_owned()), "message-signature"),
            (json("no JSON".to_owned()), ""),
        ] {
            assert_eq!(hints(&bundle), expected);
        }
        let large = Bytes::from(vec![b' '; 1 + usize::try_from(MAX_SIGNATURE_SIZE).unwrap()]);
        assert_eq!(
            artifact(&large, &subject).unwrap_err().kind(),
            ErrorKind::TooLarge
        );
    }
}
