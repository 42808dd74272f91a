//! Files of this machine as external objects. No symbolic link on the way is followed: whoever may write where the other
//! registry keeps its files does not choose which files of this machine are served.

use std::{fs::File, io, ops::Range, sync::Arc};

use bytes::{Bytes, BytesMut};
use futures_util::stream;
use tokio::task::spawn_blocking;
use wharf_content::{Error, ErrorKind};
use wharf_fs::{Directory, WrongKind, fill_at};

use crate::{objects::OpenObject, store_error, text::bounded};

/// Bytes that are read at a time.
const CHUNK: u64 = 256 * 1024;

/// The size of the file at an absolute path. [`ErrorKind::NotFound`] if no regular file is there.
pub(super) async fn size(path: &str) -> Result<u64, Error> {
    find(path).await.map(|(_, size)| size)
}

/// Opens bytes of the file at an absolute path.
pub(super) async fn open(path: &str, range: Range<u64>) -> Result<OpenObject, Error> {
    let (file, size) = find(path).await?;
    let (file, path): (_, Arc<str>) = (Arc::new(file), path.into());
    let end = range.end.min(size);
    let bytes = stream::try_unfold(range.start, move |at| {
        let (file, path) = (Arc::clone(&file), Arc::clone(&path));
        async move {
            let length = usize::try_from(end.saturating_sub(at).min(CHUNK)).unwrap_or_default();
            let chunk =
                blocking(move || read(&file, at, length).map_err(|error| failed(&path, error))).await?;
            // Of a file that was cut meanwhile fewer bytes come than were asked for.
            let next = at.saturating_add(chunk.len() as u64);
            Ok((!chunk.is_empty()).then_some((chunk, next)))
        }
    });
    Ok(OpenObject {
        size,
        bytes: Box::pin(bytes),
    })
}

async fn find(path: &str) -> Result<(File, u64), Error> {
    let path = path.to_owned();
    blocking(move || {
        let found = file_at(&path).and_then(|file| {
            let size = file.metadata()?.len();
            Ok((file, size))
        });
        found.map_err(|error| failed(&path, error))
    })
    .await
}

fn file_at(path: &str) -> io::Result<File> {
    let mut rest = path.strip_prefix('/').ok_or(io::ErrorKind::NotFound)?;
    let mut directory = Directory::open("/")?;
    while let Some((name, below)) = rest.split_once('/') {
        directory = directory.directory(name)?;
        rest = below;
    }
    directory.open_file(rest)
}

fn read(file: &File, at: u64, length: usize) -> io::Result<Bytes> {
    let mut chunk = BytesMut::zeroed(length);
    let filled = fill_at(file, &mut chunk, at)?;
    chunk.truncate(filled);
    Ok(chunk.freeze())
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Error> + Send + 'static,
) -> Result<T, Error> {
    let interrupted = |error| Error::wrap(ErrorKind::Cancelled, error);
    spawn_blocking(work).await.map_err(interrupted)?
}

fn failed(path: &str, error: io::Error) -> Error {
    let is_absent = matches!(
        error.kind(),
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
    );
    let kind = if is_absent || WrongKind::of(&error).is_some() {
        ErrorKind::NotFound
    } else {
        store_error::io_kind(error.kind())
    };
    Error::new(kind, format!("cannot read {}: {error}", bounded(path))).with_source(error)
}
