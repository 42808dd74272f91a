//! The fault program of trees: applying layers, unpacking images and committing changes are killed and refused at every
//! call, and a tree must be whole or not there afterwards.
//!
//! `cargo test -p wharf-image --features apply --test faults` runs a sample; the environment sets what it does more, as
//! `wharf_testkit::faults` says. Its parts are `kills` and `errors`.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test program reports by panicking"
)]

#[cfg(target_os = "linux")]
mod images;
#[cfg(target_os = "linux")]
mod manifest;
#[cfg(target_os = "linux")]
mod scenario;
#[cfg(target_os = "linux")]
mod verify;
#[cfg(target_os = "linux")]
mod worker;

#[cfg(target_os = "linux")]
use wharf_testkit::faults::{self, killed_at_every_call, refused_at_every_call};

#[cfg(target_os = "linux")]
use scenario::SCENARIOS;

#[cfg(not(target_os = "linux"))]
fn main() {}

#[cfg(target_os = "linux")]
fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if arguments.first().is_some_and(|first| first == faults::WORKER) {
        std::process::exit(worker::run(&arguments[1..]));
    }
    faults::run(
        &arguments,
        &[
            ("kills", |wanted, random| {
                killed_at_every_call(&SCENARIOS, wanted, random)
            }),
            ("errors", |wanted, random| {
                refused_at_every_call(&SCENARIOS, wanted, random)
            }),
        ],
    );
}
