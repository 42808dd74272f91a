//! The documents are those that the tools of each kind of artifact write, by their public rules. The texts below are
//! written by hand from the rules: no tool has made them.

use wharf::{
    Manifest,
    artifact::{Artifact, ArtifactContent},
};
use wharf_testkit::Sandbox;

use super::{Peer, example, media_type};

/// As `oras push` of ORAS 1.2 writes it: `PackManifest` for version 1.1 of the specification, whose empty descriptor
/// embeds its content.
#[tokio::test(flavor = "multi_thread")]
async fn files_have_the_manifest_that_oras_writes() {
    let peer = Peer::new().await;
    let sandbox = Sandbox::new();
    sandbox.write("out/artifact.txt", "hello artifact\n");
    let artifact = Artifact::new(media_type("application/vnd.acme.rocket.config"))
        .with_file(sandbox.path("out/artifact.txt"), media_type("text/plain"))
        .with_content(
            ArtifactContent::bytes("hello docs\n", media_type("text/markdown")).with_title("docs/README.md"),
        )
        .with_annotation("org.opencontainers.image.created", "2026-01-02T03:04:05Z");
    let name = peer.name("team/app:1");
    peer.client.push_artifact(artifact, &name).await.unwrap();
    let manifest = peer.client.manifest(&name).await.unwrap();
    let expected = concat!(
        r#"{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","#,
        r#""artifactType":"application/vnd.acme.rocket.config","#,
        r#""config":{"mediaType":"application/vnd.oci.empty.v1+json","#,
        r#""digest":"sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a","size":2,"data":"e30="},"#,
        r#""layers":[{"mediaType":"text/plain","#,
        r#""digest":"sha256:51bc0fc1f19104fa6e89ce50be9aa1f57c3346c1ca51ab49f5f00e14ce8f8076","size":15,"#,
        r#""annotations":{"org.opencontainers.image.title":"artifact.txt"}},"#,
        r#"{"mediaType":"text/markdown","#,
        r#""digest":"sha256:02746641673d0111102a4422486696fa37db1503da7d6bbc023bd56cf46ef2ef","size":11,"#,
        r#""annotations":{"org.opencontainers.image.title":"docs/README.md"}}],"#,
        r#""annotations":{"org.opencontainers.image.created":"2026-01-02T03:04:05Z"}}"#,
    );
    assert_eq!(text(&manifest), expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_artifact_without_files_has_the_empty_content_alone() {
    let peer = Peer::new().await;
    let name = peer.name("team/app:empty");
    let artifact = example().with_annotation("key", "value");
    peer.client.push_artifact(artifact, &name).await.unwrap();
    let empty = concat!(
        r#"{"mediaType":"application/vnd.oci.empty.v1+json","#,
        r#""digest":"sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a","size":2,"data":"e30="}"#,
    );
    let expected = format!(
        r#"{{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","artifactType":"application/vnd.example.thing","config":{empty},"layers":[{empty}],"annotations":{{"key":"value"}}}}"#
    );
    assert_eq!(text(&peer.client.manifest(&name).await.unwrap()), expected);
    let sandbox = Sandbox::new();
    let pulled = peer
        .client
        .pull_artifact(&name, sandbox.path("to"))
        .await
        .unwrap();
    assert!(pulled.files.is_empty());
    assert!(super::tree(&sandbox.path("to")).is_empty());
}

/// By the rules that `helm pull` reads by: the type of the config, one layer of the chart's type, at most one of the
/// provenance's, and the chart as `NAME-VERSION.tgz` by the config.
#[tokio::test(flavor = "multi_thread")]
async fn a_helm_chart_is_read_by_the_rules_of_helm() {
    const CONFIG: &str = "application/vnd.cncf.helm.config.v1+json";
    const CHART: &str = "application/vnd.cncf.helm.chart.content.v1.tar+gzip";
    const PROVENANCE: &str = "application/vnd.cncf.helm.chart.provenance.v1.prov";
    let peer = Peer::new().await;
    let sandbox = Sandbox::new();
    sandbox.write("app-1.0.0.tgz", "a chart");
    let chart_json = r#"{"name":"app","version":"1.0.0","apiVersion":"v2"}"#;
    let file = sandbox.path("app-1.0.0.tgz");
    let chart = Artifact::from_config(media_type(CONFIG), chart_json)
        .with_content(ArtifactContent::file(file, media_type(CHART)).without_title())
        .with_content(ArtifactContent::bytes("signed", media_type(PROVENANCE)));
    let name = peer.name("charts/app:1.0.0");
    peer.client.push_artifact(chart, &name).await.unwrap();
    let manifest = peer.client.manifest(&name).await.unwrap();
    assert_eq!(manifest.config().unwrap().media_type().as_str(), CONFIG);
    let types: Vec<&str> = manifest
        .layers()
        .iter()
        .map(|layer| layer.media_type().as_str())
        .collect();
    assert_eq!(types, [CHART, PROVENANCE]);
    assert!(!text(&manifest).contains("artifactType"));
    assert!(
        manifest
            .layers()
            .iter()
            .all(|layer| layer.annotations().is_empty())
    );
    assert_eq!(peer.client.config_bytes(&name).await.unwrap(), chart_json);
    let blob = peer.client.blob(&name, &manifest.layers()[0]).await.unwrap();
    assert_eq!(blob.read_to_end(100).await.unwrap(), "a chart");
}

/// By the rules of the CNCF's *Wasm OCI Artifact layout*: the config's type, one layer of the type of WASM, which the
/// config lists.
#[tokio::test(flavor = "multi_thread")]
async fn a_wasm_component_is_read_by_the_rules_of_its_layout() {
    const CONFIG: &str = "application/vnd.wasm.config.v0+json";
    let peer = Peer::new().await;
    let component = b"\0asm\x0d\0\x01\0".as_slice();
    let digest = wharf::Hasher::sha256(component);
    let config = serde_json::json!({
        "created": "2026-01-02T03:04:05Z",
        "architecture": "wasm",
        "os": "wasip2",
        "layerDigests": [digest.to_string()],
        "component": {"exports": ["wasi:http/incoming-handler@0.2.0"], "imports": []},
    });
    let artifact = Artifact::from_config(media_type(CONFIG), config.to_string())
        .with_content(ArtifactContent::bytes(component, media_type("application/wasm")));
    let name = peer.name("components/app:1");
    peer.client.push_artifact(artifact, &name).await.unwrap();
    let manifest = peer.client.manifest(&name).await.unwrap();
    assert_eq!(manifest.config().unwrap().media_type().as_str(), CONFIG);
    let [layer] = manifest.layers() else {
        panic!("{manifest:?}")
    };
    assert_eq!(layer.media_type().as_str(), "application/wasm");
    assert_eq!(*layer.digest(), digest);
    let sandbox = Sandbox::new();
    let pulled = peer
        .client
        .pull_artifact(&name, sandbox.path("to"))
        .await
        .unwrap();
    assert_eq!(pulled.files[0].path, sandbox.path("to").join(digest.encoded()));
    assert_eq!(std::fs::read(&pulled.files[0].path).unwrap(), component);
}

fn text(manifest: &Manifest) -> &str {
    std::str::from_utf8(manifest.bytes()).unwrap()
}
