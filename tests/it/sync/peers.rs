//! Beside `skopeo sync`: both write the same, and each reads what the other writes.

use std::{collections::BTreeSet, fs};

use wharf_testkit::{DockerRegistry, Image, Sandbox, require_peers};

use super::tree;
use crate::program::run;

const IMAGES: [&str; 3] = ["lib/one:1.0", "lib/one:1.1", "two:latest"];

/// A registry with three images.
fn filled() -> (DockerRegistry, Sandbox) {
    let (registry, sandbox) = (DockerRegistry::start(), Sandbox::new());
    let name = registry.name();
    sandbox.registries_conf(&format!("[[registry]]\nlocation = \"{name}\"\ninsecure = true\n"));
    for (number, image) in IMAGES.iter().enumerate() {
        let layout = sandbox.path(format!("layout-{number}"));
        Image::small(image).write_layout(&layout, "it");
        let (from, to) = (
            format!("oci:{}:it", layout.display()),
            format!("docker://{name}/{image}"),
        );
        run(&sandbox, "copy", &["--quiet", &from, &to]).ok();
    }
    (registry, sandbox)
}

fn digest(sandbox: &Sandbox, image: &str) -> String {
    let shown = sandbox
        .skopeo()
        .run(&["inspect", &format!("docker://{image}")])
        .json();
    shown["Digest"].as_str().unwrap().to_owned()
}

#[test]
fn directories_are_those_of_skopeo_and_go_back_both_ways() {
    require_peers!("docker-registry", "skopeo");
    let (registry, sandbox) = filled();
    let name = registry.name();
    let document = format!("{name}:\n  images:\n    lib/one: []\n    two: [latest]\n");
    sandbox.write("set.yaml", &document);
    let at = |name: &str| sandbox.path(name).display().to_string();
    for scoped in [&[][..], &["--scoped"]] {
        let (ours, theirs) = (format!("ours{}", scoped.len()), format!("theirs{}", scoped.len()));
        let flags = ["--src", "yaml", "--dest", "dir"];
        let (set, to) = (at("set.yaml"), at(&theirs));
        let mut arguments = vec!["sync"];
        arguments.extend(flags.iter().chain(scoped));
        arguments.extend([set.as_str(), &to]);
        sandbox.skopeo().run(&arguments).ok();
        let to = at(&ours);
        let mut arguments: Vec<&str> = flags.iter().chain(scoped).copied().collect();
        arguments.extend([set.as_str(), &to]);
        run(&sandbox, "sync", &arguments).ok();
        let (ours, theirs) = (tree(&sandbox.path(&ours)), tree(&sandbox.path(&theirs)));
        assert_eq!(ours.keys().collect::<Vec<_>>(), theirs.keys().collect::<Vec<_>>());
        assert!(ours == theirs && ours.len() >= 9);
    }
    // Each pushes what the other wrote; both name it as the other does.
    let (theirs, ours) = (at("theirs0"), at("ours0"));
    run(
        &sandbox,
        "sync",
        &[
            "--src",
            "dir",
            "--dest",
            "docker",
            &theirs,
            &format!("{name}/by-us"),
        ],
    )
    .ok();
    sandbox
        .skopeo()
        .run(&[
            "sync",
            "--src",
            "dir",
            "--dest",
            "docker",
            &ours,
            &format!("{name}/by-skopeo"),
        ])
        .ok();
    for image in IMAGES {
        let last = image.rsplit('/').next().unwrap();
        let original = digest(&sandbox, &format!("{name}/{image}"));
        for prefix in ["by-us", "by-skopeo"] {
            assert_eq!(
                digest(&sandbox, &format!("{name}/{prefix}/{last}")),
                original,
                "{prefix} {image}"
            );
        }
    }
}

#[test]
fn registries_are_filled_as_by_skopeo() {
    require_peers!("docker-registry", "skopeo");
    let (registry, sandbox) = filled();
    let name = registry.name();
    // Older ones know neither suffixes nor files of digests.
    let is_new = sandbox
        .skopeo()
        .run(&["sync", "--help"])
        .ok()
        .contains("--append-suffix");
    let suffix = if is_new { "-m" } else { "" };
    let arguments = |file: &str, to: &str| -> Vec<String> {
        let mut arguments = ["--src", "docker", "--dest", "docker"]
            .map(str::to_owned)
            .to_vec();
        if is_new {
            let file = sandbox.path(file).display().to_string();
            arguments.extend([
                format!("--append-suffix={suffix}"),
                "--digestfile".to_owned(),
                file,
            ]);
        }
        arguments.extend([format!("{name}/lib/one"), format!("{name}/{to}")]);
        arguments
    };
    let (theirs, ours) = (arguments("theirs", "by-skopeo"), arguments("ours", "by-us"));
    let theirs: Vec<&str> = std::iter::once("sync")
        .chain(theirs.iter().map(String::as_str))
        .collect();
    sandbox.skopeo().run(&theirs).ok();
    let ours: Vec<&str> = ours.iter().map(String::as_str).collect();
    run(&sandbox, "sync", &ours).ok();
    if is_new {
        let lines = |file: &str| {
            let text = fs::read_to_string(sandbox.path(file)).unwrap();
            let text = text.replace("by-skopeo", "by-us");
            let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
            lines.sort();
            lines
        };
        assert_eq!(lines("ours"), lines("theirs"));
        assert_eq!(lines("ours").len(), 2);
    }
    for tag in ["1.0", "1.1"] {
        assert_eq!(
            digest(&sandbox, &format!("{name}/by-us/one:{tag}{suffix}")),
            digest(&sandbox, &format!("{name}/by-skopeo/one:{tag}{suffix}"))
        );
    }
    // Where Skopeo has been, nothing is left to do.
    let to = arguments("again", "by-skopeo");
    let to: Vec<&str> = to.iter().map(String::as_str).collect();
    assert!(
        run(&sandbox, "sync", &to)
            .ok()
            .contains("0 copied, 2 already there")
    );
}

#[test]
fn dockers_registry_is_pruned_though_it_deletes_no_tags() {
    require_peers!("docker-registry", "skopeo");
    let (registry, sandbox) = filled();
    let name = registry.name();
    Image::small("old").write_layout(&sandbox.path("old"), "it");
    let (source, to) = (format!("{name}/lib/one"), format!("{name}/mirror"));
    let flags = ["--quiet", "--src=docker", "--dest=docker", &source, &to];
    run(&sandbox, "sync", &flags).ok();
    let copy = |from: &str, tag: &str| {
        let to = format!("docker://{name}/mirror/one:{tag}");
        run(&sandbox, "copy", &["--quiet", from, &to]).ok();
    };
    copy("oci:old:it", "old");
    let pruning = [&flags[..], &["--prune"]].concat();
    run(&sandbox, "sync", &pruning).ok();
    let tags = || {
        let listed = run(&sandbox, "tags", &[&format!("{name}/mirror/one")]).ok();
        listed.lines().map(str::to_owned).collect::<BTreeSet<_>>()
    };
    assert_eq!(tags(), ["1.0", "1.1"].map(str::to_owned).into());

    copy("oci:layout-0:it", "same");
    run(&sandbox, "sync", &pruning).fails(1, &["mirror/one:same was not removed", "is needed by 1.0, too"]);
    assert_eq!(tags(), ["1.0", "1.1", "same"].map(str::to_owned).into());
}

/// Docker's registry of version 2 does not find a blob while it is pushed again, and refuses a manifest with it.
#[test]
fn images_that_share_blobs_are_pushed_to_dockers_registry_side_by_side() {
    require_peers!("docker-registry");
    let (registry, sandbox) = (DockerRegistry::start(), Sandbox::new());
    Image::small("x").write_layout(&sandbox.path("layout"), "x");
    for tag in 1..=12 {
        run(&sandbox, "copy", &["oci:layout:x", &format!("dir:set/app:{tag}")]).ok();
    }
    let name = registry.name();
    sandbox.registries_conf(&format!("[[registry]]\nlocation = \"{name}\"\ninsecure = true\n"));
    let to = format!("{name}/mirror");
    run(
        &sandbox,
        "sync",
        &["--src", "dir", "--dest", "docker", "set", &to],
    )
    .ok();
    let log = registry.log();
    let is_upload = |line: &&str| line.contains("\"PUT /v2/mirror/app/blobs/uploads/");
    let uploads = log.lines().filter(is_upload).count();
    assert_eq!(uploads, Image::small("x").blobs().len(), "{log}");
}
