//! Writes bytes in large batches; one is written while the next is being received.

use std::{
    fs::File,
    io::{self, Write},
    path::Path,
    sync::{Arc, Mutex, PoisonError},
};

use bytes::Bytes;
use tokio::task::JoinHandle;
use wharf_content::Error;

use crate::{error::At as _, runtime::joined};

/// The bytes of one batch, at least.
const BATCH: usize = 1024 * 1024;

/// Where bytes are written.
#[derive(Clone)]
pub(crate) enum Destination {
    /// A file that can be sought.
    File(Arc<File>),
    /// Anything else, such as a pipe.
    Stream(Arc<Mutex<dyn Write + Send>>),
}

impl Destination {
    /// Writes bytes, of a file at `offset`.
    pub(crate) fn write(&self, batch: &[Bytes], mut offset: u64) -> io::Result<()> {
        match self {
            Self::File(file) => {
                for bytes in batch {
                    wharf_fs::write_all_at(file, bytes, offset)?;
                    offset += bytes.len() as u64;
                }
            }
            Self::Stream(stream) => {
                let mut stream = stream.lock().unwrap_or_else(PoisonError::into_inner);
                for bytes in batch {
                    stream.write_all(bytes)?;
                }
            }
        }
        Ok(())
    }

    /// Waits until what was written has left this process.
    pub(crate) fn flush(&self) -> io::Result<()> {
        match self {
            Self::File(file) => file.sync_all(),
            Self::Stream(stream) => stream.lock().unwrap_or_else(PoisonError::into_inner).flush(),
        }
    }
}

/// A writer at a position of a destination.
///
/// If it is dropped, a write under way goes on; `hold` is dropped after its end.
pub(crate) struct Output<H> {
    destination: Destination,
    /// For messages.
    path: Arc<Path>,
    /// Where the next batch is written.
    offset: u64,
    batch: Vec<Bytes>,
    batched: usize,
    writing: Option<JoinHandle<Result<(), Error>>>,
    hold: Arc<H>,
}

impl<H: Send + Sync + 'static> Output<H> {
    /// A writer from `offset` on.
    pub(crate) fn new(destination: Destination, path: Arc<Path>, offset: u64, hold: Arc<H>) -> Self {
        Self {
            destination,
            path,
            offset,
            batch: Vec::new(),
            batched: 0,
            writing: None,
            hold,
        }
    }

    /// Appends bytes. The error may be that of an earlier call.
    pub(crate) async fn write(&mut self, bytes: impl Into<Bytes>) -> Result<(), Error> {
        let bytes = bytes.into();
        self.batched += bytes.len();
        self.batch.push(bytes);
        if self.batched >= BATCH {
            self.flush().await?;
        }
        Ok(())
    }

    /// Waits until everything is written.
    pub(crate) async fn finish(mut self) -> Result<(), Error> {
        self.flush().await?;
        self.written().await
    }

    async fn flush(&mut self) -> Result<(), Error> {
        self.written().await?;
        let batch = std::mem::take(&mut self.batch);
        let (destination, path, hold) = (
            self.destination.clone(),
            Arc::clone(&self.path),
            Arc::clone(&self.hold),
        );
        let offset = self.offset;
        self.offset += std::mem::take(&mut self.batched) as u64;
        self.writing = Some(tokio::task::spawn_blocking(move || {
            let written = destination.write(&batch, offset).at("write", &path);
            drop(hold);
            written
        }));
        Ok(())
    }

    async fn written(&mut self) -> Result<(), Error> {
        match self.writing.take() {
            Some(writing) => joined(writing.await),
            None => Ok(()),
        }
    }
}
