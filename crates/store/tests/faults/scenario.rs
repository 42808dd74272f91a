//! What the workers do, from what state, and what must come of it.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
};

use wharf_testkit::faults::{self, Stage, block_on};

use crate::{verify, worker};

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

/// Where the store is on a stage.
pub(crate) fn store_on(stage: &Stage) -> PathBuf {
    stage.path().join("store")
}

impl faults::Scenario for Scenario {
    fn name(&self) -> &str {
        self.name
    }

    fn stage(&self) -> Stage {
        let stage = Stage::filled(|_| {});
        for step in self.before {
            let done = block_on(worker::step(&store_on(&stage), &absolute(step, &stage)));
            done.unwrap_or_else(|error| panic!("{}: {step}: {error}", self.name));
        }
        if let Some(spoil) = self.spoil {
            spoil(&store_on(&stage));
        }
        stage
    }

    fn steps(&self, stage: &Stage) -> Vec<String> {
        let steps = self.steps.iter().map(|step| absolute(step, stage));
        std::iter::once(stage.text("store")).chain(steps).collect()
    }

    fn verify(&self, stage: &Stage, acknowledged: usize, context: &str) {
        verify::store(self, stage, acknowledged, context);
    }
}

impl Scenario {
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
    step.replace("../neighbour", &stage.text("neighbour"))
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
    block_on(worker::step(&neighbour, "pull 2 x")).unwrap();
}
