//! Hosts built in temporary directories.

use std::{fs, path::Path};

use tempfile::TempDir;
use wharf_config::{Candidate, Intent, Locations, Registries, Resolve, Role};
use wharf_reference::Reference;

/// A directory that stands for the root of a host.
pub(crate) struct Host {
    dir: TempDir,
}

impl Host {
    pub(crate) fn new(files: &[(&str, &str)]) -> Self {
        let host = Self {
            dir: TempDir::new().unwrap(),
        };
        for (path, text) in files {
            host.write(path, text);
        }
        host
    }

    pub(crate) fn write(&self, path: &str, text: &str) {
        let path = self.path(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    pub(crate) fn path(&self, path: &str) -> std::path::PathBuf {
        self.dir.path().join(path)
    }

    pub(crate) fn root(&self) -> &Path {
        self.dir.path()
    }

    pub(crate) fn locations(&self) -> Locations {
        Locations::rooted(self.root())
    }
}

/// The candidates of a name as `[mirror ]repository[ insecure][ blocked]`, or the error as it prints.
pub(crate) fn candidates(registries: &Registries, reference: &str) -> Vec<String> {
    let reference = Reference::parse(reference).unwrap();
    candidates_for(registries, &reference, Intent::pull(&reference))
}

pub(crate) fn candidates_for(registries: &Registries, reference: &Reference, intent: Intent) -> Vec<String> {
    match registries.resolve(&reference.repository(), intent) {
        Ok(candidates) => candidates.iter().map(describe).collect(),
        Err(error) => vec![format!("error: {error}")],
    }
}

fn describe(candidate: &Candidate) -> String {
    let mut text = candidate.repository.to_string();
    if candidate.role == Role::Mirror {
        text.insert_str(0, "mirror ");
    }
    if candidate.tls == wharf_config::TlsMode::Insecure {
        text.push_str(" insecure");
    }
    if candidate.blocked.is_some() {
        text.push_str(" blocked");
    }
    text
}
