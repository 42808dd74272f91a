//! Fault figures: pulls, pushes, lists and logins over connections and registries that fail at random, and
//! what comes of it. A failing run prints the seed that repeats it.
//!
//! `cargo test -p wharf-distribution --test faults -- --seed 1 --count 10000`, or `--run SEED` for one run
//! in detail; `--outcomes` prints a line for each run. Time is simulated: a stall of half a minute costs
//! nothing.
//!
//! From the seed follow what is done, what goes wrong at which byte, and how long the client waits between
//! tries; on one thread and a simulated clock, so does what comes of it. Ports, tokens and upload ids are
//! chance, at the same length: a run in which a bit of one of these is inverted may end in another way when
//! it is repeated. Some runs of each series are repeated, and nearly all must end as before.
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a program of the tests that reports on standard output"
)]

mod figures;
mod nonsense;
mod plan;
mod run;

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
use wharf_testkit::Random;

/// A run that takes longer than this on a real clock hangs.
const PATIENCE: Duration = Duration::from_secs(60);
/// How many runs are repeated, and how many of them may end in another way.
const REPEATED: u64 = 60;
const CHANCE: u64 = 3;
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
    let outcomes = arguments.iter().any(|argument| argument == "--outcomes");
    let figures = work(first, count, outcomes);
    println!("{figures}");
    if figures.is_clean() && figures.repeated_differently <= CHANCE {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

/// Does all runs on as many threads as there are cores.
fn work(first: u64, count: u64, outcomes: bool) -> Figures {
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
                    let record = watched(seed_of_run(first, number));
                    if outcomes {
                        println!("{}", record.outcome());
                    }
                    if number < REPEATED {
                        let again = watched(record.seed).outcome();
                        figures.lock().unwrap().repeat(&record.outcome(), &again);
                    }
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

/// The seed of a run of a series.
fn seed_of_run(first: u64, number: u64) -> u64 {
    let mut random = Random::new(first.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ number);
    random.number() >> 16
}
