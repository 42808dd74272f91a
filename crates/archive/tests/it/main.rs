//! The transports from the outside.

#![expect(clippy::unwrap_used, clippy::panic, reason = "tests report by panicking")]

mod conformance;
mod dirs;
#[cfg(unix)]
mod hostile_dirs;
mod peers_of_dirs;
mod support;
