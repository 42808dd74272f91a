//! The fault program of lookaside directories: writers of signatures are killed and refused at every call, and each file
//! with a number must be a whole signature afterwards.
//!
//! `cargo test -p wharf-distribution --test lookaside_faults` runs a sample; the environment sets what it does more, as
//! `wharf_testkit::faults` says. Its parts are `kills`, `errors` and `unsupported`.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test program reports by panicking"
)]

mod scenario;
mod unsupported;
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
            ("unsupported", unsupported::nothing_is_written),
        ],
    );
}
