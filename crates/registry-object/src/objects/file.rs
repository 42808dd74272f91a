//! Objects that are files. `object_store` repeats empty chunks for ever of a file that was cut meanwhile.

use std::{fs::File, ops::Range, sync::Arc};

use bytes::{Bytes, BytesMut};
use futures_util::stream;
use tokio::task::spawn_blocking;
use wharf_content::{ByteStream, Error, ErrorKind};
use wharf_fs::fill_at;

use crate::store_error;

/// Bytes that are read at a time.
const CHUNK: u64 = 256 * 1024;

/// Reads bytes of a file, which had them when it was opened.
pub(crate) fn read(file: File, range: Range<u64>) -> ByteStream {
    let file = Arc::new(file);
    Box::pin(stream::try_unfold(range.start, move |at| {
        let (file, left) = (Arc::clone(&file), range.end.saturating_sub(at));
        async move {
            if left == 0 {
                return Ok(None);
            }
            let length = usize::try_from(left.min(CHUNK)).unwrap_or_default();
            let chunk = blocking(move || read_at(&file, at, length)).await?;
            let next = at.saturating_add(chunk.len() as u64);
            Ok(Some((chunk, next)))
        }
    }))
}

/// Reads at least one byte.
fn read_at(file: &File, at: u64, length: usize) -> Result<Bytes, Error> {
    let mut chunk = BytesMut::zeroed(length);
    let filled = fill_at(file, &mut chunk, at).map_err(|error| {
        let message = format!("the object store cannot read an object: {}", error.kind());
        Error::new(store_error::io_kind(error.kind()), message).with_source(error)
    })?;
    if filled == 0 {
        let message = format!("the file of an object was cut to {at} bytes or fewer while it was read");
        return Err(Error::new(ErrorKind::Corrupt, message));
    }
    chunk.truncate(filled);
    Ok(chunk.freeze())
}

pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Error> + Send + 'static,
) -> Result<T, Error> {
    let interrupted = |error| Error::wrap(ErrorKind::Cancelled, error);
    spawn_blocking(work).await.map_err(interrupted)?
}
