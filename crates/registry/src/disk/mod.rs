//! The backend on a disk.
//!
//! | path | holds |
//! |---|---|
//! | `lock` | locked by the process that owns the directory |
//! | `blobs/<algorithm>/<hex>` | content, as in an OCI image layout |
//! | `corrupt/<algorithm>-<hex>` | content that was found damaged |
//! | `uploads/<id>` | the bytes of an upload, its note in `<id>.note` |
//! | `journal` | the records |
//!
//! Content and records are synced before they are acknowledged. An upload's bytes are synced at the end of
//! each request, its note is not: what a crash of the machine may lose is an unfinished upload.

mod files;
mod journal;
mod reader;

use std::{
    fmt, fs,
    fs::File,
    io::{self, IoSlice, Seek as _, SeekFrom, Write as _},
    ops::Range,
    path::{Path, PathBuf},
    sync::Arc,
};

use async_trait::async_trait;
use bytes::Bytes;
use tokio::task::spawn_blocking;
use wharf_content::{ByteStream, Error, ErrorKind};
use wharf_reference::{Algorithm, Digest};

use self::{files::At as _, journal::Journal, reader::Reader};
use crate::{Backend, Change};

/// A backend in a directory, which outlives the process and its crashes.
pub struct DiskBackend {
    root: Arc<PathBuf>,
    journal: Journal,
    /// Held for as long as the directory is used.
    lock: File,
}

impl Drop for DiskBackend {
    fn drop(&mut self) {
        let _ = self.lock.unlock(); // closing is not enough while a child process has a copy
    }
}

impl DiskBackend {
    /// Opens the directory, or makes it with mode 0700.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Conflict`] if another process uses it or it has other files, [`ErrorKind::Corrupt`] if the
    /// journal is damaged before its end, [`ErrorKind::Storage`] and [`ErrorKind::NoSpace`] for the disk's
    /// own.
    pub async fn open(path: impl AsRef<Path>) -> Result<Self, Error> {
        let root = path.as_ref().to_owned();
        blocking(move || Self::open_now(root)).await
    }

    fn open_now(root: PathBuf) -> Result<Self, Error> {
        files::make_dir(&root)?;
        let lock_path = root.join("lock");
        if !lock_path.exists() && fs::read_dir(&root).at("read", &root)?.next().is_some() {
            let message = format!("{} has files that are not a registry's", root.display());
            return Err(Error::new(ErrorKind::Conflict, message));
        }
        let lock = files::options().create(true).open(&lock_path);
        let lock = lock.at("open", &lock_path)?;
        if let Err(fs::TryLockError::WouldBlock) = lock.try_lock() {
            let message = format!("another process uses {}", root.display());
            return Err(Error::new(ErrorKind::Conflict, message));
        }
        for directory in ["blobs", "blobs/sha256", "blobs/sha512", "uploads"] {
            files::make_dir(&root.join(directory))?;
        }
        files::sync_dir(&root.join("blobs"))?;
        let journal = Journal::open(&root)?;
        files::sync_dir(&root)?;
        Ok(Self {
            root: Arc::new(root),
            journal,
            lock,
        })
    }

    /// Where content lies; `None` for an algorithm that nothing is kept under.
    fn content(&self, digest: &Digest) -> Result<PathBuf, Error> {
        match digest.algorithm().name() {
            Some(algorithm) => Ok(self.root.join("blobs").join(algorithm).join(digest.encoded())),
            None => Err(Error::new(
                ErrorKind::Unsupported,
                "nothing is kept under this algorithm",
            )),
        }
    }

    fn upload(&self, id: &str) -> Result<PathBuf, Error> {
        if id.is_empty() || !id.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(Error::new(ErrorKind::Invalid, "invalid upload id"));
        }
        Ok(self.root.join("uploads").join(id))
    }
}

/// Runs what blocks where it may.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Error> + Send + 'static,
) -> Result<T, Error> {
    let done = spawn_blocking(work).await;
    done.map_err(|error| Error::wrap(ErrorKind::Cancelled, error))?
}

fn note_of(upload: &Path) -> PathBuf {
    upload.with_extension("note")
}

#[async_trait]
impl Backend for DiskBackend {
    async fn records(&self) -> Result<Vec<(String, String)>, Error> {
        let path = self.root.join("journal");
        blocking(move || Ok(journal::replay(&path)?.records.into_iter().collect())).await
    }

    async fn write(&self, changes: Vec<Change>) -> Result<(), Error> {
        self.journal.write(&changes).await
    }

    async fn size(&self, digest: &Digest) -> Result<Option<u64>, Error> {
        let path = self.content(digest)?;
        blocking(move || {
            Ok(files::existing(fs::symlink_metadata(&path).at("look at", &path))?
                .filter(fs::Metadata::is_file)
                .map(|metadata| metadata.len()))
        })
        .await
    }

    async fn read(&self, digest: &Digest, range: Range<u64>) -> Result<ByteStream, Error> {
        let path = self.content(digest)?;
        Ok(Box::pin(Reader::open(path, range).await?))
    }

    async fn remove(&self, digest: &Digest) -> Result<(), Error> {
        let path = self.content(digest)?;
        blocking(move || files::existing(fs::remove_file(&path).at("remove", &path)).map(drop)).await
    }

    async fn quarantine(&self, digest: &Digest) -> Result<(), Error> {
        let (from, directory) = (self.content(digest)?, self.root.join("corrupt"));
        let to = directory.join(format!("{}-{}", digest.algorithm(), digest.encoded()));
        blocking(move || {
            files::make_dir(&directory)?;
            files::existing(fs::rename(&from, &to).at("rename", &from)).map(drop)
        })
        .await
    }

    async fn digests(&self) -> Result<Vec<Digest>, Error> {
        let root = Arc::clone(&self.root);
        blocking(move || {
            let mut digests = Vec::new();
            for algorithm in [Algorithm::Sha256, Algorithm::Sha512] {
                let directory = root.join("blobs").join(algorithm.to_string());
                for entry in fs::read_dir(&directory).at("read", &directory)? {
                    let name = entry.at("read", &directory)?.file_name();
                    let text = name.to_str().map(|name| format!("{algorithm}:{name}"));
                    digests.extend(text.and_then(|text| Digest::parse(&text).ok()));
                }
            }
            Ok(digests)
        })
        .await
    }

    async fn begin(&self, upload: &str, note: &str) -> Result<(), Error> {
        let (path, note) = (self.upload(upload)?, note.to_owned());
        blocking(move || {
            if !note.is_empty() {
                let path = note_of(&path);
                fs::write(&path, note).at("write", &path)?;
            }
            files::options()
                .create_new(true)
                .open(&path)
                .at("create", &path)?;
            Ok(())
        })
        .await
    }

    async fn append(&self, upload: &str, offset: u64, chunks: Vec<Bytes>) -> Result<(), Error> {
        let path = self.upload(upload)?;
        blocking(move || {
            let mut file = files::options().open(&path).at("open", &path)?;
            let length = file.metadata().at("look at", &path)?.len();
            if length < offset {
                let message = format!("{} has {length} bytes instead of {offset}", path.display());
                return Err(Error::new(ErrorKind::Corrupt, message));
            }
            if length > offset {
                file.set_len(offset).at("truncate", &path)?;
            }
            file.seek(SeekFrom::Start(offset)).at("seek in", &path)?;
            write_all(&mut file, &chunks).at("write", &path)
        })
        .await
    }

    async fn flush(&self, upload: &str) -> Result<u64, Error> {
        let path = self.upload(upload)?;
        blocking(move || {
            let file = files::options().open(&path).at("open", &path)?;
            file.sync_data().at("sync", &path)?;
            Ok(file.metadata().at("look at", &path)?.len())
        })
        .await
    }

    async fn read_upload(&self, upload: &str) -> Result<ByteStream, Error> {
        let path = self.upload(upload)?;
        Ok(Box::pin(Reader::open(path, 0..u64::MAX).await?))
    }

    async fn commit(&self, upload: &str, digest: &Digest) -> Result<(), Error> {
        let (from, to) = (self.upload(upload)?, self.content(digest)?);
        blocking(move || {
            let file = files::options().open(&from).at("open", &from)?;
            files::set_read_only(&file).at("protect", &from)?;
            file.sync_all().at("sync", &from)?;
            fs::rename(&from, &to).at("rename", &from)?;
            if let Some(directory) = to.parent() {
                files::sync_dir(directory)?;
            }
            let note = note_of(&from);
            files::existing(fs::remove_file(&note).at("remove", &note)).map(drop)
        })
        .await
    }

    async fn discard(&self, upload: &str) -> Result<(), Error> {
        let path = self.upload(upload)?;
        blocking(move || {
            let note = note_of(&path);
            files::existing(fs::remove_file(&note).at("remove", &note))?;
            files::existing(fs::remove_file(&path).at("remove", &path)).map(drop)
        })
        .await
    }

    async fn uploads(&self) -> Result<Vec<(String, String)>, Error> {
        let directory = self.root.join("uploads");
        blocking(move || {
            let mut uploads = Vec::new();
            for entry in fs::read_dir(&directory).at("read", &directory)? {
                let path = entry.at("read", &directory)?.path();
                let Some(name) = path.file_name().and_then(|name| name.to_str()) else {
                    continue;
                };
                if let Some(id) = name.strip_suffix(".note") {
                    if !directory.join(id).exists() {
                        fs::remove_file(&path).at("remove", &path)?;
                    }
                    continue;
                }
                let note = note_of(&path);
                let text = files::existing(fs::read_to_string(&note).at("read", &note))?;
                uploads.push((name.to_owned(), text.unwrap_or_default()));
            }
            Ok(uploads)
        })
        .await
    }
}

/// Writes all chunks with as few calls as the system allows.
fn write_all(file: &mut File, chunks: &[Bytes]) -> io::Result<()> {
    let mut slices = chunks.iter().map(|chunk| IoSlice::new(chunk)).collect::<Vec<_>>();
    let mut left = slices.as_mut_slice();
    IoSlice::advance_slices(&mut left, 0); // drops empty ones at the front
    while !left.is_empty() {
        match file.write_vectored(left) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(written) => IoSlice::advance_slices(&mut left, written),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

impl fmt::Debug for DiskBackend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DiskBackend")
            .field("root", &self.root)
            .finish_non_exhaustive()
    }
}
