use wharf_content::{ErrorKind, MediaType};
use wharf_image::{Format, Recipe};

use crate::support::{DOCKER_CONFIG, DOCKER_MANIFEST, OCI_CONFIG, OCI_MANIFEST, Store, document};

/// The types of both formats (M46).
const PAIRS: [(&str, &str); 8] = [
    (OCI_MANIFEST, DOCKER_MANIFEST),
    (
        "application/vnd.oci.image.index.v1+json",
        "application/vnd.docker.distribution.manifest.list.v2+json",
    ),
    (OCI_CONFIG, DOCKER_CONFIG),
    (
        "application/vnd.oci.image.layer.v1.tar",
        "application/vnd.docker.image.rootfs.diff.tar",
    ),
    (
        "application/vnd.oci.image.layer.v1.tar+gzip",
        "application/vnd.docker.image.rootfs.diff.tar.gzip",
    ),
    (
        "application/vnd.oci.image.layer.v1.tar+zstd",
        "application/vnd.docker.image.rootfs.diff.tar.zstd",
    ),
    (
        "application/vnd.oci.image.layer.nondistributable.v1.tar",
        "application/vnd.docker.image.rootfs.foreign.diff.tar",
    ),
    (
        "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip",
        "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip",
    ),
];

#[test]
fn every_type_has_its_counterpart_both_ways() {
    for (oci, docker) in PAIRS {
        let (oci, docker) = (MediaType::from_document(oci), MediaType::from_document(docker));
        assert_eq!(Format::Docker.convert(&oci), Some(docker.clone()), "{oci}");
        assert_eq!(Format::Oci.convert(&docker), Some(oci.clone()), "{docker}");
        assert_eq!(Format::Oci.convert(&oci), Some(oci.clone()));
        assert_eq!(Format::Docker.convert(&docker), Some(docker.clone()));
        assert_eq!(Format::of(&oci), Some(Format::Oci));
        assert_eq!(Format::of(&docker), Some(Format::Docker));
    }
}

#[test]
fn other_types_have_no_counterpart() {
    for other in [
        "application/vnd.oci.image.layer.nondistributable.v1.tar+zstd",
        "application/vnd.oci.image.layer.v1.tar+gzip+encrypted",
        "application/vnd.oci.image.layer.v1.tar+encrypted",
        "application/vnd.oci.empty.v1+json",
        "application/vnd.in-toto+json",
        "application/vnd.cncf.helm.config.v1+json",
        "application/vnd.docker.distribution.manifest.v1+prettyjws",
        "",
    ] {
        assert_eq!(
            Format::Docker.convert(&MediaType::from_document(other)),
            None,
            "{other}"
        );
    }
    for other in [
        "application/vnd.docker.plugin.v1+json",
        "application/vnd.docker.distribution.manifest.v1+json",
        "application/octet-stream",
    ] {
        assert_eq!(
            Format::Oci.convert(&MediaType::from_document(other)),
            None,
            "{other}"
        );
    }
}

/// Images of one layer of each type are converted, and back to the bytes they were.
#[tokio::test]
async fn a_manifest_converted_and_converted_back_is_the_same() {
    let recipe = |format| Recipe::new().format(format).allow_docker_zstd(true);
    for (oci, docker) in PAIRS.iter().skip(3) {
        let store = Store::default();
        let original = store.image(DOCKER_MANIFEST, DOCKER_CONFIG, docker).await;
        let there = store.prepare(&original, &recipe(Format::Oci)).await.unwrap();
        let layer = &there.root().layers()[0];
        assert_eq!(layer.media_type().as_str(), *oci);
        assert_eq!(layer.digest(), original.layers()[0].digest());
        assert!(there.report().losses().is_empty());

        let converted = store
            .text(std::str::from_utf8(there.root().bytes()).unwrap())
            .await;
        let back = store.prepare(&converted, &recipe(Format::Docker)).await.unwrap();
        assert_eq!(document(back.root()), document(&original), "{docker}");
        let again = store.prepare(back.root(), &recipe(Format::Docker)).await;
        assert!(again.is_err(), "it is in no store");
        let back = store
            .text(std::str::from_utf8(back.root().bytes()).unwrap())
            .await;
        let there_again = store.prepare(&back, &recipe(Format::Oci)).await.unwrap();
        assert_eq!(there_again.root().bytes(), there.root().bytes());
    }
}

#[tokio::test]
async fn a_layer_without_counterpart_is_refused_by_its_number() {
    let rows = [
        ("application/vnd.oci.image.layer.v1.tar+zstd", "zstd"),
        (
            "application/vnd.oci.image.layer.nondistributable.v1.tar+zstd",
            "layer 1",
        ),
        ("application/vnd.oci.image.layer.v1.tar+gzip+encrypted", "layer 1"),
        ("application/vnd.in-toto+json", "layer 1"),
        ("", "layer 1"),
        ("application/vnd.oci.image.config.v1+json", "layer 1"),
    ];
    for (layer, part) in rows {
        let store = Store::default();
        let image = store.image(OCI_MANIFEST, OCI_CONFIG, layer).await;
        let refused = store.prepare(&image, &Recipe::new().format(Format::Docker)).await;
        let error = refused.expect_err(layer);
        assert_eq!(error.kind(), ErrorKind::Unsupported, "{layer}");
        let message = error.to_string();
        assert!(message.contains(part) && message.contains("layer 1"), "{message}");
        // In its own format it stays as it is.
        let kept = store
            .prepare(&image, &Recipe::new().format(Format::Oci))
            .await
            .unwrap();
        assert_eq!(kept.root(), &image);
        assert!(!kept.report().is_changed());
    }
}

#[tokio::test]
async fn zstd_in_dockers_format_is_allowed_on_request() {
    let store = Store::default();
    let image = store
        .image(
            OCI_MANIFEST,
            OCI_CONFIG,
            "application/vnd.oci.image.layer.v1.tar+zstd",
        )
        .await;
    let recipe = Recipe::new().format(Format::Docker).allow_docker_zstd(true);
    let prepared = store.prepare(&image, &recipe).await.unwrap();
    assert_eq!(
        prepared.root().layers()[0].media_type().as_str(),
        "application/vnd.docker.image.rootfs.diff.tar.zstd"
    );
}
