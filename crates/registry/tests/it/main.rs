//! The registry as its clients see it.
#![cfg(feature = "server")]
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::string_slice,
    reason = "a test fails by panicking, in its helpers too"
)]

mod access;
mod away;
mod basics;
mod conformance;
mod crash;
mod disk;
mod events;
mod faults;
mod heads;
mod http;
mod import;
mod limits;
mod local;
mod lost;
mod model;
mod observe;
mod operating;
#[cfg(all(feature = "tls", feature = "htpasswd"))]
mod peers;
mod quirks;
mod quotas;
mod redirects;
mod scale;
mod served;
mod storage;
mod through;
#[cfg(feature = "tls")]
mod tls;
mod upkeep;
mod visibility;
mod wire;
