//! Where the programs are that wharf is compared with, and which versions.

use std::{
    collections::BTreeMap,
    env,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, ensure};

/// The server that images are pulled from and pushed to: Debian's `docker-registry`, or a newer distribution.
pub const REGISTRY: &str = "registry";
/// The name of Debian's program for it.
pub const DOCKER_REGISTRY: &str = "docker-registry";
/// The server before the registry where HTTP/2 is measured.
pub const NGINX: &str = "nginx";
/// The programs that can be given.
const NAMES: [&str; 12] = [
    "skopeo",
    "crane",
    "regctl",
    "oras",
    "umoci",
    "podman",
    "buildah",
    "tar",
    NGINX,
    REGISTRY,
    DOCKER_REGISTRY,
    "olareg",
];

/// Paths that were given, and for the other programs `PATH`.
#[derive(Debug, Default)]
pub struct Peers(BTreeMap<String, PathBuf>);

impl Peers {
    /// The programs given as name and path.
    pub fn new(given: &[(String, PathBuf)]) -> anyhow::Result<Self> {
        let mut paths = BTreeMap::new();
        for (name, path) in given {
            ensure!(
                NAMES.contains(&name.as_str()),
                "{name} is none of {}",
                NAMES.join(", ")
            );
            let path = path
                .canonicalize()
                .with_context(|| format!("no program {}", path.display()))?;
            paths.insert(name.clone(), path);
        }
        Ok(Self(paths))
    }

    /// Reads `NAME=PATH`.
    pub fn parse(text: &str) -> Result<(String, PathBuf), String> {
        let (name, path) = text.split_once('=').ok_or("use NAME=PATH")?;
        Ok((name.to_owned(), path.into()))
    }

    /// The path of a program, if it is there.
    pub fn find(&self, name: &str) -> Option<PathBuf> {
        let given = self.0.get(name).cloned();
        let program = if name == REGISTRY { DOCKER_REGISTRY } else { name };
        given.or_else(|| on_path(program))
    }

    /// Docker's registry, and the newer one that was given.
    pub fn registries(&self) -> Vec<PathBuf> {
        let given = self.0.get(REGISTRY).cloned();
        self.find(DOCKER_REGISTRY).into_iter().chain(given).collect()
    }
}

/// The file in `PATH`, if there is one.
pub fn on_path(program: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path)
        .map(|folder| folder.join(program))
        .find(|file| file.is_file())
}

/// The version that a program states of itself: the first word of digits and dots that it prints.
pub fn version(program: &Path) -> String {
    let stated = ["--version", "version"].into_iter().find_map(|argument| {
        let output = Command::new(program).arg(argument).output().ok()?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        first_version(&text).filter(|_| output.status.success())
    });
    stated.unwrap_or_else(|| "of an unknown version".to_owned())
}

fn first_version(text: &str) -> Option<String> {
    let is_version = |word: &&str| {
        let digits = word.strip_prefix('v').unwrap_or(word);
        digits.starts_with(|first: char| first.is_ascii_digit()) && digits.contains('.')
    };
    text.split_whitespace()
        .find(is_version)
        .map(|word| word.trim_end_matches(',').to_owned())
}

/// The version of a package in the lock file of the comparison.
pub fn locked_version(package: &str) -> String {
    let lock = include_str!("../Cargo.lock");
    let name = format!("name = \"{package}\"");
    let mut lines = lock.lines().skip_while(|line| *line != name).skip(1);
    let version = lines.next().and_then(|line| line.split('"').nth(1));
    version.unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_is_found_in_what_programs_print() {
        for (printed, version) in [
            ("skopeo version 1.22.0-dev", Some("1.22.0-dev")),
            ("v0.21.9-11-g3f4ff3ca\n", Some("v0.21.9-11-g3f4ff3ca")),
            (
                "/x/registry github.com/distribution/distribution/v3 v3.1.1",
                Some("v3.1.1"),
            ),
            ("Version:    1.3.3\nGo version: go1.27.3", Some("1.3.3")),
            ("tar (GNU tar) 1.34\nCopyright", Some("1.34")),
            ("umoci version 0.6.0+dev\nimage spec: 1.1.1", Some("0.6.0+dev")),
            ("VCSTag: (devel)", None),
        ] {
            assert_eq!(first_version(printed).as_deref(), version, "{printed}");
        }
    }

    #[test]
    fn a_program_that_is_not_compared_is_refused() {
        let given = [("curl".to_owned(), PathBuf::from("/bin/sh"))];
        assert!(Peers::new(&given).is_err());
        assert_eq!(
            Peers::parse("crane=/x=y"),
            Ok(("crane".to_owned(), "/x=y".into()))
        );
        assert!(Peers::parse("crane").is_err());
    }

    #[test]
    fn the_lock_file_names_the_version_of_oci_client() {
        assert!(locked_version("oci-client").starts_with("0."));
    }
}
