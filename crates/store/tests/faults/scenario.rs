//! What the workers do, from what state, and what must come of it.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
};

use tempfile::TempDir;
use wharf_testkit::campaign;

use crate::worker;

/// A store in some state, and the steps that are disturbed.
pub(crate) struct Scenario {
    pub(crate) name: &'static str,
    /// What leads to the state, undisturbed.
    before: &'static [&'static str],
    /// Makes damage that steps cannot make.
    spoil: Option<fn(&Path)>,
    pub(crate) steps: &'static [&'static str],
}

pub(crate) const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "first pull",
        before: &[],
        spoil: None,
        steps: &["pull 1 a"],
    },
    Scenario {
        name: "continued pull",
        before: &["cut 1"],
        spoil: None,
        steps: &["pull 1 a", "pull 2 b"],
    },
    Scenario {
        name: "pull in pieces",
        before: &["cut 2"],
        spoil: None,
        steps: &["scatter 1 a", "scatter 2 b"],
    },
    Scenario {
        name: "ingest",
        before: &["pull 1 a"],
        spoil: None,
        steps: &["ingest 2 b", "ingest 1 c"],
    },
    Scenario {
        name: "names",
        before: &["pull 1 a", "pull 2 b"],
        spoil: None,
        steps: &["tag 1 c", "tag 2 a", "untag b", "pull 1 a", "remove c"],
    },
    Scenario {
        name: "collect",
        before: &[
            "pull 1 a", "pull 2 b", "pull 3 c", "cut 4", "remove b", "remove c",
        ],
        spoil: Some(leave_litter),
        steps: &["collect", "pull 2 b"],
    },
    Scenario {
        name: "prune",
        before: &["pull 1 a", "pull 2 a"],
        spoil: None,
        steps: &["prune", "pull 1 a"],
    },
    Scenario {
        name: "repair",
        before: &["pull 1 a"],
        spoil: Some(damage),
        steps: &["repair", "pull 1 a"],
    },
    Scenario {
        name: "mount",
        before: &["pull 1 a"],
        spoil: Some(make_neighbour),
        steps: &["mount 2 b ../neighbour"],
    },
    Scenario {
        name: EXCLUSIVE,
        before: &["receive 3"],
        spoil: None,
        steps: &["receive 1", "receive 2", "drop 3", "receive 1"],
    },
];

/// The scenario in which a program keeps the layout.
pub(crate) const EXCLUSIVE: &str = "exclusive";

/// A directory with the store of a scenario in it.
pub(crate) struct Stage {
    directory: TempDir,
}

impl Stage {
    fn empty() -> Self {
        Self {
            directory: campaign::directory("wharf-faults-"),
        }
    }

    pub(crate) fn path(&self) -> &Path {
        self.directory.path()
    }

    pub(crate) fn store(&self) -> PathBuf {
        self.path().join("store")
    }

    /// Another one in the same state.
    pub(crate) fn copy(&self) -> Self {
        Self::filled(|to| copy_tree(self.path(), to))
    }

    /// Another one, with what `fill` puts there.
    pub(crate) fn filled(fill: impl FnOnce(&Path)) -> Self {
        let stage = Self::empty();
        fill(stage.path());
        stage
    }
}

impl Scenario {
    /// The state before the steps.
    pub(crate) fn stage(&self) -> Stage {
        let stage = Stage::empty();
        self.done(&stage, self.before);
        if let Some(spoil) = self.spoil {
            spoil(&stage.store());
        }
        stage
    }

    fn done(&self, stage: &Stage, steps: &[&str]) {
        for step in steps {
            let done = crate::verify::block_on(worker::step(&stage.store(), &absolute(step, stage)));
            done.unwrap_or_else(|error| panic!("{}: {step}: {error}", self.name));
        }
    }

    /// The steps, for a store on this stage.
    pub(crate) fn steps(&self, stage: &Stage) -> Vec<String> {
        self.steps.iter().map(|step| absolute(step, stage)).collect()
    }

    /// Which names point where when so many steps are done.
    pub(crate) fn names_after(&self, done: usize) -> BTreeMap<String, u64> {
        let mut names = BTreeMap::new();
        for step in self.before.iter().chain(&self.steps[..done]) {
            let words: Vec<&str> = step.split(' ').collect();
            match words[0] {
                "pull" | "scatter" | "ingest" | "tag" | "mount" => {
                    let _ = names.insert(words[2].to_owned(), words[1].parse().unwrap());
                }
                "untag" | "remove" => drop(names.remove(words[1])),
                "prune" => names.clear(),
                _ => {}
            }
        }
        names
    }
}

impl Scenario {
    /// What a program with an exclusive layout has received, and not dropped, when so many steps are done:
    /// numbers of images.
    pub(crate) fn received_after(&self, done: usize) -> BTreeSet<u64> {
        let mut received = BTreeSet::new();
        for step in self.before.iter().chain(&self.steps[..done]) {
            match step.split_once(' ') {
                Some(("receive", number)) => drop(received.insert(number.parse().unwrap())),
                Some(("drop", number)) => drop(received.remove(&number.parse().unwrap())),
                _ => {}
            }
        }
        received
    }
}

fn absolute(step: &str, stage: &Stage) -> String {
    step.replace(
        "../neighbour",
        stage.path().join("neighbour").to_str().expect("text"),
    )
}

/// What processes leave that were killed.
fn leave_litter(store: &Path) {
    std::fs::write(store.join(".wharf/leases/tmp-dead"), "sha256:00\n").unwrap();
    std::fs::write(store.join(".wharf/ingest/tmp-dead"), "cut").unwrap();
    std::fs::write(store.join(".wharf/index.json.new"), "{").unwrap();
}

fn damage(store: &Path) {
    let image = worker::image(1);
    let digest = image.manifest().layers()[0].digest();
    let path = store.join("blobs/sha256").join(digest.encoded());
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[0] ^= 1;
    std::fs::remove_file(&path).unwrap();
    std::fs::write(path, bytes).unwrap();
}

fn make_neighbour(store: &Path) {
    let neighbour = store.with_file_name("neighbour");
    crate::verify::block_on(worker::step(&neighbour, "pull 2 x")).unwrap();
}

/// Copies files with their modes and times, which mean something here.
fn copy_tree(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy_tree(&entry.path(), &target);
            continue;
        }
        let metadata = entry.metadata().unwrap();
        std::fs::write(&target, std::fs::read(entry.path()).unwrap()).unwrap();
        let file = std::fs::File::options().append(true).open(&target).unwrap();
        file.set_permissions(metadata.permissions()).unwrap();
        file.set_modified(metadata.modified().unwrap()).unwrap();
    }
}
