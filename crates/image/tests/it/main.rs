//! Tests of the public interface.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::string_slice,
    reason = "helpers of tests fail the test"
)]

mod appends;
mod config_document;
mod conformance;
mod crane;
mod edits;
mod fixtures;
mod formats;
mod golden;
mod in_indexes;
mod indexes;
mod layers;
mod losses;
mod members;
mod peers;
mod platforms;
mod properties;
mod rebases;
mod recipes;
mod skopeo;
mod squashes;
mod support;
#[cfg(all(feature = "apply", target_os = "linux"))]
mod trees;
#[cfg(all(feature = "apply", target_os = "linux"))]
mod unpack;
#[cfg(all(feature = "apply", target_os = "linux"))]
mod unpack_dropped;
mod unpacked;
mod validate;
