//! The facade, the examples and the workspace, from outside.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "helpers of tests fail the test"
)]

mod archives;
#[cfg(feature = "images")]
mod artifacts;
mod building;
mod caches;
mod changing;
mod client;
mod converting;
mod credential_stores;
#[cfg(unix)]
mod daemon;
mod dependencies;
mod differences;
mod documents;
mod files;
mod flags;
mod gpg;
mod interop;
mod layouts;
mod logins;
mod managing;
mod managing_images;
mod mistakes;
mod mutating;
mod plaintext;
mod policy;
mod redirected;
mod reproducible;
mod resolve;
mod serve;
mod settings;
mod short_names;
mod sides;
mod signatures;
#[cfg(feature = "trust")]
mod signed;
#[cfg(feature = "trust")]
mod signing;
mod skopeo_flags;
#[cfg(target_os = "linux")] // tells the memory of a process
mod streaming;
mod sync;
mod trust;
#[cfg(target_os = "linux")]
mod unpacking;
#[cfg(feature = "trust")]
#[cfg(target_os = "linux")]
mod unshared;
mod unsigned;
mod verify_bundle;

use wharf_testkit::program;
