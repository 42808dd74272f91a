//! Documents as tools write them: what a copy does not depend on is passed over, and kept byte for byte.

use serde_json::{Value, json};
use wharf_content::{Descriptor, ErrorKind, Hasher, Manifest, MediaType, Platform};
use wharf_reference::Algorithm;

const ARTIFACT: &str = "application/vnd.oci.artifact.manifest.v1+json";

fn described(media_type: impl Into<Value>) -> Value {
    let digest = Hasher::digest(Algorithm::Sha256, b"{}").unwrap();
    json!({"mediaType": media_type.into(), "digest": digest, "size": 2})
}

fn image() -> Value {
    json!({
        "schemaVersion": 2,
        "mediaType": MediaType::OCI_MANIFEST,
        "config": described("application/vnd.oci.image.config.v1+json"),
        "layers": [described("application/vnd.oci.image.layer.v1.tar+gzip")],
    })
}

fn index() -> Value {
    let mut entry = described(MediaType::OCI_MANIFEST.as_str());
    entry["platform"] = json!({"os": "linux", "architecture": "amd64"});
    json!({"schemaVersion": 2, "mediaType": MediaType::OCI_INDEX, "manifests": [entry]})
}

/// A document with the value at this path.
fn with(mut document: Value, path: &str, value: Value) -> Value {
    let (parent, key) = path.rsplit_once('/').unwrap();
    let parent = document.pointer_mut(parent).unwrap();
    parent[key] = value;
    document
}

fn without(mut document: Value, key: &str) -> Value {
    document.as_object_mut().unwrap().remove(key);
    document
}

fn read(document: &Value) -> Result<Manifest, ErrorKind> {
    Manifest::parse(document.to_string().into(), None).map_err(|error| error.kind())
}

#[test]
fn what_is_not_depended_on_is_not_looked_at() {
    let schema2 = || {
        let document = with(image(), "/mediaType", json!(MediaType::DOCKER_MANIFEST));
        with(document, "/config/mediaType", json!(MediaType::DOCKER_CONFIG))
    };
    let list = || with(index(), "/mediaType", json!(MediaType::DOCKER_INDEX));
    let long = "x".repeat(5000);
    let table = [
        // Types of any text, or of none.
        with(image(), "/config/mediaType", json!("sbom")),
        with(image(), "/config/mediaType", json!("")),
        with(image(), "/config/mediaType", json!(null)),
        with(image(), "/config", without(described(""), "mediaType")),
        with(image(), "/layers/0/mediaType", json!("sbom")),
        with(image(), "/layers/0/mediaType", json!("")),
        with(image(), "/layers/0/mediaType", json!("a/b/c; d=\u{1b}[2J")),
        with(image(), "/layers/0/mediaType", json!(long)),
        with(image(), "/artifactType", json!("sbom")),
        with(image(), "/artifactType", json!("")),
        with(image(), "/artifactType", json!(null)),
        with(image(), "/config/artifactType", json!("not a type")),
        with(schema2(), "/config/mediaType", json!("")),
        with(schema2(), "/layers/0/mediaType", json!("tar")),
        with(index(), "/manifests/0/mediaType", json!("")),
        with(list(), "/manifests/0/artifactType", json!("")),
        // Null, and what is empty.
        with(image(), "/layers", json!(null)),
        without(image(), "layers"),
        with(image(), "/manifests", json!(null)),
        with(image(), "/annotations", json!(null)),
        with(image(), "/annotations", json!({"a": null, "b": ""})),
        with(image(), "/subject", json!(null)),
        with(image(), "/subject", json!({})),
        with(
            image(),
            "/subject",
            json!({"mediaType": null, "annotations": {"a": "b"}}),
        ),
        with(
            image(),
            "/subject",
            json!({"mediaType": "", "digest": "", "size": 0}),
        ),
        with(index(), "/subject", json!({})),
        with(image(), "/history", json!(null)),
        with(image(), "/layers/0/annotations", json!({"a": null})),
        with(image(), "/layers/0/urls", json!(null)),
        with(image(), "/layers/0/urls", json!([null])),
        with(image(), "/layers/0/data", json!(null)),
        with(image(), "/layers/0/data", json!("")),
        with(image(), "/layers/0/data", json!("e3\r\n0=")),
        with(image(), "/layers/0/platform", json!(null)),
        with(image(), "/config/platform", json!({})),
        with(index(), "/manifests", json!(null)),
        with(index(), "/config", json!(null)),
        with(index(), "/layers", json!(null)),
        with(index(), "/manifests/0/platform", json!(null)),
        with(index(), "/manifests/0/platform", json!({})),
        with(index(), "/manifests/0/platform/os.features", json!(null)),
        with(
            index(),
            "/manifests/0/platform/os.features",
            json!([null, "win32k"]),
        ),
        with(index(), "/manifests/0/platform/os.version", json!("")),
        with(index(), "/manifests/0/platform/variant", json!("")),
        with(index(), "/manifests/0/platform/os", json!(null)),
        with(index(), "/manifests/0/platform/architecture", json!("")),
        with(index(), "/manifests/0/platform/architecture", json!("quantum")),
        with(list(), "/manifests/0/platform/features", json!(["sse4"])),
        // What is stated once need not be stated twice.
        without(image(), "schemaVersion"),
        with(image(), "/schemaVersion", json!(null)),
        without(image(), "mediaType"),
        with(image(), "/mediaType", json!("")),
        with(index(), "/mediaType", json!(null)),
        // Members that nobody knows.
        with(image(), "/x", json!({"Layers": [{"Digest": 1}], "SIZE": []})),
        with(image(), "/layers/0/x", json!(null)),
        with(image(), "/blobs", json!("nothing of ours")),
    ];
    for document in table {
        let manifest = read(&document).unwrap_or_else(|kind| panic!("{kind}: {document}"));
        assert_eq!(manifest.bytes(), document.to_string().as_bytes());
        assert!(manifest.blobs().count() + manifest.manifests().len() <= 2);
    }
}

#[test]
fn what_is_depended_on_is_checked() {
    let table = [
        (with(image(), "/schemaVersion", json!("2")), ErrorKind::Invalid),
        (with(image(), "/schemaVersion", json!(2.0)), ErrorKind::Invalid),
        (with(image(), "/schemaVersion", json!(3)), ErrorKind::Invalid),
        (with(image(), "/mediaType", json!("sbom")), ErrorKind::Unsupported),
        (with(image(), "/config", json!(null)), ErrorKind::Invalid),
        (with(image(), "/layers", json!([null])), ErrorKind::Invalid),
        (with(image(), "/layers", json!({})), ErrorKind::Invalid),
        (with(image(), "/layers/0/mediaType", json!(7)), ErrorKind::Invalid),
        (with(image(), "/layers/0/digest", json!(null)), ErrorKind::Invalid),
        (with(image(), "/layers/0/digest", json!("")), ErrorKind::Invalid),
        (with(image(), "/layers/0/size", json!(null)), ErrorKind::Invalid),
        (with(image(), "/layers/0/size", json!(-1)), ErrorKind::Invalid),
        (with(image(), "/layers/0/size", json!(2.0)), ErrorKind::Invalid),
        (with(image(), "/layers/0/size", json!("2")), ErrorKind::Invalid),
        (with(image(), "/layers/0/data", json!("e31=")), ErrorKind::Invalid),
        (with(image(), "/layers/0/data", json!("*")), ErrorKind::Invalid),
        (
            with(image(), "/layers/0/urls", json!("https://a.example")),
            ErrorKind::Invalid,
        ),
        (with(image(), "/annotations", json!({"a": 1})), ErrorKind::Invalid),
        (with(image(), "/subject", json!([])), ErrorKind::Invalid),
        (with(image(), "/subject", json!("")), ErrorKind::Invalid),
        (with(image(), "/subject", json!({"size": 2})), ErrorKind::Invalid),
        (
            with(image(), "/subject", json!({"digest": "x"})),
            ErrorKind::Invalid,
        ),
        (
            with(image(), "/subject", json!({"mediaType": "a/b"})),
            ErrorKind::Invalid,
        ),
        (with(image(), "/config", json!({})), ErrorKind::Invalid),
        (with(image(), "/layers", json!([{}])), ErrorKind::Invalid),
        (with(image(), "/manifests", json!([])), ErrorKind::Ambiguous),
        (with(index(), "/layers", json!([])), ErrorKind::Ambiguous),
        (
            with(index(), "/manifests/0/platform", json!("linux")),
            ErrorKind::Invalid,
        ),
        (without(index(), "manifests"), ErrorKind::Invalid),
        (
            without(without(image(), "schemaVersion"), "mediaType"),
            ErrorKind::Invalid,
        ),
    ];
    for (document, kind) in table {
        assert_eq!(read(&document), Err(kind), "{document}");
    }
    let text = image().to_string();
    for broken in [
        format!("\u{feff}{text}"),
        format!("{text}\0"),
        text.replace(":2}", ":2e0}"),
    ] {
        let error = Manifest::parse(broken.clone().into(), None).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid, "{broken}");
    }
    for kept in [format!("{text}\n"), format!(" \r\n\t{text}")] {
        assert_eq!(
            Manifest::parse(kept.clone().into(), None).unwrap().bytes(),
            kept.as_bytes()
        );
    }
}

#[test]
fn a_declared_type_that_names_no_format_says_nothing() {
    let parse = |document: &Value, declared: &str| {
        let declared = MediaType::parse(declared).unwrap();
        let manifest = Manifest::parse(document.to_string().into(), Some(&declared));
        manifest
            .map(|manifest| manifest.media_type().clone())
            .map_err(|error| error.kind())
    };
    for generic in [
        "application/json",
        "application/octet-stream",
        "binary/octet-stream",
        "text/plain; charset=utf-8",
        "text/html",
        "application/x-json",
        "APPLICATION/VND.OCI.IMAGE.MANIFEST.V1+JSON",
    ] {
        assert_eq!(parse(&image(), generic), Ok(MediaType::OCI_MANIFEST), "{generic}");
    }
    let untyped = without(without(image(), "mediaType"), "schemaVersion");
    assert_eq!(
        parse(&untyped, MediaType::OCI_MANIFEST.as_str()),
        Ok(MediaType::OCI_MANIFEST)
    );
    assert_eq!(parse(&untyped, "application/json"), Err(ErrorKind::Invalid));
    let contradiction = parse(&image(), MediaType::DOCKER_MANIFEST.as_str());
    assert_eq!(contradiction, Err(ErrorKind::Ambiguous));
    let other = parse(&without(image(), "mediaType"), "application/vnd.example+json");
    assert_eq!(other, Err(ErrorKind::Unsupported));
}

#[test]
fn what_is_unset_reads_as_absent() {
    let text = json!({
        "mediaType": null, "digest": Hasher::digest(Algorithm::Sha256, b"{}").unwrap(), "size": 2, "artifactType": "",
        "data": "", "urls": [null, "https://a.example/x"], "annotations": {"a": null, "b": ""},
        "platform": {"os": "linux", "architecture": "arm64", "variant": "", "os.version": null, "os.features": null},
    });
    let descriptor: Descriptor = serde_json::from_value(text).unwrap();
    assert_eq!(descriptor.media_type().as_str(), "");
    assert_eq!((descriptor.artifact_type(), descriptor.data()), (None, None));
    assert_eq!(descriptor.urls(), ["https://a.example/x"]);
    assert_eq!(descriptor.annotations().keys().collect::<Vec<_>>(), ["b"]);
    assert_eq!(descriptor.platform(), Some(&Platform::new("linux", "arm64")));
    let host = Platform::new("linux", "arm64");
    assert_eq!(host.choose(std::slice::from_ref(&descriptor)), Some(&descriptor));
}

#[test]
fn an_entry_without_a_type_is_an_image_of_the_indexs_kind() {
    for (kind, expected) in [
        (MediaType::OCI_INDEX, MediaType::OCI_MANIFEST),
        (MediaType::DOCKER_INDEX, MediaType::DOCKER_MANIFEST),
    ] {
        let document = with(index(), "/mediaType", json!(kind));
        let manifest = read(&with(document, "/manifests/0/mediaType", json!(""))).unwrap();
        assert_eq!(*manifest.manifests()[0].media_type(), expected);
    }
}

#[test]
fn artifact_manifests_of_the_release_candidates_are_read() {
    let artifact = json!({
        "mediaType": ARTIFACT,
        "artifactType": "application/example",
        "blobs": [described("text/plain"), described("")],
        "subject": described(MediaType::OCI_MANIFEST.as_str()),
        "annotations": {"a": "b"},
    });
    let manifest = read(&artifact).unwrap();
    assert!(manifest.media_type().is_image() && !manifest.is_index());
    assert_eq!(
        (
            manifest.blobs().count(),
            manifest.config(),
            manifest.layers().len()
        ),
        (2, None, 0)
    );
    assert_eq!(manifest.subject().unwrap().size(), 2);
    assert_eq!(manifest.artifact_type().unwrap().as_str(), "application/example");
    for blobs in [json!(null), json!([])] {
        assert_eq!(
            read(&with(artifact.clone(), "/blobs", blobs))
                .unwrap()
                .blobs()
                .count(),
            0
        );
    }
    assert_eq!(
        read(&without(artifact.clone(), "blobs")).unwrap().blobs().count(),
        0
    );
    for (path, value, kind) in [
        ("/blobs", json!([{}]), ErrorKind::Invalid),
        ("/blobs", json!([["text/plain"]]), ErrorKind::Invalid),
        ("/config", described("a/b"), ErrorKind::Ambiguous),
        ("/layers", json!([]), ErrorKind::Ambiguous),
        ("/manifests", json!([]), ErrorKind::Ambiguous),
        ("/Blobs", json!([]), ErrorKind::Ambiguous),
    ] {
        let document = with(artifact.clone(), path, value);
        assert_eq!(read(&document), Err(kind), "{document}");
    }
}

#[test]
fn where_content_is_listed_decides_what_it_is() {
    let document = with(image(), "/layers/0/mediaType", json!(MediaType::OCI_INDEX));
    let manifest = read(&document).unwrap();
    let blobs: Vec<Descriptor> = manifest.blobs().map(Descriptor::as_blob).collect();
    assert_eq!(*blobs[0].media_type(), MediaType::OCI_CONFIG);
    assert_eq!(*blobs[1].media_type(), MediaType::OCTET_STREAM);
}

#[test]
fn odd_types_are_tame_where_they_are_shown() {
    let odd = MediaType::from_document(format!("a\u{1b}[2J{}", "x".repeat(5000)));
    assert!(odd.as_str().len() > 5000);
    for shown in [odd.to_string(), format!("{odd:?}")] {
        assert!(shown.len() < 300 && !shown.contains(char::is_control), "{shown}");
    }
    assert!(MediaType::parse("sbom").is_err());
    assert_eq!(MediaType::from_document("sbom").to_string(), "sbom");
    let known = MediaType::from_document("Application/vnd.oci.image.index.v1+json; charset=utf-8");
    assert_eq!(known, MediaType::OCI_INDEX);
}
