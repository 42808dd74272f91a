//! The crate from outside.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail the test")]

mod blob;
mod manifest;
mod pieces;
mod platform;
