//! Reads a file in large chunks, one ahead of the consumer, in buffers that are reused.

use std::{
    fs::File,
    ops::Range,
    path::PathBuf,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard},
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use futures_core::Stream;
use tokio::task::JoinHandle;
use wharf_content::{ByteStream, Error};

use crate::{
    error::At as _,
    runtime::{blocking, joined},
    sync::LockExt as _,
};

/// The most bytes of one read.
const CHUNK: u64 = 512 * 1024;

/// The most buffers of one reader that are reused.
const SPARE: usize = 2;

/// A sequential reader of a range of a file.
#[derive(Debug)]
pub(crate) struct Chunks {
    pub(crate) file: File,
    pub(crate) path: PathBuf,
    /// The range that was not read yet.
    pub(crate) left: Range<u64>,
    spare: Arc<Spare>,
}

impl Chunks {
    pub(crate) fn new(file: File, path: PathBuf, range: Range<u64>) -> Self {
        Self {
            file,
            path,
            left: range,
            spare: Arc::default(),
        }
    }

    /// Reads the next bytes, at most `limit`; fewer than that if the file ends before the range does.
    pub(crate) fn read(&mut self, limit: u64) -> Result<Bytes, Error> {
        let rest = self.left.end.saturating_sub(self.left.start);
        let wanted = usize::try_from(rest.min(limit).min(CHUNK)).unwrap_or(0);
        let mut buffer = self.spare.buffers().pop().unwrap_or_default();
        if buffer.len() < wanted {
            buffer = vec![0; wanted];
        }
        let free = buffer.get_mut(..wanted).unwrap_or_default();
        let length = wharf_fs::fill_at(&self.file, free, self.left.start).at("read", &self.path)?;
        self.left.start += length as u64;
        Ok(Bytes::from_owner(Borrowed {
            buffer,
            length,
            spare: Arc::clone(&self.spare),
        }))
    }
}

/// Buffers of chunks that are no longer in use: reused, they need neither allocation nor zeros.
#[derive(Debug, Default)]
struct Spare(Mutex<Vec<Vec<u8>>>);

impl Spare {
    fn buffers(&self) -> MutexGuard<'_, Vec<Vec<u8>>> {
        self.0.locked()
    }
}

/// A chunk in a buffer that is reused after it is dropped.
struct Borrowed {
    buffer: Vec<u8>,
    length: usize,
    spare: Arc<Spare>,
}

impl AsRef<[u8]> for Borrowed {
    fn as_ref(&self) -> &[u8] {
        self.buffer.get(..self.length).unwrap_or_default()
    }
}

impl Drop for Borrowed {
    fn drop(&mut self) {
        let mut buffers = self.spare.buffers();
        if buffers.len() < SPARE {
            buffers.push(std::mem::take(&mut self.buffer));
        }
    }
}

/// A blocking reader.
pub(crate) trait Read: Send + Unpin + Sized + 'static {
    /// Reads the next bytes; none at the end.
    fn read_next(&mut self) -> Result<Bytes, Error>;

    /// True at the end.
    fn at_end(&self) -> bool;
}

impl Read for Chunks {
    fn read_next(&mut self) -> Result<Bytes, Error> {
        self.read(u64::MAX)
    }

    fn at_end(&self) -> bool {
        self.left.is_empty()
    }
}

/// The chunks of a reader; the next one is read while the last is being used.
pub(crate) struct ReadAhead<R>(State<R>);

enum State<R> {
    Read(R, Bytes),
    Reading(JoinHandle<Result<(R, Bytes), Error>>),
    Ended,
}

impl<R: Read> ReadAhead<R> {
    /// Opens a reader, on a thread where that may block, and reads its first chunk there.
    pub(crate) async fn open(
        open: impl FnOnce() -> Result<R, Error> + Send + 'static,
    ) -> Result<ByteStream, Error> {
        let first = blocking(move || {
            let mut reader = open()?;
            let bytes = reader.read_next()?;
            Ok((reader, bytes))
        });
        let (reader, bytes) = first.await?;
        Ok(Box::pin(Self(State::Read(reader, bytes))))
    }

    fn next(mut reader: R) -> State<R> {
        if reader.at_end() {
            return State::Ended;
        }
        State::Reading(tokio::task::spawn_blocking(move || {
            let bytes = reader.read_next()?;
            Ok((reader, bytes))
        }))
    }
}

impl<R: Read> Stream for ReadAhead<R> {
    type Item = Result<Bytes, Error>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if let State::Reading(reading) = &mut self.0 {
            self.0 = match joined(ready!(Pin::new(reading).poll(context))) {
                Ok((reader, bytes)) => State::Read(reader, bytes),
                Err(error) => {
                    self.0 = State::Ended;
                    return Poll::Ready(Some(Err(error)));
                }
            };
        }
        match std::mem::replace(&mut self.0, State::Ended) {
            State::Read(reader, bytes) if !bytes.is_empty() => {
                self.0 = Self::next(reader);
                Poll::Ready(Some(Ok(bytes)))
            }
            _ => Poll::Ready(None),
        }
    }
}
