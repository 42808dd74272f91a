//! The data sets of the program.

use serde_json::{Value, json};
use wharf_reference::Algorithm;

use super::{ALGORITHMS, bytes, data::Data};
use crate::wire::{INDEX, MANIFEST, manifest_as};

const EXAMPLE: &str = "application/vnd.example.oci.conformance.v1";
const EMPTY: &str = "application/vnd.oci.empty.v1+json";

pub(super) fn data_sets() -> Vec<(&'static str, Data)> {
    let none = json!({});
    let mut sets = Vec::new();
    let mut make = |name, algorithm, fill: &dyn Fn(&mut Data)| {
        let mut data = Data::new(algorithm);
        fill(&mut data);
        sets.push((name, data));
    };
    let sha256 = Algorithm::Sha256;
    make("image", sha256, &|data| drop(data.image(2, &none, &["image"])));
    make("uncompressed image", sha256, &|data| {
        let layer = bytes(300);
        let descriptor = data.descriptor(&layer, "application/vnd.oci.image.layer.v1.tar");
        data.image(0, &json!({ "layers": [descriptor] }), &["image-uncompressed"]);
        data.blobs.push(layer);
    });
    make("large manifest", sha256, &|data| {
        let annotations = (0..390).map(|n| (format!("large-{n}"), json!("A".repeat(10_000))));
        let extra = json!({ "annotations": annotations.collect::<serde_json::Map<_, _>>() });
        data.image(2, &extra, &["large-manifest"]);
    });
    make("index", sha256, &|data| {
        let (one, two) = (data.image(2, &none, &[]), data.image(2, &none, &[]));
        data.index(&[&one, &two], &none, &["index"]);
    });
    make("nested index", sha256, &|data| {
        let (one, two) = (data.image(1, &none, &[]), data.image(1, &none, &[]));
        let (one, two) = (data.index(&[&one], &none, &[]), data.index(&[&two], &none, &[]));
        data.index(&[&one, &two], &none, &["index-of-index"]);
    });
    make("empty index", sha256, &|data| {
        drop(data.index(&[], &none, &["index"]));
    });
    make("artifact", sha256, &|data| {
        artifact(data, EXAMPLE, &bytes(300), EXAMPLE, &none, &["artifact"]);
    });
    make("artifact index", sha256, &|data| {
        let one = artifact(data, EXAMPLE, &bytes(300), EXAMPLE, &none, &[]);
        data.index(&[&one], &json!({ "artifactType": EXAMPLE }), &["artifact-index"]);
    });
    make("artifact without layers", sha256, &|data| {
        artifact(data, EXAMPLE, b"{}", EMPTY, &none, &["artifact-without-layers"]);
    });
    sets.extend(unusual_sets());
    sets
}

/// Documents that refer to others, that are odd, or that are not of sha256.
fn unusual_sets() -> Vec<(&'static str, Data)> {
    let none = json!({});
    let mut sets = Vec::new();
    let mut make = |name, algorithm, fill: &dyn Fn(&mut Data)| {
        let mut data = Data::new(algorithm);
        fill(&mut data);
        sets.push((name, data));
    };
    let sha256 = Algorithm::Sha256;
    make("subjects", sha256, &|data| {
        let subject = data.image(2, &none, &["image"]);
        let subject = json!({ "subject": data.descriptor(&subject, MANIFEST) });
        data.image(1, &subject, &[]);
        for (n, kind) in [EXAMPLE, "application/vnd.example.oci.conformance.v2+json"]
            .iter()
            .enumerate()
        {
            let mut extra = subject.clone();
            extra["annotations"] = json!({ "org.opencontainers.conformance": "hello", "n": n.to_string() });
            artifact(
                data,
                kind,
                &bytes(300),
                EXAMPLE,
                &extra,
                &[&format!("tagged-artifact{n}")],
            );
        }
    });
    make("index with subject", sha256, &|data| {
        let image = data.image(1, &none, &[]);
        let subject = data.index(&[&image], &none, &["index"]);
        let subject = json!({ "subject": data.descriptor(&subject, INDEX) });
        data.index(&[&image], &subject, &[]);
        let mut typed = subject.clone();
        typed["artifactType"] = json!(EXAMPLE);
        data.index(&[&image], &typed, &["tagged-artifact"]);
    });
    make("missing subject", sha256, &|data| {
        let subject = json!({ "subject": data.descriptor(b"missing", MANIFEST) });
        artifact(
            data,
            EXAMPLE,
            &bytes(300),
            EXAMPLE,
            &subject,
            &["tagged-artifact"],
        );
    });
    make("data field", sha256, &|data| {
        use base64::Engine as _;
        let layer = bytes(300);
        let mut descriptor = data.descriptor(&layer, EXAMPLE);
        descriptor["data"] = json!(base64::engine::general_purpose::STANDARD.encode(&layer));
        let extra = json!({ "layers": [descriptor] });
        artifact(data, EXAMPLE, &layer, EXAMPLE, &extra, &["data-field"]);
    });
    make("non-distributable layers", sha256, &|data| {
        let mut descriptor = data.descriptor(
            &bytes(300),
            "application/vnd.oci.image.layer.nondistributable.v1.tar",
        );
        descriptor["urls"] = json!(["https://store.example.com/blobs/x"]);
        data.image(0, &json!({ "layers": [descriptor] }), &["non-distributable"]);
    });
    make("custom fields", sha256, &|data| {
        let one = data.image(1, &json!({ "org.example.field": { "a": [1, null, "x"] } }), &[]);
        data.index(&[&one], &json!({ "org.example.field": true }), &["custom-fields"]);
    });
    make("no layers", sha256, &|data| {
        drop(data.image(0, &none, &["no-layers"]));
    });
    make("sparse", sha256, &|data| {
        data.image(2, &none, &["sparse-image"]);
        data.blobs.pop();
        let one = data.image(1, &none, &[]);
        let missing = manifest_as(Algorithm::Sha256, b"{}", &[b"never pushed"], &none);
        data.index(&[&one, &missing], &none, &["sparse-index"]);
    });
    make("sha512", Algorithm::Sha512, &|data| {
        let (one, two) = (data.image(2, &none, &[]), data.image(2, &none, &[]));
        data.index(&[&one, &two], &none, &[]);
    });
    for algorithm in ALGORITHMS {
        make("tag parameters", algorithm, &|data| {
            data.tag_parameter = true;
            let one = data.image(2, &none, &["p-0"]);
            let many = (0..10).map(|n| format!("q-{n}")).collect::<Vec<_>>();
            let many = many.iter().map(String::as_str).collect::<Vec<_>>();
            data.index(&[&one], &none, &many);
        });
    }
    sets
}

fn artifact(
    data: &mut Data,
    kind: &str,
    layer: &[u8],
    layer_type: &str,
    extra: &Value,
    tags: &[&str],
) -> Vec<u8> {
    let mut document = json!({
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "artifactType": kind,
        "config": data.descriptor(b"{}", EMPTY),
        "layers": [data.descriptor(layer, layer_type)],
    });
    for (key, value) in extra.as_object().unwrap() {
        document[key] = value.clone();
    }
    data.blobs.push(b"{}".to_vec());
    if layer != b"{}" {
        data.blobs.push(layer.to_vec());
    }
    let document = serde_json::to_vec(&document).unwrap();
    data.add(document.clone(), tags);
    document
}
