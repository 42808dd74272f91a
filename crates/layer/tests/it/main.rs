//! Layers from outside: archives as strangers make them.
#![expect(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    clippy::panic,
    clippy::expect_used,
    reason = "helpers of tests fail by panicking"
)]

mod raw;
mod tar_extensions;
mod tar_names;
mod tar_reader;
mod tar_round_trip;
mod tar_writer;
