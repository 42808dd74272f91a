//! The directory on which a scenario is played.

use std::{
    fs, io,
    path::{Path, PathBuf},
    process::Command,
};

use tempfile::TempDir;

use crate::campaign;

/// A temporary directory with the files of a scenario in some state.
#[derive(Debug)]
pub struct Stage {
    directory: TempDir,
}

impl Stage {
    /// A new one, with what `fill` puts there.
    pub fn filled(fill: impl FnOnce(&Path)) -> Self {
        let stage = Self {
            directory: campaign::directory("wharf-faults-"),
        };
        fill(stage.path());
        stage
    }

    /// The directory.
    pub fn path(&self) -> &Path {
        self.directory.path()
    }

    /// A path below it, as text.
    pub fn text(&self, relative: &str) -> String {
        let path = self.path().join(relative);
        path.to_str().expect("temporary directories are UTF-8").to_owned()
    }

    /// The relative paths of all that is there but a log of strace, sorted.
    pub fn entries(&self) -> Vec<PathBuf> {
        let mut entries = Vec::new();
        list(self.path(), Path::new(""), &mut entries).expect("the stage can be read");
        entries.retain(|path| path != Path::new(super::trace::LOG));
        entries.sort();
        entries
    }

    /// Another one in the same state.
    #[must_use]
    pub fn copy(&self) -> Self {
        // With all that a file has, and that means something to a store or to a tree.
        Self::filled(|to| {
            let all = self.path().join(".");
            let copied = Command::new("cp").arg("-a").arg(all).arg(to).status();
            assert!(copied.expect("cp starts").success(), "the stage can be copied");
        })
    }
}

impl Drop for Stage {
    /// Removes what is in it. Directories that nobody may write to would stay, not as root.
    fn drop(&mut self) {
        if fs::remove_dir_all(self.path()).is_err() {
            let _ = Command::new("chmod")
                .args(["-R", "u+rwx"])
                .arg(self.path())
                .output();
        }
    }
}

fn list(root: &Path, relative: &Path, entries: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(root.join(relative))? {
        let entry = entry?;
        let path = relative.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            list(root, &path, entries)?;
        }
        entries.push(path);
    }
    Ok(())
}
