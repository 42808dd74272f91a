//! Receives bytes into an upload; receiving, hashing and writing overlap.

use std::{future::poll_fn, sync::Arc, task::Poll};

use bytes::Bytes;
use tokio::task::{JoinHandle, spawn, spawn_blocking};
use wharf_content::{ByteStream, Error, ErrorKind, Hasher};

use super::Engine;
use crate::Storage;

/// Bytes of an upload that are written and hashed at a time. Up to twice as many are in memory.
const BATCH: usize = 512 * 1024;
/// Batches of fewer bytes are hashed on the current thread.
const SMALL: usize = 64 * 1024;

pub(super) struct Intake<S> {
    pub(super) engine: Arc<Engine<S>>,
    pub(super) upload: String,
    pub(super) offset: u64,
    pub(super) hasher: Option<Hasher>,
}

type Work = JoinHandle<Result<Option<Hasher>, Error>>;

impl<S: Storage + 'static> Intake<S> {
    /// Receives a stream to its end. Bytes that came before a failure stay, and count in `offset`.
    pub(super) async fn take(&mut self, mut bytes: ByteStream) -> Result<(), Error> {
        let mut work: Option<(Work, u64)> = None;
        let outcome = loop {
            let (batch, end) = gather(&mut bytes).await;
            self.finish_batch(&mut work).await?;
            let length = batch.iter().map(|chunk| chunk.len() as u64).sum::<u64>();
            if length > 0 {
                work = Some((self.begin(batch, length), length));
            }
            if let Some(end) = end {
                break end;
            }
        };
        self.finish_batch(&mut work).await?;
        outcome
    }

    fn begin(&mut self, batch: Vec<Bytes>, length: u64) -> Work {
        let (engine, upload, offset) = (Arc::clone(&self.engine), self.upload.clone(), self.offset);
        let hasher = self.hasher.take();
        spawn(async move {
            let hashing = hash(hasher, batch.clone(), length);
            let hashing = async {
                match hashing {
                    Hashing::Done(hasher) => Ok(*hasher),
                    Hashing::Begun(task) => task.await.map_err(|_| interrupted()),
                }
            };
            engine.storage.append(&upload, offset, batch).await?;
            hashing.await
        })
    }

    /// Waits for the batch that is being written.
    async fn finish_batch(&mut self, work: &mut Option<(Work, u64)>) -> Result<(), Error> {
        if let Some((work, length)) = work.take() {
            self.hasher = work.await.map_err(|_| interrupted())??;
            self.offset += length;
        }
        Ok(())
    }
}

/// The bytes of one batch, and the end of the stream if it has ended.
async fn gather(bytes: &mut ByteStream) -> (Vec<Bytes>, Option<Result<(), Error>>) {
    let mut batch = Vec::new();
    let mut length = 0;
    let end = poll_fn(|context| {
        while length < BATCH {
            match bytes.as_mut().poll_next(context) {
                Poll::Ready(Some(Ok(chunk))) => {
                    length += chunk.len();
                    batch.push(chunk);
                }
                Poll::Ready(Some(Err(error))) => return Poll::Ready(Some(Err(error))),
                Poll::Ready(None) => return Poll::Ready(Some(Ok(()))),
                Poll::Pending => return Poll::Pending,
            }
        }
        Poll::Ready(None)
    });
    let end = end.await;
    (batch, end)
}

enum Hashing {
    Done(Box<Option<Hasher>>),
    Begun(JoinHandle<Option<Hasher>>),
}

/// Begins to hash, on another thread if the batch is large.
fn hash(hasher: Option<Hasher>, batch: Vec<Bytes>, length: u64) -> Hashing {
    let Some(mut hasher) = hasher else {
        return Hashing::Done(Box::new(None));
    };
    let work = move || {
        for chunk in batch {
            hasher.update(&chunk);
        }
        Some(hasher)
    };
    if length < SMALL as u64 {
        Hashing::Done(Box::new(work()))
    } else {
        Hashing::Begun(spawn_blocking(work))
    }
}

fn interrupted() -> Error {
    Error::new(ErrorKind::Cancelled, "the runtime is shutting down")
}
