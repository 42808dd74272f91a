mod active_range;
mod trial;

use std::{
    ops::Range,
    sync::Arc,
    task::{Context, Poll, ready},
};

use tokio::sync::OwnedSemaphorePermit;
use wharf_content::Piece;

use self::{
    active_range::ActiveRange,
    trial::{Trial, TrialResult},
};
use super::{
    fetch::{Fetch, Part, ServedBy},
    limits::{
        EXTRA_RANGES, MAX_EXTRA_RANGES, MORE_EXTRA_RANGES, RANGE_FAILURES, RANGE_MAX, RANGE_MIN, RANGE_SPREAD,
    },
};
use crate::{
    error::{Detail, Error},
    limiter::DownloadPermit,
};

/// Ranges of a blob that are fetched at once, and handed out in the order in which their bytes arrive.
///
/// Each range beside the first holds one of the client's permits for as long as the blob comes in ranges:
/// that bounds the connections of all blobs together. A blob that gets no permits keeps its stream, which is
/// faster than one range after another.
///
/// A range that breaks off is asked for again, from the byte where it broke off.
pub(super) struct ParallelRanges {
    fetch: Arc<Fetch>,
    served_by: ServedBy,
    permits: OwnedSemaphorePermit,
    /// Of the whole download, taken over from the stream.
    download_permit: Option<DownloadPermit>,
    active: Vec<ActiveRange>,
    /// The index of the range that is polled first: each in turn, so that none is starved.
    first: usize,
    /// Missing parts of ranges that broke off.
    again: Vec<Range<u64>>,
    /// The first byte that no range has been asked for.
    next: u64,
    /// Ranges that broke off since the last that was complete.
    failures: u32,
    trial: Trial,
}

/// Parallel ranges of which no further one is asked for.
pub(super) struct Draining(Box<ParallelRanges>);

/// The event that ends the state in which further ranges are asked for.
pub(super) enum RangesEvent {
    /// The single stream was as fast.
    NoFaster,
    Ended(RangesEnd),
}

/// The end of all ranges, with the first byte that has not been handed out.
pub(super) enum RangesEnd {
    /// Every range is received.
    Received(u64),
    /// Ranges broke off too often, the last with this error.
    Broken(u64, Error),
}

impl ParallelRanges {
    /// Permits for the connections of a blob beside its first; `None` if the client has not enough to spare.
    pub(super) fn permits(fetch: &Fetch) -> Option<OwnedSemaphorePermit> {
        let permits = Arc::clone(&fetch.remote.client().shared().range_permits);
        permits.try_acquire_many_owned(EXTRA_RANGES).ok()
    }

    /// Begins to fetch ranges beside `stream`, which is at byte `at` and brought `rate` bytes per second
    /// alone.
    pub(super) fn start(
        fetch: &Arc<Fetch>,
        permits: OwnedSemaphorePermit,
        mut stream: Part,
        at: u64,
        rate: f64,
    ) -> Self {
        let mut ranges = Self {
            fetch: Arc::clone(fetch),
            served_by: stream.served_by.clone(),
            permits,
            download_permit: stream.permit.take(),
            active: Vec::new(),
            first: 0,
            again: Vec::new(),
            next: at,
            failures: 0,
            trial: Trial::new(rate),
        };
        if let Some(range) = ranges.claim() {
            ranges.active.push(ActiveRange::of_stream(stream, range));
        }
        ranges
    }

    /// The next piece, asking for further ranges as connections become free.
    pub(super) fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Result<Piece, RangesEvent>> {
        if self.measure() == TrialResult::NoFaster {
            return Poll::Ready(Err(RangesEvent::NoFaster));
        }
        self.poll_active(true, context).map_err(RangesEvent::Ended)
    }

    /// Asks for no further range.
    pub(super) const fn drain(self: Box<Self>) -> Draining {
        Draining(self)
    }

    /// The next piece of any active range. Ranges that broke off are asked for again; further ones if it
    /// `claims` them.
    fn poll_active(&mut self, claims: bool, context: &mut Context<'_>) -> Poll<Result<Piece, RangesEnd>> {
        loop {
            self.top_up(claims);
            if self.active.is_empty() {
                return Poll::Ready(Err(RangesEnd::Received(self.front())));
            }
            let (index, polled) = ready!(self.poll_each(context));
            match polled {
                Ok(Some(piece)) => {
                    self.first = index + 1;
                    self.trial.count(piece.bytes.len());
                    return Poll::Ready(Ok(piece));
                }
                Ok(None) => {
                    self.active.swap_remove(index);
                    self.failures = 0;
                }
                Err(error) => {
                    let range = self.active.swap_remove(index);
                    self.again.extend(range.missing());
                    if self.is_last_failure(&error) {
                        return Poll::Ready(Err(RangesEnd::Broken(self.front(), error)));
                    }
                    tracing::debug!(%error, from = range.at, "asking for a range again");
                }
            }
        }
    }

    fn poll_each(&mut self, context: &mut Context<'_>) -> Poll<(usize, Result<Option<Piece>, Error>)> {
        let count = self.active.len();
        for index in (0..count).map(|index| (self.first + index) % count) {
            if let Some(range) = self.active.get_mut(index)
                && let Poll::Ready(polled) = range.poll_next(&self.fetch, context)
            {
                return Poll::Ready((index, polled));
            }
        }
        Poll::Pending
    }

    /// Counts a range that broke off. A server that has too much to do gets no other request for a range.
    fn is_last_failure(&mut self, error: &Error) -> bool {
        self.failures += 1;
        let is_overloaded = error.detail() == Some(Detail::Http(wharf_http::ErrorKind::Overloaded));
        if let Some(permit) = self.download_permit.as_ref().filter(|_| is_overloaded) {
            permit.pushed_back();
        }
        let policy = self.fetch.remote.client().shared().retry;
        is_overloaded || self.failures >= RANGE_FAILURES.min(policy.max_attempts())
    }

    /// The number of connections.
    fn width(&self) -> usize {
        1 + self.permits.num_permits()
    }

    /// The first byte that has not been handed out.
    fn front(&self) -> u64 {
        let active = self.active.iter().map(|range| range.at);
        let again = self.again.iter().map(|range| range.start);
        active.chain(again).fold(self.next, u64::min)
    }

    /// After each round, adds connections if the last ones brought more bytes.
    fn measure(&mut self) -> TrialResult {
        let round = RANGE_MIN * (2 * self.width()) as u64;
        let Some(rate) = self.trial.measured(round) else {
            return TrialResult::Undecided;
        };
        let spare = Arc::clone(&self.fetch.remote.client().shared().range_permits);
        let permits = &mut self.permits;
        self.trial.judge(rate, || {
            if permits.num_permits() >= MAX_EXTRA_RANGES {
                return None;
            }
            let more = spare.try_acquire_many_owned(MORE_EXTRA_RANGES);
            Some(more.map(|more| permits.merge(more)).is_ok())
        })
    }

    fn top_up(&mut self, claims: bool) {
        while self.active.len() < self.width() {
            let again = self.again.pop();
            let Some(range) = again.or_else(|| if claims { self.claim() } else { None }) else {
                return;
            };
            self.fetch.remote.client().shared().counting.ranges.add();
            self.active
                .push(ActiveRange::ask(&self.fetch, &self.served_by, range));
        }
    }

    /// The next range that has not been asked for.
    fn claim(&mut self) -> Option<Range<u64>> {
        let left = self.fetch.descriptor.size().saturating_sub(self.next);
        if left == 0 || self.next >= self.front().saturating_add(RANGE_SPREAD) {
            return None;
        }
        let share = left / (4 * self.width()) as u64;
        let start = self.next;
        self.next += share.clamp(RANGE_MIN, RANGE_MAX).min(left);
        Some(start..self.next)
    }
}

impl Draining {
    /// The next piece of the ranges that are open.
    pub(super) fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Result<Piece, RangesEnd>> {
        self.0.poll_active(false, context)
    }
}
