//! Artifacts that ORAS reads and writes, where it is installed.

use std::{fs, os::unix::fs::symlink};

use wharf::artifact::{Artifact, ArtifactContent, ArtifactPullOptions};
use wharf_testkit::{Output, Sandbox, optional_peers_present};

use super::{Peer, example, files, media_type, tree};

const SPDX: &str = "application/spdx+json";

/// Runs ORAS in a directory of the sandbox, as the titles of files are their paths there. The tests' runtime serves the
/// registry meanwhile.
async fn oras(sandbox: &Sandbox, directory: &str, arguments: &[&str]) -> Output {
    let directory = format!("--chdir={}", sandbox.path(directory).display());
    let tool = sandbox.tool("env", &[directory, "oras".to_owned()]);
    tool.run_async(&[arguments, &["--plain-http"]].concat()).await
}

fn with_tree() -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.write("in/weights.bin", "weights");
    sandbox.write("in/docs/README.md", "# Read");
    sandbox.write("in/tree/sub/file", "1");
    symlink("sub/file", sandbox.path("in/tree/link")).unwrap();
    sandbox
}

#[tokio::test(flavor = "multi_thread")]
async fn oras_pulls_the_files_and_directories_of_an_artifact() {
    if !optional_peers_present(&["oras"]) {
        return;
    }
    let (peer, sandbox) = (Peer::new().await, with_tree());
    let readme = ArtifactContent::file(sandbox.path("in/docs/README.md"), media_type("text/markdown"));
    let artifact = example()
        .with_file(
            sandbox.path("in/weights.bin"),
            media_type("application/octet-stream"),
        )
        .with_content(readme.with_title("docs/README.md"))
        .with_content(ArtifactContent::directory(sandbox.path("in/tree")))
        .with_annotation("com.example.key", "a=b");
    let name = peer.name("team/app:1");
    peer.client.push_artifact(artifact, &name).await.unwrap();

    oras(&sandbox, ".", &["pull", &name, "--output=out"]).await.ok();
    assert_eq!(tree(&sandbox.path("out")), tree(&sandbox.path("in")));
    let manifest = oras(&sandbox, ".", &["manifest", "fetch", &name]).await.json();
    assert_eq!(manifest["artifactType"], "application/vnd.example.thing");
    assert_eq!(manifest["annotations"]["com.example.key"], "a=b");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_files_and_directories_that_oras_pushes_are_pulled() {
    if !optional_peers_present(&["oras"]) {
        return;
    }
    let (peer, sandbox) = (Peer::new().await, with_tree());
    let name = peer.name("team/app:1");
    let push = [
        "push",
        &name,
        "--artifact-type=application/vnd.example.thing",
        "--annotation=com.example.key=a=b",
        "weights.bin",
        "docs/README.md:text/markdown",
        "tree",
    ];
    oras(&sandbox, "in", &push).await.ok();

    let options = ArtifactPullOptions::default().with_unpack(true);
    let out = sandbox.path("out");
    let pulled = peer
        .client
        .pull_artifact_with(&name, &out, options)
        .await
        .unwrap();
    assert_eq!(tree(&out), tree(&sandbox.path("in")));
    let kind = media_type("application/vnd.example.thing");
    assert_eq!(pulled.manifest.artifact_type(), Some(&kind));
    assert_eq!(pulled.manifest.annotations()["com.example.key"], "a=b");
}

#[tokio::test(flavor = "multi_thread")]
async fn each_lists_and_pulls_what_the_other_attached() {
    if !optional_peers_present(&["oras"]) {
        return;
    }
    let (peer, sandbox) = (Peer::new().await, with_tree());
    let name = peer.name("team/app:1");
    peer.client.push_artifact(example(), &name).await.unwrap();
    sandbox.write("in/theirs.json", "{}");
    let kind = format!("--artifact-type={SPDX}");
    let theirs = ["attach", &name, &kind, "theirs.json:application/spdx+json"];
    oras(&sandbox, "in", &theirs).await.ok();
    let content = ArtifactContent::bytes("{\"ours\":1}", media_type(SPDX)).with_title("ours.json");
    let ours = Artifact::new(media_type(SPDX)).with_content(content);
    let ours = peer.client.attach(ours, &name).await.unwrap();

    let listed = peer
        .client
        .referrers(&name, Some(&media_type(SPDX)))
        .await
        .unwrap();
    assert_eq!(listed.len(), 2);
    let theirs = listed
        .iter()
        .find(|entry| entry.digest() != ours.digest())
        .unwrap();
    let at = peer.name(&format!("team/app@{}", theirs.digest()));
    peer.client
        .pull_artifact(at, sandbox.path("pulled"))
        .await
        .unwrap();
    assert_eq!(tree(&sandbox.path("pulled")), files(&[("theirs.json", "{}")]));

    let discovered = oras(&sandbox, ".", &["discover", &name, "--format=json"])
        .await
        .json();
    let entries = discovered["referrers"].as_array().unwrap();
    assert!(
        entries
            .iter()
            .any(|entry| entry["digest"] == ours.digest().as_str() && entry["artifactType"] == SPDX),
        "{discovered}"
    );
    let at = peer.name(&format!("team/app@{}", ours.digest()));
    oras(&sandbox, ".", &["pull", &at, "--output=theirs"]).await.ok();
    let pulled = fs::read_to_string(sandbox.path("theirs/ours.json")).unwrap();
    assert_eq!(pulled, "{\"ours\":1}");
}
