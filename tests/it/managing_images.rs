//! The example `images`, beside Podman's commands of the same names.

use std::fs;

use serde_json::Value;
use wharf_testkit::{Image, Sandbox};

use crate::program::{Ended, run};

/// A store `images` with `docker.io/library/app:1`, which is `localhost/app:2` too, and `localhost/tool:1`.
fn sandbox() -> (Sandbox, [Image; 2]) {
    let sandbox = Sandbox::new();
    let images =
        ["app", "tool"].map(|name| Image::builder().files(&[("etc/name", name.as_bytes())]).finish());
    for (image, name) in images.iter().zip(["docker.io/library/app:1", "localhost/tool:1"]) {
        image.write_layout(&sandbox.path("from"), "x");
        run(
            &sandbox,
            "copy",
            &["--quiet", "oci:from:x", &format!("oci:images:{name}")],
        )
        .ok();
        fs::remove_dir_all(sandbox.path("from")).unwrap();
    }
    images_of(&sandbox, &["tag", "app:1", "app:2"]).ok();
    (sandbox, images)
}

fn images_of(sandbox: &Sandbox, arguments: &[&str]) -> Ended {
    run(sandbox, "images", arguments)
}

fn id(image: &Image) -> String {
    image.blobs()[0].0.digest().encoded().to_owned()
}

/// The beginning of an ID that tables show.
fn short(image: &Image) -> String {
    id(image).chars().take(12).collect()
}

/// Repository and tag of each row.
fn listed(sandbox: &Sandbox, flags: &[&str]) -> Vec<String> {
    let table = images_of(
        sandbox,
        &[&["ls", "--noheading", "--sort=repository"], flags].concat(),
    )
    .ok();
    let words = |line: &str| line.split_whitespace().take(2).collect::<Vec<_>>().join(":");
    table.lines().map(words).collect()
}

#[test]
fn images_are_listed_with_podmans_columns_and_filters() {
    let (sandbox, images) = sandbox();
    let table = images_of(&sandbox, &["ls", "--digests"]).ok();
    let titles: Vec<&str> = table
        .lines()
        .next()
        .unwrap()
        .split("  ")
        .map(str::trim)
        .filter(|title| !title.is_empty())
        .collect();
    assert_eq!(
        titles,
        ["REPOSITORY", "TAG", "DIGEST", "IMAGE ID", "CREATED", "SIZE"]
    );
    assert!(table.contains(images[0].manifest().digest().as_str()), "{table}");
    let all = ["docker.io/library/app:1", "localhost/app:2", "localhost/tool:1"];
    assert_eq!(listed(&sandbox, &[]), all);
    assert_eq!(
        listed(&sandbox, &["--filter=reference=localhost/*"]),
        all,
        "an image with all its names"
    );
    assert_eq!(listed(&sandbox, &["tool"]), ["localhost/tool:1"]);
    assert_eq!(listed(&sandbox, &["--filter=dangling=true"]), [""; 0]);
    let ids = images_of(&sandbox, &["ls", "-q", "--no-trunc"]).ok();
    let mut ids: Vec<&str> = ids.lines().collect();
    ids.sort_unstable();
    let mut expected = [0, 1].map(|image| format!("sha256:{}", id(&images[image])));
    expected.sort();
    assert_eq!(ids, expected, "one ID for each image");
    let json: Value =
        serde_json::from_str(&images_of(&sandbox, &["ls", "--format=json", "app"]).ok()).unwrap();
    assert_eq!(json[0]["Id"], id(&images[0]));
    assert_eq!(json[0]["Names"][1], "localhost/app:2");
    let text = images_of(&sandbox, &["ls", "--format={{.Repository}}@{{.Digest}}", "tool"]).ok();
    assert_eq!(
        text.trim_end(),
        format!("localhost/tool@{}", images[1].manifest().digest())
    );
    let table = images_of(
        &sandbox,
        &["ls", "--format=table {{.Tag}} {{.Repository}}", "tool"],
    )
    .ok();
    assert_eq!(table, "TAG  REPOSITORY\n1    localhost/tool\n");
    images_of(&sandbox, &["ls", "--filter=intermediate=true"]).fails(2, &["intermediate"]);
    images_of(&sandbox, &["ls", "--sort=age"]).fails(2, &["age"]);
    images_of(&sandbox, &["--store=nowhere", "ls"]).fails(3, &["nowhere"]);
}

#[test]
fn names_are_given_and_taken() {
    let (sandbox, images) = sandbox();
    images_of(
        &sandbox,
        &["tag", &short(&images[1]), "quay.io/team/tool", "other:3"],
    )
    .ok();
    assert_eq!(
        listed(&sandbox, &["tool"]),
        [
            "localhost/other:3",
            "localhost/tool:1",
            "quay.io/team/tool:latest"
        ]
    );
    images_of(&sandbox, &["untag", "tool:1", "other:3"]).ok();
    images_of(&sandbox, &["untag", "app:1", "tool:1"]).fails(3, &["tool:1", "no name of"]);
    images_of(&sandbox, &["untag", "quay.io/team/tool"]).ok();
    assert_eq!(
        listed(&sandbox, &[]),
        ["<none>:<none>", "docker.io/library/app:1", "localhost/app:2"]
    );
    images_of(&sandbox, &["exists", "app:1"]).ok();
    images_of(&sandbox, &["exists", "nothing"]).fails(1, &[]);
    images_of(&sandbox, &["tag", "nothing", "x"]).fails(3, &["nothing"]);
    images_of(&sandbox, &["tag", "app:1", "UPPER"]).fails(2, &["UPPER"]);
    let inspected = images_of(&sandbox, &["inspect", "app:1"]).ok();
    let inspected: Value = serde_json::from_str(&inspected).unwrap();
    assert_eq!(inspected[0]["Summary"]["Id"], id(&images[0]));
    assert_eq!(inspected[0]["Manifest"]["layers"].as_array().unwrap().len(), 1);
    let nothing = images_of(&sandbox, &["inspect", "nothing"]);
    assert_eq!(nothing.stdout, "[]\n");
    nothing.fails(3, &["nothing"]);
    let some = images_of(&sandbox, &["inspect", "nothing", "app:1"]);
    assert_eq!(
        serde_json::from_str::<Value>(&some.stdout)
            .unwrap()
            .as_array()
            .unwrap()
            .len(),
        1
    );
    some.fails(3, &["nothing"]);
}

#[test]
fn images_are_removed_by_name_and_by_id() {
    let (sandbox, images) = sandbox();
    let app = &short(&images[0]);
    images_of(&sandbox, &["rm", app]).fails(1, &["several names", "--force"]);
    let untagged = images_of(&sandbox, &["rm", "app:1"]).ok();
    assert_eq!(untagged.trim_end(), "Untagged: docker.io/library/app:1");
    let gone = images_of(&sandbox, &["rm", "nothing", "app:2"]);
    gone.fails(3, &["nothing"]);
    assert_eq!(
        listed(&sandbox, &[]),
        ["localhost/tool:1"],
        "the others are removed though one is not there"
    );
    images_of(&sandbox, &["rm", "--ignore", "nothing"]).ok();
    images_of(&sandbox, &["rm", "--all"]).fails(2, &["--force"]);
    let all = images_of(&sandbox, &["rm", "--all", "--force"]).ok();
    assert_eq!(
        all,
        format!("Untagged: localhost/tool:1\nDeleted: {}\n", id(&images[1]))
    );
    let blobs = fs::read_dir(sandbox.path("images/blobs/sha256")).unwrap().count();
    assert_eq!(blobs, 0, "content that no image needs is removed");
}

#[test]
fn pruning_asks_and_spares_what_has_a_name() {
    let (sandbox, images) = sandbox();
    images_of(&sandbox, &["untag", "tool:1"]).ok();
    images_of(&sandbox, &["prune"]).fails(2, &["without a name", "--force"]);
    images_of(&sandbox, &["prune", "--filter=reference=x", "-f"]).fails(2, &["until"]);
    let dry = images_of(&sandbox, &["prune", "--dry-run"]).ok();
    assert_eq!(dry.trim_end(), id(&images[1]));
    assert_eq!(listed(&sandbox, &[]).len(), 3);
    let none = images_of(&sandbox, &["prune", "--force", "--filter=label=absent"]).ok();
    assert_eq!(none, "");
    images_of(&sandbox, &["prune", "--force"]).ok();
    assert_eq!(
        listed(&sandbox, &[]),
        ["docker.io/library/app:1", "localhost/app:2"]
    );
    let all = images_of(&sandbox, &["prune", "--all", "--force"]).ok();
    assert_eq!(
        all,
        format!("docker.io/library/app:1\nlocalhost/app:2\n{}\n", id(&images[0]))
    );
    assert_eq!(listed(&sandbox, &[]), [""; 0]);
}

#[test]
fn history_and_tree_are_shown() {
    let (sandbox, images) = sandbox();
    let history = images_of(&sandbox, &["history", "tool:1"]).ok();
    assert!(history.starts_with("ID"), "{history}");
    assert!(history.contains(&short(&images[1])), "{history}");
    run(
        &sandbox,
        "mutate",
        &[
            "-q",
            "-u=7",
            "oci:images:localhost/tool:1",
            "oci:images:localhost/tool:2",
        ],
    )
    .ok();
    let history = images_of(&sandbox, &["history", "tool:2"]).ok();
    let lines: Vec<&str> = history.lines().collect();
    assert!(
        lines[1].contains("mutate") && lines[1].contains(" 0 B"),
        "the latest step is the first, {history}"
    );
    assert!(
        lines[2].starts_with("<missing>") && !lines[2].contains(" 0 B"),
        "{history}"
    );
    let tree = images_of(&sandbox, &["tree", "app:2"]).ok();
    assert!(tree.contains("\u{2514}\u{2500}\u{2500} ID: "), "{tree}");
    assert!(
        tree.contains("Top Layer of: [docker.io/library/app:1 localhost/app:2]"),
        "{tree}"
    );
}

#[test]
fn images_are_sorted_by_each_column_and_none_is_an_empty_table() {
    let sandbox = Sandbox::new();
    for (name, created, size) in [
        ("c:1", "2026-01-03T00:00:00Z", 10_000),
        ("a:3", "2026-01-01T00:00:00Z", 300_000),
        ("b:2", "2026-01-02T00:00:00Z", 2_000),
    ] {
        let image = Image::builder().noise(7, size).finish();
        image.write_layout(&sandbox.path("from"), "x");
        let to = format!("oci:images:localhost/{name}");
        let created = format!("--created={created}");
        run(&sandbox, "mutate", &["-q", &created, "oci:from:x", &to]).ok();
        fs::remove_dir_all(sandbox.path("from")).unwrap();
    }
    let sorted = |column: &str| -> String {
        let flag = format!("--sort={column}");
        let names = images_of(&sandbox, &["ls", "--format={{.Repository}}", &flag]).ok();
        names
            .lines()
            .map(|name| name.trim_start_matches("localhost/"))
            .collect()
    };
    assert_eq!(sorted("created"), "cba");
    assert_eq!(sorted("repository"), "abc");
    assert_eq!(sorted("tag"), "cba");
    assert_eq!(sorted("size"), "bca");
    let ids = images_of(&sandbox, &["ls", "-q", "--no-trunc", "--sort=id"]).ok();
    assert!(ids.lines().is_sorted(), "{ids}");
    let table = images_of(&sandbox, &["ls", "absent"]).ok();
    assert_eq!(table.lines().count(), 1, "the titles alone: {table}");
    assert_eq!(images_of(&sandbox, &["ls", "--noheading", "absent"]).ok(), "");
}
