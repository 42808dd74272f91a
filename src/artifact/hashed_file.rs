//! A file whose digest is known.

use std::{
    fs::File,
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

use async_trait::async_trait;
use wharf_content::{ByteStream, Descriptor, Error, ErrorKind, Hasher, MediaType, OpenBlob};
use wharf_fs::{Stamp, WrongKind, fill_at, open_regular};
use wharf_reference::Algorithm;

use super::chunks::{Chunks, PIECE};
use crate::concurrency::blocking;

/// A file that was hashed, and must not change until it is sent.
#[derive(Debug, Clone)]
pub(super) struct HashedFile {
    path: PathBuf,
    stamp: Stamp,
    pub(super) descriptor: Descriptor,
}

impl HashedFile {
    /// Hashes a file. Blocks.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::NotFound`] if there is none, [`ErrorKind::Invalid`] for a directory, pipe or device,
    /// [`ErrorKind::Conflict`] if it changes meanwhile, and [`ErrorKind::Storage`] from the file system.
    pub(super) fn hash(path: &Path, media_type: MediaType) -> Result<Self, Error> {
        let at = |error| failed(path, error);
        let file = open_regular(path).map_err(at)?;
        let stamp = Stamp::of(&file).map_err(at)?;
        let mut hasher = Hasher::new(Algorithm::Sha256)?;
        let mut piece = vec![0; PIECE];
        loop {
            let length = fill_at(&file, &mut piece, hasher.count()).map_err(at)?;
            let read = piece.get(..length).filter(|read| !read.is_empty());
            let Some(read) = read else { break };
            hasher.update(read);
        }
        if hasher.count() != stamp.size || Stamp::of(&file).map_err(at)? != stamp {
            return Err(changed(path));
        }
        let size = hasher.count();
        Ok(Self {
            path: path.to_owned(),
            stamp,
            descriptor: Descriptor::new(media_type, hasher.finish()?, size)?,
        })
    }

    fn reopen(&self) -> Result<File, Error> {
        let at = |error| failed(&self.path, error);
        let file = open_regular(&self.path).map_err(at)?;
        if Stamp::of(&file).map_err(at)? != self.stamp {
            return Err(changed(&self.path));
        }
        Ok(file)
    }
}

/// A blob that reads a file verifies the bytes too, so that one that is written to while it is sent is an error.
#[async_trait]
impl OpenBlob for HashedFile {
    async fn open(&self, offset: u64) -> Result<ByteStream, Error> {
        let (this, path) = (self.clone(), self.path.clone());
        let file = blocking(move || this.reopen()).await??;
        Ok(Box::pin(Chunks::new(Arc::new(file), path, offset)))
    }
}

fn changed(path: &Path) -> Error {
    let message = format!("{} changed while it was pushed; push it again", path.display());
    Error::new(ErrorKind::Conflict, message)
}

/// The error for a file that cannot be read.
pub(super) fn failed(path: &Path, error: io::Error) -> Error {
    let wrong_kind = WrongKind::of(&error).is_some() || error.kind() == io::ErrorKind::IsADirectory;
    let kind = match error.kind() {
        io::ErrorKind::NotFound => ErrorKind::NotFound,
        _ if wrong_kind => ErrorKind::Invalid,
        _ => ErrorKind::Storage,
    };
    Error::new(kind, format!("cannot read {}", path.display())).with_source(error)
}
