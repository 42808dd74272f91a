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
/// How many ranges of one blob are fetched at once, at first and at most.
const WIDTH: usize = 4;
const MAX_WIDTH: usize = 8;

/// Ranges of a blob that are fetched at once and handed out in order.
///
/// Beyond its first, each range under way holds one of the client's permits: that bounds the memory of all
/// blobs together.
pub(super) struct Ahead {
    fetch: Arc<Fetch>,
    place: Place,
    under_way: VecDeque<Range>,
    ready: VecDeque<Bytes>,
    /// Held while `ready` is.
    permit: Option<OwnedSemaphorePermit>,
    /// The first byte that no range has been asked for.
    next: u64,
    width: usize,
    closing: bool,
    trial: Trial,
}

struct Range {
    bytes: AbortOnDrop<Result<Vec<Bytes>, Error>>,
    permit: Option<OwnedSemaphorePermit>,
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
    /// Begins to fetch ranges from `start` on. `rate` is what one connection gave, in bytes per second.
    pub(super) fn start(fetch: Arc<Fetch>, place: Place, start: u64, rate: f64) -> Self {
        let mut ahead = Self {
            fetch,
            place,
            under_way: VecDeque::new(),
            ready: VecDeque::new(),
            permit: None,
            next: start,
            width: WIDTH,
            closing: false,
            trial: Trial {
                since: Instant::now(),
                bytes: 0,
                rate,
                settled: false,
            },
        };
        ahead.top_up();
        ahead
    }

    /// The next chunk in order, or how it ended.
    pub(super) fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Result<Result<Bytes, End>, Error>> {
        loop {
            if let Some(chunk) = self.ready.pop_front() {
                self.trial.bytes = self.trial.bytes.saturating_add(chunk.len() as u64);
                return Poll::Ready(Ok(Ok(chunk)));
            }
            self.permit = None;
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
            let bytes = ready!(Pin::new(&mut range.bytes).poll(context));
            self.permit = self.under_way.pop_front().and_then(|range| range.permit);
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
        let round = RANGE * (2 * self.width) as u64;
        if self.trial.settled || self.closing || self.trial.bytes < round {
            return;
        }
        #[expect(clippy::cast_precision_loss, reason = "an estimate")]
        let rate = self.trial.bytes as f64 / self.trial.since.elapsed().as_secs_f64().max(0.001);
        let gained = rate > self.trial.rate * 1.25;
        tracing::debug!(
            width = self.width,
            rate,
            before = self.trial.rate,
            "parallel ranges"
        );
        if !gained && self.width == WIDTH {
            self.closing = true;
        } else if gained && self.width < MAX_WIDTH {
            self.width += 2;
            self.trial.rate = rate;
            self.trial.since = Instant::now();
            self.trial.bytes = 0;
        } else {
            self.trial.settled = true;
        }
    }

    fn top_up(&mut self) {
        let size = self.fetch.descriptor.size();
        while !self.closing && self.next < size && self.under_way.len() < self.width {
            let permit = if self.under_way.is_empty() {
                None
            } else {
                let ranges = Arc::clone(&self.fetch.remote.client().shared().ranges);
                let Ok(permit) = ranges.try_acquire_owned() else {
                    return;
                };
                Some(permit)
            };
            let (first, end) = (self.next, size.min(self.next + RANGE));
            self.next = end;
            self.fetch.remote.client().shared().counting.ranges.add();
            let (fetch, place) = (Arc::clone(&self.fetch), self.place.clone());
            let task = tokio::spawn(async move { fetch.range(&place, first, end).await });
            self.under_way.push_back(Range {
                bytes: AbortOnDrop(task),
                permit,
            });
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
