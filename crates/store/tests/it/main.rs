//! The store from the outside.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "tests report by panicking, and say what they skip"
)]

mod basics;
mod peers;
mod support;
