//! The fault program: the writers of image directories and archives are killed and refused at every call, and the
//! old image or the new one must be whole afterwards.
//!
//! `cargo test -p wharf-archive --test faults` runs a sample; the environment sets what it does more, as
//! `wharf_testkit::faults` says. Its parts are `kills`, `errors` and `retries`.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test program reports by panicking"
)]

mod retries;
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
            ("retries", retries::second_attempts_succeed),
        ],
    );
}
