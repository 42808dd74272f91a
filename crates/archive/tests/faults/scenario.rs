//! What the workers write, over what, and what must come of it.

use std::path::Path;

use wharf_testkit::faults::{self, Refusal, Stage, block_on};

use crate::{verify, worker};

/// Where the images are written on the stage: a directory, and an archive.
pub(crate) const DIR: &str = "image";
pub(crate) const TAR: &str = "image.tar";

/// A state, and the steps that are disturbed.
pub(crate) struct Scenario {
    name: &'static str,
    /// Leads to the state: steps that are not disturbed, and damage that steps cannot do.
    before: &'static [&'static str],
    spoil: Option<fn(&Path)>,
    steps: &'static [&'static str],
    /// Whether the file system can exchange directories.
    exchanges: bool,
}

const fn scenario(
    name: &'static str,
    before: &'static [&'static str],
    steps: &'static [&'static str],
) -> Scenario {
    Scenario {
        name,
        before,
        spoil: None,
        steps,
        exchanges: true,
    }
}

const fn spoilt(spoil: fn(&Path), scenario: &Scenario) -> Scenario {
    Scenario {
        spoil: Some(spoil),
        ..*scenario
    }
}

const fn without_exchange(scenario: &Scenario) -> Scenario {
    Scenario {
        exchanges: false,
        ..*scenario
    }
}

pub(crate) const SCENARIOS: &[Scenario] = &[
    scenario("new directory", &[], &["dir image 1"]),
    spoilt(
        |root| std::fs::create_dir(root.join(DIR)).unwrap(),
        &scenario("empty directory", &[], &["dir image 1"]),
    ),
    scenario(
        "directory of an image",
        &["dir image 1"],
        &["dir image 2", "dir image 3"],
    ),
    without_exchange(&scenario(
        "directory that is renamed away",
        &["dir image 1"],
        &["dir image 2", "dir image 3"],
    )),
    spoilt(
        |root| std::fs::rename(root.join(DIR), root.join(".image.wharf-old")).unwrap(),
        &scenario(
            "directory whose replacement was cut off",
            &["dir image 1"],
            &["dir image 2"],
        ),
    ),
    spoilt(
        leave_directories,
        &scenario("litter of directories", &["dir image 1"], &["dir image 2"]),
    ),
    scenario(
        "blobs that arrive in parts",
        &["dir image 1"],
        &["dir-cut image 2", "dir-ingest image 3"],
    ),
    scenario("new archive", &[], &["tar image.tar 1"]),
    spoilt(
        |root| std::fs::write(root.join(TAR), "").unwrap(),
        &scenario("empty file", &[], &["tar image.tar 1"]),
    ),
    scenario(
        "archive that is replaced",
        &["tar image.tar 1"],
        &["tar-replace image.tar 2", "tar-replace image.tar 3"],
    ),
    without_exchange(&scenario(
        "file system with links alone",
        &[],
        &["tar image.tar 1"],
    )),
    spoilt(
        |root| std::fs::write(root.join(".image.tar.wharf-new"), "half").unwrap(),
        &scenario("litter of an archive", &[], &["tar image.tar 1"]),
    ),
    scenario(
        "archive of blobs without digests",
        &[],
        &["tar-ingest image.tar 1"],
    ),
    scenario(
        "archive of blobs that arrive in parts",
        &[],
        &["tar-cut image.tar 1"],
    ),
    scenario("archive of Docker's old form", &[], &["tar-legacy image.tar 1"]),
    scenario(
        "archive of Docker's old form of blobs that arrive in parts",
        &[],
        &["tar-legacy-cut image.tar 1"],
    ),
];

/// Writers of which each call is attempted once more if it fails.
pub(crate) const RETRIES: &[Scenario] = &[
    scenario(
        "archive of Docker's old form, with a second attempt at each call",
        &[],
        &["tar-legacy-again image.tar 1"],
    ),
    scenario(
        "directory, with a second attempt at each call",
        &["dir image 1"],
        &["dir-again image 2"],
    ),
    scenario(
        "archive, with a second attempt at each call",
        &[],
        &["tar-again image.tar 1"],
    ),
];

impl faults::Scenario for Scenario {
    fn name(&self) -> &str {
        self.name
    }

    fn stage(&self) -> Stage {
        let stage = Stage::filled(|_| {});
        for step in self.before {
            let done = block_on(worker::step(stage.path(), step));
            done.unwrap_or_else(|error| panic!("{}: {step}: {error}", self.name));
        }
        if let Some(spoil) = self.spoil {
            spoil(stage.path());
        }
        stage
    }

    fn steps(&self, stage: &Stage) -> Vec<String> {
        let steps = self.steps.iter().map(|step| (*step).to_owned());
        std::iter::once(stage.text("")).chain(steps).collect()
    }

    fn refusal(&self, stage: &Stage) -> Option<Refusal> {
        let paths = [DIR, TAR, ".image.wharf-new", ".image.tar.wharf-new"];
        (!self.exchanges).then(|| Refusal {
            call: "renameat2",
            error: "EINVAL",
            paths: paths.map(|path| stage.text(path)).to_vec(),
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

    /// The image that is there when so many steps are done.
    pub(crate) fn image_after(&self, done: usize) -> Option<u64> {
        let step = self.before.iter().chain(&self.steps[..done]).next_back()?;
        let (_, number) = step.rsplit_once(' ')?;
        number.parse().ok()
    }

    /// Whether the old image can be beside its path.
    pub(crate) fn displaces(&self) -> bool {
        !self.exchanges || self.name.contains("cut off")
    }
}

/// Directories of a writer that was killed while it removed what it had replaced.
fn leave_directories(root: &Path) {
    let new = root.join(".image.wharf-new");
    std::fs::create_dir_all(new.join("notes/more")).unwrap();
    std::fs::write(new.join("notes/more/file"), "text").unwrap();
    std::fs::write(new.join("version"), "half").unwrap();
    std::fs::create_dir_all(root.join(".image.wharf-old/notes")).unwrap();
}
