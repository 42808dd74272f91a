//! The crate from outside, between stores that write down what is done to them.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "helpers of tests fail the test"
)]

mod cancel;
mod gate;
mod graph;
mod order;
mod plan;
mod progress;
mod referrers;
mod refusal;
mod resume;
mod round_trips;
mod selection;
mod signatures;
mod test_store;
