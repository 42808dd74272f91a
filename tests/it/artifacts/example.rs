//! The example `artifact`, with the flags of ORAS.

use std::fs;

use serde_json::Value;
use wharf_testkit::Sandbox;

use super::{Peer, files, tree};
use crate::program::run;

#[tokio::test(flavor = "multi_thread")]
async fn artifacts_are_pushed_pulled_attached_and_listed_by_the_example() {
    let peer = Peer::new().await;
    let sandbox = Sandbox::new();
    sandbox.write("weights.bin", "weights");
    sandbox.write("docs/README.md", "# Read");
    sandbox.write("sbom.json", "{}");
    let (name, plain) = (peer.name("models/small:1"), "--tls-verify=false");
    let artifact = |arguments: &[&str]| run(&sandbox, "artifact", &[arguments, &[plain]].concat());
    let push = [
        "push",
        &name,
        "weights.bin",
        "./docs/README.md:text/markdown",
        "--artifact-type=application/vnd.example.model",
        "--annotation=com.example.key=a=b",
    ];
    let digest = artifact(&push).last_line();
    let manifest = peer.client.manifest(&name).await.unwrap();
    assert_eq!(manifest.digest().to_string(), digest);
    assert_eq!(manifest.annotations()["com.example.key"], "a=b");
    let types: Vec<&str> = manifest
        .layers()
        .iter()
        .map(|layer| layer.media_type().as_str())
        .collect();
    assert_eq!(types, ["application/vnd.oci.image.layer.v1.tar", "text/markdown"]);

    let printed = artifact(&["pull", &name, "--output=to"]).ok();
    assert_eq!(printed, format!("to/weights.bin\nto/docs/README.md\n{digest}\n"));
    let expected = files(&[("weights.bin", "weights"), ("docs/README.md", "# Read")]);
    assert_eq!(tree(&sandbox.path("to")), expected);
    artifact(&["pull", &name, "--output=to"]).fails(1, &["weights.bin", "it exists"]);
    artifact(&["pull", &name, "--output=to", "--replace"]).ok();

    let spdx = "--artifact-type=application/spdx+json";
    let attached = artifact(&["attach", &name, "sbom.json:application/spdx+json", spdx]).last_line();
    for (filter, count) in [
        (&[] as &[&str], 1),
        (&[spdx], 1),
        (&["--artifact-type=text/plain"], 0),
    ] {
        let listed = artifact(&[&["referrers", name.as_str()], filter].concat()).ok();
        let listed: Value = serde_json::from_str(&listed).unwrap();
        assert_eq!(listed.as_array().unwrap().len(), count, "{filter:?}");
        if count == 1 {
            assert_eq!(listed[0]["digest"], attached.as_str());
            assert_eq!(listed[0]["artifactType"], "application/spdx+json");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_chart_is_pushed_with_its_config_and_mistakes_are_named() {
    let peer = Peer::new().await;
    let sandbox = Sandbox::new();
    sandbox.write("Chart.json", r#"{"name":"app"}"#);
    sandbox.write("app.tgz", "chart");
    let (name, plain) = (peer.name("charts/app:1"), "--tls-verify=false");
    let artifact = |arguments: &[&str]| run(&sandbox, "artifact", &[arguments, &[plain]].concat());
    let chart = "app.tgz:application/vnd.cncf.helm.chart.content.v1.tar+gzip";
    let config = "--config=Chart.json:application/vnd.cncf.helm.config.v1+json";
    artifact(&["push", &name, chart, "--no-titles", config]).ok();
    let manifest = peer.client.manifest(&name).await.unwrap();
    let kind = manifest.config().unwrap().media_type().as_str();
    assert_eq!(kind, "application/vnd.cncf.helm.config.v1+json");
    assert!(manifest.layers()[0].annotations().is_empty());
    let pull = ["pull", &name, "--output=to", "--config=read.json"];
    artifact(&pull).ok();
    let read = fs::read_to_string(sandbox.path("read.json")).unwrap();
    assert_eq!(read, r#"{"name":"app"}"#);

    artifact(&["push", &name, "missing"]).fails(3, &["missing"]);
    artifact(&["push", &name, "/etc/hostname"]).fails(1, &["absolute"]);
    artifact(&["push", &name, "app.tgz:no type"]).fails(2, &["no type"]);
    artifact(&["push", &name, "app.tgz", "--annotation=key"]).fails(2, &["KEY=VALUE"]);
    artifact(&["attach", &name, "app.tgz"]).fails(2, &["--artifact-type"]);
    let absent = peer.name("charts/app:2");
    artifact(&["pull", &absent]).fails(3, &["charts/app"]);
    artifact(&["referrers", &absent]).fails(3, &["charts/app"]);
}
