//! The fault program: processes that share a registry are killed and stopped while clients push, pull, move tags and
//! delete through them, while each collects garbage, and while the database is restarted.
//!
//! It has three parts: `stalls`, in which a process is stopped at a step of a push or a collection until others have collected twice;
//! `directory`, where the store is a directory, and `s3`, where it is a server of S3, to which each process has requests of
//! which some fail, are refused or lose their answers.
//!
//! `cargo test -p wharf-registry-object --test faults` runs it for a while. Variables of the environment set how long:
//!
//! | variable | meaning | default |
//! |---|---|---|
//! | `WHARF_FAULTS_PART` | only the part of this name | all |
//! | `WHARF_FAULTS_STALLS` | a process is stopped at one step of so many | 8 |
//! | `WHARF_FAULTS_SECONDS` | how long the processes of the other parts are disturbed | 10 |
//! | `WHARF_FAULTS_SEED` | what is done to which process, what clients do, and which requests of a process fail; not when | from the clock, printed |
//!
//! Afterwards each manifest that was acknowledged is pulled from each process, byte for byte; the moves of each tag
//! must have one order that explains what was read; a check of the storage finds nothing; and nothing is left that no
//! repository links.
#![cfg(all(unix, feature = "aws", feature = "postgres"))]
#![expect(
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a test program reports by panicking"
)]

mod clients;
mod crowd;
mod engines;
#[path = "../it/stalls/gate.rs"]
#[expect(dead_code, reason = "other tests use more of it")]
mod gate;
mod http;
mod processes;
mod stalls;
#[path = "../common/store_faults.rs"]
#[expect(dead_code, reason = "other tests use more of it")]
mod store_faults;
mod verify;
mod worker;

use std::{
    sync::{Arc, atomic::Ordering},
    time::{Duration, Instant},
};

use wharf_testkit::{
    PostgreSql, Random, SeaweedFs,
    campaign::{directory, is_wanted, number, seed},
    faults::WORKER,
    peers_present,
};

use self::{crowd::Crowd, engines::Engines, processes::Processes};

/// The processes that share the registry.
const PROCESSES: usize = 4;
/// The clients that use it.
const CLIENTS: usize = 6;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.first().map(String::as_str) {
        Some(WORKER) => return worker::run(&arguments[1..], false),
        Some(stalls::WORKER) => return worker::run(&arguments[1..], true),
        _ => {}
    }
    if !is_wanted("faults", &arguments) || !peers_present(&["postgres", "psql"]) {
        return;
    }
    let seconds = number("WHARF_FAULTS_SECONDS").unwrap_or(10);
    let seed = seed("WHARF_FAULTS_SEED");
    println!("seed {seed}: repeat with WHARF_FAULTS_SECONDS={seconds} WHARF_FAULTS_SEED={seed}");
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build();
    let runtime = runtime.expect("a runtime");
    let only = std::env::var("WHARF_FAULTS_PART").ok();
    let is_part = |name: &str| only.as_deref().is_none_or(|only| only == name);
    if is_part("stalls") {
        let directory = directory("wharf-object-");
        let one_in = number("WHARF_FAULTS_STALLS").unwrap_or(8);
        let one_in = usize::try_from(one_in).expect("a number of steps");
        let begun = Instant::now();
        let stalls = runtime.block_on(stalls::run(directory.path(), one_in, &mut Random::new(seed)));
        println!("stalls: {stalls}; {:.1} s", begun.elapsed().as_secs_f64());
    }
    if is_part("directory") {
        let directory = directory("wharf-object-");
        let engines = |database| Engines::in_directory(database, directory.path());
        runtime.block_on(run("directory", engines, seconds, seed));
    }
    if is_part("s3") && peers_present(&[SeaweedFs::PROGRAM]) {
        let store = SeaweedFs::start();
        let engines = |database| Engines::in_bucket(database, &store);
        runtime.block_on(run("s3", engines, seconds, seed));
    }
}

async fn run(part: &str, engines: impl Fn(String) -> Engines, seconds: u64, seed: u64) {
    let begun = Instant::now();
    let server = Arc::new(PostgreSql::builder().start());
    let engines = engines(server.socket_url(&server.create_database()));
    let processes = Arc::new(Processes::start(&engines, seed, PROCESSES));
    processes.wait_for_all().await;
    let crowd = Arc::new(Crowd::new(Arc::clone(&processes)));
    let clients: Vec<_> = (0..CLIENTS)
        .map(|number| {
            let mut random = Random::new(seed ^ (number as u64 + 1));
            let crowd = Arc::clone(&crowd);
            tokio::spawn(async move { clients::run(&crowd, &mut random).await })
        })
        .collect();
    let disturbed = {
        let (processes, server) = (Arc::clone(&processes), Arc::clone(&server));
        let mut random = Random::new(seed);
        tokio::task::spawn_blocking(move || {
            processes.disturb(&server, Duration::from_secs(seconds), &mut random)
        })
    };
    let disturbances = disturbed.await.expect("no panic");
    crowd.is_over.store(true, Ordering::Relaxed);
    for client in clients {
        client.await.expect("no client has found what is wrong");
    }
    processes.wait_for_all().await;
    let found = verify::all(&crowd, &engines).await;
    assert_eq!(engines.has_server(), disturbances.met > 0, "only requests fail");
    println!(
        "{part}: {disturbances}; {}; {found}; {:.1} s",
        crowd.counts(),
        begun.elapsed().as_secs_f64()
    );
}
