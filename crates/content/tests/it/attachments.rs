use bytes::Bytes;
use serde_json::{Value, json};
use wharf_content::{Descriptor, ErrorKind, Manifest, MediaType, Signature, Wanted, attachments};
use wharf_reference::Digest;

const SIGNATURE: &str = "application/vnd.dev.cosign.simplesigning.v1+json";

fn signed(payload: &'static str, signature: &str) -> Signature {
    Signature::Attachment {
        media_type: MediaType::parse(SIGNATURE).unwrap(),
        payload: payload.into(),
        annotations: [("sig".to_owned(), signature.to_owned())].into(),
    }
}

fn json_of(bytes: &[u8]) -> Value {
    serde_json::from_slice(bytes).unwrap()
}

#[test]
fn the_name_of_attachments_is_made_of_the_digest() {
    for (algorithm, length) in [("sha256", 64), ("sha512", 128)] {
        let hex = "0a".repeat(length / 2);
        let digest = Digest::parse(&format!("{algorithm}:{hex}")).unwrap();
        let name = attachments::name(&digest).unwrap();
        assert_eq!(name.as_str(), format!("{algorithm}-{hex}.sig"));
        assert_eq!(attachments::subject(name.as_str()), Some(digest));
    }
    let hex = "0a".repeat(32);
    for other in [
        String::new(),
        ".sig".to_owned(),
        "app".to_owned(),
        format!("sha256-{hex}"),
        format!("sha256-{hex}.att"),
        format!("sha256:{hex}.sig"),
        format!("sha256-{}.sig", hex.to_uppercase()),
        format!("sha256-{}.sig", "0a".repeat(31)),
        format!("sha256-{hex}.sig.sig"),
        format!("md5-{}.sig", "0a".repeat(16)),
        format!("registry.example/app:sha256-{hex}.sig"),
        "sha256-../../x.sig".to_owned(),
    ] {
        assert_eq!(attachments::subject(&other), None, "{other}");
    }
}

#[test]
fn the_first_attachment_makes_a_manifest_and_its_config() {
    let merged = attachments::merge(None, &[signed("one", "a"), Signature::Simple("x".into())]);
    let merged = merged.unwrap().unwrap();
    assert_eq!(merged.added(), 1);
    let manifest = merged.manifest();
    assert_eq!(*manifest.media_type(), MediaType::OCI_MANIFEST);
    let layer = &manifest.layers()[0];
    assert_eq!((layer.media_type().as_str(), layer.size()), (SIGNATURE, 3));
    assert_eq!(layer.annotations()["sig"], "a");
    let blobs: Vec<(&Descriptor, &Bytes)> = merged.blobs().collect();
    assert_eq!(blobs.len(), 2);
    assert_eq!(blobs[0].1, "one");
    let (config, bytes) = blobs[1];
    assert_eq!(manifest.config(), Some(config));
    assert_eq!(*config.media_type(), MediaType::OCI_CONFIG);
    let expected = json!({ "type": "layers", "diff_ids": [layer.digest().as_str()] });
    assert_eq!(json_of(bytes)["rootfs"], expected);
}

#[test]
fn an_attachment_is_the_same_if_type_bytes_and_annotations_are() {
    let first = attachments::merge(None, &[signed("one", "a")]).unwrap().unwrap();
    let config = first.blobs().last().unwrap().1.clone();
    let held = Some((first.manifest(), &*config));
    let other_type = Signature::Attachment {
        media_type: MediaType::parse("text/plain").unwrap(),
        payload: "one".into(),
        annotations: [("sig".to_owned(), "a".to_owned())].into(),
    };
    for (signatures, added) in [
        (vec![], 0),
        (vec![signed("one", "a")], 0),
        (vec![signed("one", "b")], 1),
        (vec![signed("two", "a")], 1),
        (vec![other_type], 1),
        (vec![signed("two", "a"), signed("two", "a")], 1),
        (
            vec![signed("one", "a"), signed("two", "a"), signed("three", "a")],
            2,
        ),
        (vec![Signature::Bundle("{}".into())], 0),
    ] {
        let merged = attachments::merge(held, &signatures).unwrap();
        assert_eq!(
            merged.as_ref().map_or(0, attachments::Merged::added),
            added,
            "{signatures:?}"
        );
        let Some(merged) = merged else { continue };
        let layers = merged.manifest().layers();
        assert_eq!(layers[0], first.manifest().layers()[0]);
        let config = merged.blobs().last().unwrap().1;
        let listed: Vec<Value> = layers
            .iter()
            .map(|layer| layer.digest().as_str().into())
            .collect();
        assert_eq!(json_of(config)["rootfs"]["diff_ids"], Value::from(listed));
    }
}

/// A manifest with one layer, and with these types and this config.
fn held(media_type: &MediaType, config_type: &str, config: &str, annotations: &Value) -> Manifest {
    let layer = Descriptor::of(MediaType::parse(SIGNATURE).unwrap(), b"zero");
    let document = json!({
        "schemaVersion": 2, "mediaType": media_type.as_str(),
        "config": { "mediaType": config_type, "digest": Descriptor::of(MediaType::OCI_CONFIG, config.as_bytes()).digest().as_str(), "size": config.len() },
        "layers": [layer], "annotations": annotations,
    });
    Manifest::parse(document.to_string().into(), Some(media_type)).unwrap()
}

#[test]
fn the_rest_of_a_manifest_and_of_its_config_stays() {
    let zero = Descriptor::of(MediaType::OCI_LAYER, b"zero").digest().to_string();
    let one = Descriptor::of(MediaType::OCI_LAYER, b"one").digest().to_string();
    let annotations = json!({ "kept": "yes" });
    let oci = MediaType::OCI_CONFIG.as_str().to_owned();
    let docker = MediaType::DOCKER_CONFIG.as_str().to_owned();
    let full = |ids: &str| format!(r#"{{"author":"me","rootfs":{{"diff_ids":{ids}}}}}"#);
    for (media_type, config_type, config, expected) in [
        (
            MediaType::OCI_MANIFEST,
            &oci,
            full(r#"["sha256:x"]"#),
            Some(json!(["sha256:x", one])),
        ),
        (
            MediaType::DOCKER_MANIFEST,
            &docker,
            full(r#"["sha256:x"]"#),
            Some(json!(["sha256:x", one])),
        ),
        (
            MediaType::OCI_MANIFEST,
            &oci,
            "{}".to_owned(),
            Some(json!([zero, one])),
        ),
        (
            MediaType::OCI_MANIFEST,
            &oci,
            full("[]"),
            Some(json!([zero, one])),
        ),
        (MediaType::OCI_MANIFEST, &oci, full("7"), Some(json!([zero, one]))),
        (
            MediaType::OCI_MANIFEST,
            &oci,
            r#"{"rootfs":null}"#.to_owned(),
            Some(json!([zero, one])),
        ),
        (
            MediaType::OCI_MANIFEST,
            &"application/vnd.oci.empty.v1+json".to_owned(),
            "{}".to_owned(),
            None,
        ),
    ] {
        let manifest = held(&media_type, config_type, &config, &annotations);
        let merged = attachments::merge(Some((&manifest, config.as_bytes())), &[signed("one", "a")]);
        let merged = merged.unwrap().unwrap();
        let after = merged.manifest();
        assert_eq!(*after.media_type(), media_type);
        assert_eq!(after.annotations()["kept"], "yes");
        assert_eq!(after.layers().len(), 2);
        let Some(expected) = expected else {
            assert_eq!(after.config(), manifest.config());
            assert_eq!(merged.blobs().count(), 1);
            continue;
        };
        let (descriptor, bytes) = merged.blobs().last().unwrap();
        assert_eq!(after.config(), Some(descriptor));
        assert_eq!(descriptor.media_type().as_str(), config_type);
        let document = json_of(bytes);
        assert_eq!(document["rootfs"]["diff_ids"], expected, "{config}");
        assert_eq!(document["author"], json_of(config.as_bytes())["author"]);
    }
}

#[test]
fn t168_attachments_that_are_no_manifest_too_many_or_too_large_are_refused() {
    let many: Vec<Signature> = (0..101)
        .map(|number| signed("one", &number.to_string()))
        .collect();
    let full = attachments::merge(None, &many[..100]).unwrap().unwrap();
    let config = full.blobs().last().unwrap().1.clone();
    let index = br#"{"schemaVersion":2,"manifests":[]}"#.as_slice();
    let index = Manifest::parse(index.into(), Some(&MediaType::OCI_INDEX)).unwrap();
    let broken = held(
        &MediaType::OCI_MANIFEST,
        MediaType::OCI_CONFIG.as_str(),
        "[]",
        &json!({}),
    );
    for (what, held, signatures, kind) in [
        ("101 at once", None, &many[..], ErrorKind::TooLarge),
        (
            "one more",
            Some((full.manifest(), &*config)),
            &many[100..],
            ErrorKind::TooLarge,
        ),
        (
            "an index",
            Some((&index, b"{}".as_slice())),
            &many[..1],
            ErrorKind::Invalid,
        ),
        (
            "a list as config",
            Some((&broken, b"[]".as_slice())),
            &many[..1],
            ErrorKind::Invalid,
        ),
        ("no payload", None, &[signed("", "a")][..], ErrorKind::Invalid),
    ] {
        let error = attachments::merge(held, signatures).unwrap_err();
        assert_eq!(error.kind(), kind, "{what}: {error}");
    }
    let large = |count: usize, size: u64| {
        let layer = Descriptor::of(MediaType::parse(SIGNATURE).unwrap(), b"x");
        let layer = Descriptor::new(layer.media_type().clone(), layer.digest().clone(), size).unwrap();
        let document = json!({
            "schemaVersion": 2, "mediaType": MediaType::OCI_MANIFEST.as_str(),
            "config": Descriptor::of(MediaType::OCI_CONFIG, b"{}"), "layers": vec![layer; count],
        });
        Manifest::parse(document.to_string().into(), None).unwrap()
    };
    for (count, size, is_refused) in [
        (1, 4 << 20, false),
        (1, (4 << 20) + 1, true),
        (8, 4 << 20, false),
        (9, 4 << 20, true),
        (100, 1, false),
    ] {
        let manifest = large(count, size);
        let read = attachments::layers(&manifest, Wanted::ATTACHMENTS);
        assert_eq!(read.is_err(), is_refused, "{count} of {size}");
    }
    // The sizes of attachments that are not fetched do not count.
    let bill = large(9, 4 << 20).bytes().clone();
    let bill = String::from_utf8(bill.to_vec())
        .unwrap()
        .replace(SIGNATURE, "text/spdx");
    let bill = Manifest::parse(bill.into(), None).unwrap();
    assert!(attachments::layers(&bill, Wanted::ATTACHMENTS).is_ok());
    assert!(attachments::layers(&bill, Wanted::EVERYTHING).is_err());
}
