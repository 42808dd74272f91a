//! Random stacks of layers against a model without a file system.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
};

use proptest::prelude::*;
use wharf_layer::tar::Member;

use super::{Stage, WAYS, directory, fifo, file, hard_link, layer, symlink};

#[derive(Debug, Clone)]
enum Step {
    File(String, &'static str),
    Directory(String),
    Symlink(String),
    Fifo(String),
    HardLink(String, String),
    Whiteout(String),
    Opaque(String),
}

impl Step {
    fn member(&self) -> (Member, &'static [u8]) {
        let inside = |directory: &str, leaf: &str| match directory {
            "" => leaf.to_owned(),
            directory => format!("{directory}/{leaf}"),
        };
        match self {
            Self::File(name, content) => file(name, content),
            Self::Directory(name) => directory(name),
            Self::Symlink(name) => symlink(name, "nowhere"),
            Self::Fifo(name) => fifo(name),
            Self::HardLink(name, target) => hard_link(name, target),
            Self::Whiteout(name) => {
                let (parent, leaf) = name.rsplit_once('/').unwrap_or(("", name));
                file(&inside(parent, &format!(".wh.{leaf}")), "")
            }
            Self::Opaque(name) => file(&inside(name, ".wh..wh..opq"), ""),
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Node {
    Directory,
    /// Anything else, as a line of a tree shows it.
    Leaf(String),
}

/// The paths of a tree, by their text alone.
#[derive(Debug, Default)]
struct Model {
    nodes: BTreeMap<String, Node>,
    /// The paths that the layer under way has made or stated.
    made: BTreeSet<String>,
}

/// The layer cannot be applied.
#[derive(Debug, PartialEq, Eq)]
struct Refused;

fn is_below(path: &str, directory: &str) -> bool {
    directory.is_empty()
        || path
            .strip_prefix(directory)
            .is_some_and(|rest| rest.starts_with('/'))
}

impl Model {
    fn apply(&mut self, steps: &[Step]) -> Result<(), Refused> {
        self.made.clear();
        for step in steps {
            match step {
                Step::File(name, content) => self.put(name, Node::Leaf(format!(" = {content}")))?,
                Step::Directory(name) => self.put(name, Node::Directory)?,
                Step::Symlink(name) => self.put(name, Node::Leaf(" -> nowhere".to_owned()))?,
                Step::Fifo(name) => self.put(name, Node::Leaf(" fifo".to_owned()))?,
                Step::HardLink(name, target) => {
                    self.parents(name)?;
                    match self.nodes.get(target).cloned() {
                        Some(node @ Node::Leaf(_)) if target != name && !is_below(target, name) => {
                            self.put(name, node)?;
                        }
                        _ => return Err(Refused),
                    }
                }
                Step::Whiteout(name) => self.hide(name, true),
                Step::Opaque(name) => self.hide(name, false),
            }
        }
        Ok(())
    }

    fn parents(&mut self, name: &str) -> Result<(), Refused> {
        for (slash, _) in name.match_indices('/') {
            let parent = &name[..slash];
            match self.nodes.get(parent) {
                None => {
                    self.nodes.insert(parent.to_owned(), Node::Directory);
                    self.made.insert(parent.to_owned());
                }
                Some(Node::Directory) => {}
                Some(Node::Leaf(_)) => return Err(Refused),
            }
        }
        Ok(())
    }

    fn put(&mut self, name: &str, node: Node) -> Result<(), Refused> {
        self.parents(name)?;
        if node != Node::Directory || self.nodes.get(name) != Some(&Node::Directory) {
            self.nodes.retain(|path, _| path != name && !is_below(path, name));
            self.made.retain(|path| !is_below(path, name));
            self.nodes.insert(name.to_owned(), node);
        }
        self.made.insert(name.to_owned());
        Ok(())
    }

    /// Hides what lower layers have at a path, or only below it.
    fn hide(&mut self, name: &str, itself: bool) {
        let hidden: Vec<String> = self
            .nodes
            .keys()
            .filter(|path| is_below(path, name))
            .cloned()
            .collect();
        let itself = self
            .nodes
            .keys()
            .filter(|path| itself && *path == name)
            .cloned()
            .collect::<Vec<_>>();
        for path in hidden.into_iter().chain(itself).rev() {
            let kept = self.made.contains(&path) || self.made.iter().any(|made| is_below(made, &path));
            if !kept {
                self.nodes.remove(&path);
            }
        }
    }

    fn tree(&self) -> Vec<String> {
        let line = |(path, node): (&String, &Node)| match node {
            Node::Directory => format!("{path}/"),
            Node::Leaf(what) => format!("{path}{what}"),
        };
        let mut lines: Vec<String> = self.nodes.iter().map(line).collect();
        lines.sort();
        lines
    }
}

fn name() -> impl Strategy<Value = String> {
    prop::collection::vec(prop::sample::select(vec!["a", "b", "c"]), 1..4).prop_map(|parts| parts.join("/"))
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (name(), prop::sample::select(vec!["1", "2", "3"])).prop_map(|(name, content)| Step::File(name, content)),
        3 => name().prop_map(Step::Directory),
        // No other name leads through it: what follows a link is another test.
        1 => name().prop_map(|name| Step::Symlink(format!("{name}/link"))),
        1 => name().prop_map(Step::Fifo),
        1 => (name(), name()).prop_map(|(name, target)| Step::HardLink(name, target)),
        2 => name().prop_map(Step::Whiteout),
        1 => prop_oneof![name(), Just(String::new())].prop_map(Step::Opaque),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn a_stack_of_layers_is_what_the_model_says(layers in prop::collection::vec(prop::collection::vec(step(), 0..8), 1..5)) {
        for way in WAYS {
            let stage = Stage::new(way);
            let mut model = Model::default();
            for steps in &layers {
                let members: Vec<_> = steps.iter().map(Step::member).collect();
                let applied = stage.apply(&layer(&members));
                let expected = model.apply(steps);
                prop_assert_eq!(applied.is_ok(), expected.is_ok(), "{:?} {:?}", applied, steps);
                if expected.is_err() {
                    break;
                }
                let mut tree = stage.tree();
                tree.sort();
                prop_assert_eq!(tree, model.tree(), "{:?}", steps);
            }
        }
    }

    #[test]
    fn the_order_of_whiteouts_in_a_layer_does_not_matter(lower in prop::collection::vec(step(), 0..12), upper in prop::collection::vec(step(), 0..8)) {
        let is_whiteout = |step: &Step| matches!(step, Step::Whiteout(_) | Step::Opaque(_));
        let (first, second): (Vec<Step>, Vec<Step>) = upper.iter().cloned().partition(is_whiteout);
        let orders = [[first.as_slice(), &second].concat(), [second.as_slice(), &first].concat(), upper.clone()];
        let mut trees = Vec::new();
        for order in orders {
            let stage = Stage::new(super::Way::Kernel);
            let members = |steps: &[Step]| -> Vec<_> { steps.iter().map(Step::member).collect() };
            // A lower layer that is refused has left a tree, too.
            let _ = stage.apply(&layer(&members(&lower)));
            if stage.apply(&layer(&members(&order))).is_ok() {
                trees.push(stage.tree());
            }
        }
        let mut message = String::new();
        write!(message, "{lower:?} {upper:?}").unwrap();
        prop_assert!(trees.windows(2).all(|pair| pair[0] == pair[1]), "{}: {:?}", message, trees);
    }
}
