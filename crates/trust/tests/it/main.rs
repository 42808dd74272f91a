//! Judging, from outside: policies, signatures and keys as strangers make them.
#![expect(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    clippy::panic,
    clippy::format_collect,
    clippy::string_slice,
    clippy::too_many_lines,
    reason = "helpers of tests fail by panicking, and tables are long"
)]

mod forge;
mod judge;
mod keyring;
mod message;
mod robust;
mod support;
