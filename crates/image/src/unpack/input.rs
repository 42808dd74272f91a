use std::{
    io::{self, Read},
    sync::Arc,
};

use bytes::{Buf as _, Bytes};
use tokio::{sync::mpsc, task::AbortHandle};
use wharf_content::{Blob, Descriptor, Error, ErrorKind, Event, Progress};

use crate::layers::feed;

/// The bytes of a layer, for a blocking thread. Their end is reported when their digest was found right.
pub(super) struct Input {
    chunks: mpsc::Receiver<Result<Option<Bytes>, Error>>,
    feeder: AbortHandle,
    current: Bytes,
    descriptor: Descriptor,
    progress: Arc<dyn Progress>,
    ended: bool,
}

impl Input {
    /// Begins to read.
    pub(super) fn read(blob: Blob, descriptor: Descriptor, progress: Arc<dyn Progress>) -> Self {
        let (chunks, feeder) = feed(blob);
        Self {
            chunks,
            feeder,
            current: Bytes::new(),
            descriptor,
            progress,
            ended: false,
        }
    }
}

impl Read for Input {
    fn read(&mut self, output: &mut [u8]) -> io::Result<usize> {
        while self.current.is_empty() {
            if self.ended {
                return Ok(0);
            }
            match self.chunks.blocking_recv() {
                Some(Ok(Some(chunk))) => {
                    self.progress.event(Event::Advanced {
                        descriptor: &self.descriptor,
                        bytes: chunk.len() as u64,
                    });
                    self.current = chunk;
                }
                Some(Ok(None)) => self.ended = true,
                Some(Err(error)) => return Err(io::Error::other(error)),
                None => {
                    let error = Error::new(ErrorKind::Cancelled, "the image is not unpacked any further");
                    return Err(io::Error::other(error));
                }
            }
        }
        let count = self.current.len().min(output.len());
        self.current
            .split_to(count)
            .copy_to_slice(output.get_mut(..count).unwrap_or_default());
        Ok(count)
    }
}

impl Drop for Input {
    fn drop(&mut self) {
        self.feeder.abort();
    }
}
