//! Other tools read what is written here.

use std::{path::Path, process::Command};

use wharf_content::Sink as _;
use wharf_store::Layout;

use crate::support::{TestImage, name, tar};

/// Runs a tool if it is installed; its output, or `None` after saying so.
fn run(directory: &Path, tool: &str, arguments: &[&str]) -> Option<String> {
    let output = match Command::new(tool).args(arguments).current_dir(directory).output() {
        Ok(output) => output,
        Err(error) => {
            println!("skipped: {tool} cannot be started: {error}");
            return None;
        }
    };
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{tool} {arguments:?}: {errors}");
    Some(text)
}

#[tokio::test]
async fn skopeo_umoci_and_podman_read_a_layout() {
    let directory = tempfile::tempdir().unwrap();
    let here = directory.path();
    let store = Layout::create(here.join("store")).await.unwrap();
    let image = TestImage::new(&[&tar(b"one"), &tar(b"two")]);
    image.push(&store, Some("example.com/app:1")).await;
    store
        .tag(&name("second"), image.manifest.descriptor())
        .await
        .unwrap();

    let digest = image.manifest.digest().as_str();
    for reference in ["oci:store:example.com/app:1", "oci:store:second"] {
        if let Some(text) = run(here, "skopeo", &["inspect", reference]) {
            assert!(text.contains(digest), "{text}");
        }
    }
    run(
        here,
        "skopeo",
        &["copy", "--preserve-digests", "oci:store:second", "oci:copied:x"],
    );
    if here.join("copied").exists() {
        let copied = Layout::open(here.join("copied")).await.unwrap();
        for (descriptor, _) in &image.blobs {
            assert!(copied.contains(descriptor).await.unwrap());
        }
    }
    if let Some(text) = run(here, "umoci", &["ls", "--layout", "store"]) {
        assert!(text.contains("second"), "{text}");
    }
    if let Some(text) = run(here, "umoci", &["stat", "--image", "store:second", "--json"]) {
        assert!(text.contains("history") || text.contains('{'), "{text}");
    }
    let root = here.join("podman");
    let root = root.to_str().unwrap();
    let storage = ["--root", root, "--runroot", root, "--storage-driver", "vfs"];
    let pull = [&storage[..], &["pull", "--quiet", "oci:store:second"]].concat();
    if run(here, "podman", &pull).is_some() {
        let listed = run(here, "podman", &[&storage[..], &["images", "--digests"]].concat());
        assert!(listed.unwrap().contains(digest));
    }
}
