//! Checks of the tree after a fault.

use std::{collections::BTreeSet, fs, path::Path, process::Command};

use wharf_content::ErrorKind;
use wharf_testkit::faults::Stage;

use crate::{
    images,
    manifest::manifest,
    scenario::{Kind, Scenario},
    worker::{self, BEFORE, CHANGED, LAYOUT, ROOT},
};

/// A directory beside the root, which nothing may change.
pub(crate) const OUTSIDE: &str = "outside";
/// The start of the names of directories in which a root is unpacked.
pub(crate) const HIDDEN: &str = ".wharf-unpack-";

/// After a disturbance: what is there is what the documentation says, nothing outside has changed, a step that was
/// reported as done has come to its end, and the steps can be done again.
pub(crate) fn stage(scenario: &Scenario, stage: &Stage, acknowledged: usize, context: &str) {
    let path = stage.path();
    let canary = fs::read_to_string(path.join(OUTSIDE).join("canary"));
    assert_eq!(canary.unwrap(), "alive", "{context}");
    assert_eq!(fs::read_dir(path.join(OUTSIDE)).unwrap().count(), 1, "{context}");
    let is_done = acknowledged == scenario.steps.len();
    match scenario.kind {
        Kind::Applied => {
            if is_done {
                assert_whole(scenario, path, context);
            }
            remove(&path.join(ROOT));
        }
        Kind::Unpacked => {
            let found = manifest(&path.join(ROOT));
            if is_done || found.len() != scenario.names_before() {
                assert_whole(scenario, path, context);
                remove(&path.join(ROOT));
            }
        }
        Kind::Committed => {
            committed(path, is_done, context);
        }
    }
    assert_names(path, true, context);
    scenario.repeat(path, context);
    if scenario.kind == Kind::Committed {
        committed(path, true, context);
    } else {
        assert_whole(scenario, path, context);
    }
    assert_names(path, false, context);
}

fn assert_whole(scenario: &Scenario, stage: &Path, context: &str) {
    let found = manifest(&stage.join(ROOT));
    for (found, expected) in found.iter().zip(scenario.whole()) {
        assert_eq!(found, expected, "{context}");
    }
    assert_eq!(found.len(), scenario.whole().len(), "{context}: {found:?}");
}

/// The image of the name is the changed tree; without the name, there is no image.
fn committed(stage: &Path, is_done: bool, context: &str) {
    let changed = manifest(&stage.join(ROOT)).join("\n");
    let expected = fs::read_to_string(stage.join(CHANGED)).unwrap();
    assert_eq!(changed, expected, "{context}: the tree is only read");
    let to = stage.join("unpacked");
    match worker::on_threads(worker::unpack_committed(stage.to_owned(), to.clone())) {
        Ok(()) => {
            assert_eq!(
                manifest(&to).join("\n"),
                expected,
                "{context}: the layer is the change"
            );
            remove(&to);
        }
        Err(error) if error.kind() == ErrorKind::NotFound && !is_done => {}
        Err(error) => panic!("{context}: {error}: {error:?}"),
    }
}

/// The names on the stage are those that the scenario has, and, if it is allowed, those of hidden directories.
fn assert_names(stage: &Path, hidden: bool, context: &str) {
    let known: BTreeSet<_> = [ROOT, OUTSIDE, BEFORE, CHANGED, LAYOUT, "trace"].into();
    for entry in fs::read_dir(stage).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        let is_known = known.contains(name.as_str()) || (hidden && name.starts_with(HIDDEN));
        assert!(is_known, "{context}: {name} is left");
    }
}

fn remove(tree: &Path) {
    if tree.exists() {
        if !images::is_root() {
            let opened = Command::new("chmod").args(["-R", "u+rwx"]).arg(tree).status();
            assert!(opened.unwrap().success());
        }
        fs::remove_dir_all(tree).unwrap();
    }
}
