//! The public behaviour of `wharf-reference`.

#![expect(
    clippy::unwrap_used,
    clippy::string_slice,
    reason = "a test that is wrong should stop"
)]

mod accepted;
mod allocations;
mod errors;
mod parts;
mod properties;
mod skopeo;
#[cfg(feature = "serde")]
mod strings;
mod traits;
