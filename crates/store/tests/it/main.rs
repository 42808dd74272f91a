//! The store from the outside.

#![expect(clippy::unwrap_used, reason = "tests report by panicking")]

mod basics;
mod collecting;
mod conformance;
mod damage;
mod described;
mod exclusive;
mod foreign;
mod hostile;
mod ingesting;
mod many_names;
mod peers;
mod pieces;
mod resume;
mod sharing;
mod signatures;
mod summaries;
mod support;
