use std::{
    future::Future,
    ops::Range,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use wharf_content::{ErrorKind, Piece};

use crate::{
    error::Error,
    pull::fetch::{Fetch, Part, ServedBy},
};

/// A range that is asked for or received: its bytes from `at` on are missing.
pub(super) struct ActiveRange {
    pub(super) at: u64,
    pub(super) end: u64,
    source: Source,
}

enum Source {
    Asked(Pin<Box<dyn Future<Output = Result<Part, Error>> + Send>>),
    /// An answer that holds exactly the range.
    Sent(Part),
    /// The stream of before the download widened: it goes on beyond the range.
    Stream(Part),
}

impl ActiveRange {
    /// Asks for a range. The request is sent by the first poll.
    pub(super) fn ask(fetch: &Arc<Fetch>, served_by: &ServedBy, range: Range<u64>) -> Self {
        let (fetch, served_by) = (Arc::clone(fetch), served_by.clone());
        let Range { start, end } = range;
        Self {
            at: start,
            end,
            source: Source::Asked(Box::pin(async move { fetch.range(&served_by, start, end).await })),
        }
    }

    /// Takes a range from a stream that is at the range's first byte.
    pub(super) const fn of_stream(stream: Part, range: Range<u64>) -> Self {
        Self {
            at: range.start,
            end: range.end,
            source: Source::Stream(stream),
        }
    }

    /// The bytes that are missing; `None` if there are none.
    pub(super) fn missing(&self) -> Option<Range<u64>> {
        (self.at < self.end).then_some(self.at..self.end)
    }

    /// The next piece; `None` after the last.
    ///
    /// # Errors
    ///
    /// The range is refused, breaks off, ends early or does not end.
    pub(super) fn poll_next(
        &mut self,
        fetch: &Fetch,
        context: &mut Context<'_>,
    ) -> Poll<Result<Option<Piece>, Error>> {
        loop {
            let (part, limit) = match &mut self.source {
                Source::Asked(asked) => {
                    self.source = Source::Sent(ready!(asked.as_mut().poll(context))?);
                    continue;
                }
                // One byte more than was asked for is let through, to be refused below.
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
                    let reason = "the server sends more bytes than the range has";
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
