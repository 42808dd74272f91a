//! Real programs to compare with: started on free ports, in folders of their own.

#[cfg(unix)]
mod azurite;
#[cfg(unix)]
mod bucket;
mod docker_registry;
#[cfg(unix)]
mod moto;
#[cfg(unix)]
mod pgbouncer;
mod podman_service;
#[cfg(unix)]
mod postgresql;
mod sandbox;
#[cfg(unix)]
mod seaweedfs;
#[cfg(unix)]
mod supervised;

use std::{fs, path::PathBuf};

#[cfg(unix)]
pub use azurite::Azurite;
pub use docker_registry::{DockerRegistry, DockerRegistryBuilder};
#[cfg(unix)]
pub use moto::Moto;
#[cfg(unix)]
pub use pgbouncer::PgBouncer;
pub use podman_service::PodmanService;
#[cfg(unix)]
pub use postgresql::{PostgreSql, PostgreSqlBuilder};
pub use sandbox::{Output, Sandbox, Tool};
#[cfg(unix)]
pub use seaweedfs::SeaweedFs;

/// Set to `1`, a missing peer fails the test instead of skipping it.
const REQUIRE: &str = "WHARF_REQUIRE_PEERS";

/// Ends the test, with a printed reason, unless all these programs are installed; fails it instead if
/// `WHARF_REQUIRE_PEERS=1`.
///
/// ```no_run
/// wharf_testkit::require_peers!("skopeo", "docker-registry");
/// ```
#[macro_export]
macro_rules! require_peers {
    ($($program:expr),+ $(,)?) => {
        if !$crate::peers_present(&[$($program),+]) {
            return;
        }
    };
}

/// Whether all these programs are installed; prints which are not. Panics instead if
/// `WHARF_REQUIRE_PEERS=1`. Use [`require_peers!`](crate::require_peers).
pub fn peers_present(programs: &[&str]) -> bool {
    let missing = missing(programs);
    if missing.is_empty() {
        return true;
    }
    skip(&format!("not installed: {}", missing.join(", ")));
    false
}

fn missing<'a>(programs: &[&'a str]) -> Vec<&'a str> {
    let missing = programs.iter().copied().filter(|name| find(name).is_none());
    missing.collect()
}

/// Whether all these programs, which a machine need not have, are installed; prints which are not. Unlike
/// [`peers_present`] it never panics: no package of Debian has them.
pub fn optional_peers_present(programs: &[&str]) -> bool {
    let missing = missing(programs);
    if !missing.is_empty() {
        eprintln!("skipped: not installed: {}", missing.join(", "));
    }
    missing.is_empty()
}

/// Prints why a test is skipped; the test returns then. Panics instead if `WHARF_REQUIRE_PEERS=1`.
pub fn skip(reason: &str) {
    assert!(
        std::env::var(REQUIRE).as_deref() != Ok("1"),
        "{reason}, and {REQUIRE}=1"
    );
    eprintln!("skipped: {reason}");
}

/// The program's path, searched in `PATH` and, since Debian has the programs of a server elsewhere, in the
/// directories of PostgreSQL's versions.
pub(crate) fn find(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    let versions = fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .flatten();
    std::env::split_paths(&path)
        .chain(versions.map(|version| version.path().join("bin")))
        .map(|folder| folder.join(program))
        .find(|file| file.is_file())
}
