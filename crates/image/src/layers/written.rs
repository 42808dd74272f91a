//! Bytes that a function writes, as a stream.

use std::io::{self, Write};

use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use tokio::{sync::mpsc, task::spawn_blocking};
use wharf_content::{ByteStream, Error, ErrorKind};

use super::Buffers;

/// The size in bytes of a piece.
const PIECE: usize = 256 << 10;

/// The bytes that a function writes on a blocking thread. The stream fails if the function does.
pub(crate) fn written(
    write: impl FnOnce(&mut dyn Write) -> Result<(), Error> + Send + 'static,
) -> ByteStream {
    let (sender, receiver) = mpsc::channel(2);
    spawn_blocking(move || {
        let mut pieces = Pieces {
            piece: Vec::with_capacity(PIECE),
            buffers: Buffers::default(),
            sender,
        };
        let end = write(&mut pieces).and_then(|()| pieces.send_piece().map_err(given_up));
        let _ = pieces.sender.blocking_send(end.map(|()| None));
    });
    let next = |mut receiver: mpsc::Receiver<Result<Option<Bytes>, Error>>| async move {
        match receiver.recv().await {
            Some(Ok(Some(piece))) => Ok(Some((piece, receiver))),
            Some(Ok(None)) => Ok(None),
            Some(Err(error)) => Err(error),
            None => {
                let message = "the writing of a layer stopped before its end";
                Err(Error::new(ErrorKind::Other, message))
            }
        }
    };
    stream::try_unfold(receiver, next).boxed()
}

/// Passes what is written on in pieces.
struct Pieces {
    /// It has room for [`PIECE`] bytes.
    piece: Vec<u8>,
    buffers: Buffers,
    sender: mpsc::Sender<Result<Option<Bytes>, Error>>,
}

impl Pieces {
    fn send_piece(&mut self) -> io::Result<()> {
        if self.piece.is_empty() {
            return Ok(());
        }
        let mut next = self.buffers.take();
        next.reserve_exact(PIECE);
        let piece = std::mem::replace(&mut self.piece, next);
        let sent = self.sender.blocking_send(Ok(Some(self.buffers.lend(piece))));
        sent.map_err(|_| io::Error::from(io::ErrorKind::BrokenPipe))
    }
}

impl Write for Pieces {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut rest = bytes;
        while !rest.is_empty() {
            let room = PIECE.saturating_sub(self.piece.len());
            let (bytes, after) = rest.split_at_checked(room).unwrap_or((rest, &[]));
            self.piece.extend_from_slice(bytes);
            rest = after;
            if self.piece.len() >= PIECE {
                self.send_piece()?;
            }
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn given_up(error: io::Error) -> Error {
    Error::wrap(ErrorKind::Cancelled, error)
}
