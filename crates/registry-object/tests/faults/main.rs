//! The fault program: processes that share a registry are killed and stopped while clients push, pull, move tags and
//! delete through them, while each collects garbage, and while the database is restarted.
//!
//! It has five parts: `stalls`, in which a process is stopped at a step of a push, a mount, a delete or a collection until others have
//! collected twice, a step being a message to the database, or a request to a store that is a directory or a server of S3;
//! `releases`, in which processes are replaced by those of a later release, one by one; `outages`, in which the database or the server of
//! the store is stopped for longer than anything waits for it; `directory`, where the store is a directory, and `s3`, where it is a server of S3, to which each process has requests of
//! which some fail, are refused or lose their answers. The outages are waited for beside the other parts.
//!
//! `cargo test -p wharf-registry-object --test faults` runs it for a while. Variables of the environment set how long:
//!
//! | variable | meaning | default |
//! |---|---|---|
//! | `WHARF_FAULTS_PART` | only the part of this name | all |
//! | `WHARF_FAULTS_STALLS` | a process is stopped at one message to the database of so many, and one request to a store of a quarter as many | 16 |
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

mod client;
mod clients;
mod crowd;
mod engines;
#[path = "../it/stalls/gate.rs"]
mod gate;
mod http;
mod outages;
mod process;
mod processes;
mod releases;
mod stalls;
#[path = "../common/store_faults.rs"]
#[expect(dead_code, reason = "other tests use more of it")]
mod store_faults;
mod verify;
mod worker;

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use futures_util::future::{OptionFuture, join_all};
use wharf_testkit::{
    PostgreSql, Random, SeaweedFs,
    campaign::{directory, is_wanted, number, seed},
    peers_present,
};

use self::{
    crowd::Crowd,
    engines::{Engines, Release},
    outages::Stopped,
    processes::Processes,
    stalls::Steps,
    worker::Mode,
};

/// The processes that share the registry.
const PROCESSES: usize = 4;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let Some(mode) = arguments.first().and_then(|first| Mode::parse(first)) {
        return worker::run(&arguments[1..], mode);
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
    let start_store = |parts: &[&str]| {
        let is_needed = parts.iter().any(|part| is_part(part)) && peers_present(&[SeaweedFs::PROGRAM]);
        is_needed.then(SeaweedFs::start)
    };
    let (store, stopped) = (start_store(&["stalls", "s3"]), start_store(&["outages"]));
    runtime.block_on(async {
        let outages = async {
            if is_part("outages") {
                Box::pin(stop_engines(stopped.as_ref(), seed)).await;
            }
        };
        let others = async {
            if is_part("stalls") {
                let one_in = number("WHARF_FAULTS_STALLS").unwrap_or(16);
                let one_in = usize::try_from(one_in).expect("a number of steps");
                stall(store.as_ref(), one_in, seed).await;
            }
            if is_part("releases") {
                update(seed).await;
            }
            if is_part("directory") {
                let directory = directory("wharf-object-");
                let engines = |database| Engines::in_directory(database, directory.path());
                run("directory", engines, seconds, seed).await;
            }
            if is_part("s3")
                && let Some(store) = &store
            {
                let engines = |database| Engines::in_bucket(database, store);
                run("s3", engines, seconds, seed).await;
            }
        };
        tokio::join!(outages, others) // whoever waits for an engine that is stopped leaves the cores to the others
    });
}

/// Stops processes at one of so many steps of each kind, side by side.
async fn stall(store: Option<&SeaweedFs>, one_in: usize, seed: u64) {
    let server = PostgreSql::builder().start();
    let directories = [(); 2].map(|()| directory("wharf-object-"));
    let [first, second] = directories.each_ref().map(tempfile::TempDir::path);
    let mut kinds = vec![Steps::Database(first), Steps::Directory(second)];
    kinds.extend(
        store
            .into_iter()
            .flat_map(|store| [Steps::Answers(store), Steps::Requests(store)]),
    );
    let begun = Instant::now();
    let server = &server;
    let runs = kinds.into_iter().zip(seed..).map(|(steps, seed)| async move {
        let done = stalls::run(server, steps, one_in, Random::new(seed)).await;
        println!(
            "stalls at {steps}: {done}; {:.1} s",
            begun.elapsed().as_secs_f64()
        );
    });
    join_all(runs).await;
}

/// Replaces processes by those of each kind of later release, side by side.
async fn update(seed: u64) {
    let server = PostgreSql::builder().start();
    let begun = Instant::now();
    let server = &server;
    let runs = [Release::Adds, Release::Forbids, Release::Layout].map(|next| async move {
        let store = directory("wharf-object-");
        let done = releases::run(server, store.path(), next, seed).await;
        println!(
            "releases, {next:?}: {done}; {:.1} s",
            begun.elapsed().as_secs_f64()
        );
    });
    join_all(runs).await;
}

/// Stops the database of some processes and the store of others, side by side.
async fn stop_engines(store: Option<&SeaweedFs>, seed: u64) {
    let begun = Instant::now();
    let directory = directory("wharf-object-");
    let database = outages::run(Stopped::Database(directory.path()), seed);
    let store = store.map(|store| outages::run(Stopped::Store(store), seed));
    let (database, store) = tokio::join!(database, OptionFuture::from(store));
    println!("outages of the database: {database}");
    let store = store.unwrap_or_else(|| "none".to_owned());
    println!(
        "outages of the store: {store}; {:.1} s",
        begun.elapsed().as_secs_f64()
    );
}

async fn run(part: &str, engines: impl Fn(String) -> Engines, seconds: u64, seed: u64) {
    let begun = Instant::now();
    let server = Arc::new(PostgreSql::builder().start());
    let engines = engines(server.socket_url(&server.create_database()));
    let processes = Arc::new(Processes::start(&engines, seed, PROCESSES));
    processes.wait_for_all().await;
    let crowd = Arc::new(Crowd::new(Arc::clone(&processes) as _));
    let clients = clients::start(&crowd, seed);
    let disturbed = {
        let (processes, server) = (Arc::clone(&processes), Arc::clone(&server));
        let mut random = Random::new(seed);
        tokio::task::spawn_blocking(move || {
            processes.disturb(&server, Duration::from_secs(seconds), &mut random)
        })
    };
    let disturbances = disturbed.await.expect("no panic");
    clients.end(&crowd).await;
    processes.wait_for_all().await;
    let found = verify::all(&crowd, &engines).await;
    assert_eq!(engines.has_server(), disturbances.met > 0, "only requests fail");
    println!(
        "{part}: {disturbances}; {}; {found}; {:.1} s",
        crowd.counts(),
        begun.elapsed().as_secs_f64()
    );
}
