//! The transports from the outside.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests report by panicking"
)]

mod archives;
mod both_ways;
mod conformance;
mod containerd;
mod corpora;
mod dirs;
mod golden;
mod hostile_archives;
#[cfg(unix)]
mod hostile_dirs;
mod legacy;
mod loading;
#[cfg(target_os = "linux")]
mod memory;
mod pairs;
mod peers_of_archives;
mod peers_of_dirs;
mod support;
mod tarball;
