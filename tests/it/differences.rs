//! The root file systems of images compared: M128.

use std::{collections::BTreeSet, fs};

use serde_json::{Value, json};
use wharf::{Client, ImageLocation, config::Locations, layer::DifferenceKind};
use wharf_registry::Registry;
use wharf_testkit::{Image, Sandbox, require_peers};

use crate::program::{command, ended, run};

/// A layout `images` with `a`, and `b`, which has a layer more.
fn sandbox() -> Sandbox {
    let sandbox = Sandbox::new();
    let below: [&[(&str, &[u8])]; 2] = [
        &[
            ("etc/", b""),
            ("etc/kept", b"1"),
            ("etc/changed", b"2"),
            ("etc/gone", b"3"),
            ("opt/", b""),
            ("opt/deep/", b""),
            ("opt/deep/file", b"4"),
            ("srv/", b""),
            ("srv/same", b"5"),
            ("usr/", b""),
            ("usr/kind", b"6"),
        ],
        &[("var/", b""), ("var/log/", b""), ("var/log/x", b"7")],
    ];
    let base = Image::builder().files(below[0]).files(below[1]).finish();
    let above = Image::builder()
        .files(below[0])
        .files(below[1])
        .files(&[
            ("etc/changed", b"22"),
            ("etc/.wh.gone", b""),
            (".wh.opt", b""),
            ("new/", b""),
            ("new/file", b"8"),
            ("usr/.wh.kind", b""),
            ("var/log/y", b"9"),
        ])
        .finish();
    base.write_layout(&sandbox.path("a"), "a");
    above.write_layout(&sandbox.path("b"), "b");
    for name in ["a", "b"] {
        let [from, to] = [
            format!("oci:{name}:{name}"),
            format!("oci:images:localhost/{name}:1"),
        ];
        run(&sandbox, "copy", &["-q", &from, &to]).ok();
    }
    sandbox
}

const EXPECTED: [&str; 10] = [
    "C /etc",
    "C /etc/changed",
    "D /etc/gone",
    "A /new",
    "A /new/file",
    "D /opt",
    "C /usr",
    "D /usr/kind",
    "C /var",
    "C /var/log",
];

fn expected() -> Vec<&'static str> {
    EXPECTED.into_iter().chain(["A /var/log/y"]).collect()
}

#[test]
fn images_diff_lists_what_was_added_changed_and_deleted() {
    let sandbox = sandbox();
    let lines = |arguments: &[&str]| -> Vec<String> {
        let listed = run(&sandbox, "images", &[&["diff"], arguments].concat()).ok();
        listed.lines().map(str::to_owned).collect()
    };
    assert_eq!(lines(&["b:1", "a:1"]), expected());
    assert_eq!(
        lines(&["b:1"]),
        expected(),
        "the layers below the top one are those of a"
    );
    assert_eq!(lines(&["oci:b:b", "oci:a:a"]), expected());
    assert_eq!(
        lines(&["--store=absent", "oci:b", "oci:a"]),
        expected(),
        "without the store"
    );
    assert!(lines(&["a:1", "a:1"]).is_empty());
    let back = lines(&["a:1", "b:1"]);
    assert!(back.contains(&"A /opt/deep/file".to_owned()) && back.contains(&"D /new".to_owned()));
    let printed = run(&sandbox, "images", &["diff", "--format=json", "b:1", "a:1"]).ok();
    let found: Value = serde_json::from_str(&printed).unwrap();
    let list = |letter: &str| -> Vec<String> {
        let lines = expected().into_iter();
        lines
            .filter_map(|line| Some(line.strip_prefix(letter)?.trim().to_owned()))
            .collect()
    };
    assert_eq!(
        found,
        json!({"added": list("A"), "changed": list("C"), "deleted": list("D")})
    );
    run(&sandbox, "images", &["diff", "absent"]).fails(3, &["absent"]);
    run(&sandbox, "images", &["diff", "oci:absent:x", "a:1"]).fails(3, &["absent"]);
    run(&sandbox, "images", &["diff", "--format=table", "a:1"]).fails(2, &["json"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn images_of_a_registry_are_compared_as_the_policy_allows() {
    let sandbox = sandbox();
    let server = Registry::memory().serve().await.unwrap();
    let names = ["a", "b"].map(|name| format!("docker://{}/{name}:1", server.registry()));
    for (name, to) in ["a", "b"].iter().zip(&names) {
        let from = format!("oci:{name}:{name}");
        run(&sandbox, "copy", &["-q", "--dest-tls-verify=false", &from, to]).ok();
    }
    let mut program = command(
        &sandbox,
        "images",
        &["diff", "--tls-verify=false", &names[1], &names[0]],
    );
    let listed = ended(&mut program).ok();
    assert_eq!(listed.lines().collect::<Vec<_>>(), expected());
    let mixed = run(
        &sandbox,
        "images",
        &["diff", "--tls-verify=false", "b:1", &names[0]],
    )
    .ok();
    assert_eq!(mixed.lines().collect::<Vec<_>>(), expected());

    let client = |policy: &str| {
        let directory = sandbox.path("host/etc/containers");
        fs::create_dir_all(&directory).unwrap();
        fs::write(directory.join("policy.json"), policy).unwrap();
        Client::builder()
            .with_locations(Locations::rooted(sandbox.path("host")))
            .build()
            .unwrap()
    };
    let [before, after]: [ImageLocation; 2] = ["a", "b"].map(|name| {
        format!("oci:{}:{name}", sandbox.path(name).display())
            .parse()
            .unwrap()
    });
    let accepting = client(r#"{"default": [{"type": "insecureAcceptAnything"}]}"#);
    let found = accepting.differences(&before, &after).await.unwrap();
    let deleted: Vec<_> = found
        .iter()
        .filter(|found| found.kind == DifferenceKind::Deleted)
        .map(|found| String::from_utf8_lossy(&found.name).into_owned())
        .collect();
    assert_eq!(
        deleted,
        ["etc/gone", "opt", "opt/deep", "opt/deep/file", "usr/kind"]
    );
    let rejecting = client(r#"{"default": [{"type": "reject"}]}"#);
    let refused = rejecting.differences(&before, &after).await.unwrap_err();
    assert_eq!(refused.kind(), wharf::ErrorKind::Rejected, "{refused}");
}

#[test]
fn images_diff_lists_what_podman_diff_lists() {
    require_peers!("podman");
    let sandbox = sandbox();
    let podman = sandbox.podman();
    for name in ["a", "b"] {
        let from = format!("oci:{}:{name}", sandbox.path(name).display());
        let id = podman.run(&["pull", "-q", &from]).ok();
        podman
            .run(&["tag", id.trim(), &format!("localhost/{name}:1")])
            .ok();
    }
    let set = |text: &str| -> BTreeSet<String> { text.lines().map(str::to_owned).collect() };
    for arguments in [&["b:1", "a:1"][..], &["a:1", "b:1"], &["b:1"], &["a:1", "a:1"]] {
        let named: Vec<String> = arguments.iter().map(|name| format!("localhost/{name}")).collect();
        let named: Vec<&str> = named.iter().map(String::as_str).collect();
        let theirs = podman.run(&[&["image", "diff"], &named[..]].concat()).ok();
        let ours = run(&sandbox, "images", &[&["diff"], &named[..]].concat()).ok();
        assert_eq!(set(&ours), set(&theirs), "{arguments:?}");
        let theirs = podman
            .run(&[&["image", "diff", "--format=json"], &named[..]].concat())
            .ok();
        let ours = run(
            &sandbox,
            "images",
            &[&["diff", "--format=json"], &named[..]].concat(),
        )
        .ok();
        let lists = |text: &str| -> Vec<(String, BTreeSet<String>)> {
            let value: Value = serde_json::from_str(text).unwrap();
            ["added", "changed", "deleted"]
                .map(|list| {
                    let paths = value[list].as_array().cloned().unwrap_or_default();
                    let paths = paths
                        .iter()
                        .map(|path| path.as_str().unwrap().to_owned())
                        .collect();
                    (list.to_owned(), paths)
                })
                .to_vec()
        };
        assert_eq!(lists(&ours), lists(&theirs), "{arguments:?}");
    }
}
