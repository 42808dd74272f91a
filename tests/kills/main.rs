//! Whole programs, killed: `pull`, `push` and `copy` end at some call of theirs, over the network, and everything
//! must be whole afterwards.
//!
//! `cargo test -p wharf --test kills` runs a sample. What it does more is set by the environment:
//!
//! | variable | meaning | default |
//! |---|---|---|
//! | `WHARF_KILLS` | how many programs are killed; a run that the kill missed does not count | 40 |
//! | `WHARF_KILLS_SEED` | repeats a choice of calls, as far as threads make the same ones | from the clock, printed |
//! | `WHARF_KILLS_AT` | only this call, in the words of the report: `scenario: call number path` | |
//!
//! The store's own fault program (`crates/store/tests/faults`) does the same to the store alone, and models a
//! loss of power, too.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a test program reports by panicking, and prints its counts"
)]

mod campaign;
#[path = "../it/program.rs"]
#[allow(dead_code, reason = "made for the other tests; only a part is needed")]
mod program;
mod random;
mod registry;
mod scenario;
mod trace;
mod verify;

use std::time::Instant;

use random::Random;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    // Started by `cargo test`, with a filter or a wish that is not for this program.
    let unwanted = |argument: &String| {
        argument == "--list"
            || argument == "--ignored"
            || !(argument.starts_with('-') || "kills".contains(argument.as_str()))
    };
    if arguments.iter().any(unwanted) || !wharf_testkit::peers_present(&["strace"]) {
        return;
    }
    let wanted = number("WHARF_KILLS").unwrap_or(40);
    let seed = number("WHARF_KILLS_SEED").unwrap_or_else(clock);
    println!("seed {seed}: repeat with WHARF_KILLS={wanted} WHARF_KILLS_SEED={seed}");
    let start = Instant::now();
    let only = std::env::var("WHARF_KILLS_AT").ok();
    let wanted = usize::try_from(wanted).unwrap();
    let counts = campaign::programs_killed_at_every_call(wanted, Random::new(seed), only.as_deref());
    println!("{counts}; {:.1} s", start.elapsed().as_secs_f64());
}

fn number(variable: &str) -> Option<u64> {
    let text = std::env::var(variable).ok()?;
    Some(
        text.parse()
            .unwrap_or_else(|_| panic!("{variable}={text} is no number")),
    )
}

fn clock() -> u64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    now.map_or(0, |now| now.as_secs())
}
