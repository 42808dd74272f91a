//! What it costs to depend on wharf: crates in the tree, and a clean debug build.

use std::{collections::BTreeSet, env, fmt::Write as _, path::Path, process::Command};

use anyhow::ensure;

use crate::{
    measure::{Measured, measure},
    table::{processor, ratio, spread, wall},
};

/// Features of the package `cost-to-depend`, each of which brings what it is named after.
const DEPENDENCIES: [&str; 4] = ["wharf", "oci-client", "oci-client-with-ring", "wharf-reference"];

/// Builds a package that depends on each of them, `rounds` times in turns, each time from nothing and without
/// incremental compilation, as dependencies from a registry are built; a table.
pub fn compare(rounds: usize) -> anyhow::Result<String> {
    let fetched = cargo(&["fetch", "--locked"]).status()?;
    ensure!(fetched.success(), "cargo cannot fetch what is built");
    let mut runs = DEPENDENCIES.map(|_| Vec::new());
    for round in 0..rounds {
        for turn in 0..DEPENDENCIES.len() {
            let number = (round + turn) % DEPENDENCIES.len();
            runs[number].push(build(DEPENDENCIES[number])?);
        }
    }
    let mut text = String::from("### Cost to depend on it: clean debug builds\n\n");
    text +=
        "| dependency | crates | wall, s | processor, s | wharf's wall / its | wharf's processor / its |\n";
    text += "|---|---|---|---|---|---|\n";
    for (dependency, runs_of_it) in DEPENDENCIES.iter().zip(&runs) {
        let _ = writeln!(
            text,
            "| {dependency} | {} | {} | {} | {} | {} |",
            crates(dependency)?,
            spread(runs_of_it.iter().map(wall), 1),
            spread(runs_of_it.iter().map(processor), 1),
            ratio(&runs[0], runs_of_it, wall),
            ratio(&runs[0], runs_of_it, processor),
        );
    }
    Ok(text)
}

fn build(dependency: &str) -> anyhow::Result<Measured> {
    let directory = tempfile::tempdir()?;
    let mut command = cargo(&["build", "--quiet", "--locked", "--offline"]);
    command.args(["--package", "cost-to-depend", "--features", dependency]);
    command.arg("--target-dir").arg(directory.path());
    measure(&command)
}

/// How many crates it brings on this platform, itself included and build dependencies not.
fn crates(dependency: &str) -> anyhow::Result<usize> {
    let mut command = cargo(&["tree", "--locked", "--offline", "--edges", "normal"]);
    command.args(["--prefix", "none", "--format", "{p}"]);
    command.args(["--package", "cost-to-depend", "--features", dependency]);
    let output = command.output()?;
    ensure!(output.status.success(), "{command:?} failed");
    let text = String::from_utf8(output.stdout)?;
    let all: BTreeSet<(&str, &str)> = text
        .lines()
        .filter_map(|line| {
            let mut words = line.split_whitespace();
            Some((words.next()?, words.next()?))
        })
        .collect();
    Ok(all.len() - 1)
}

/// Cargo in this workspace, with no more of the environment than it needs.
fn cargo(arguments: &[&str]) -> Command {
    let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command
        .args(arguments)
        .current_dir(Path::new(env!("CARGO_MANIFEST_DIR")))
        .env_clear();
    for name in [
        "PATH",
        "HOME",
        "CARGO_HOME",
        "RUSTUP_HOME",
        "RUSTUP_TOOLCHAIN",
        "TMPDIR",
    ] {
        if let Some(value) = env::var_os(name) {
            command.env(name, value);
        }
    }
    command.env("CARGO_INCREMENTAL", "0");
    command
}
