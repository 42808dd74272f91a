use std::{
    fs::File,
    io::{self, Read as _, Seek as _, SeekFrom},
    ops::Range,
    path::PathBuf,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use futures_core::Stream;
use tokio::task::{JoinHandle, spawn_blocking};
use wharf_content::{Error, ErrorKind};

use super::{blocking, files::At as _};

/// Bytes that are read at a time.
const CHUNK: u64 = 512 * 1024;
/// Buffers of one stream that wait to be used again.
const SPARE: usize = 2;

/// Reads a range of a file, one chunk ahead of its consumer.
pub(super) struct Reader {
    next: Option<JoinHandle<Result<Step, Error>>>,
}

/// A chunk, and what the next one needs; an empty chunk is the end.
struct Step {
    chunk: Bytes,
    next: Next,
}

struct Next {
    file: File,
    left: u64,
    path: PathBuf,
    spare: Arc<Spare>,
}

/// Buffers whose chunk has been sent: the next one needs neither new memory nor zeros.
#[derive(Default)]
struct Spare(Mutex<Vec<Vec<u8>>>);

impl Spare {
    fn buffers(&self) -> MutexGuard<'_, Vec<Vec<u8>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A chunk in a buffer that goes back when it has been sent.
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

impl Reader {
    pub(super) async fn open(path: PathBuf, range: Range<u64>) -> Result<Self, Error> {
        let first = blocking(move || {
            let mut file = File::open(&path).at("open", &path)?;
            file.seek(SeekFrom::Start(range.start)).at("seek in", &path)?;
            Ok(Next {
                file,
                left: range.end.saturating_sub(range.start),
                path,
                spare: Arc::default(),
            })
        });
        let first = first.await?;
        Ok(Self {
            next: Some(spawn_blocking(move || first.read())),
        })
    }
}

impl Next {
    fn read(mut self) -> Result<Step, Error> {
        let wanted = usize::try_from(self.left.min(CHUNK)).unwrap_or_default();
        let mut buffer = self.spare.buffers().pop().unwrap_or_default();
        if buffer.len() < wanted {
            buffer.resize(wanted, 0);
        }
        let mut length = 0;
        while let Some(rest) = buffer.get_mut(length..wanted).filter(|rest| !rest.is_empty()) {
            match self.file.read(rest) {
                Ok(0) => break,
                Ok(read) => length += read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error).at("read", &self.path),
            }
        }
        self.left = self.left.saturating_sub(length as u64);
        let chunk = Bytes::from_owner(Borrowed {
            buffer,
            length,
            spare: Arc::clone(&self.spare),
        });
        Ok(Step { chunk, next: self })
    }
}

impl Stream for Reader {
    type Item = Result<Bytes, Error>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let Some(task) = &mut self.next else {
            return Poll::Ready(None);
        };
        let joined = ready!(Pin::new(task).poll(context));
        self.next = None;
        let step = match joined {
            Ok(Ok(step)) => step,
            Ok(Err(error)) => return Poll::Ready(Some(Err(error))),
            Err(error) => return Poll::Ready(Some(Err(Error::wrap(ErrorKind::Cancelled, error)))),
        };
        if step.chunk.is_empty() {
            return Poll::Ready(None);
        }
        if step.next.left > 0 {
            let next = step.next;
            self.next = Some(spawn_blocking(move || next.read()));
        }
        Poll::Ready(Some(Ok(step.chunk)))
    }
}
