//! The fault program: the store is killed, refused and cut off from power at every step, and must be whole
//! afterwards.
//!
//! `cargo test -p wharf-store --test faults` runs a sample. What it does more is set by the environment:
//!
//! | variable | meaning | default |
//! |---|---|---|
//! | `WHARF_FAULTS` | how many runs are killed; half as many meet an error, three times as many states are tried after a power failure | 60 |
//! | `WHARF_FAULTS_PART` | only this part: `kills`, `errors`, `power`, `crowds` | all |
//! | `WHARF_FAULTS_SEED` | repeats a choice of faults | from the clock, printed |
//!
//! Killing a process leaves the kernel's cache alone: those runs prove that updates are atomic, that locks go
//! and that work is taken up again. Only the model of a power failure proves that what was acknowledged had
//! been synced, in the right order.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a test program reports by panicking, and prints its counts"
)]

mod crowd;
mod errors;
mod kills;
mod power;
mod scenario;
mod trace;
mod verify;
mod worker;

use std::time::Instant;

use wharf_testkit::{
    Random,
    campaign::{is_wanted, number, seed},
};

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if arguments.first().is_some_and(|first| first == "--worker") {
        std::process::exit(worker::run(&arguments[1..]));
    }
    if !is_wanted("faults", &arguments) || !wharf_testkit::peers_present(&["strace"]) {
        return;
    }
    let wanted = number("WHARF_FAULTS").unwrap_or(60);
    let seed = seed("WHARF_FAULTS_SEED");
    println!("seed {seed}: repeat with WHARF_FAULTS={wanted} WHARF_FAULTS_SEED={seed}");
    let mut random = Random::new(seed);
    let wanted = usize::try_from(wanted).unwrap();
    for (name, part) in [
        (
            "kills",
            kills::killed_at_every_call as fn(usize, &mut Random) -> String,
        ),
        ("errors", errors::refused_at_every_call),
        ("power", power::power_failures_at_every_change),
        ("crowds", crowd::many_processes_share_a_store),
    ] {
        if std::env::var("WHARF_FAULTS_PART").is_ok_and(|only| only != name) {
            continue;
        }
        let start = Instant::now();
        let counts = part(wanted, &mut random);
        println!("{name}: {counts}; {:.1} s", start.elapsed().as_secs_f64());
    }
}
