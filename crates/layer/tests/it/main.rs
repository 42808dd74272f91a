//! Layers from outside: archives and compressed content as strangers make them.
#![expect(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    clippy::panic,
    clippy::expect_used,
    clippy::format_collect,
    clippy::string_slice,
    clippy::print_stderr,
    reason = "helpers of tests fail by panicking, and tell what they leave out"
)]

#[cfg(all(feature = "apply", target_os = "linux"))]
mod apply;
#[cfg(any(feature = "gzip", feature = "zstd"))]
mod bombs;
mod changed;
#[cfg(any(feature = "gzip", feature = "zstd"))]
mod coded;
mod corpora;
#[cfg(any(feature = "gzip", feature = "zstd"))]
mod decoder;
#[cfg(all(feature = "apply", target_os = "linux"))]
mod diff;
#[cfg(any(feature = "gzip", feature = "zstd"))]
mod encoder;
#[cfg(feature = "gzip")]
mod gzip_members;
mod merge;
mod others;
#[cfg(any(feature = "gzip", feature = "zstd"))]
mod programs;
mod python;
mod raw;
mod tar_editor;
mod tar_extensions;
mod tar_names;
mod tar_reader;
mod tar_round_trip;
mod tar_writer;
#[cfg(all(feature = "apply", target_os = "linux"))]
mod unprivileged;
#[cfg(feature = "zstd")]
mod zstd_frames;
