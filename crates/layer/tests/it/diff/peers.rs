//! Layers of changes, applied by others.

use std::fs;

use proptest::{prelude::*, strategy::ValueTree as _, test_runner::TestRunner};
use wharf_layer::Snapshot;
use wharf_testkit::{Sandbox, require_peers};

use super::{Stage, layer, perform, random::op, snapshot, state};
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

/// The line of a file, without its first name if it is no regular one.
fn without_link(line: &str) -> String {
    let mut words: Vec<&str> = line.split(' ').collect();
    if !words[1].starts_with("10") {
        words.remove(4);
    }
    words.join(" ")
}
