//! Scenarios: the work, the tree that it changes, and the result that is right.

use std::{fs, path::Path, sync::OnceLock};

use wharf_layer::StagedRoot;
use wharf_testkit::faults::{self, Stage, block_on};

use crate::{
    manifest::manifest,
    verify,
    worker::{self, ROOT},
};

/// A state, and the steps that are disturbed.
pub(crate) struct Scenario {
    name: &'static str,
    /// Leads to the state: steps that are not disturbed, and what steps cannot do.
    before: &'static [&'static str],
    spoil: fn(&Path),
    pub(crate) steps: &'static [&'static str],
    pub(crate) kind: Kind,
    /// True if an empty directory is at the root before.
    is_empty: bool,
    /// The root when all is done.
    whole: OnceLock<Vec<String>>,
}

/// The promise of a scenario.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// The root has what was unpacked before the end, and one begins again with a new one.
    Applied,
    /// The root is whole, or what was there before.
    Unpacked,
    /// A name in a layout means the whole image, or nothing.
    Committed,
}

const fn scenario(
    name: &'static str,
    kind: Kind,
    before: &'static [&'static str],
    steps: &'static [&'static str],
) -> Scenario {
    Scenario {
        name,
        before,
        spoil: |_| {},
        steps,
        kind,
        is_empty: false,
        whole: OnceLock::new(),
    }
}

const fn spoilt(spoil: fn(&Path), mut scenario: Scenario) -> Scenario {
    scenario.spoil = spoil;
    scenario
}

const fn to_empty(mut scenario: Scenario) -> Scenario {
    scenario.is_empty = true;
    scenario
}

pub(crate) static SCENARIOS: [Scenario; 9] = [
    scenario("first layer", Kind::Applied, &[], &["lower"]),
    scenario("second layer", Kind::Applied, &["lower"], &["upper"]),
    scenario(
        "layers, names resolved by component",
        Kind::Applied,
        &[],
        &["lower by component", "upper by component"],
    ),
    scenario("staged root", Kind::Unpacked, &[], &["stage"]),
    scenario(
        "staged root that is closed",
        Kind::Unpacked,
        &[],
        &["stage closed"],
    ),
    scenario("image", Kind::Unpacked, &[], &["unpack"]),
    to_empty(scenario(
        "image to an empty directory",
        Kind::Unpacked,
        &[],
        &["unpack closed"],
    )),
    spoilt(
        leave,
        scenario(
            "image where a process was killed",
            Kind::Unpacked,
            &[],
            &["unpack"],
        ),
    ),
    scenario("commit", Kind::Committed, &["change"], &["commit"]),
];

impl faults::Scenario for Scenario {
    fn name(&self) -> &str {
        self.name
    }

    fn stage(&self) -> Stage {
        let stage = Stage::filled(|stage| {
            fs::create_dir(stage.join(verify::OUTSIDE)).unwrap();
            fs::write(stage.join(verify::OUTSIDE).join("canary"), "alive").unwrap();
        });
        for step in self.before {
            let done = block_on(worker::step(stage.path(), step));
            done.unwrap_or_else(|error| panic!("{}: {step}: {error}", self.name));
        }
        if self.is_empty {
            fs::create_dir(stage.path().join(ROOT)).unwrap();
        }
        (self.spoil)(stage.path());
        stage
    }

    fn steps(&self, stage: &Stage) -> Vec<String> {
        let steps = self.steps.iter().map(|step| (*step).to_owned());
        std::iter::once(stage.text("")).chain(steps).collect()
    }

    fn verify(&self, stage: &Stage, acknowledged: usize, context: &str) {
        verify::stage(self, stage, acknowledged, context);
    }
}

impl Scenario {
    /// Does the steps from the start.
    pub(crate) fn repeat(&self, stage: &Path, context: &str) {
        let before = if self.kind == Kind::Applied {
            self.before
        } else {
            &[]
        };
        for step in before.iter().chain(self.steps) {
            let again = block_on(worker::step(stage, step));
            again.unwrap_or_else(|error| panic!("{context}: {step} again: {error}: {error:?}"));
        }
    }

    /// The names below the root, itself included, that are there before.
    pub(crate) fn names_before(&self) -> usize {
        usize::from(self.is_empty)
    }

    /// The root when nothing has disturbed the steps.
    pub(crate) fn whole(&self) -> &[String] {
        self.whole.get_or_init(|| {
            let stage = faults::Scenario::stage(self);
            for step in self.steps {
                block_on(worker::step(stage.path(), step)).expect("nothing disturbs it");
            }
            manifest(&stage.path().join(ROOT))
        })
    }
}

/// The hidden directories of a process that was killed in the middle, and of one that was killed at its end.
fn leave(stage: &Path) {
    let staged = StagedRoot::create(stage.join(ROOT)).unwrap();
    let entries = fs::read_dir(stage).unwrap();
    let mut names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let hidden = names.find(|name| name.starts_with(verify::HIDDEN)).unwrap();
    drop(staged);
    for half in [
        stage.join(&hidden).join("root"),
        stage.join(format!("{hidden}-root")),
    ] {
        fs::create_dir_all(half.join("d/more")).unwrap();
        fs::write(half.join("d/more/file"), "half").unwrap();
    }
}
