use std::{
    future::Future,
    ops::Range,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use tokio::{sync::OwnedSemaphorePermit, time::Instant};
use wharf_content::{ErrorKind, Piece};

use super::{
    fetch::{Fetch, Part, ServedBy},
    limits::{
        EXTRA_RANGES, MAX_EXTRA_RANGES, MORE_EXTRA_RANGES, RANGE_FAILURES, RANGE_MAX, RANGE_MIN,
        RANGE_SPREAD, WORTHWHILE_GAIN,
    },
};
use crate::{
    error::{Detail, Error},
    limiter::DownloadPermit,
};

/// Ranges of a blob that are fetched at once and handed out as they arrive.
///
/// Each beside the first takes one of the client's range permits, for as long as the blob comes in ranges: that bounds
/// the connections of all blobs together, and leaves a blob that gets no permits to its stream, which is faster than
/// one range after another.
pub(super) struct ParallelRanges {
    fetch: Arc<Fetch>,
    served_by: ServedBy,
    permits: OwnedSemaphorePermit,
    /// Of the whole download, as the stream had it.
    download_permit: Option<DownloadPermit>,
    open: Vec<ActiveRange>,
    /// Which range is looked at first: each after the other, so that none is starved.
    first: usize,
    /// What broke off and is to be asked for again.
    again: Vec<Range<u64>>,
    /// The first byte that no range has been asked for.
    next: u64,
    failures: u32,
    closing: bool,
    trial: Trial,
}

/// The rest of a range.
struct ActiveRange {
    at: u64,
    end: u64,
    source: Source,
}

enum Source {
    Asked(Pin<Box<dyn Future<Output = Result<Part, Error>> + Send>>),
    /// Exactly the range.
    Sent(Part),
    /// The stream that came first; it goes on beyond.
    Stream(Part),
}

/// Compares the rate with the one at fewer connections.
struct Trial {
    since: Instant,
    bytes: u64,
    /// Bytes per second to beat.
    rate: f64,
    widened: bool,
    settled: bool,
}

/// What a round of a [`Trial`] shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    /// The next round tells.
    Open,
    /// This many connections are right.
    Settled,
    /// One is as good.
    NoGain,
}

impl Trial {
    fn new(rate: f64) -> Self {
        Self {
            since: Instant::now(),
            bytes: 0,
            rate,
            widened: false,
            settled: false,
        }
    }

    /// Judges a round that went at `rate`. `widen` takes more connections: `None` if there may not be more, and
    /// whether any were free. If none were, the next round is compared with the same rate again: this many are worth
    /// it, and another blob may end.
    fn judge(&mut self, rate: f64, widen: impl FnOnce() -> Option<bool>) -> Verdict {
        self.since = Instant::now();
        self.bytes = 0;
        if rate <= self.rate * WORTHWHILE_GAIN {
            return if self.widened {
                Verdict::Settled
            } else {
                Verdict::NoGain
            };
        }
        match widen() {
            Some(true) => {
                self.rate = rate;
                self.widened = true;
                Verdict::Open
            }
            Some(false) => Verdict::Open,
            None => Verdict::Settled,
        }
    }
}

/// How ranges ended.
pub(super) enum End {
    /// The blob is complete.
    Complete,
    /// They are no faster than one stream: go on with that, from this byte.
    NoGain(u64),
    /// They broke off too often: go on with one stream, from this byte.
    Failed(u64, Error),
}

impl ParallelRanges {
    /// The right to more connections, if there are enough of them.
    pub(super) fn permits(fetch: &Fetch) -> Option<OwnedSemaphorePermit> {
        let permits = Arc::clone(&fetch.remote.client().shared().range_permits);
        permits.try_acquire_many_owned(EXTRA_RANGES).ok()
    }

    /// Begins to fetch ranges beside `stream`, which is at byte `at`. `rate` is what it gave alone, in bytes per
    /// second.
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
            open: Vec::new(),
            first: 0,
            again: Vec::new(),
            next: at,
            failures: 0,
            closing: false,
            trial: Trial::new(rate),
        };
        if let Some(range) = ranges.claim() {
            ranges.open.push(ActiveRange {
                at: range.start,
                end: range.end,
                source: Source::Stream(stream),
            });
        }
        ranges
    }

    /// The next piece, or how it ended.
    pub(super) fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Result<Piece, End>> {
        loop {
            self.judge();
            self.top_up();
            if self.open.is_empty() {
                let end = if self.next >= self.fetch.descriptor.size() {
                    End::Complete
                } else {
                    End::NoGain(self.front())
                };
                return Poll::Ready(Err(end));
            }
            let (index, polled) = ready!(self.poll_ranges(context));
            match polled {
                Ok(Some(piece)) => {
                    self.first = index + 1;
                    self.trial.bytes = self.trial.bytes.saturating_add(piece.bytes.len() as u64);
                    return Poll::Ready(Ok(piece));
                }
                Ok(None) => {
                    self.open.swap_remove(index);
                    self.failures = 0;
                }
                Err(error) => {
                    let range = self.open.swap_remove(index);
                    self.failures += 1;
                    if range.at < range.end {
                        self.again.push(range.at..range.end);
                    }
                    let overloaded = error.detail() == Some(Detail::Http(wharf_http::ErrorKind::Overloaded));
                    if let Some(permit) = self.download_permit.as_ref().filter(|_| overloaded) {
                        permit.pushed_back();
                    }
                    let most = RANGE_FAILURES.min(self.fetch.remote.client().shared().retry.max_attempts());
                    if overloaded || self.failures >= most {
                        return Poll::Ready(Err(End::Failed(self.front(), error)));
                    }
                    tracing::debug!(%error, from = range.at, "asking for a range again");
                }
            }
        }
    }

    fn poll_ranges(&mut self, context: &mut Context<'_>) -> Poll<(usize, Result<Option<Piece>, Error>)> {
        let count = self.open.len();
        for index in (0..count).map(|index| (self.first + index) % count) {
            if let Some(range) = self.open.get_mut(index)
                && let Poll::Ready(polled) = range.poll(&self.fetch, context)
            {
                return Poll::Ready((index, polled));
            }
        }
        Poll::Pending
    }

    fn width(&self) -> usize {
        1 + self.permits.num_permits()
    }

    /// The first byte that has not been handed out.
    fn front(&self) -> u64 {
        let ranges = self.open.iter().map(|range| range.at);
        let again = self.again.iter().map(|range| range.start);
        ranges.chain(again).fold(self.next, u64::min)
    }

    /// After each round, looks whether more connections brought more bytes.
    fn judge(&mut self) {
        let width = self.width();
        let round = RANGE_MIN * (2 * width) as u64;
        if self.trial.settled || self.closing || self.trial.bytes < round {
            return;
        }
        #[expect(clippy::cast_precision_loss, reason = "an estimate")]
        let rate = self.trial.bytes as f64 / self.trial.since.elapsed().as_secs_f64().max(0.001);
        tracing::debug!(width, rate, before = self.trial.rate, "parallel ranges");
        let free = Arc::clone(&self.fetch.remote.client().shared().range_permits);
        let permits = &mut self.permits;
        let verdict = self.trial.judge(rate, || {
            if permits.num_permits() >= MAX_EXTRA_RANGES {
                return None;
            }
            let more = free.try_acquire_many_owned(MORE_EXTRA_RANGES);
            Some(more.map(|more| permits.merge(more)).is_ok())
        });
        self.trial.settled = verdict == Verdict::Settled;
        self.closing = verdict == Verdict::NoGain;
    }

    fn top_up(&mut self) {
        while self.open.len() < self.width() {
            let Some(range) = self.again.pop().or_else(|| self.claim()) else {
                return;
            };
            self.fetch.remote.client().shared().counting.ranges.add();
            let (fetch, served_by) = (Arc::clone(&self.fetch), self.served_by.clone());
            let Range { start, end } = range;
            self.open.push(ActiveRange {
                at: start,
                end,
                source: Source::Asked(Box::pin(async move { fetch.range(&served_by, start, end).await })),
            });
        }
    }

    /// The next range nobody has asked for.
    fn claim(&mut self) -> Option<Range<u64>> {
        let left = self.fetch.descriptor.size().saturating_sub(self.next);
        if self.closing || left == 0 || self.next >= self.front().saturating_add(RANGE_SPREAD) {
            return None;
        }
        let share = left / (4 * self.width()) as u64;
        let start = self.next;
        self.next += share.clamp(RANGE_MIN, RANGE_MAX).min(left);
        Some(start..self.next)
    }
}

impl ActiveRange {
    /// The next piece; `None` after the last.
    fn poll(&mut self, fetch: &Fetch, context: &mut Context<'_>) -> Poll<Result<Option<Piece>, Error>> {
        loop {
            let (part, limit) = match &mut self.source {
                Source::Asked(asked) => {
                    self.source = Source::Sent(ready!(asked.as_mut().poll(context))?);
                    continue;
                }
                // One byte more than was asked for is let through, to be refused.
                Source::Sent(part) => (part, self.end.saturating_add(1)),
                Source::Stream(_) if self.at >= self.end => return Poll::Ready(Ok(None)),
                Source::Stream(part) => (part, self.end),
            };
            let offset = self.at;
            let error = match ready!(part.poll_chunk(offset, limit, context)) {
                Some(Ok(bytes)) => {
                    let piece = Piece { offset, bytes };
                    if piece.end() <= self.end {
                        self.at = piece.end();
                        return Poll::Ready(Ok(Some(piece)));
                    }
                    let reason = "the server sends more than it was asked for";
                    let error = fetch.refuse(ErrorKind::Mismatch, reason);
                    return Poll::Ready(Err(error.at(&part.served_by.shown_url)));
                }
                None if offset >= self.end => return Poll::Ready(Ok(None)),
                None => part.early_end(offset, self.end),
                Some(Err(error)) => error,
            };
            return Poll::Ready(Err(fetch.broken(error, &part.served_by.shown_url)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn more_connections_are_taken_while_they_help() {
        /// Rates, and what comes of taking more.
        type Rounds = &'static [(f64, Option<bool>)];
        let table: [(Rounds, Verdict); 7] = [
            (&[(24., Some(true))], Verdict::NoGain),
            (&[(80., Some(true))], Verdict::Open),
            (&[(80., Some(true)), (120., Some(true))], Verdict::Open),
            (&[(80., Some(true)), (85., Some(true))], Verdict::Settled),
            // None are free: as many as there are go on, and ask again.
            (&[(80., Some(false)), (75., Some(false))], Verdict::Open),
            (
                &[(80., Some(false)), (75., Some(true)), (120., None)],
                Verdict::Settled,
            ),
            (&[(80., Some(false)), (24., Some(true))], Verdict::NoGain),
        ];
        for (rounds, expected) in table {
            let mut trial = Trial::new(20.);
            let verdicts = rounds.iter().map(|&(rate, free)| trial.judge(rate, || free));
            assert_eq!(verdicts.last(), Some(expected), "{rounds:?}");
        }
    }
}
