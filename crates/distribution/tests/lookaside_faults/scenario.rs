//! What the workers write, into which directory, and on which file system.

use std::{fs, path::Path};

use wharf_testkit::faults::{self, Refusal, Stage, block_on};

use crate::{verify, worker};

/// The name of a staging file, which the writer alone uses that runs at the time.
const STAGING: &str = ".signature-1.new";

/// A state, and the steps that are disturbed.
pub(crate) struct Scenario {
    name: &'static str,
    /// Leads to the state: a step that is not disturbed, and what steps cannot do.
    before: Option<&'static str>,
    spoil: fn(&Path),
    steps: &'static [&'static str],
    /// The call that the file system refuses, and its error.
    refused: Option<(&'static str, &'static str)>,
}

const fn scenario(
    name: &'static str,
    before: Option<&'static str>,
    steps: &'static [&'static str],
) -> Scenario {
    Scenario {
        name,
        before,
        spoil: |_| {},
        steps,
        refused: None,
    }
}

const fn spoilt(spoil: fn(&Path), scenario: &Scenario) -> Scenario {
    Scenario { spoil, ..*scenario }
}

const fn without(call: &'static str, error: &'static str, scenario: &Scenario) -> Scenario {
    Scenario {
        refused: Some((call, error)),
        ..*scenario
    }
}

pub(crate) const SCENARIOS: &[Scenario] = &[
    scenario("first signature, no directory", None, &["1"]),
    spoilt(
        |directory| fs::create_dir_all(directory).unwrap(),
        &scenario("first signature, empty directory", None, &["1"]),
    ),
    scenario("second signature", Some("1"), &["2"]),
    scenario("several at once", None, &["1 2 3"]),
    scenario("some that are there", Some("1 2"), &["2 3", "1 3 4"]),
    spoilt(
        foreign,
        &scenario("beside the signature of another program", None, &["1 2"]),
    ),
    without(
        "linkat",
        "EPERM",
        &scenario("file system without hard links", Some("1"), &["2"]),
    ),
    without(
        "renameat2",
        "EINVAL",
        &scenario("file system that renames only by replacing", Some("1"), &["2 3"]),
    ),
    spoilt(
        leave,
        &scenario("files of writers that were killed", Some("1"), &["2", "1 3"]),
    ),
];

impl faults::Scenario for Scenario {
    fn name(&self) -> &str {
        self.name
    }

    fn stage(&self) -> Stage {
        let stage = Stage::filled(|_| {});
        if let Some(step) = self.before {
            let done = block_on(worker::step(stage.path(), step));
            done.unwrap_or_else(|error| panic!("{}: {step}: {error}", self.name));
        }
        (self.spoil)(&stage.path().join(worker::directory()));
        stage
    }

    fn steps(&self, stage: &Stage) -> Vec<String> {
        let steps = self.steps.iter().map(|step| (*step).to_owned());
        std::iter::once(stage.text("")).chain(steps).collect()
    }

    fn refusal(&self, stage: &Stage) -> Option<Refusal> {
        let (call, error) = self.refused?;
        let staging = format!("{}/{STAGING}", worker::directory());
        Some(Refusal {
            call,
            error,
            paths: vec![stage.text(&staging)],
        })
    }

    fn verify(&self, stage: &Stage, acknowledged: usize, context: &str) {
        verify::stage(self, stage, acknowledged, context);
    }
}

impl Scenario {
    /// The steps that are disturbed.
    pub(crate) const fn disturbed(&self) -> &'static [&'static str] {
        self.steps
    }

    /// Whether a call is refused in each run.
    pub(crate) const fn has_refusal(&self) -> bool {
        self.refused.is_some()
    }

    /// The blobs that were there before, in their order.
    pub(crate) fn held_before(&self) -> Vec<Vec<u8>> {
        verify::files(&faults::Scenario::stage(self), self.name)
    }
}

/// A signature that was not written by this program.
fn foreign(directory: &Path) {
    fs::create_dir_all(directory).unwrap();
    fs::write(directory.join("signature-1"), b"\x90 of another program").unwrap();
}

/// The files that writers leave which are killed after the creation, in the middle, and between the two names.
fn leave(directory: &Path) {
    fs::write(directory.join(STAGING), b"").unwrap();
    fs::write(directory.join(".signature-2.new"), &worker::blob(2)[..100]).unwrap();
    fs::hard_link(directory.join("signature-1"), directory.join(".signature-77.new")).unwrap();
}
