//! Content in a temporary file, for a registry that takes nothing but whole blobs.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read as _, Seek as _, SeekFrom, Write as _},
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex,
        atomic::{AtomicU32, Ordering},
    },
    time::{SystemTime, UNIX_EPOCH},
};

use async_trait::async_trait;
use bytes::Bytes;
use tokio::{sync::mpsc, task::spawn_blocking};
use wharf_content::{ByteStream, Error, ErrorKind, OpenBlob};

use crate::sync::LockExt as _;

/// Bytes that a temporary file may have: more than the largest layer that registries take.
pub(super) const MAX_SPOOLED: u64 = 64 * 1024 * 1024 * 1024;
/// Bytes that are read at a time.
const PIECE: usize = 256 * 1024;

/// A temporary file that only this user can open. It is gone when this is dropped; on Unix it has no name from the beginning.
#[derive(Clone)]
pub(super) struct Spool(Arc<Inner>);

struct Inner {
    file: Mutex<File>,
    directory: PathBuf,
    name: Option<PathBuf>,
}

impl Spool {
    /// An empty file.
    pub(super) async fn create(directory: &Path) -> Result<Self, Error> {
        let directory = directory.to_owned();
        let made = blocking(move || {
            let (path, file) = unnamed(&directory).map_err(|error| problem(&directory, error))?;
            let name = fs::remove_file(&path).err().map(|_| path); // where open files keep their names
            let file = Mutex::new(file);
            Ok(Inner {
                file,
                directory,
                name,
            })
        });
        Ok(Self(Arc::new(made.await?)))
    }

    /// Appends bytes.
    pub(super) async fn append(&self, bytes: Bytes) -> Result<(), Error> {
        let inner = Arc::clone(&self.0);
        blocking(move || {
            let written = inner.file.locked().write_all(&bytes);
            written.map_err(|error| problem(&inner.directory, error))
        })
        .await
    }

    fn read(&self, offset: u64) -> Result<Bytes, Error> {
        let mut file = self.0.file.locked();
        let mut piece = Vec::with_capacity(PIECE);
        let read = file.seek(SeekFrom::Start(offset));
        let read = read.and_then(|_| (&mut *file).take(PIECE as u64).read_to_end(&mut piece));
        match read {
            Ok(_) => Ok(piece.into()),
            Err(error) => Err(problem(&self.0.directory, error)),
        }
    }
}

#[async_trait]
impl OpenBlob for Spool {
    async fn open(&self, mut offset: u64) -> Result<ByteStream, Error> {
        let spool = self.clone();
        let (sender, pieces) = mpsc::channel(2);
        spawn_blocking(move || {
            loop {
                let piece = spool.read(offset);
                let is_last = piece.as_ref().map_or(true, Bytes::is_empty);
                offset += piece.as_ref().map_or(0, |piece| piece.len() as u64);
                if sender.blocking_send(piece).is_err() || is_last {
                    return;
                }
            }
        });
        Ok(Box::pin(Pieces(pieces)))
    }
}

struct Pieces(mpsc::Receiver<Result<Bytes, Error>>);

impl futures_core::Stream for Pieces {
    type Item = Result<Bytes, Error>;

    fn poll_next(
        mut self: std::pin::Pin<&mut Self>,
        context: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Self::Item>> {
        self.0
            .poll_recv(context)
            .map(|piece| piece.filter(|piece| !matches!(piece, Ok(bytes) if bytes.is_empty())))
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        if let Some(name) = &self.name
            && let Err(error) = fs::remove_file(name)
        {
            tracing::warn!("cannot remove {}: {error}", name.display());
        }
    }
}

/// A new file with a name that no other has.
fn unnamed(directory: &Path) -> io::Result<(PathBuf, File)> {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_nanos());
    let path = directory.join(format!("wharf-upload-{}-{number}-{now:x}", std::process::id()));
    let mut options = OpenOptions::new();
    options.read(true).write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let file = options.open(&path)?;
    Ok((path, file))
}

fn problem(directory: &Path, error: io::Error) -> Error {
    let kind = match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => ErrorKind::NoSpace,
        _ => ErrorKind::Storage,
    };
    let message = format!(
        "the temporary file in {} for an upload that the registry takes only whole",
        directory.display()
    );
    Error::new(kind, format!("{message}: {error}")).with_source(error)
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Error> + Send + 'static,
) -> Result<T, Error> {
    let done = spawn_blocking(work).await;
    done.map_err(|error| Error::wrap(ErrorKind::Other, error))?
}
