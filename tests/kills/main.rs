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
mod registry;
mod scenario;
mod trace;
mod verify;

use std::time::Instant;

use wharf_testkit::{
    Random,
    campaign::{is_wanted, number, seed},
};

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if !is_wanted("kills", &arguments) || !wharf_testkit::peers_present(&["strace"]) {
        return;
    }
    let wanted = number("WHARF_KILLS").unwrap_or(40);
    let seed = seed("WHARF_KILLS_SEED");
    println!("seed {seed}: repeat with WHARF_KILLS={wanted} WHARF_KILLS_SEED={seed}");
    let start = Instant::now();
    let only = std::env::var("WHARF_KILLS_AT").ok();
    let wanted = usize::try_from(wanted).unwrap();
    let counts = campaign::programs_killed_at_every_call(wanted, Random::new(seed), only.as_deref());
    println!("{counts}; {:.1} s", start.elapsed().as_secs_f64());
}
