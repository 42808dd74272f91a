//! Layers of changes, applied by others.

use std::{fs, path::Path};

use proptest::{prelude::*, strategy::ValueTree as _, test_runner::TestRunner};
use wharf_layer::Snapshot;
use wharf_testkit::{Sandbox, require_peers};

use super::{Op, Stage, apply_to, layer, perform, random::op, snapshot, state};
use crate::apply::{is_root, unpacked_by_podman, unpacked_by_umoci, write_layout};

/// Makes random trees and changes them, each in a directory of its own, and compares what others make of the two layers
/// with the trees.
#[test]
fn umoci_and_podman_make_the_changed_trees_of_the_layers() {
    require_peers!("umoci", "podman");
    if !is_root() {
        println!("skipped: others change owners as root alone");
        return;
    }
    let mut runner = TestRunner::deterministic();
    let mut ops = |most: usize| {
        let ops = prop::collection::vec(op(), 0..most);
        ops.new_tree(&mut runner).unwrap().current()
    };
    let cases: Vec<_> = (0..100)
        .map(|case| (case.to_string(), ops(20), ops(12)))
        .collect();
    let stage = Stage::new();
    for (case, before, _) in &cases {
        fs::create_dir(stage.a().join(case)).unwrap();
        perform(&stage.a().join(case), before);
    }
    let (whole, was) = (layer(&Snapshot::empty(), &stage.a()), snapshot(&stage.a()));
    for (case, _, after) in &cases {
        perform(&stage.a().join(case), after);
    }
    let changes = layer(&was, &stage.a());
    let sandbox = Sandbox::new();
    write_layout(&sandbox.path("layout"), &[whole, changes]);
    let (umoci, podman) = (unpacked_by_umoci(&sandbox), unpacked_by_podman(&sandbox));
    for (case, before, after) in &cases {
        let expected = state(&stage.a().join(case));
        assert_eq!(state(&umoci.join(case)), expected, "umoci: {before:?} {after:?}");
        // The vfs driver copies the layers below, and keeps links to regular files alone.
        let own_links = |lines: Vec<String>| lines.iter().map(|line| without_link(line)).collect::<Vec<_>>();
        let theirs = own_links(state(&podman.join(case)));
        assert_eq!(theirs, own_links(expected), "podman: {before:?} {after:?}");
    }
}

/// Changes as a person makes them in a container's tree.
fn change(root: &Path) {
    let text = str::to_owned;
    let ops = [
        Op::File(text("etc/new"), "4"),
        Op::Remove(text("bin/gone")),
        Op::Link(text("etc/other"), text("etc/motd")),
        Op::Mode(text("etc/motd"), 0o750),
        Op::Remove(text("dir")),
        Op::File(text("dir"), "a file now"),
        Op::Remove(text("file")),
        Op::Directory(text("file/below")),
        Op::Symlink(text("link"), text("/etc/motd")),
        Op::Fifo(text("fifo")),
        Op::Time(text("."), 7),
    ];
    perform(root, &ops);
}

#[cfg(feature = "gzip")]
#[test]
fn podman_commits_the_members_that_a_layer_of_changes_has() {
    require_peers!("podman");
    if !is_root() {
        println!("skipped: Podman mounts containers as root alone");
        return;
    }
    let (stage, sandbox) = (Stage::new(), Sandbox::new());
    let names = ["etc/motd", "etc/kept", "bin/gone", "dir/a", "dir/b/c", "file"];
    for name in names {
        let directory = Path::new(name).parent().unwrap().to_str().unwrap().to_owned();
        perform(
            &stage.a(),
            &[Op::Directory(directory), Op::File(name.to_owned(), "1")],
        );
    }
    let whole = layer(&Snapshot::empty(), &stage.a());
    write_layout(&sandbox.path("layout"), std::slice::from_ref(&whole));
    let podman = sandbox.podman();
    let run = |arguments: &[&str]| podman.run(arguments).ok().trim().to_owned();
    let image = run(&[
        "pull",
        "--quiet",
        &format!("oci:{}:x", sandbox.path("layout").display()),
    ]);
    let container = run(&["create", &image, "/bin/sh"]);
    change(Path::new(&run(&["mount", &container])));
    run(&["umount", &container]);
    let committed = run(&["commit", "--quiet", &container]);
    let pushed = sandbox.path("committed");
    run(&[
        "push",
        "--quiet",
        &committed,
        &format!("oci:{}:x", pushed.display()),
    ]);

    let was = snapshot(&stage.a());
    change(&stage.a());
    let ours = layer(&was, &stage.a());
    let theirs = highest_layer(&pushed);
    let sorted = |tar: &[u8]| {
        let mut members = crate::merge::members(tar);
        members.retain(|member| member != "./"); // Podman says nothing of the root
        members.sort();
        members
    };
    assert_eq!(sorted(&ours), sorted(&theirs));
    let other = stage.other("b");
    fs::create_dir(&other).unwrap();
    apply_to(&other, &whole);
    apply_to(&other, &theirs);
    // Each has the times of its own changes.
    let without_time = |lines: Vec<String>| {
        let line = |line: String| {
            let mut words: Vec<&str> = line.split(' ').collect();
            words.remove(3);
            words.join(" ")
        };
        lines.into_iter().map(line).collect::<Vec<_>>()
    };
    assert_eq!(without_time(state(&other)), without_time(state(&stage.a())));
}

/// The tar of the highest layer of the image in a layout.
#[cfg(feature = "gzip")]
fn highest_layer(layout: &Path) -> Vec<u8> {
    use std::io::Read as _;

    use wharf_layer::{Decoder, Limits};

    let blob = |digest: &str| fs::read(layout.join("blobs").join(digest.replace(':', "/"))).unwrap();
    let digests = |document: Vec<u8>| -> Vec<String> {
        let text = String::from_utf8(document).unwrap();
        let parts = text.split("\"digest\":\"").skip(1);
        parts
            .map(|part| part.split('"').next().unwrap().to_owned())
            .collect()
    };
    let index = digests(fs::read(layout.join("index.json")).unwrap());
    let layers = digests(blob(&index[0]));
    let compressed = blob(layers.last().unwrap());
    let mut tar = Vec::new();
    let mut reader = Decoder::by_magic(Limits::default()).reader(compressed.as_slice());
    reader.read_to_end(&mut tar).unwrap();
    tar
}

/// The line of a file, without its first name if it is no regular one.
fn without_link(line: &str) -> String {
    let mut words: Vec<&str> = line.split(' ').collect();
    if !words[1].starts_with("10") {
        words.remove(4);
    }
    words.join(" ")
}
