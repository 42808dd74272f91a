use std::{
    collections::VecDeque,
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use tokio::{sync::OwnedSemaphorePermit, task::JoinHandle, time::Instant};

use super::fetch::{Fetch, Place};
use crate::error::Error;

/// The bytes of one range: small, so that little is held in memory and the first is soon complete.
pub(super) const RANGE: u64 = 1024 * 1024;
/// How many ranges of one blob are fetched at once beside the first: at first, and how many more each time that
/// proves faster, up to a most.
const LANES: u32 = 3;
const MORE_LANES: u32 = 2;
const MOST_LANES: usize = 7;

/// Ranges of a blob that are fetched at once and handed out in order.
///
/// Each beside the first takes one of the client's lanes, for as long as the blob comes in ranges: that bounds
/// the memory of all blobs together, and leaves a blob that gets no lanes to its stream, which is faster than
/// one range after another.
pub(super) struct Ahead {
    fetch: Arc<Fetch>,
    place: Place,
    lanes: OwnedSemaphorePermit,
    under_way: VecDeque<AbortOnDrop<Result<Vec<Bytes>, Error>>>,
    ready: VecDeque<Bytes>,
    /// The first byte that no range has been asked for.
    next: u64,
    closing: bool,
    trial: Trial,
}

/// Compares the rate with the one before.
struct Trial {
    since: Instant,
    bytes: u64,
    /// Bytes per second to beat.
    rate: f64,
    settled: bool,
}

/// How ranges ended.
pub(super) enum End {
    /// The blob is complete.
    Complete,
    /// They are no faster than one stream: go on with that.
    NoGain,
}

impl Ahead {
    /// Begins to fetch ranges from `start` on; `None` if there are no lanes. `rate` is what one connection gave,
    /// in bytes per second.
    pub(super) fn start(fetch: &Arc<Fetch>, place: &Place, start: u64, rate: f64) -> Option<Self> {
        let lanes = Arc::clone(&fetch.remote.client().shared().lanes);
        let mut ahead = Self {
            fetch: Arc::clone(fetch),
            place: place.clone(),
            lanes: lanes.try_acquire_many_owned(LANES).ok()?,
            under_way: VecDeque::new(),
            ready: VecDeque::new(),
            next: start,
            closing: false,
            trial: Trial {
                since: Instant::now(),
                bytes: 0,
                rate,
                settled: false,
            },
        };
        ahead.top_up();
        Some(ahead)
    }

    fn width(&self) -> usize {
        1 + self.lanes.num_permits()
    }

    /// The next chunk in order, or how it ended.
    pub(super) fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Result<Result<Bytes, End>, Error>> {
        loop {
            if let Some(chunk) = self.ready.pop_front() {
                self.trial.bytes = self.trial.bytes.saturating_add(chunk.len() as u64);
                return Poll::Ready(Ok(Ok(chunk)));
            }
            self.judge();
            self.top_up();
            let Some(range) = self.under_way.front_mut() else {
                let end = if self.next >= self.fetch.descriptor.size() {
                    End::Complete
                } else {
                    End::NoGain
                };
                return Poll::Ready(Ok(Err(end)));
            };
            let bytes = ready!(Pin::new(range).poll(context));
            self.under_way.pop_front();
            match bytes {
                Ok(Ok(chunks)) => self.ready = chunks.into(),
                Ok(Err(error)) => return Poll::Ready(Err(error)),
                Err(_) => {
                    let reason = "a task that fetched a range was stopped";
                    let error = self.fetch.refuse(wharf_content::ErrorKind::Cancelled, reason);
                    return Poll::Ready(Err(error));
                }
            }
        }
    }

    /// After each round, looks whether more connections brought more bytes.
    fn judge(&mut self) {
        let width = self.width();
        let round = RANGE * (2 * width) as u64;
        if self.trial.settled || self.closing || self.trial.bytes < round {
            return;
        }
        #[expect(clippy::cast_precision_loss, reason = "an estimate")]
        let rate = self.trial.bytes as f64 / self.trial.since.elapsed().as_secs_f64().max(0.001);
        let gained = rate > self.trial.rate * 1.25;
        tracing::debug!(width, rate, before = self.trial.rate, "parallel ranges");
        if gained && self.lanes.num_permits() < MOST_LANES {
            let lanes = Arc::clone(&self.fetch.remote.client().shared().lanes);
            if let Ok(more) = lanes.try_acquire_many_owned(MORE_LANES) {
                self.lanes.merge(more);
            }
            self.trial.rate = rate;
            self.trial.since = Instant::now();
            self.trial.bytes = 0;
        } else if !gained && self.lanes.num_permits() == LANES as usize {
            self.closing = true;
        } else {
            self.trial.settled = true;
        }
    }

    fn top_up(&mut self) {
        let size = self.fetch.descriptor.size();
        while !self.closing && self.next < size && self.under_way.len() < self.width() {
            let (first, end) = (self.next, size.min(self.next + RANGE));
            self.next = end;
            self.fetch.remote.client().shared().counting.ranges.add();
            let (fetch, place) = (Arc::clone(&self.fetch), self.place.clone());
            let task = tokio::spawn(async move { fetch.range(&place, first, end).await });
            self.under_way.push_back(AbortOnDrop(task));
        }
    }
}

struct AbortOnDrop<T>(JoinHandle<T>);

impl<T> Future for AbortOnDrop<T> {
    type Output = Result<T, tokio::task::JoinError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.0).poll(context)
    }
}

impl<T> Drop for AbortOnDrop<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}
