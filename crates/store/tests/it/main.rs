//! The store from the outside.

#![expect(clippy::unwrap_used, reason = "tests report by panicking")]

mod basics;
mod conformance;
mod peers;
mod support;
