mod resumes;
mod stream_rate;
#[cfg(test)]
mod tests;

use std::{
    future::Future,
    mem,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use futures_core::Stream;
use tokio::sync::OwnedSemaphorePermit;
use wharf_content::{ErrorKind, Piece};

use self::{resumes::Resumes, stream_rate::StreamRate};
use super::{
    consumer_wait::ConsumerWait,
    fetch::{Fetch, Part},
    limits::PARALLEL_FROM,
    parallel_ranges::{Draining, ParallelRanges, RangesEnd, RangesEvent},
};
use crate::error::Error;

/// The bytes of one blob from an offset on, as a state machine.
///
/// ```text
///     open
///      │
///      ▼       widen             narrow
///  Streaming ─────────► Ranges ─────────► Draining
///    │    ▲               │                  │
///    │    │ answer        │ fall back        │ fall back, rejoin
///    │    │               │                  │
///    │  Requesting ◄──────┴──────────────────┘
///    │    ▲
///    └────┘ resume
///
///  Streaming  ── complete, give up, overrun ──► Ended
///  Ranges     ── complete, give up ───────────► Ended
///  Draining   ── complete, give up ───────────► Ended
///  Requesting ── refuse ──────────────────────► Ended
/// ```
///
/// | arrow | condition |
/// |---|---|
/// | open | the first request is answered, within [`Download::open`] |
/// | widen | pieces may come in any order, the network is the slower side ([`StreamRate`]), [`PARALLEL_FROM`] bytes are missing, the server has ranges, and the client has connections to spare; once per download |
/// | narrow | parallel ranges are no faster than the stream was: no further range is asked for |
/// | rejoin | the ranges that were open are received, and bytes are missing: one stream brings the rest |
/// | fall back | ranges broke off too often, or the server has too much to do: one stream brings the rest |
/// | resume | the stream broke off or ended early, and the retry policy allows another request ([`Resumes`]) |
/// | answer | an endpoint sends the rest; the one whose stream broke off is asked last |
/// | refuse | no endpoint sends the rest; each request was repeated as the retry policy allows |
/// | give up | the stream or a range broke off, and the retry policy allows no further request |
/// | overrun | the server sends more bytes than the descriptor states, in an encoding of its own |
/// | complete | every byte has arrived |
///
/// No state verifies the content: the [`Blob`](wharf_content::Blob) that reads the download does.
pub(super) struct Download {
    fetch: Arc<Fetch>,
    /// The byte that the stream sends next, or that the next request asks for.
    position: u64,
    resumes: Resumes,
    /// `None` if the download cannot widen any more.
    stream_rate: Option<StreamRate>,
    state: State,
}

enum State {
    /// A request for the rest of the blob has not been answered yet.
    Requesting(Requesting),
    /// One answer brings the rest of the blob.
    Streaming(Box<Part>),
    /// Several answers bring a range each, and further ranges are asked for.
    Ranges(Box<ParallelRanges>),
    /// The ranges that are open are received to their end.
    Draining(Draining),
    /// Nothing more is received. The error is handed out once.
    Ended(Option<Error>),
}

type Requesting = Pin<Box<dyn Future<Output = Result<Part, Error>> + Send>>;

/// A change of the state, as the diagram above [`Download`] names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Arrow {
    Widen,
    Narrow,
    Rejoin,
    FallBack,
    Resume,
    Answer,
    Refuse,
    GiveUp,
    Overrun,
    Complete,
}

/// The outcome of one look at the state.
enum DownloadStep {
    Wait,
    Piece(Piece),
    Follow(Arrow),
    End(Option<Error>),
}

/// The end of a stream.
enum StreamEvent {
    /// The network is slower than the consumer: this many bytes per second.
    Slow(f64, OwnedSemaphorePermit),
    Cut(Error),
    Overrun(Error),
    Complete,
}

impl Download {
    /// Sends the first request.
    ///
    /// # Errors
    ///
    /// No endpoint sends the bytes from `offset` on.
    pub(super) async fn open(fetch: Arc<Fetch>, offset: u64) -> Result<Self, Error> {
        let state = if offset > 0 && offset >= fetch.descriptor.size() {
            State::Ended(None)
        } else {
            State::Streaming(Box::new(fetch.part(offset, None).await?))
        };
        Ok(Self {
            resumes: Resumes::new(fetch.remote.client().shared().retry),
            fetch,
            position: offset,
            stream_rate: None,
            state,
        })
    }

    /// Allows pieces that do not follow the one before: the download may widen, once its consumer mostly
    /// waits for the network.
    pub(super) fn in_any_order(mut self, consumer_wait: Arc<ConsumerWait>) -> Self {
        self.stream_rate = Some(StreamRate::new(consumer_wait));
        self
    }

    /// Receives a piece, or follows one arrow of the diagram: all of them are here and in the two functions
    /// below.
    fn step(&mut self, context: &mut Context<'_>) -> DownloadStep {
        // Taken out and put back, so that the next state can own what this one holds.
        let (state, step) = match mem::replace(&mut self.state, State::Ended(None)) {
            State::Requesting(mut request) => match request.as_mut().poll(context) {
                Poll::Pending => (State::Requesting(request), DownloadStep::Wait),
                Poll::Ready(Ok(part)) => (
                    State::Streaming(Box::new(part)),
                    DownloadStep::Follow(Arrow::Answer),
                ),
                Poll::Ready(Err(error)) => (State::Ended(Some(error)), DownloadStep::Follow(Arrow::Refuse)),
            },
            State::Streaming(mut part) => match self.poll_stream(&mut part, context) {
                Poll::Pending => (State::Streaming(part), DownloadStep::Wait),
                Poll::Ready(Ok(piece)) => (State::Streaming(part), DownloadStep::Piece(piece)),
                Poll::Ready(Err(StreamEvent::Slow(rate, permits))) => {
                    let ranges = ParallelRanges::start(&self.fetch, permits, *part, self.position, rate);
                    (
                        State::Ranges(Box::new(ranges)),
                        DownloadStep::Follow(Arrow::Widen),
                    )
                }
                Poll::Ready(Err(StreamEvent::Cut(error))) => self.after_cut(part.served_by.endpoint, error),
                Poll::Ready(Err(StreamEvent::Overrun(error))) => {
                    (State::Ended(Some(error)), DownloadStep::Follow(Arrow::Overrun))
                }
                Poll::Ready(Err(StreamEvent::Complete)) => {
                    (State::Ended(None), DownloadStep::Follow(Arrow::Complete))
                }
            },
            State::Ranges(mut ranges) => match ranges.poll_next(context) {
                Poll::Pending => (State::Ranges(ranges), DownloadStep::Wait),
                Poll::Ready(Ok(piece)) => (State::Ranges(ranges), DownloadStep::Piece(piece)),
                Poll::Ready(Err(RangesEvent::NoFaster)) => (
                    State::Draining(ranges.drain()),
                    DownloadStep::Follow(Arrow::Narrow),
                ),
                Poll::Ready(Err(RangesEvent::Ended(end))) => self.after_ranges(end),
            },
            State::Draining(mut ranges) => match ranges.poll_next(context) {
                Poll::Pending => (State::Draining(ranges), DownloadStep::Wait),
                Poll::Ready(Ok(piece)) => (State::Draining(ranges), DownloadStep::Piece(piece)),
                Poll::Ready(Err(end)) => self.after_ranges(end),
            },
            State::Ended(error) => (State::Ended(None), DownloadStep::End(error)),
        };
        self.state = state;
        if let DownloadStep::Follow(arrow) = &step {
            tracing::debug!(?arrow, position = self.position, "download");
        }
        step
    }

    fn after_cut(&mut self, endpoint: usize, error: Error) -> (State, DownloadStep) {
        let Some(wait) = self.resumes.wait_before_next() else {
            return (State::Ended(Some(error)), DownloadStep::Follow(Arrow::GiveUp));
        };
        tracing::debug!(%error, ?wait, "the stream broke off");
        self.fetch.remote.client().shared().counting.resumed.add();
        (
            self.request(Some(endpoint), wait),
            DownloadStep::Follow(Arrow::Resume),
        )
    }

    fn after_ranges(&mut self, end: RangesEnd) -> (State, DownloadStep) {
        let arrow = match end {
            RangesEnd::Received(front) if front >= self.fetch.descriptor.size() => {
                return (State::Ended(None), DownloadStep::Follow(Arrow::Complete));
            }
            RangesEnd::Broken(_, error) if self.resumes.are_forbidden() => {
                return (State::Ended(Some(error)), DownloadStep::Follow(Arrow::GiveUp));
            }
            RangesEnd::Received(front) => {
                self.position = front;
                Arrow::Rejoin
            }
            RangesEnd::Broken(front, error) => {
                tracing::debug!(%error, "parallel ranges broke off");
                self.position = front;
                Arrow::FallBack
            }
        };
        (self.request(None, Duration::ZERO), DownloadStep::Follow(arrow))
    }

    /// Asks for the rest after a wait. `failed` is the endpoint whose stream has just broken off.
    fn request(&self, failed: Option<usize>, wait: Duration) -> State {
        let (fetch, position) = (Arc::clone(&self.fetch), self.position);
        State::Requesting(Box::pin(async move {
            if !wait.is_zero() {
                tokio::time::sleep(wait).await;
            }
            fetch.part(position, failed).await
        }))
    }

    fn poll_stream(
        &mut self,
        part: &mut Part,
        context: &mut Context<'_>,
    ) -> Poll<Result<Piece, StreamEvent>> {
        if let Some(slow) = self.slow(part) {
            return Poll::Ready(Err(slow));
        }
        let size = self.fetch.descriptor.size();
        // One byte more than the descriptor states is let through: the blob refuses it.
        let end = size.saturating_add(1);
        let error = match ready!(part.poll_chunk(self.position, end, context)) {
            Some(Ok(bytes)) => {
                let offset = self.position;
                let piece = Piece { offset, bytes };
                if piece.end() > size
                    && let Some(reason) = part.overrun()
                {
                    let error = self.fetch.refuse(ErrorKind::Mismatch, reason);
                    let error = error.at(&part.served_by.shown_url);
                    return Poll::Ready(Err(StreamEvent::Overrun(error)));
                }
                self.position = piece.end();
                self.resumes.progress();
                if let Some(rate) = &mut self.stream_rate {
                    rate.count(piece.bytes.len());
                }
                return Poll::Ready(Ok(piece));
            }
            None if self.position >= size => return Poll::Ready(Err(StreamEvent::Complete)),
            None => part.early_end(self.position, size),
            Some(Err(error)) => error,
        };
        if error.kind() == wharf_http::ErrorKind::Overloaded
            && let Some(permit) = &part.permit
        {
            permit.pushed_back();
        }
        let error = self.fetch.broken(error, &part.served_by.shown_url);
        Poll::Ready(Err(StreamEvent::Cut(error)))
    }

    /// The event of a stream that is slow enough to widen, if all other conditions hold.
    fn slow(&mut self, part: &Part) -> Option<StreamEvent> {
        let rate = self.stream_rate.as_mut()?.take_slow()?;
        if self.fetch.descriptor.size().saturating_sub(self.position) < PARALLEL_FROM {
            return None;
        }
        if !part.served_by.has_ranges {
            self.stream_rate = None;
            return None;
        }
        // If there are none, the next chunk asks again: another blob may have ended.
        let permits = ParallelRanges::permits(&self.fetch)?;
        self.stream_rate = None;
        Some(StreamEvent::Slow(rate, permits))
    }
}

impl Stream for Download {
    type Item = Result<Piece, wharf_content::Error>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        loop {
            return match self.step(context) {
                DownloadStep::Wait => Poll::Pending,
                DownloadStep::Piece(piece) => Poll::Ready(Some(Ok(piece))),
                DownloadStep::Follow(_) => continue,
                DownloadStep::End(error) => Poll::Ready(error.map(|error| Err(error.into()))),
            };
        }
    }
}
