//! A directory as a tree of keys. No symbolic link in it is followed.

use std::{
    fs::File,
    io::{self, Read as _},
    path::Path,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use futures_core::Stream;
use tokio::{sync::mpsc, task::spawn_blocking};
use wharf_content::{ByteStream, Error, ErrorKind};
use wharf_fs::{Directory, WrongKind};

use super::source::KeyTree;
use crate::{ExternalObject, Listing};

/// Bytes that are read at a time.
const CHUNK: usize = 256 * 1024;
/// Chunks that are read before they are asked for.
const AHEAD: usize = 4;

/// The address of files of this machine, which [`ExternalObject`] names by their paths.
const FILES: &str = "file://";

/// The directory with `repositories` and `blobs`.
pub(super) struct DirectoryTree {
    directory: Arc<Directory>,
    /// Its path without symbolic links, if it is text and begins with a slash.
    path: Option<String>,
}

impl DirectoryTree {
    /// Opens a directory that Docker's registry has as its root, or the `v2` in it; `None` if it is neither.
    pub(super) fn find(path: &Path) -> Result<Option<Self>, Error> {
        for below in ["docker/registry/v2", ""] {
            let path = path.join(below);
            if !path.join("repositories").is_dir() {
                continue;
            }
            let failed = |error| {
                Error::new(ErrorKind::Storage, format!("cannot open {}", path.display())).with_source(error)
            };
            let real = path.canonicalize().map_err(failed)?;
            let directory = Arc::new(Directory::open(&real).map_err(failed)?);
            let path = real
                .to_str()
                .filter(|path| path.starts_with('/'))
                .map(str::to_owned);
            return Ok(Some(Self { directory, path }));
        }
        Ok(None)
    }

    /// Runs work on a thread for it, with the directory of a key and the last part of the key; `None` if there is
    /// nothing at the key.
    async fn at<T: Send + 'static>(
        &self,
        key: &str,
        work: impl FnOnce(&Directory, &str) -> io::Result<T> + Send + 'static,
    ) -> Result<Option<T>, Error> {
        let (root, key) = (Arc::clone(&self.directory), key.to_owned());
        let working = spawn_blocking(move || {
            let (parents, name) = key.rsplit_once('/').unwrap_or(("", &key));
            let done = follow(&root, parents).and_then(|parent| match &parent {
                Some(parent) => work(parent, name),
                None => work(&root, name),
            });
            match done {
                Ok(done) => Ok(Some(done)),
                Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
                Err(error) => Err(unreadable(&key, error)),
            }
        });
        let done = working.await;
        done.map_err(|error| Error::wrap(ErrorKind::Cancelled, error))?
    }
}

/// The directory at a key; `None` for the root.
fn follow(root: &Directory, key: &str) -> io::Result<Option<Directory>> {
    let mut directory = None;
    for name in key.split('/').filter(|name| !name.is_empty()) {
        directory = Some(directory.as_ref().unwrap_or(root).directory(name)?);
    }
    Ok(directory)
}

fn unreadable(key: &str, error: io::Error) -> Error {
    let kind = match WrongKind::of(&error) {
        Some(_) => ErrorKind::Invalid,
        None => ErrorKind::Storage,
    };
    Error::new(kind, format!("cannot read {key}: {error}")).with_source(error)
}

#[async_trait]
impl KeyTree for DirectoryTree {
    async fn children(&self, key: &str) -> Result<Listing<String>, Error> {
        let names = self.at(key, |parent, name| parent.directory(name)?.names());
        Ok(names.await?.unwrap_or_default().into())
    }

    async fn open(&self, key: &str) -> Result<Option<(u64, ByteStream)>, Error> {
        let opened = self.at(key, |parent, name| {
            let file = parent.open_file(name)?;
            let size = file.metadata()?.len();
            Ok((size, file))
        });
        let Some((size, file)) = opened.await? else {
            return Ok(None);
        };
        let bytes = FileBytes {
            file: Some((file, key.to_owned(), size)),
            chunks: None,
        };
        Ok(Some((size, Box::pin(bytes))))
    }

    fn locate(&self, key: &str) -> Option<ExternalObject> {
        let path = self.path.as_ref()?;
        Some(ExternalObject::new(FILES, format!("{path}/{key}")))
    }
}

/// The bytes of a file, which are read when the first is asked for.
struct FileBytes {
    /// The file, its key, and the bytes that are to be read.
    file: Option<(File, String, u64)>,
    chunks: Option<mpsc::Receiver<Result<Bytes, Error>>>,
}

impl Stream for FileBytes {
    type Item = Result<Bytes, Error>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if let Some((file, key, size)) = self.file.take() {
            let (send, chunks) = mpsc::channel(AHEAD);
            spawn_blocking(move || read(file, &key, size, &send));
            self.chunks = Some(chunks);
        }
        match &mut self.chunks {
            Some(chunks) => chunks.poll_recv(context),
            None => Poll::Ready(None),
        }
    }
}

/// Reads a file to the end that it had when it was opened, or until nobody wants more.
fn read(file: File, key: &str, size: u64, send: &mpsc::Sender<Result<Bytes, Error>>) {
    let mut file = file.take(size);
    loop {
        let mut chunk = BytesMut::zeroed(CHUNK);
        let chunk = match file.read(&mut chunk) {
            Ok(0) => return,
            Ok(length) => {
                chunk.truncate(length);
                Ok(chunk.freeze())
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => Err(unreadable(key, error)),
        };
        let failed = chunk.is_err();
        if send.blocking_send(chunk).is_err() || failed {
            return;
        }
    }
}
