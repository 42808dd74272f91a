//! Layers that are unpacked by umoci and Podman, too.

use std::{
    fs,
    path::{Path, PathBuf},
};

use wharf_content::Hasher;
use wharf_testkit::{Sandbox, require_peers};

use super::{Stage, Way, directory, fifo, file, hard_link, is_root, layer, symlink, tree};

/// A layout with an image of these layers, which are not compressed.
pub(crate) fn write_layout(path: &Path, layers: &[Vec<u8>]) {
    let blobs = path.join("blobs/sha256");
    fs::create_dir_all(&blobs).unwrap();
    let put = |bytes: &[u8]| {
        let digest = Hasher::sha256(bytes);
        fs::write(blobs.join(digest.encoded()), bytes).unwrap();
        format!(r#""digest":"{digest}","size":{}"#, bytes.len())
    };
    let diff_ids: Vec<String> = layers
        .iter()
        .map(|layer| format!("{:?}", Hasher::sha256(layer).to_string()))
        .collect();
    let config = format!(
        r#"{{"architecture":"amd64","os":"linux","config":{{}},"rootfs":{{"type":"layers","diff_ids":[{}]}}}}"#,
        diff_ids.join(",")
    );
    let layer = |layer: &Vec<u8>| {
        format!(
            r#"{{"mediaType":"application/vnd.oci.image.layer.v1.tar",{}}}"#,
            put(layer)
        )
    };
    let layers: Vec<String> = layers.iter().map(layer).collect();
    let manifest = format!(
        r#"{{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","config":{{"mediaType":"application/vnd.oci.image.config.v1+json",{}}},"layers":[{}]}}"#,
        put(config.as_bytes()),
        layers.join(",")
    );
    let entry = format!(
        r#"{{"mediaType":"application/vnd.oci.image.manifest.v1+json",{},"annotations":{{"org.opencontainers.image.ref.name":"x"}}}}"#,
        put(manifest.as_bytes())
    );
    fs::write(
        path.join("index.json"),
        format!(r#"{{"schemaVersion":2,"manifests":[{entry}]}}"#),
    )
    .unwrap();
    fs::write(path.join("oci-layout"), r#"{"imageLayoutVersion":"1.0.0"}"#).unwrap();
}

/// The root to which umoci unpacks the image of a layout `layout`, with the owners of the layers if it may.
pub(crate) fn unpacked_by_umoci(sandbox: &Sandbox) -> PathBuf {
    let (layout, bundle) = (sandbox.path("layout"), sandbox.path("bundle"));
    let image = format!("{}:x", layout.to_str().unwrap());
    let mut arguments = vec!["unpack", "--image", &image];
    if !is_root() {
        arguments.push("--rootless");
    }
    arguments.push(bundle.to_str().unwrap());
    sandbox.umoci().run(&arguments).ok();
    bundle.join("rootfs")
}

/// The directory of Podman's store to which it unpacks the image of a layout `layout`. It needs root.
pub(crate) fn unpacked_by_podman(sandbox: &Sandbox) -> PathBuf {
    let podman = sandbox.podman();
    let image = format!("oci:{}:x", sandbox.path("layout").to_str().unwrap());
    let id = podman.run(&["pull", "--quiet", &image]).ok();
    let mounted = podman.run(&["image", "mount", id.trim()]).ok();
    PathBuf::from(mounted.trim())
}

#[test]
fn umoci_unpacks_the_same_trees() {
    require_peers!("umoci");
    let stacks = [
        (
            "plain",
            vec![vec![
                directory("d"),
                file("d/a", "1"),
                file("e/b", "2"),
                symlink("l", "d/a"),
                hard_link("h", "d/a"),
                fifo("p"),
            ]],
        ),
        (
            "whiteouts",
            vec![
                vec![file("d/a", "1"), file("d/e/b", "2"), file("x", "3")],
                vec![file("d/.wh.a", ""), file(".wh.x", ""), file("d/e/c", "4")],
            ],
        ),
        (
            "opaque",
            vec![
                vec![file("d/a", "1"), file("d/e/b", "2")],
                vec![directory("d"), file("d/.wh..wh..opq", ""), file("d/c", "3")],
            ],
        ),
        (
            "opaque after a file",
            vec![
                vec![file("d/a", "1"), file("d/e/b", "2")],
                vec![directory("d"), file("d/c", "3"), file("d/.wh..wh..opq", "")],
            ],
        ),
        (
            "a whiteout after its file",
            vec![
                vec![file("d/a", "1")],
                vec![directory("d"), file("d/a", "2"), file("d/.wh.a", "")],
            ],
        ),
        (
            "kinds",
            vec![
                vec![
                    file("a", "1"),
                    directory("b"),
                    file("b/c", "2"),
                    symlink("s", "b"),
                    file("f", "3"),
                ],
                vec![
                    directory("a"),
                    file("b", "4"),
                    directory("s"),
                    file("s/x", "5"),
                    symlink("f", "a"),
                ],
            ],
        ),
        (
            "links as parents",
            vec![
                vec![symlink("up", "../../outside"), symlink("abs", "/etc")],
                vec![file("up/a", "1"), file("abs/b", "2")],
            ],
        ),
        ("twice", vec![vec![file("a", "1"), file("a", "2")]]),
    ];
    for (name, layers) in stacks {
        let sandbox = Sandbox::new();
        let layers: Vec<Vec<u8>> = layers.iter().map(|members| layer(members)).collect();
        write_layout(&sandbox.path("layout"), &layers);
        let stage = Stage::new(Way::Kernel);
        for layer in &layers {
            stage
                .apply(layer)
                .unwrap_or_else(|error| panic!("{name}: {error}"));
        }
        assert_eq!(stage.tree(), tree(&unpacked_by_umoci(&sandbox)), "{name}");
    }
}
