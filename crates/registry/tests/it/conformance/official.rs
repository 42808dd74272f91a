//! The official conformance program itself: the folder `conformance` of opencontainers/distribution-spec,
//! built with `go build`. No system packages it, so that a variable names it.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use wharf_registry::Registry;

use crate::served::{self, Server};

/// The program's path.
const PROGRAM: &str = "WHARF_CONFORMANCE_PROGRAM";

/// One way to run it.
#[derive(Debug, Clone, Copy)]
struct Setting {
    access: Access,
    /// Whether images are pushed, too, of which parts are missing.
    sparse: bool,
    /// Whether the program sends credentials again that it was asked for; else it is asked each time.
    keeps_credentials: bool,
}

/// How the registry knows its clients.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Access {
    Open,
    Basic,
    Bearer,
}

impl Setting {
    fn all() -> impl Iterator<Item = Self> {
        use Access::{Basic, Bearer, Open};
        let accesses = [(Open, true), (Basic, true), (Bearer, true), (Bearer, false)];
        accesses.into_iter().flat_map(|(access, keeps_credentials)| {
            [false, true].map(|sparse| Self {
                access,
                sparse,
                keeps_credentials,
            })
        })
    }

    fn configure(self, mut registry: Registry) -> Registry {
        registry = registry.with_sparse(self.sparse);
        if self.access != Access::Open {
            registry = registry.with_basic("ada", "secret");
        }
        if self.access == Access::Bearer {
            registry = registry.with_tokens();
        }
        registry
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_official_program_passes_and_skips_nothing() {
    let Some(program) = std::env::var_os(PROGRAM).map(PathBuf::from) else {
        eprintln!("skipped: {PROGRAM} does not name the official conformance program");
        return;
    };
    for setting in Setting::all() {
        let configure = |registry| setting.configure(registry);
        served::each(configure, async |server: &Server| {
            let passed = passes(&program, setting, server).await;
            eprintln!("{setting:?}: {passed} passed");
        })
        .await;
    }
}

async fn passes(program: &Path, setting: Setting, server: &Server) -> usize {
    let results = tempfile::tempdir().unwrap();
    let mut command = Command::new(program);
    command
        .env_clear()
        .current_dir(results.path())
        .env("OCI_VERSION", "dev")
        .env("OCI_TLS", "disabled")
        .env("OCI_REGISTRY", server.address().to_string())
        .env("OCI_DATA_SPARSE", setting.sparse.to_string())
        .env("OCI_CACHE_AUTH", setting.keeps_credentials.to_string());
    if setting.access != Access::Open {
        command.env("OCI_USERNAME", "ada").env("OCI_PASSWORD", "secret");
    }
    let output = tokio::task::spawn_blocking(move || command.output().unwrap());
    let output = output.await.unwrap();
    let report = String::from_utf8_lossy(&output.stdout);
    let complaints = String::from_utf8_lossy(&output.stderr);
    let counts = ["Pass", "FAIL", "Error", "Skip", "Disabled", "Total"].map(|name| count(&report, name));
    let [passed, others @ .., total] = counts;
    assert!(output.status.success(), "{complaints}");
    assert_eq!(others, [0; 4], "failed, errors, skipped, disabled\n{complaints}");
    assert!(passed > 900 && passed == total); // everything, and not what a filter left
    passed
}

/// A line of the report's summary: `  Pass..........................:        986`.
fn count(report: &str, name: &str) -> usize {
    let (_, summary) = report.split_once("OCI Conformance Result").expect("a summary");
    let line = summary
        .lines()
        .find_map(|line| line.trim().strip_prefix(name)?.split_once(':'));
    line.expect("a count").1.trim().parse().unwrap()
}
