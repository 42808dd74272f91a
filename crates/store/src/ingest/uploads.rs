//! Uploads of an exclusive layout: files that one process writes, under ids that it chooses.

use std::{
    fs::File,
    io::{self, Seek as _, SeekFrom},
    path::PathBuf,
    sync::Arc,
};

use bytes::Bytes;
use wharf_content::{Error, ErrorKind, Verified};
use wharf_fs::{Directory, FileKind, Stamp};

use super::slot::write_all;
use crate::{
    chunks::Chunks,
    disk::Disk,
    error::{At as _, storage},
};

const MODE: u16 = 0o600;

/// The longest id of an upload, in bytes.
const MAX_NAME: usize = 64;

/// The directory of uploads.
#[derive(Debug)]
pub(crate) struct Uploads {
    disk: Arc<Disk>,
    directory: Directory,
}

impl Uploads {
    pub(crate) const fn new(disk: Arc<Disk>, directory: Directory) -> Self {
        Self { disk, directory }
    }

    pub(crate) fn begin(&self, id: &str) -> Result<(), Error> {
        let path = self.path(id)?;
        self.directory.create_new(id, MODE).at("create", &path).map(drop)
    }

    /// Writes at `offset`. Existing bytes beyond it are cut off; a gap before it is an error.
    pub(crate) fn append(&self, id: &str, offset: u64, chunks: &[Bytes]) -> Result<(), Error> {
        let (mut file, path) = self.open(id)?;
        let length = Stamp::of(&file).at("stat", &path)?.size;
        if length < offset {
            let message = format!("{} has {length} bytes instead of {offset}", path.display());
            return Err(Error::new(ErrorKind::Corrupt, message));
        }
        if length > offset {
            file.set_len(offset).at("truncate", &path)?;
        }
        file.seek(SeekFrom::Start(offset)).at("seek in", &path)?;
        write_all(&mut file, chunks, Bytes::as_ref)
            .at("write", &path)
            .map(drop)
    }

    pub(crate) fn length(&self, id: &str) -> Result<Option<u64>, Error> {
        let path = self.path(id)?;
        let found = self.directory.stat(id).at("stat", &path)?;
        Ok(found.and_then(|(kind, stamp)| (kind == FileKind::File).then_some(stamp.size)))
    }

    pub(crate) fn flush(&self, id: &str) -> Result<u64, Error> {
        let (file, path) = self.open(id)?;
        if let Err(error) = file.sync_data() {
            // After a failed sync the content of the disk is unknown, and a second sync would not report it
            // (threat S3 in docs/threats.md): the upload starts again at 0.
            if file.set_len(0).is_err() {
                let _ = self.directory.remove(id);
            }
            return Err(storage("sync", &path, error));
        }
        Ok(Stamp::of(&file).at("stat", &path)?.size)
    }

    pub(crate) fn read(&self, id: &str) -> Result<Chunks, Error> {
        let (file, path) = self.open(id)?;
        let size = Stamp::of(&file).at("stat", &path)?.size;
        Ok(Chunks::new(file, path, 0..size))
    }

    /// Turns an upload into a blob, syncs it and returns the state of its file.
    pub(crate) fn commit(&self, id: &str, content: &Verified) -> Result<Stamp, Error> {
        let (file, path) = self.open(id)?;
        let size = Stamp::of(&file).at("stat", &path)?.size;
        if size != content.size() {
            let (digest, verified) = (content.digest(), content.size());
            let message = format!(
                "{} has {size} bytes, and {verified} were verified as {digest}",
                path.display()
            );
            return Err(Error::new(ErrorKind::Mismatch, message));
        }
        if let Err(error) = self.disk.seal(&file, content.digest(), &path) {
            // After a failed sync the content of the disk is unknown, and a second sync would not report it
            // (threat S3 in docs/threats.md).
            let _ = self.directory.remove(id);
            return Err(error);
        }
        self.disk.clear_name(content.digest())?;
        let stamp = self.disk.publish(&self.directory, id, &file, content.digest())?;
        self.disk.sync_name(content.digest())?;
        Ok(stamp)
    }

    pub(crate) fn discard(&self, id: &str) -> Result<(), Error> {
        let path = self.path(id)?;
        self.directory.remove(id).at("remove", &path)
    }

    pub(crate) fn ids(&self) -> Result<Vec<String>, Error> {
        let mut ids = Vec::new();
        let names = self.directory.names();
        for name in names.at("list", self.directory.path())? {
            let Ok(path) = self.path(&name) else {
                continue;
            };
            let stat = self.directory.stat(&name).at("stat", &path)?;
            if matches!(stat, Some((FileKind::File, _))) {
                ids.push(name);
            }
        }
        Ok(ids)
    }

    fn open(&self, id: &str) -> Result<(File, PathBuf), Error> {
        let path = self.path(id)?;
        match self.directory.open_existing(id, MODE) {
            Ok(file) => Ok((file, path)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Err(Error::new(
                ErrorKind::NotFound,
                format!("there is no upload {id}"),
            )),
            Err(error) => Err(storage("open", &path, error)),
        }
    }

    fn path(&self, id: &str) -> Result<PathBuf, Error> {
        let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        if id.is_empty() || id.len() > MAX_NAME || !id.bytes().all(plain) {
            let message = "an upload is named by 1 to 64 lowercase letters, digits and hyphens";
            return Err(Error::new(ErrorKind::Invalid, message));
        }
        Ok(self.directory.path().join(id))
    }
}
