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
    reason = "a test program reports by panicking"
)]

mod crowd;
mod power;
mod scenario;
mod verify;
mod worker;

use wharf_testkit::faults::{self, killed_at_every_call, refused_at_every_call};

use scenario::SCENARIOS;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if arguments.first().is_some_and(|first| first == faults::WORKER) {
        std::process::exit(worker::run(&arguments[1..]));
    }
    faults::run(
        &arguments,
        &[
            ("kills", |wanted, random| {
                killed_at_every_call(SCENARIOS, wanted, random)
            }),
            ("errors", |wanted, random| {
                refused_at_every_call(SCENARIOS, wanted, random)
            }),
            ("power", power::power_failures_at_every_change),
            ("crowds", crowd::many_processes_share_a_store),
        ],
    );
}
