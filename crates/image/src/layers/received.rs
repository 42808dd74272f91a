use std::io::{self, Read};

use bytes::{Buf as _, Bytes};
use futures_util::Stream;
use tokio::{sync::mpsc, task::AbortHandle};
use wharf_content::{Error, ErrorKind};

use super::feed;

/// The bytes of a layer that a task reads, for a blocking thread. Their end is reported when their digest was found right,
/// if they are a blob. Dropped early, it ends the task.
pub(crate) struct Received {
    receiver: mpsc::Receiver<Result<Option<Bytes>, Error>>,
    feeder: AbortHandle,
    piece: Bytes,
    ended: bool,
}

impl Received {
    /// Begins to read. It needs a tokio runtime.
    pub(crate) fn of(bytes: impl Stream<Item = Result<Bytes, Error>> + Send + Unpin + 'static) -> Self {
        let (receiver, feeder) = feed(bytes);
        Self {
            receiver,
            feeder,
            piece: Bytes::new(),
            ended: false,
        }
    }

    /// The task that reads. When it is aborted, the bytes end with an error.
    #[cfg(all(feature = "apply", target_os = "linux"))]
    pub(crate) fn reader(&self) -> AbortHandle {
        self.feeder.clone()
    }
}

impl Read for Received {
    fn read(&mut self, output: &mut [u8]) -> io::Result<usize> {
        while self.piece.is_empty() && !self.ended {
            match self.receiver.blocking_recv() {
                Some(Ok(Some(piece))) => self.piece = piece,
                Some(Ok(None)) => self.ended = true,
                Some(Err(error)) => return Err(io::Error::other(error)),
                None => {
                    let message = "the reading of a layer stopped before its end";
                    return Err(io::Error::other(Error::new(ErrorKind::Cancelled, message)));
                }
            }
        }
        let count = self.piece.len().min(output.len());
        self.piece
            .copy_to_slice(output.get_mut(..count).unwrap_or_default());
        Ok(count)
    }
}

impl Drop for Received {
    fn drop(&mut self) {
        self.feeder.abort();
    }
}
