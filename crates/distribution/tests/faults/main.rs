//! Fault figures: pulls, pushes, lists and logins over connections and registries that fail at random, and what
//! comes of it. Every run follows from its seed alone; a failing run prints the seed that repeats it.
//!
//! `cargo test -p wharf-distribution --test faults -- --seed 1 --count 10000`, or `--run SEED` for one run in
//! detail. Time is simulated: a stall of half a minute costs nothing.
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a program of the tests that reports on standard output"
)]

mod figures;
mod nonsense;
mod plan;
mod run;
mod seed;

use std::{
    process::ExitCode,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use figures::Figures;
use run::Record;

/// A run that takes longer than this on a real clock hangs.
const PATIENCE: Duration = Duration::from_mins(1);
/// How many runs there are unless it is said.
const DEFAULT_COUNT: u64 = 300;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().collect();
    let value = |name: &str| -> Option<u64> {
        let position = arguments.iter().position(|argument| argument == name)?;
        arguments.get(position + 1)?.parse().ok()
    };
    if let Some(seed) = value("--run") {
        let record = run::simulate(seed);
        println!("{record:#?}");
        return if record.is_bad() {
            ExitCode::FAILURE
        } else {
            ExitCode::SUCCESS
        };
    }
    let (first, count) = (
        value("--seed").unwrap_or(1),
        value("--count").unwrap_or(DEFAULT_COUNT),
    );
    let figures = work(first, count);
    println!("{figures}");
    if figures.is_clean() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

/// Does all runs on as many threads as there are cores.
fn work(first: u64, count: u64) -> Figures {
    let started = Instant::now();
    let next = Arc::new(AtomicU64::new(0));
    let figures = Arc::new(Mutex::new(Figures::new(first, count)));
    let cores = thread::available_parallelism().map_or(2, usize::from);
    let workers: Vec<_> = (0..cores)
        .map(|_| {
            let (next, figures) = (Arc::clone(&next), Arc::clone(&figures));
            thread::spawn(move || {
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= count {
                        return;
                    }
                    let record = watched(seed::of_run(first, number));
                    figures.lock().unwrap().add(&record);
                }
            })
        })
        .collect();
    for worker in workers {
        worker.join().unwrap();
    }
    let mut figures = Arc::into_inner(figures).unwrap().into_inner().unwrap();
    figures.took = started.elapsed();
    figures
}

/// A run on a thread of its own, so that one that panics or never ends is told from the others.
fn watched(seed: u64) -> Record {
    let running = thread::spawn(move || run::simulate(seed));
    let deadline = Instant::now() + PATIENCE;
    while !running.is_finished() {
        if Instant::now() > deadline {
            println!("run {seed} does not end; repeat it with --run {seed}");
            std::process::exit(1);
        }
        thread::sleep(Duration::from_millis(1));
    }
    running.join().unwrap_or_else(|_| Record::panicked(seed))
}
