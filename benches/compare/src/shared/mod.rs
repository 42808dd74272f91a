//! Registries of several processes, with their blobs in an object store that is some milliseconds away: SeaweedFS behind a
//! [`Link`](crate::link::Link), and for wharf PostgreSQL.
//!
//! - *Counts*: what one push and one pull ask of the store and of the database, over links that count.
//! - *Beside distribution*: pushes and pulls of the same sizes by the same clients, in turns.
//! - *Processes by clients*: pushes and pulls a second with more processes and more clients.
//!
//! Clients are threads of this program and verify what they pull. Clients, registries, engines and links share the
//! cores.

mod beside;
mod client;
mod counts;
mod crowd;
mod engines;
pub mod image;

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::ensure;

use self::engines::{Engines, Kind};
use crate::peers::{self, Peers};

/// The measurement, and its length.
#[derive(Debug, Clone, Copy)]
pub struct Options<'a> {
    pub rounds: usize,
    /// From a request to the store to the first byte of its answer.
    pub latency: Duration,
    /// The time for each number of processes and clients and each work.
    pub seconds: f64,
    /// Parts of the names of what is measured; all without any.
    pub only: &'a [String],
}

/// Measures, and prints the tables.
pub fn compare(serve: &Path, peers: &Peers, options: Options<'_>) -> anyhow::Result<()> {
    for program in ["weed", "psql"] {
        ensure!(peers::on_path(program).is_some(), "{program} is not in PATH");
    }
    let wharf = Kind::wharf(serve);
    let others = peers.registries();
    let of = |redirects| {
        others
            .iter()
            .map(move |program| Kind::distribution(program, redirects))
    };
    println!("{}\n", versions(&others));
    let engines = Engines::start();
    let chosen =
        |name: &str| options.only.is_empty() || options.only.iter().any(|part| name.contains(part.as_str()));
    if chosen("counts") {
        let kinds: Vec<_> = [wharf.clone()].into_iter().chain(of(false)).collect();
        println!("{}", counts::table(&engines, &kinds)?);
    }
    if chosen("beside") {
        let kinds: Vec<_> = [wharf.clone()]
            .into_iter()
            .chain(of(false))
            .chain(of(true))
            .collect();
        beside::compare(&engines, &kinds, options)?;
    }
    if chosen("crowd") {
        println!("{}", crowd::table(&engines, &wharf, options)?);
    }
    Ok(())
}

/// The programs with their versions.
fn versions(others: &[PathBuf]) -> String {
    let stated = |name: &str| {
        let program = peers::on_path(name).unwrap_or_default();
        peers::version(&program)
    };
    let others = others
        .iter()
        .map(|program| format!("distribution {}", peers::version(program)));
    let mut named = vec![
        format!("wharf {}", peers::locked_version("wharf-content")),
        format!("PostgreSQL {}", stated("psql")),
        format!("SeaweedFS {}", stated("weed")),
    ];
    named.extend(others);
    named.join(", ")
}
