use std::{
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::{Buf as _, Bytes};
use futures_core::Stream;
use tokio::time::Instant;

use super::{
    ahead::{Ahead, End, RANGE},
    fetch::{Fetch, Part},
};
use crate::error::Error;

/// How many tries without a single new byte end a download.
const MAX_BARREN_TRIES: u32 = 3;
/// Ranges are tried if at least this much is left,
const WORTH_RANGES: u64 = 16 * RANGE;
/// after so long and so many bytes,
const TRIAL: Duration = Duration::from_millis(300);
const TRIAL_BYTES: u64 = 2 * 1024 * 1024;

/// The bytes of a blob from an offset on. After a cut it goes on where it stopped, elsewhere if it can; while
/// it waits more for the network than the network for it, it tries several connections.
pub(super) struct Download {
    fetch: Arc<Fetch>,
    position: u64,
    barren_tries: u32,
    state: State,
    gauge: Gauge,
    may_widen: bool,
}

enum State {
    Streaming(Part),
    /// A stream up to a byte, from which on ranges are under way.
    Meeting(Part, u64, Box<Ahead>),
    Ranges(Box<Ahead>),
    Resuming(Resuming),
    Ended,
}

type Resuming = Pin<Box<dyn Future<Output = Result<Part, Error>> + Send>>;

/// Whether the stream or its reader is the slower one.
struct Gauge {
    since: Option<Instant>,
    bytes: u64,
    waiting_since: Option<Instant>,
    waited: Duration,
}

impl Gauge {
    const NEW: Self = Self {
        since: None,
        bytes: 0,
        waiting_since: None,
        waited: Duration::ZERO,
    };

    fn waits(&mut self) {
        if self.since.is_some() && self.waiting_since.is_none() {
            self.waiting_since = Some(Instant::now());
        }
    }

    fn count(&mut self, bytes: usize) {
        if self.since.is_none() {
            self.since = Some(Instant::now()); // the first chunk starts the clock: latency is no rate
            return;
        }
        self.bytes = self.bytes.saturating_add(bytes as u64);
        if let Some(since) = self.waiting_since.take() {
            self.waited += since.elapsed();
        }
    }

    /// Bytes per second, if enough was seen and the reader mostly waited.
    fn slow_rate(&self) -> Option<f64> {
        if self.bytes < TRIAL_BYTES {
            return None;
        }
        let elapsed = self.since?.elapsed();
        if elapsed < TRIAL || self.waited < elapsed / 2 {
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
            gauge: Gauge::NEW,
            may_widen: true,
        })
    }

    /// A chunk of a part, without what is to be passed over and nothing from `end` on.
    fn poll_part(
        part: &mut Part,
        position: u64,
        end: u64,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, wharf_http::Error>>> {
        loop {
            match ready!(Pin::new(&mut part.body).poll_next(context)) {
                Some(Ok(mut chunk)) => {
                    let skipped = part.skip.min(chunk.len() as u64);
                    part.skip -= skipped;
                    chunk.advance(usize::try_from(skipped).unwrap_or(usize::MAX));
                    let room = usize::try_from(end.saturating_sub(position)).unwrap_or(usize::MAX);
                    chunk.truncate(room);
                    if !chunk.is_empty() {
                        return Poll::Ready(Some(Ok(chunk)));
                    }
                }
                other => return Poll::Ready(other),
            }
        }
    }

    fn pass(&mut self, chunk: Bytes) -> Poll<Option<Result<Bytes, wharf_content::Error>>> {
        self.position = self.position.saturating_add(chunk.len() as u64);
        self.barren_tries = 0;
        Poll::Ready(Some(Ok(chunk)))
    }

    /// Decides what follows a cut: another try, or the error.
    fn resume(&mut self, site: usize, error: Error) -> Result<(), Error> {
        self.barren_tries += 1;
        if self.barren_tries >= MAX_BARREN_TRIES {
            self.state = State::Ended;
            return Err(error);
        }
        tracing::debug!(%error, position = self.position, "resuming");
        self.fetch.remote.client().shared().counting.resumed.add();
        self.go_on(Some(site));
        Ok(())
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
        if !self.may_widen || left < WORTH_RANGES {
            return;
        }
        let Some(rate) = self.gauge.slow_rate() else {
            return;
        };
        let State::Streaming(part) = &self.state else {
            return;
        };
        if !part.place.has_ranges {
            self.may_widen = false;
            return;
        }
        let meet = self.position + RANGE;
        let Some(ahead) = Ahead::start(&self.fetch, &part.place, meet, rate) else {
            return; // later, perhaps: another blob may end before this one
        };
        self.may_widen = false;
        let ahead = Box::new(ahead);
        if let State::Streaming(part) = std::mem::replace(&mut self.state, State::Ended) {
            self.state = State::Meeting(part, meet, ahead);
        }
    }
}

impl Stream for Download {
    type Item = Result<Bytes, wharf_content::Error>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        let size = this.fetch.descriptor.size();
        loop {
            let (cut, place) = match &mut this.state {
                State::Ended => return Poll::Ready(None),
                State::Resuming(resuming) => match ready!(resuming.as_mut().poll(context)) {
                    Ok(part) => {
                        this.state = State::Streaming(part);
                        continue;
                    }
                    Err(error) => {
                        this.state = State::Ended;
                        return Poll::Ready(Some(Err(error.into())));
                    }
                },
                State::Streaming(part) => {
                    // One byte beyond the promised size is let through, for the blob to see and refuse.
                    let end = size.saturating_add(1);
                    let Poll::Ready(polled) = Self::poll_part(part, this.position, end, context) else {
                        this.gauge.waits();
                        return Poll::Pending;
                    };
                    match polled {
                        Some(Ok(chunk)) => {
                            this.gauge.count(chunk.len());
                            let passed = this.pass(chunk);
                            this.widen();
                            return passed;
                        }
                        None if this.position >= size => {
                            this.state = State::Ended;
                            return Poll::Ready(None);
                        }
                        None => (early_end(this.position, size), part.place.clone()),
                        Some(Err(error)) => {
                            if error.kind() == wharf_http::ErrorKind::Overloaded {
                                part.turn.pushed_back();
                            }
                            (error, part.place.clone())
                        }
                    }
                }
                State::Meeting(part, meet, _) => {
                    let polled = if this.position >= *meet {
                        None
                    } else {
                        ready!(Self::poll_part(part, this.position, *meet, context))
                    };
                    match polled {
                        Some(Ok(chunk)) => return this.pass(chunk),
                        None if this.position >= *meet => {
                            let met = std::mem::replace(&mut this.state, State::Ended);
                            if let State::Meeting(_, _, ahead) = met {
                                this.state = State::Ranges(ahead);
                            }
                            continue;
                        }
                        None => (early_end(this.position, size), part.place.clone()),
                        Some(Err(error)) => (error, part.place.clone()),
                    }
                }
                State::Ranges(ahead) => match ready!(ahead.poll_next(context)) {
                    Ok(Ok(chunk)) => return this.pass(chunk),
                    Ok(Err(End::Complete)) => {
                        this.state = State::Ended;
                        return Poll::Ready(None);
                    }
                    Ok(Err(End::NoGain)) => {
                        this.go_on(None);
                        continue;
                    }
                    // One stream is the simpler thing: what goes wrong with ranges is no error yet.
                    Err(error) => {
                        tracing::debug!(%error, "going on without ranges");
                        this.go_on(None);
                        continue;
                    }
                },
            };
            let error = this.fetch.broken(cut, &place.endpoint);
            if let Err(error) = this.resume(place.site, error) {
                return Poll::Ready(Some(Err(error.into())));
            }
        }
    }
}

fn early_end(position: u64, size: u64) -> wharf_http::Error {
    let message = format!("it ended after {position} of {size} bytes");
    wharf_http::Error::new(wharf_http::ErrorKind::Broken, message)
}
