//! Random stacks of layers, unpacked here and by others.
//!
//! All stacks are in one image, each in a directory of its own, as the others take their time to begin.

use std::{
    collections::HashSet,
    fmt::Write as _,
    path::{Path, PathBuf},
};

use proptest::{prelude::*, strategy::ValueTree as _, test_runner::TestRunner};
use wharf_layer::{
    Merged,
    tar::{Kind, Member, Time},
};
use wharf_testkit::{Sandbox, require_peers};

use super::{
    Stage, Way, is_root, layer,
    merged::{Part, part},
    unpacked_by_podman, unpacked_by_umoci, write_layout,
};
use crate::diff::state;

type Stack = Vec<Vec<Part>>;

/// Stacks that can be applied, the same ones each time. `shape` makes each layer of a random one.
fn stacks(count: usize, shape: impl Fn(Vec<Part>) -> Vec<Part>) -> Vec<Stack> {
    let mut runner = TestRunner::deterministic();
    let stack = prop::collection::vec(prop::collection::vec(part(), 0..8), 1..5);
    let mut stacks = Vec::new();
    while stacks.len() < count {
        let stack = stack.new_tree(&mut runner).unwrap().current();
        let stack: Stack = stack.into_iter().map(&shape).collect();
        let mut merged = Merged::new();
        if stack
            .iter()
            .all(|members| merged.add(layer(members).as_slice()).is_ok())
        {
            stacks.push(stack);
        }
    }
    stacks
}

/// A member as one below the directory of a stack, with attributes that its number tells.
fn below(stack: usize, number: usize, (member, content): &Part) -> Part {
    let name = [format!("{stack}/").as_bytes(), member.name()].concat();
    let kind = match member.kind() {
        Kind::HardLink { target } => Kind::HardLink {
            target: [format!("{stack}/").as_bytes(), target].concat(),
        },
        // Its directory is the root of no image here, which is where `..` would end.
        Kind::Symlink { target } => {
            let parts = target.split(|byte| *byte == b'/').filter(|part| *part != b"..");
            let target = parts.collect::<Vec<_>>().join(&b'/');
            let root = format!("/{stack}");
            Kind::Symlink {
                target: if target.starts_with(b"/") {
                    [root.as_bytes(), &target].concat()
                } else {
                    target
                },
            }
        }
        kind => kind.clone(),
    };
    let modes = [0o644, 0o755, 0o600, 0o4755, 0o555, 0o1777];
    let member = Member::new(name, kind)
        .unwrap()
        .with_mode(modes[number % modes.len()])
        .with_owner(number as u64 % 3, number as u64 % 5)
        .with_modified(Time::new(1_000_000 + i64::try_from(number).unwrap(), 0));
    (member, *content)
}

/// The layers of all stacks.
fn layers(stacks: &[Stack]) -> Vec<Vec<u8>> {
    let height = stacks.iter().map(Vec::len).max().unwrap_or_default();
    let layers = (0..height).map(|height| {
        let members = stacks.iter().enumerate().flat_map(|(stack, layers)| {
            let members = layers.get(height).into_iter().flatten();
            members
                .enumerate()
                .map(move |(number, part)| below(stack, number + 10 * height, part))
        });
        layer(&members.collect::<Vec<_>>())
    });
    layers.collect()
}

/// The state of a stack's directory. The times of directories, of which some are stated by no layer, are left out.
fn lines(root: &Path, stack: usize) -> Vec<String> {
    let directory = root.join(stack.to_string());
    if !directory.is_dir() {
        return Vec::new();
    }
    let line = |line: String| {
        let mut words: Vec<&str> = line.split(' ').collect();
        if words[1].starts_with('4') {
            words.remove(3);
        }
        words.join(" ")
    };
    state(&directory).into_iter().map(line).collect()
}

fn assert_alike(stacks: &[Stack], theirs: impl Fn(&Sandbox) -> PathBuf) {
    let layers = layers(stacks);
    let sandbox = Sandbox::new();
    write_layout(&sandbox.path("layout"), &layers);
    let theirs = theirs(&sandbox);
    let stage = Stage::new(Way::Kernel);
    for layer in &layers {
        stage.apply(layer).unwrap();
    }
    let mut other = String::new();
    for (number, stack) in stacks.iter().enumerate() {
        let (ours, theirs) = (lines(&stage.root(), number), lines(&theirs, number));
        if ours != theirs {
            write!(other, "{stack:?}\n  ours {ours:#?}\n  theirs {theirs:#?}\n").unwrap();
        }
    }
    assert!(other.is_empty(), "they were unpacked otherwise:\n{other}");
}

#[test]
fn umoci_unpacks_random_stacks_alike() {
    require_peers!("umoci");
    if !is_root() {
        println!("skipped: others change owners as root alone");
        return;
    }
    assert_alike(&stacks(300, |layer| layer), unpacked_by_umoci);
}

/// The layer with the directories that lead to its members, as builders write it.
fn with_parents(layer: Vec<Part>) -> Vec<Part> {
    let mut names = HashSet::new();
    let mut members = Vec::new();
    for (member, content) in layer {
        let name = member.name().to_vec();
        let slashes = name.iter().enumerate().filter(|(_, byte)| **byte == b'/');
        for (slash, _) in slashes {
            if names.insert(name[..slash].to_vec()) {
                members.push((Member::directory(&name[..slash]).unwrap(), &b""[..]));
            }
        }
        if names.insert(name) {
            members.push((member, content));
        }
    }
    members
}

/// True for a stack that Podman unpacks otherwise, or refuses: a layer has a name twice, hides or replaces what it has
/// made, has members below a symbolic link, or whiteouts below a file.
fn is_other_for_podman(stack: &Stack) -> bool {
    let is_below = |name: &[u8], above: &[u8]| {
        name.strip_prefix(above)
            .is_some_and(|rest| rest.starts_with(b"/"))
    };
    let of_layer = |layer: &Vec<Part>| {
        let names: Vec<&[u8]> = layer.iter().map(|(member, _)| member.name()).collect();
        let hides_own = |name: &&[u8]| {
            let name: &[u8] = name;
            let text = String::from_utf8_lossy(name).replacen(".wh.", "", 1);
            text.as_bytes() != name
                && names
                    .iter()
                    .any(|own| *own == text.as_bytes() || is_below(own, text.as_bytes()))
        };
        let replaces_own = layer.iter().any(|(member, _)| {
            let below = || names.iter().any(|own| is_below(own, member.name()));
            *member.kind() != Kind::Directory && below()
        });
        names.iter().any(hides_own) || replaces_own
    };
    let members = || stack.iter().flatten().map(|(member, _)| member);
    // A symbolic link with members, or targets of hard links, below it; a file with whiteouts below it.
    let misleads = |above: &Member| {
        members().any(|member| {
            let targets_below = match member.kind() {
                Kind::HardLink { target } => is_below(target, above.name()) || target == above.name(),
                _ => false,
            };
            let is_whiteout = member.name().windows(4).any(|bytes| bytes == b".wh.");
            match above.kind() {
                Kind::Directory => false,
                Kind::Symlink { .. } => targets_below || is_below(member.name(), above.name()),
                _ => is_whiteout && is_below(member.name(), above.name()),
            }
        })
    };
    stack.iter().any(of_layer) || members().any(misleads)
}

#[test]
fn podman_unpacks_random_stacks_alike() {
    require_peers!("podman");
    if !is_root() {
        println!("skipped: others change owners as root alone");
        return;
    }
    let stacks = stacks(300, with_parents).into_iter();
    let (other, alike): (Vec<Stack>, Vec<Stack>) = stacks.partition(is_other_for_podman);
    println!("{} stacks are compared, and {} are not", alike.len(), other.len());
    assert!(alike.len() > other.len());
    assert_alike(&alike, unpacked_by_podman);
}
