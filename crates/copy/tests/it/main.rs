//! The crate from outside, between places that write down what is done to them.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail the test")]

mod order;
mod place;
mod plan;
mod selection;
