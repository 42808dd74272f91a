//! Random changes of random trees.

use std::fs;

use proptest::prelude::*;
use wharf_layer::{Merged, Snapshot};

use super::{Op, Stage, apply_to, layer, perform, snapshot, state};

fn name() -> impl Strategy<Value = String> {
    prop::collection::vec(prop::sample::select(vec!["a", "b", "c", "a-b"]), 1..4)
        .prop_map(|parts| parts.join("/"))
}

pub(super) fn op() -> impl Strategy<Value = Op> {
    let content = || prop::sample::select(vec!["", "1", "2", "33"]);
    prop_oneof![
        5 => (name(), content()).prop_map(|(name, content)| Op::File(name, content)),
        3 => (name(), content()).prop_map(|(name, content)| Op::Rewrite(name, content)),
        5 => name().prop_map(Op::Directory),
        2 => (name(), name()).prop_map(|(name, target)| Op::Symlink(name, target)),
        3 => (name(), name()).prop_map(|(name, to)| Op::Link(name, to)),
        1 => name().prop_map(Op::Fifo),
        1 => name().prop_map(Op::Socket),
        3 => name().prop_map(Op::Remove),
        2 => (name(), name()).prop_map(|(name, to)| Op::Rename(name, to)),
        2 => (name(), prop::sample::select(vec![0o555, 0o755, 0o700, 0o4711, 0o1777])).prop_map(|(name, mode)| Op::Mode(name, mode)),
        1 => (name(), content()).prop_map(|(name, value)| Op::Xattr(name, value)),
        1 => (name(), 0..3_000_000_000_u64).prop_map(|(name, time)| Op::Time(name, time)),
    ]
}

fn without_set_id(lines: Vec<String>) -> Vec<String> {
    // Without the owner, the bits are dropped where layers are applied.
    let line = |line: String| {
        if crate::apply::is_root() {
            line
        } else {
            line.replace(" 104711 ", " 100711 ")
                .replace(" 44711 ", " 40711 ")
                .replace(" 14711 ", " 10711 ")
        }
    };
    lines.into_iter().map(line).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// The layer of what changed, applied to the tree before, gives the tree after: to the same files changed in place, and to
    /// a copy that has changed.
    #[test]
    fn a_layer_of_changes_applied_to_the_tree_before_gives_the_tree_after(before in prop::collection::vec(op(), 0..20), after in prop::collection::vec(op(), 0..12)) {
        let stage = Stage::new();
        perform(&stage.a(), &before);
        let whole = layer(&Snapshot::empty(), &stage.a());
        let (was, copy) = (snapshot(&stage.a()), stage.copy("copy"));
        let restored = stage.other("restored");
        fs::create_dir(&restored).unwrap();
        apply_to(&restored, &whole);
        prop_assert_eq!(state(&restored), without_set_id(state(&stage.a())), "{:?}", before);

        perform(&stage.a(), &after);
        let changes = layer(&was, &stage.a());
        let of_copy = layer(&snapshot(&copy), &stage.a());
        apply_to(&restored, &changes);
        prop_assert_eq!(state(&restored), without_set_id(state(&stage.a())), "{:?} {:?}", before, after);
        apply_to(&copy, &of_copy);
        prop_assert_eq!(without_set_id(state(&copy)), without_set_id(state(&stage.a())), "{:?} {:?}", before, after);

        // The two layers, merged without a file system, are the tree as well.
        let layers = [whole, changes];
        let (mut merged, mut flat) = (Merged::new(), Vec::new());
        for layer in &layers {
            merged.add(layer.as_slice()).unwrap();
        }
        merged.write(&mut flat, |layer| Ok(layers[layer].as_slice())).unwrap();
        let once = stage.other("once");
        fs::create_dir(&once).unwrap();
        apply_to(&once, &flat);
        prop_assert_eq!(state(&once), without_set_id(state(&stage.a())), "{:?} {:?}", before, after);
        let mut sorted = [crate::merge::members(&flat), crate::merge::members(&layer(&Snapshot::empty(), &once))];
        for lines in &mut sorted {
            lines.retain(|line| line != "./");
            lines.sort();
        }
        prop_assert_eq!(&sorted[0], &sorted[1]);
    }
}
