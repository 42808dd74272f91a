//! Images that are changed as they are copied, by the example `copy`, beside Skopeo.

use std::fs;

use serde_json::Value;
use wharf_content::Platform;
use wharf_testkit::{Image, Index, Sandbox, require_peers};

use crate::program::run;

/// A layout `here` with the index `it` of two images, each of a plain and a compressed layer.
fn sandbox() -> Sandbox {
    let sandbox = Sandbox::new();
    let image = |architecture: &str| {
        Image::builder()
            .platform(Platform::new("linux", architecture))
            .plain_files(&[("plain", architecture.as_bytes())])
            .files(&[("gzip", architecture.as_bytes())])
            .annotation("org.example", "lost in Docker's format")
            .finish()
    };
    Index::of(vec![image("amd64"), image("arm64")]).write_layout(&sandbox.path("here"), "it");
    sandbox
}

/// The document of a digest in the layout `there`.
fn document(sandbox: &Sandbox, digest: &str) -> Value {
    let path = format!("there/blobs/{}", digest.replace(':', "/"));
    serde_json::from_slice(&fs::read(sandbox.path(path)).unwrap()).unwrap()
}

fn types(manifest: &Value) -> Vec<&str> {
    let layers = manifest["layers"].as_array().unwrap();
    let types = layers.iter().map(|layer| layer["mediaType"].as_str().unwrap());
    types
        .map(|media_type| media_type.rsplit_once("tar").unwrap().1)
        .collect()
}

#[test]
fn flags_change_an_image() {
    let rows: [(&[&str], &str, [&str; 2]); 7] = [
        (&[], "application/vnd.oci.image.manifest.v1+json", ["", "+gzip"]),
        (
            &["--preserve-digests"],
            "application/vnd.oci.image.manifest.v1+json",
            ["", "+gzip"],
        ),
        (
            &["--format", "v2s2"],
            "application/vnd.docker.distribution.manifest.v2+json",
            ["", ".gzip"],
        ),
        (
            &["--dest-compress"],
            "application/vnd.oci.image.manifest.v1+json",
            ["+gzip", "+gzip"],
        ),
        (
            &["--dest-decompress"],
            "application/vnd.oci.image.manifest.v1+json",
            ["", ""],
        ),
        (
            &["--dest-compress-format=zstd", "--dest-compress-level=1"],
            "application/vnd.oci.image.manifest.v1+json",
            ["+zstd", "+zstd"],
        ),
        (
            &[
                "-f",
                "v2s2",
                "--dest-compress-format=gzip",
                "--dest-force-compress-format",
            ],
            "application/vnd.docker.distribution.manifest.v2+json",
            [".gzip", ".gzip"],
        ),
    ];
    let sandbox = sandbox();
    for (number, (flags, media_type, layers)) in rows.into_iter().enumerate() {
        let to = format!("oci:there:{number}");
        let ends = ["--platform=linux/arm64", "oci:here:it", &to];
        let digest = run(&sandbox, "copy", &[flags, &ends].concat()).last_line();
        let manifest = document(&sandbox, &digest);
        assert_eq!(manifest["mediaType"], media_type, "{flags:?}");
        assert_eq!(types(&manifest), layers, "{flags:?}");
    }
}

#[test]
fn platforms_are_chosen_as_by_skopeo() {
    let rows: [(&[&str], &[&str], bool); 4] = [
        (&["--multi-arch=all"], &["amd64", "arm64"], true),
        (&["--multi-arch=linux/arm64"], &["amd64", "arm64"], false),
        (
            &["--multi-arch=linux/arm64", "--strip-removed-platforms"],
            &["arm64"],
            true,
        ),
        (
            &[
                "--multi-arch=linux/arm64,linux/amd64",
                "--format=v2s2",
                "--strip-removed-platforms",
            ],
            &["amd64", "arm64"],
            true,
        ),
    ];
    for (flags, platforms, whole) in rows {
        let sandbox = sandbox();
        let digest = run(
            &sandbox,
            "copy",
            &[flags, &["oci:here:it", "oci:there:it"]].concat(),
        )
        .last_line();
        let index = document(&sandbox, &digest);
        let entries = index["manifests"].as_array().unwrap();
        let listed: Vec<_> = entries
            .iter()
            .map(|entry| entry["platform"]["architecture"].as_str().unwrap())
            .collect();
        assert_eq!(listed, platforms, "{flags:?}");
        let there = entries
            .iter()
            .map(|entry| entry["digest"].as_str().unwrap().replace(':', "/"));
        let mut there = there;
        let all = there.all(|digest| sandbox.path(format!("there/blobs/{digest}")).exists());
        assert_eq!(all, whole, "{flags:?}");
    }
}

#[test]
fn the_digest_is_written_to_a_file_and_losses_are_told() {
    let sandbox = sandbox();
    let arguments = [
        "--format=v2s2",
        "--all",
        "--digestfile=digest",
        "oci:here:it",
        "oci:there:it",
    ];
    let ended = run(&sandbox, "copy", &arguments);
    assert!(ended.stderr.contains("lost: sha256:"), "{ended:?}");
    assert!(ended.stderr.contains("annotations.org.example"), "{ended:?}");
    let digest = ended.last_line();
    assert_eq!(fs::read_to_string(sandbox.path("digest")).unwrap(), digest);
    let in_vain = ["--digestfile=no/such/directory", "oci:here:it", "oci:there:it"];
    run(&sandbox, "copy", &in_vain).fails(1, &["no/such/directory", "is copied"]);
}

#[test]
fn flags_that_cannot_be_followed_are_refused() {
    let rows: [(&[&str], i32, &[&str]); 13] = [
        (
            &["--carry-signatures", "--format=v2s2"],
            1,
            &["--carry-signatures"],
        ),
        (&["--preserve-digests", "--dest-decompress"], 1, &["preserved"]),
        (
            &["--preserve-digests", "--format=oci"],
            2,
            &["--preserve-digests"],
        ),
        (&["--dest-compress", "--dest-decompress"], 2, &["--dest-compress"]),
        (
            &["--dest-decompress", "--dest-compress-format=gzip"],
            2,
            &["--dest-decompress"],
        ),
        (&["--format=v2s1"], 2, &["schema 1"]),
        (&["--format=docker"], 2, &["oci or v2s2"]),
        (&["--dest-compress-format=xz"], 2, &["gzip or zstd"]),
        (&["--dest-compress-format=zstd:chunked"], 2, &["zstd:chunked"]),
        (
            &["--dest-compress-format=gzip", "--dest-compress-level=10"],
            1,
            &["1 to 9"],
        ),
        (&["--dest-compress-level=3"], 2, &["--dest-compress-format"]),
        (
            &["--multi-arch=index-only", "--dest-decompress"],
            1,
            &["together with its images"],
        ),
        (&["--src-shared-blob-dir=x"], 2, &["not supported"]),
    ];
    let sandbox = sandbox();
    for (flags, code, parts) in rows {
        run(
            &sandbox,
            "copy",
            &[flags, &["oci:here:it", "oci:there:it"]].concat(),
        )
        .fails(code, parts);
    }
}

#[test]
fn skopeo_reads_what_was_changed() {
    require_peers!("skopeo");
    let sandbox = sandbox();
    for (number, flags) in [
        &["--dest-decompress"] as &[&str],
        &["--dest-compress"],
        &["--dest-compress-format=zstd"],
        &["--format=v2s2", "--dest-compress"],
    ]
    .into_iter()
    .enumerate()
    {
        let layout = format!("oci:there-{number}");
        let to = format!("{layout}:it");
        let ours = run(&sandbox, "copy", &[flags, &["oci:here:it", &to]].concat()).last_line();
        let layout = format!("oci:{}", sandbox.path(format!("there-{number}")).display());
        let theirs = sandbox.skopeo().run(&["inspect", &layout]).json();
        assert_eq!(theirs["Digest"], ours, "{flags:?}");
        let copy = format!("dir:{}", sandbox.path(format!("copy-{number}")).display());
        sandbox.skopeo().run(&["copy", &layout, &copy]).ok();
    }
}
