//! The crate from outside.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "helpers of tests fail the test"
)]

mod attachments;
mod blob;
mod build;
mod config;
mod container;
mod errors;
mod irrelevant;
mod manifest;
mod pieces;
mod platform;
mod totals;
