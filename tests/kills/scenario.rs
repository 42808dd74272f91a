//! What the programs do, from what state, and what must come of it.

use std::path::{Path, PathBuf};

use tempfile::TempDir;
use wharf_testkit::{campaign, program};

use crate::registry::{Content, Hosted, NAME, copy_tree};

/// One use of a program.
pub(crate) struct Scenario {
    pub(crate) name: &'static str,
    pub(crate) program: &'static str,
    /// Whether the registry is written, and not the store.
    pub(crate) pushes: bool,
    all: bool,
    /// Whether the name leads to the old image before.
    pub(crate) moves: bool,
}

pub(crate) const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "pull",
        program: "pull",
        pushes: false,
        all: false,
        moves: false,
    },
    Scenario {
        name: "pull of all over an older image",
        program: "pull",
        pushes: false,
        all: true,
        moves: true,
    },
    Scenario {
        name: "copy to a store",
        program: "copy",
        pushes: false,
        all: true,
        moves: false,
    },
    Scenario {
        name: "push",
        program: "push",
        pushes: true,
        all: true,
        moves: false,
    },
    Scenario {
        name: "push over an older image",
        program: "push",
        pushes: true,
        all: true,
        moves: true,
    },
];

/// A store and a repository for one run.
pub(crate) struct Stage {
    directory: TempDir,
    /// Its path in the registry.
    pub(crate) repository: String,
    pub(crate) arguments: Vec<String>,
}

impl Stage {
    pub(crate) fn path(&self) -> &Path {
        self.directory.path()
    }

    pub(crate) fn store(&self) -> PathBuf {
        self.path().join("store")
    }
}

impl Scenario {
    /// What the name stands for when the program is done.
    pub(crate) const fn content<'a>(&self, hosted: &'a Hosted) -> &'a Content {
        if self.all { &hosted.all } else { &hosted.amd64 }
    }

    /// The state before, for the run with this number.
    pub(crate) fn stage(&self, hosted: &Hosted, run: usize) -> Stage {
        let directory = campaign::directory("wharf-kills-");
        let store = directory.path().join("store");
        let store_text = store.to_str().expect("text");
        let repository = if self.pushes {
            format!("run/number{run}")
        } else {
            "lib/app".to_owned()
        };
        let reference = hosted.reference(&repository, "new");
        let docker = format!("docker://{reference}");
        let oci = format!("oci:{store_text}:{NAME}");
        let mut arguments = match self.program {
            "pull" => vec![reference.as_str(), "--store", store_text, "--name", NAME],
            "copy" => vec![docker.as_str(), oci.as_str()],
            _ => vec!["--store", store_text, NAME, reference.as_str()],
        };
        if self.pushes {
            copy_tree(&hosted.sandbox.path("new"), &store);
            if self.moves {
                hosted.push("old", &reference);
            }
        } else if self.moves {
            let old = hosted.reference("lib/app", "old");
            let pull = [old.as_str(), "--store", store_text, "--name", NAME];
            program::run(&hosted.sandbox, "pull", &pull).ok();
        }
        arguments.push("--quiet");
        if self.all {
            arguments.push("--all");
        } else {
            arguments.extend(["--platform", "linux/amd64"]);
        }
        Stage {
            arguments: arguments.into_iter().map(str::to_owned).collect(),
            directory,
            repository,
        }
    }
}
