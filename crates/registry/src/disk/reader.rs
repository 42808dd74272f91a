use std::{
    fs::File,
    io::{Read as _, Seek as _, SeekFrom},
    ops::Range,
    path::{Path, PathBuf},
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use futures_core::Stream;
use tokio::task::{JoinHandle, spawn_blocking};
use wharf_content::{Error, ErrorKind};

use super::{blocking, files::At as _};

/// Bytes that are read at a time; twice that much of one stream is in memory.
const CHUNK: u64 = 256 * 1024;

/// Reads a range of a file, one chunk ahead of its consumer.
pub(super) struct Reader {
    next: Option<JoinHandle<Result<Step, Error>>>,
}

/// A chunk, and the file for the next one; an empty chunk is the end.
struct Step {
    chunk: Bytes,
    file: File,
    left: u64,
    path: PathBuf,
}

impl Reader {
    pub(super) async fn open(path: PathBuf, range: Range<u64>) -> Result<Self, Error> {
        let first = blocking(move || {
            let mut file = File::open(&path).at("open", &path)?;
            file.seek(SeekFrom::Start(range.start)).at("seek in", &path)?;
            let left = range.end.saturating_sub(range.start);
            Ok((file, left, path))
        });
        let (file, left, path) = first.await?;
        Ok(Self {
            next: Some(spawn_blocking(move || step(file, left, path))),
        })
    }
}

fn step(mut file: File, left: u64, path: PathBuf) -> Result<Step, Error> {
    let chunk = read(&mut file, left.min(CHUNK), &path)?;
    let left = left.saturating_sub(chunk.len() as u64);
    Ok(Step {
        chunk,
        file,
        left,
        path,
    })
}

fn read(file: &mut File, length: u64, path: &Path) -> Result<Bytes, Error> {
    let mut chunk = Vec::with_capacity(usize::try_from(length).unwrap_or_default());
    file.take(length).read_to_end(&mut chunk).at("read", path)?;
    Ok(chunk.into())
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
        if step.left > 0 {
            let (file, left, path) = (step.file, step.left, step.path);
            self.next = Some(spawn_blocking(move || self::step(file, left, path)));
        }
        Poll::Ready(Some(Ok(step.chunk)))
    }
}
