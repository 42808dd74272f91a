use std::{
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use futures_core::Stream;
use tokio::time::Instant;
use wharf_content::{ErrorKind, Piece};

use super::{
    consumer_wait::ConsumerWait,
    fetch::{Fetch, Part},
    limits::{MEASURED_BYTES, MEASURED_TIME, PARALLEL_FROM, RESUME_TRIES},
    parallel_ranges::{End, ParallelRanges},
    yield_between::YieldBetween,
};
use crate::error::Error;

/// The bytes of a blob from an offset on. After a cut it goes on where it stopped, elsewhere if it can. If it
/// [may widen](Download::in_any_order), it tries several connections while it waits more for the network than the
/// network for it; then pieces come as they arrive.
pub(super) struct Download {
    fetch: Arc<Fetch>,
    position: u64,
    barren_tries: u32,
    state: State,
    /// As long as several connections may be tried.
    gauge: Option<Gauge>,
}

enum State {
    Streaming(Part),
    Ranges(Box<ParallelRanges>),
    Resuming(Resuming),
    Ended,
}

type Resuming = Pin<Box<dyn Future<Output = Result<Part, Error>> + Send>>;

/// Whether the stream or its reader is the slower one.
struct Gauge {
    since: Option<Instant>,
    bytes: u64,
    consumer_wait: Arc<ConsumerWait>,
}

impl Gauge {
    fn count(&mut self, bytes: usize) {
        if self.since.is_none() {
            self.since = Some(Instant::now()); // the first chunk starts the clock: latency is no rate
            self.consumer_wait.restart();
            return;
        }
        self.bytes = self.bytes.saturating_add(bytes as u64);
    }

    /// Bytes per second, if enough was seen and the reader mostly waited.
    fn slow_rate(&self) -> Option<f64> {
        if self.bytes < MEASURED_BYTES {
            return None;
        }
        let elapsed = self.since?.elapsed();
        if elapsed < MEASURED_TIME || self.consumer_wait.waited() < elapsed / 2 {
            return None;
        }
        #[expect(clippy::cast_precision_loss, reason = "an estimate")]
        let rate = self.bytes as f64 / elapsed.as_secs_f64();
        Some(rate)
    }
}

impl Download {
    pub(super) async fn open(fetch: Arc<Fetch>, offset: u64) -> Result<Self, Error> {
        let state = if offset > 0 && offset >= fetch.descriptor.size() {
            State::Ended
        } else {
            State::Streaming(fetch.part(offset, None).await?)
        };
        Ok(Self {
            fetch,
            position: offset,
            barren_tries: 0,
            state,
            gauge: None,
        })
    }

    /// Lets pieces come before those in front of them, if their reader proves to be patient.
    pub(super) fn in_any_order(mut self, consumer_wait: Arc<ConsumerWait>) -> Self {
        self.gauge = Some(Gauge {
            since: None,
            bytes: 0,
            consumer_wait,
        });
        self
    }

    fn pass(&mut self, bytes: Bytes) -> Poll<Option<Result<Piece, wharf_content::Error>>> {
        let offset = self.position;
        let piece = Piece { offset, bytes };
        self.position = piece.end();
        self.barren_tries = 0;
        Poll::Ready(Some(Ok(piece)))
    }

    /// Decides what follows a cut: another try, or the error.
    fn resume(&mut self, endpoint: usize, error: Error) -> Result<(), Error> {
        self.barren_tries += 1;
        if self.barren_tries >= self.most_tries() {
            self.state = State::Ended;
            return Err(error);
        }
        tracing::debug!(%error, position = self.position, "resuming");
        self.fetch.remote.client().shared().counting.resumed.add();
        self.go_on(Some(endpoint));
        Ok(())
    }

    /// One if nothing is to be sent again: then the first cut ends the download, whatever came before it.
    fn most_tries(&self) -> u32 {
        RESUME_TRIES.min(self.fetch.remote.client().shared().retry.max_attempts())
    }

    fn go_on(&mut self, failed: Option<usize>) {
        let (fetch, position, tries) = (Arc::clone(&self.fetch), self.position, self.barren_tries);
        self.state = State::Resuming(Box::pin(async move {
            if tries > 1 {
                tokio::time::sleep(Duration::from_millis(250) * tries).await;
            }
            fetch.part(position, failed).await
        }));
    }

    /// Starts ranges if the stream is the slower side and much is left.
    fn widen(&mut self) {
        let size = self.fetch.descriptor.size();
        let left = size.saturating_sub(self.position);
        let slow_rate = self.gauge.as_ref().and_then(Gauge::slow_rate);
        let Some(rate) = slow_rate.filter(|_| left >= PARALLEL_FROM) else {
            return;
        };
        let State::Streaming(part) = &self.state else {
            return;
        };
        if !part.served_by.has_ranges {
            self.gauge = None;
            return;
        }
        let Some(permits) = ParallelRanges::permits(&self.fetch) else {
            return; // later, perhaps: another blob may end before this one
        };
        self.gauge = None;
        if let State::Streaming(part) = std::mem::replace(&mut self.state, State::Ended) {
            let ranges = ParallelRanges::start(&self.fetch, permits, part, self.position, rate);
            self.state = State::Ranges(Box::new(ranges));
        }
    }

    fn poll_piece(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Piece, wharf_content::Error>>> {
        let size = self.fetch.descriptor.size();
        loop {
            let (cut, served_by) = match &mut self.state {
                State::Ended => return Poll::Ready(None),
                State::Resuming(resuming) => match ready!(resuming.as_mut().poll(context)) {
                    Ok(part) => {
                        self.state = State::Streaming(part);
                        continue;
                    }
                    Err(error) => {
                        self.state = State::Ended;
                        return Poll::Ready(Some(Err(error.into())));
                    }
                },
                State::Streaming(part) => {
                    // One byte beyond the promised size is let through, for the blob to see and refuse.
                    let end = size.saturating_add(1);
                    match ready!(part.poll_chunk(self.position, end, context)) {
                        Some(Ok(chunk)) => {
                            let is_over = self.position.saturating_add(chunk.len() as u64) > size;
                            if let Some(reason) = part.overrun().filter(|_| is_over) {
                                let error = self.fetch.refuse(ErrorKind::Mismatch, reason);
                                let error = error.at(&part.served_by.shown_url);
                                self.state = State::Ended;
                                return Poll::Ready(Some(Err(error.into())));
                            }
                            if let Some(gauge) = &mut self.gauge {
                                gauge.count(chunk.len());
                            }
                            let passed = self.pass(chunk);
                            self.widen();
                            return passed;
                        }
                        None if self.position >= size => {
                            self.state = State::Ended;
                            return Poll::Ready(None);
                        }
                        None => (part.early_end(self.position, size), part.served_by.clone()),
                        Some(Err(error)) => {
                            if error.kind() == wharf_http::ErrorKind::Overloaded
                                && let Some(permit) = &part.permit
                            {
                                permit.pushed_back();
                            }
                            (error, part.served_by.clone())
                        }
                    }
                }
                State::Ranges(ranges) => match ready!(ranges.poll_next(context)) {
                    Ok(piece) => return Poll::Ready(Some(Ok(piece))),
                    Err(End::Complete) => {
                        self.state = State::Ended;
                        return Poll::Ready(None);
                    }
                    Err(End::NoGain(front)) => {
                        self.position = front;
                        self.go_on(None);
                        continue;
                    }
                    // One stream is the simpler thing: what goes wrong with ranges is no error yet.
                    Err(End::Failed(_, error)) if self.most_tries() <= 1 => {
                        self.state = State::Ended;
                        return Poll::Ready(Some(Err(error.into())));
                    }
                    Err(End::Failed(front, error)) => {
                        tracing::debug!(%error, "going on without ranges");
                        self.position = front;
                        self.go_on(None);
                        continue;
                    }
                },
            };
            let error = self.fetch.broken(cut, &served_by.shown_url);
            if let Err(error) = self.resume(served_by.endpoint, error) {
                return Poll::Ready(Some(Err(error.into())));
            }
        }
    }
}

impl Stream for Download {
    type Item = Result<Piece, wharf_content::Error>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.poll_piece(context)
    }
}

/// A [`Download`] of which every piece follows the one before.
pub(super) struct InOrder(pub(super) YieldBetween<Download>);

impl Stream for InOrder {
    type Item = Result<Bytes, wharf_content::Error>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let piece = ready!(Pin::new(&mut self.0).poll_next(context));
        Poll::Ready(piece.map(|piece| piece.map(|piece| piece.bytes)))
    }
}
