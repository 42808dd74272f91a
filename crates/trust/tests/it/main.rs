//! Judging, from outside: policies, signatures and keys as strangers make them.
#![expect(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    clippy::panic,
    clippy::format_collect,
    clippy::string_slice,
    clippy::too_many_lines,
    reason = "helpers of tests fail by panicking and say what they skip, and tables are long"
)]

mod accepted_bundles;
mod attacks;
mod bundles;
mod certificate;
mod conformance;
mod cosign_fixtures;
mod fixtures;
mod forge;
mod from_source;
mod golden;
mod images;
mod judge;
mod key_files;
mod keyring;
mod message;
mod missing;
mod oracle;
mod recording;
mod refusal;
mod robust;
#[cfg(feature = "sign")]
mod sign;
#[cfg(feature = "sign")]
mod signed_here;
mod sigstore;
mod sigstore_oracle;
mod subkey;
mod support;
