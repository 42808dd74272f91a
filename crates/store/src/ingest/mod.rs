//! Receives blobs: one writer per digest across tasks and processes, pieces in any order, resumable,
//! verified before the blob is visible.

mod flush;
mod gap_footer;
mod partials;
mod pipeline;
mod slot;
mod unnamed;
mod uploads;

pub(crate) use partials::Partials;
pub(crate) use pipeline::{acquire, push};
pub(crate) use slot::Slot;
pub(crate) use unnamed::ingest;
pub(crate) use uploads::Uploads;

/// Bytes that are written in one call.
const BATCH: usize = 512 * 1024;

/// Batches in the queue to the writer, so that receiving goes on while one is written.
const QUEUED: usize = 2;
