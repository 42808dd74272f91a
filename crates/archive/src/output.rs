//! Writes a file from an offset on, in large batches; one is written while the next is being received.

use std::{fs::File, io, path::Path, sync::Arc};

use bytes::Bytes;
use tokio::task::JoinHandle;
use wharf_content::Error;

use crate::{error::At as _, os, runtime::joined};

/// The bytes of one batch, at least.
const BATCH: usize = 1024 * 1024;

/// A writer at a position of a file.
///
/// If it is dropped, a write under way goes on; `hold` is dropped after its end.
pub(crate) struct Output<H> {
    file: Arc<File>,
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
    pub(crate) fn new(file: Arc<File>, path: Arc<Path>, offset: u64, hold: Arc<H>) -> Self {
        Self {
            file,
            path,
            offset,
            batch: Vec::new(),
            batched: 0,
            writing: None,
            hold,
        }
    }

    /// Appends bytes. The error may be that of an earlier call.
    pub(crate) async fn write(&mut self, bytes: Bytes) -> Result<(), Error> {
        self.batched += bytes.len();
        self.batch.push(bytes);
        if self.batched >= BATCH {
            self.flush().await?;
        }
        Ok(())
    }

    /// Waits until everything is written, and returns the offset of the end.
    pub(crate) async fn finish(mut self) -> Result<u64, Error> {
        self.flush().await?;
        self.written().await?;
        Ok(self.offset)
    }

    async fn flush(&mut self) -> Result<(), Error> {
        self.written().await?;
        let batch = std::mem::take(&mut self.batch);
        let (file, path, hold) = (
            Arc::clone(&self.file),
            Arc::clone(&self.path),
            Arc::clone(&self.hold),
        );
        let offset = self.offset;
        self.offset += std::mem::take(&mut self.batched) as u64;
        self.writing = Some(tokio::task::spawn_blocking(move || {
            let written = write_batch(&file, &batch, offset).at("write", &path);
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

fn write_batch(file: &File, batch: &[Bytes], mut offset: u64) -> io::Result<()> {
    for bytes in batch {
        os::write_all_at(file, bytes, offset)?;
        offset += bytes.len() as u64;
    }
    Ok(())
}
