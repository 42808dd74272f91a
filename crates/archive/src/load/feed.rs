//! The members of an archive that comes as a stream.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::{Buf as _, Bytes};
use futures_core::Stream;
use tokio::sync::OwnedMutexGuard;
use wharf_content::{ByteStream, Error};
use wharf_layer::tar::{Event, Member, Reader};

use crate::tar::members::{MAX_TRAILING, limits, second_archive};

/// The next part of the stream.
pub(super) enum Next {
    Member(Member),
    Content(Bytes),
    MemberEnd,
    /// The archive has ended.
    End,
}

/// An archive, as far as it was read.
pub(super) struct Feed {
    input: ByteStream,
    /// `None` at the end.
    reader: Option<Reader>,
    /// Bytes that were received and not read.
    chunk: Bytes,
    /// Where the archive ended, in bytes from its start.
    ended_at: Option<u64>,
    /// True within the content of a member.
    is_within: bool,
}

impl Feed {
    pub(super) fn new(input: ByteStream) -> Self {
        Self {
            input,
            reader: Some(Reader::new(limits())),
            chunk: Bytes::new(),
            ended_at: None,
            is_within: false,
        }
    }

    pub(super) async fn next(&mut self) -> Result<Next, Error> {
        std::future::poll_fn(|context| self.poll_next(context)).await
    }

    /// The next bytes of a member's content; `None` at its end.
    pub(super) async fn content(&mut self) -> Result<Option<Bytes>, Error> {
        while self.is_within {
            if let Next::Content(bytes) = self.next().await? {
                return Ok(Some(bytes));
            }
        }
        Ok(None)
    }

    fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Result<Next, Error>> {
        loop {
            let Some(reader) = &mut self.reader else {
                return Poll::Ready(Ok(Next::End));
            };
            let chunk = self.chunk.clone();
            let mut input = &*chunk;
            let event = reader.next_event(&mut input)?;
            let is_end = matches!(event, Some(Event::End));
            let next = match event {
                Some(Event::Member { member, .. }) => {
                    self.is_within = true;
                    Some(Next::Member(member))
                }
                Some(Event::Content(bytes)) => Some(Next::Content(chunk.slice_ref(bytes))),
                Some(Event::MemberEnd) => {
                    self.is_within = false;
                    Some(Next::MemberEnd)
                }
                _ => None,
            };
            let position = reader.position();
            self.chunk.advance(chunk.len().saturating_sub(input.len()));
            if let Some(next) = next {
                return Poll::Ready(Ok(next));
            }
            if is_end {
                self.ended_at = Some(position);
            }
            if !self.chunk.is_empty() {
                continue;
            }
            let is_enough = |end: u64| position.saturating_sub(end) >= MAX_TRAILING;
            if self.ended_at.is_some_and(is_enough) {
                self.finish()?;
                continue;
            }
            match ready!(self.input.as_mut().poll_next(context)) {
                Some(chunk) => self.chunk = chunk?,
                None => self.finish()?,
            }
        }
    }

    fn finish(&mut self) -> Result<(), Error> {
        let Some(reader) = self.reader.take() else {
            return Ok(());
        };
        if reader.finish()?.trailing > 0 {
            return Err(second_archive(self.ended_at.unwrap_or_default()));
        }
        Ok(())
    }
}

/// The content of a member, as a stream: what was read of it already, and then the rest.
pub(super) struct Content {
    first: Option<Bytes>,
    feed: OwnedMutexGuard<Feed>,
}

impl Content {
    pub(super) const fn new(first: Bytes, feed: OwnedMutexGuard<Feed>) -> Self {
        Self {
            first: Some(first),
            feed,
        }
    }

    /// The first bytes.
    pub(super) fn head(&self) -> &[u8] {
        self.first.as_deref().unwrap_or_default()
    }
}

impl Stream for Content {
    type Item = Result<Bytes, Error>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if let Some(first) = self.first.take().filter(|first| !first.is_empty()) {
            return Poll::Ready(Some(Ok(first)));
        }
        if !self.feed.is_within {
            return Poll::Ready(None);
        }
        Poll::Ready(match ready!(self.feed.poll_next(context)) {
            Ok(Next::Content(bytes)) => Some(Ok(bytes)),
            Ok(_) => None,
            Err(error) => Some(Err(error)),
        })
    }
}
