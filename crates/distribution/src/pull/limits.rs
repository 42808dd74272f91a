//! Limits of a download, with their units and reasons.
//!
//! How often a failed request is repeated is the client's `RetryPolicy`; [`FRUITLESS_RESUMES`] and
//! [`RANGE_FAILURES`] only lower it.

use std::time::Duration;

const KIB: usize = 1024;
const MIB: u64 = 1024 * 1024;

/// Resumes in a row that bring no byte, after which a download ends. The request of each is repeated as often
/// as the retry policy allows, so that the policy's own number of resumes would square it.
pub(super) const FRUITLESS_RESUMES: u32 = 2;
/// URLs of a descriptor that are asked.
pub(super) const FOREIGN_URLS: usize = 4;

/// Bytes that must be missing for parallel ranges to start: fewer arrive before further connections are up to
/// speed.
pub(super) const PARALLEL_FROM: u64 = 16 * MIB;
/// Time after which the rate of a single stream is known: the slow start of TCP is over.
pub(super) const MEASURED_TIME: Duration = Duration::from_millis(300);
/// Bytes after which the rate of a single stream is known, if `MEASURED_TIME` is over too.
pub(super) const MEASURED_BYTES: u64 = 2 * MIB;
/// Ratio of two rates above which more connections are worth what they cost the server.
pub(super) const WORTHWHILE_GAIN: f64 = 1.25;

/// Bytes of the smallest range, near the end of the blob: a request costs little beside them, and all
/// connections end together.
pub(super) const RANGE_MIN: u64 = MIB;
/// Bytes of the largest range: a connection that breaks off loses little.
pub(super) const RANGE_MAX: u64 = 4 * MIB;
/// Bytes between the first that is missing and the last that is asked for. A consumer that is killed has to
/// fetch so many again at most.
pub(super) const RANGE_SPREAD: u64 = 64 * MIB;
/// Ranges of one blob that are fetched at once beside the first, when a download widens.
pub(super) const EXTRA_RANGES: u32 = 3;
/// Ranges of one blob that are added each time that the last ones made the download faster.
pub(super) const MORE_EXTRA_RANGES: u32 = 2;
/// Ranges of one blob beside the first, from which on none are added.
pub(super) const MAX_EXTRA_RANGES: usize = 7;
/// Ranges of all blobs of a client that are fetched at once, beside the first of each blob: bounds the
/// client's connections and the memory that they take.
pub(crate) const CLIENT_EXTRA_RANGES: usize = 12;
/// Ranges in a row that break off, after which one stream goes on.
pub(super) const RANGE_FAILURES: u32 = 3;

/// Bytes of a piece from which on hashing it takes longer than to wake another thread.
pub(super) const YIELD_FROM: usize = 64 * KIB;
/// Bytes that may be received before the consumer asks for them.
pub(super) const PREFETCH_BYTES: u32 = 2 * 1024 * 1024;
