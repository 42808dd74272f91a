//! The conformance of registries that share a storage, to which requests are dealt in turn.
#![cfg(all(unix, feature = "postgres"))]
#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::unwrap_used,
    reason = "a test that fails panics"
)]

#[path = "../../../registry/tests/it/conformance/mod.rs"]
mod conformance;
mod served;
#[path = "../../../registry/tests/it/wire/mod.rs"]
#[expect(dead_code, reason = "other tests use more of it")]
mod wire;
