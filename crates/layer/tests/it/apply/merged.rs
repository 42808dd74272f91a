//! Random stacks of layers, applied to a root and merged without one.

use proptest::prelude::*;
use wharf_layer::{Devices, Merged, tar::Member};

use super::{Stage, Way, directory, fifo, file, hard_link, layer, options, symlink};

pub(super) type Part = (Member, &'static [u8]);

fn name() -> impl Strategy<Value = String> {
    prop::collection::vec(prop::sample::select(vec!["a", "b", "c"]), 1..4).prop_map(|parts| parts.join("/"))
}

/// Targets that lead to names of the tree, out of it, nowhere and in circles.
fn target() -> impl Strategy<Value = String> {
    let prefix = prop::sample::select(vec!["", "/", "../", "./", "/../"]);
    (prefix, name()).prop_map(|(prefix, name)| format!("{prefix}{name}"))
}

pub(super) fn part() -> impl Strategy<Value = Part> {
    let whiteout = |name: String| {
        let (parent, leaf) = name.rsplit_once('/').unwrap_or((".", &name));
        file(&format!("{parent}/.wh.{leaf}"), "")
    };
    prop_oneof![
        4 => (name(), prop::sample::select(vec!["", "1", "22"])).prop_map(|(name, content)| file(&name, content)),
        3 => name().prop_map(|name| directory(&name)),
        3 => (name(), target()).prop_map(|(name, target)| symlink(&name, &target)),
        2 => (name(), name()).prop_map(|(name, target)| hard_link(&name, &target)),
        1 => name().prop_map(|name| fifo(&name)),
        2 => name().prop_map(whiteout),
        1 => name().prop_map(|name| file(&format!("{name}/.wh..wh..opq"), "")),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    /// A stack that can be applied can be merged, and no other; and what is written applies to the same tree.
    #[test]
    fn a_merged_stack_is_the_stack_that_was_applied(stack in prop::collection::vec(prop::collection::vec(part(), 0..8), 1..5)) {
        let options = options().with_devices(Devices::Create);
        let stage = Stage::new(Way::Kernel);
        let mut merged = Merged::new();
        let mut layers = Vec::new();
        for members in &stack {
            let layer = layer(members);
            let applied = stage.apply_with(&layer, &options);
            let added = merged.add(layer.as_slice());
            prop_assert_eq!(
                applied.as_ref().err().map(wharf_layer::Error::kind),
                added.as_ref().err().map(wharf_layer::Error::kind),
                "{:?} {:?} {:?}", stack, applied, added
            );
            if applied.is_err() {
                return Ok(());
            }
            layers.push(layer);
        }
        let mut flat = Vec::new();
        merged.write(&mut flat, |layer| Ok(layers[layer].as_slice())).unwrap();
        let once = Stage::new(Way::Kernel);
        once.apply_with(&flat, &options).unwrap();
        prop_assert_eq!(stage.tree(), once.tree(), "{:?}", stack);
        prop_assert_eq!(stage.links(), once.links(), "{:?}", stack);
    }
}
