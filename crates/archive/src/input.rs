//! Reads a range of a file in large chunks, the next one while the last is being used.

use std::{
    fs::File,
    ops::Range,
    path::Path,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use futures_core::Stream;
use tokio::task::JoinHandle;
use wharf_content::Error;

use crate::{error::At as _, runtime::joined};

/// The most bytes of one read.
const CHUNK: u64 = 512 * 1024;

/// A range of a file that was not read yet.
#[derive(Debug, Clone)]
pub(crate) struct Part {
    pub(crate) file: Arc<File>,
    /// For messages.
    pub(crate) path: Arc<Path>,
    pub(crate) range: Range<u64>,
}

impl Part {
    /// Reads the next bytes; none at the end of the range or of the file.
    pub(crate) fn read(&mut self) -> Result<Bytes, Error> {
        let rest = self.range.end.saturating_sub(self.range.start);
        let mut buffer = vec![0; usize::try_from(rest.min(CHUNK)).unwrap_or(0)];
        let length = wharf_fs::fill_at(&self.file, &mut buffer, self.range.start).at("read", &self.path)?;
        buffer.truncate(length);
        self.range.start += length as u64;
        Ok(buffer.into())
    }

    /// The bytes as a stream, read on threads for blocking work.
    pub(crate) fn stream(self) -> Chunks {
        Chunks(State::start(self))
    }
}

/// The chunks of a range.
pub(crate) struct Chunks(State);

enum State {
    Reading(JoinHandle<Result<(Part, Bytes), Error>>),
    Ended,
}

impl State {
    fn start(mut part: Part) -> Self {
        if part.range.is_empty() {
            return Self::Ended;
        }
        Self::Reading(tokio::task::spawn_blocking(move || {
            let bytes = part.read()?;
            Ok((part, bytes))
        }))
    }
}

impl Stream for Chunks {
    type Item = Result<Bytes, Error>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let State::Reading(reading) = &mut self.0 else {
            return Poll::Ready(None);
        };
        let read = joined(ready!(Pin::new(reading).poll(context)));
        self.0 = State::Ended;
        let (part, bytes) = match read {
            Ok((_, bytes)) if bytes.is_empty() => return Poll::Ready(None),
            Ok(read) => read,
            Err(error) => return Poll::Ready(Some(Err(error))),
        };
        self.0 = State::start(part);
        Poll::Ready(Some(Ok(bytes)))
    }
}
