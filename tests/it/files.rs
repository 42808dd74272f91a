//! Images in directories and archives, as a user reaches them.

use std::fs;

use wharf_testkit::{Image, Index, Sandbox, require_peers};

use crate::program::run;

/// A layout with an image called `v1`.
fn with_layout() -> (Sandbox, Image) {
    let sandbox = Sandbox::new();
    let image = Image::builder()
        .files(&[("etc/motd", b"hello")])
        .noise(1, 100_000)
        .finish();
    image.write_layout(&sandbox.path("layout"), "v1");
    (sandbox, image)
}

#[test]
fn an_image_goes_from_each_place_to_each_other_with_its_digest() {
    let (sandbox, image) = with_layout();
    let digest = image.manifest().digest().to_string();
    let places = [
        "dir:d",
        "oci-archive:o.tar:name",
        "docker-archive:k.tar:app:1",
        "oci:l:name",
    ];
    for place in places {
        assert_eq!(
            run(&sandbox, "copy", &["oci:layout:v1", place]).last_line(),
            digest,
            "{place}"
        );
    }
    for (number, from) in places.into_iter().enumerate() {
        // A docker-archive has no manifest of its own: its other half has.
        let from = from.replace(
            "docker-archive:k.tar:app:1",
            "oci-archive:k.tar:docker.io/library/app:1",
        );
        for to in [
            format!("dir:d{number}"),
            format!("oci-archive:o{number}.tar"),
            format!("docker-archive:k{number}.tar:quay.io/a/b:2"),
            format!("oci:l{number}:again"),
        ] {
            assert_eq!(
                run(&sandbox, "copy", &[&from, &to]).last_line(),
                digest,
                "{from} {to}"
            );
        }
        let inspected = run(&sandbox, "inspect", &[&from]).ok();
        assert!(inspected.contains(&digest), "{inspected}");
    }
    for location in [
        "docker-archive:k.tar",
        "docker-archive:k.tar:app:1",
        "docker-archive:k.tar:@0",
    ] {
        run(&sandbox, "copy", &[location, "dir:from-docker"]).ok();
        let config = image.blobs()[0].0.digest().encoded();
        assert_eq!(
            fs::read(sandbox.path("from-docker").join(config)).unwrap(),
            image.blobs()[0].1
        );
    }
    let by_id = format!("docker-archive:k.tar@{}", image.blobs()[0].0.digest());
    run(&sandbox, "inspect", &[&by_id]).ok();
}

#[test]
fn equal_copies_to_an_archive_are_equal_files() {
    let (sandbox, _) = with_layout();
    for file in ["one.tar", "two.tar"] {
        run(
            &sandbox,
            "copy",
            &["oci:layout:v1", &format!("docker-archive:{file}:app:1")],
        )
        .ok();
    }
    assert!(fs::read(sandbox.path("one.tar")).unwrap() == fs::read(sandbox.path("two.tar")).unwrap());
}

#[test]
fn what_is_there_is_not_lost() {
    let (sandbox, image) = with_layout();
    run(&sandbox, "copy", &["oci:layout:v1", "dir:d"]).ok();
    run(&sandbox, "copy", &["oci:layout:v1", "oci-archive:a.tar"]).ok();
    run(&sandbox, "copy", &["dir:d", "dir:./d"]).fails(1, &["it is read from there"]);
    run(&sandbox, "copy", &["oci:layout:v1", "oci-archive:a.tar"]).fails(1, &["a.tar exists"]);
    run(&sandbox, "copy", &["oci:layout:v1", "dir:home"]).fails(1, &["no image directory"]);
    run(&sandbox, "copy", &["dir:d", "dir:layout"]).fails(1, &["no image directory"]);
    run(&sandbox, "copy", &["oci:layout:absent", "dir:d"]).fails(3, &["absent"]);
    assert_eq!(
        fs::read(sandbox.path("d/manifest.json")).unwrap(),
        *image.manifest().bytes()
    );
    run(&sandbox, "copy", &["oci:layout:v1", "oci-archive:b.tar:@0"]).fails(1, &["write a name instead"]);
    run(&sandbox, "copy", &["oci-archive:a.tar:@7", "dir:x"]).fails(3, &["no image @7"]);
    assert!(!sandbox.path("b.tar").exists() && !sandbox.path("x").exists());
}

#[test]
fn the_policy_has_rules_for_directories_and_archives() {
    let (sandbox, _) = with_layout();
    for place in ["dir:d", "oci-archive:o.tar", "docker-archive:k.tar:app:1"] {
        run(&sandbox, "copy", &["oci:layout:v1", place]).ok();
    }
    let root = sandbox.path(".").canonicalize().unwrap();
    let root = root.display();
    for (location, transport, scope) in [
        ("dir:d", "dir", format!("{root}/d")),
        ("dir:d", "dir", format!("{root}")),
        ("oci-archive:o.tar", "oci-archive", format!("{root}/o.tar")),
        ("docker-archive:k.tar", "docker-archive", String::new()),
    ] {
        let policy = format!(
            r#"{{"default":[{{"type":"insecureAcceptAnything"}}],"transports":{{"{transport}":{{"{scope}":[{{"type":"reject"}}]}}}}}}"#
        );
        sandbox.write("home/.config/containers/policy.json", policy);
        run(&sandbox, "copy", &[location, "oci:out:x"]).fails(1, &["rejected"]);
        run(&sandbox, "copy", &["oci:layout:v1", "oci:out:x"]).ok();
    }
}

#[test]
fn skopeo_reads_what_copy_writes_and_the_other_way() {
    require_peers!("skopeo", "diff");
    let (sandbox, image) = with_layout();
    let index = Index::of(vec![Image::small("amd"), Image::small("other")]);
    index.write_layout(&sandbox.path("list"), "v1");
    let text = |name: &str| sandbox.path(name).to_str().unwrap().to_owned();
    for (layout, all) in [("layout", false), ("list", true)] {
        let (ours, theirs) = (format!("{layout}-ours"), text(&format!("{layout}-theirs")));
        let from = format!("oci:{layout}:v1");
        let to = format!("dir:{ours}");
        let mut arguments = vec![from.as_str(), to.as_str()];
        if all {
            arguments.push("--all");
        }
        run(&sandbox, "copy", &arguments).ok();
        let from = format!("oci:{}:v1", text(layout));
        sandbox
            .skopeo()
            .run(&["copy", "--all", &from, &format!("dir:{theirs}")])
            .ok();
        let difference = std::process::Command::new("diff")
            .args(["-r", &theirs, &text(&ours)])
            .output()
            .unwrap();
        assert!(difference.status.success(), "{difference:?}");
    }
    let theirs = format!("docker-archive:{}:app:1", text("theirs.tar"));
    sandbox
        .skopeo()
        .run(&["copy", &format!("oci:{}:v1", text("layout")), &theirs])
        .ok();
    run(
        &sandbox,
        "copy",
        &["docker-archive:theirs.tar:app:1", "oci:back:x"],
    )
    .ok();
    run(
        &sandbox,
        "copy",
        &["oci:layout:v1", "docker-archive:ours.tar:app:1"],
    )
    .ok();
    let inspected = sandbox
        .skopeo()
        .run(&["inspect", &format!("oci-archive:{}", text("ours.tar"))])
        .json();
    assert_eq!(inspected["Digest"], image.manifest().digest().as_str());
}
