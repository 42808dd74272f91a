//! The storage on a disk: content in an image layout, and records and notes beside it, in `registry`.
//!
//! | path | holds |
//! |---|---|
//! | `registry/journal` | the records, as the module `journal` has them |
//! | `registry/notes/<id>` | the note of an upload |
//! | all else | the layout's: `blobs`, and in `.wharf` the uploads' bytes, corrupt content and the lock |
//!
//! Content and records are synced before they are acknowledged. An upload's bytes are synced at the end of
//! each request, its note is not: a crash of the machine may lose an unfinished upload.

mod files;
mod journal;
mod notes;
mod records;

use std::{fmt, ops::Range, path::Path, sync::Arc};

use async_trait::async_trait;
use bytes::Bytes;
use tokio::task::{JoinHandle, spawn_blocking};
use wharf_content::{ByteStream, Error, ErrorKind, Verified};
use wharf_reference::Digest;
use wharf_store::{ExclusiveLayout, Layout};

pub use self::journal::TornTail;
use self::{journal::Journal, notes::Notes};
use crate::{Change, Listing, LocalBackend, Record, RepositoryPath, Storage, background, engine::Loading};

/// A backend in a directory, which outlives the process and crashes of the machine.
///
/// The directory is an image layout ([`Layout`]) that this process uses exclusively ([`ExclusiveLayout`]).
/// Other programs may read it, and push images of their own, which the registry does not show or remove. They
/// cannot collect garbage in it.
pub type DiskBackend = LocalBackend<DiskStorage>;

/// The storage of a [`DiskBackend`].
pub struct DiskStorage {
    layout: Arc<ExclusiveLayout>,
    journal: Journal,
    notes: Notes,
}

impl DiskBackend {
    /// Opens the directory, or creates it with mode 0700, and reads its records. The directory may be a layout
    /// that another tool wrote: the registry does not show its images, but shares their content.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Conflict`] if another process uses the directory, or if it has files that are no layout;
    /// [`ErrorKind::Corrupt`] if the journal is corrupt before its end, if it has a record that cannot be read, or
    /// if it is missing or empty although the registry has content, which a collection would then remove;
    /// [`ErrorKind::Storage`] and [`ErrorKind::NoSpace`] for failures of the disk.
    pub async fn open(path: impl AsRef<Path>) -> Result<Self, Error> {
        Self::over(&Layout::create(path).await?).await
    }

    /// Opens the backend over a layout that is open already, with the options of that layout.
    ///
    /// # Errors
    ///
    /// As [`DiskBackend::open`].
    pub async fn over(store: &Layout) -> Result<Self, Error> {
        let (storage, loading) = DiskStorage::open(store).await?;
        Self::with_index(storage, loading.end()).await
    }

    /// The end of the journal that was cut off when the directory was opened, for the operator's log; `None`
    /// if the journal was whole.
    #[must_use]
    pub fn torn_tail(&self) -> Option<&TornTail> {
        self.storage().torn_tail()
    }
}

impl DiskStorage {
    /// Opens the storage over a layout that is open already, with the options of that layout.
    ///
    /// # Errors
    ///
    /// As [`DiskBackend::open`].
    pub async fn over(store: &Layout) -> Result<Self, Error> {
        Self::open(store).await.map(|(storage, _)| storage)
    }

    /// Opens the storage, and makes an index of its records.
    async fn open(store: &Layout) -> Result<(Self, Loading), Error> {
        let layout = store.make_exclusive().await?;
        let directory = store.path().join("registry");
        if has_lost_journal(&directory)? && !layout.removable().await?.is_empty() {
            return Err(lost_journal(&directory));
        }
        blocking(move || {
            files::make_dir(&directory)?;
            let mut loading = Loading::default();
            let journal = Journal::open(&directory, &mut |key, value| {
                let applied = records::split(key).and_then(|(path, own)| loading.apply(path, own, value));
                applied.ok_or_else(|| records::corrupt(key))
            })?;
            let notes = Notes::open(&directory)?; // after it: so a directory with notes has had a journal
            files::sync_dir(&directory)?;
            files::sync_dir(layout.layout().path())?;
            let storage = Self {
                layout: Arc::new(layout),
                journal,
                notes,
            };
            Ok((storage, loading))
        })
        .await
    }

    /// The end of the journal that was cut off; see [`DiskBackend::torn_tail`].
    #[must_use]
    pub const fn torn_tail(&self) -> Option<&TornTail> {
        self.journal.torn()
    }
}

/// Whether a registry has used this directory before and its journal is missing.
fn has_lost_journal(directory: &Path) -> Result<bool, Error> {
    Ok(Notes::are_in(directory) && Journal::is_missing(directory)?)
}

fn lost_journal(directory: &Path) -> Error {
    let message = format!(
        "{} is missing or empty although the layout has content; restore it from a backup, or remove \
         {} to begin without repositories, and have the content collected",
        directory.join("journal").display(),
        directory.display()
    );
    Error::new(ErrorKind::Corrupt, message)
}

/// Runs blocking work on a thread for it.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Error> + Send + 'static,
) -> Result<T, Error> {
    joined(spawn_blocking(work)).await
}

async fn joined<T>(work: JoinHandle<Result<T, Error>>) -> Result<T, Error> {
    let done = work.await;
    done.map_err(|error| Error::wrap(ErrorKind::Cancelled, error))?
}

#[async_trait]
impl Storage for DiskStorage {
    async fn records(&self) -> Result<Listing<(RepositoryPath, Record)>, Error> {
        let decode = |(key, value): (Vec<u8>, Vec<u8>)| records::decode(&key, &value);
        Ok(self.journal.records().try_map(decode))
    }

    async fn record(&self, repository: &RepositoryPath, changes: &[Change]) -> Result<(), Error> {
        let entries = changes.iter().map(|change| records::encode(repository, change));
        self.journal.write(&entries.collect::<Vec<_>>()).await
    }

    fn health(&self) -> Result<(), Error> {
        self.journal.health()
    }

    async fn size(&self, digest: &Digest) -> Result<Option<u64>, Error> {
        self.layout.size(digest).await
    }

    async fn sizes(&self, digests: &[Digest]) -> Result<Vec<Option<u64>>, Error> {
        self.layout.sizes(digests).await
    }

    async fn read(&self, digest: &Digest, range: Range<u64>) -> Result<ByteStream, Error> {
        self.layout.read(digest, range).await
    }

    async fn verify(&self, digest: &Digest) -> Result<(), Error> {
        let (layout, digest) = (Arc::clone(&self.layout), digest.clone());
        let waiting = Arc::new(());
        let waits = Arc::downgrade(&waiting);
        let is_wanted = move || waits.strong_count() > 0;
        let verifying = blocking(move || {
            let verified = background::run(|| layout.blocking_verify(&digest, &is_wanted));
            verified.unwrap_or_else(|| Err(Error::new(ErrorKind::Other, "no thread could be started")))
        });
        let verified = verifying.await;
        drop(waiting);
        verified
    }

    async fn remove(&self, digest: &Digest) -> Result<(), Error> {
        self.layout.remove(digest).await.map(drop)
    }

    async fn quarantine(&self, digest: &Digest) -> Result<(), Error> {
        self.layout.quarantine(digest).await
    }

    async fn digests(&self) -> Result<Listing<Digest>, Error> {
        Ok(self.layout.removable().await?.into())
    }

    async fn begin(&self, upload: &str, note: &str) -> Result<(), Error> {
        let note = self.notes.write(upload, note);
        self.layout.begin(upload).await?;
        match note {
            Some(note) => joined(note).await,
            None => Ok(()),
        }
    }

    async fn append(&self, upload: &str, offset: u64, chunks: Vec<Bytes>) -> Result<(), Error> {
        self.layout.append(upload, offset, chunks).await
    }

    async fn length(&self, upload: &str) -> Result<Option<u64>, Error> {
        self.layout.length(upload).await
    }

    async fn flush(&self, upload: &str) -> Result<u64, Error> {
        self.layout.flush(upload).await
    }

    async fn read_upload(&self, upload: &str) -> Result<ByteStream, Error> {
        self.layout.read_upload(upload).await
    }

    async fn finish(&self, upload: &str, content: &Verified) -> Result<(), Error> {
        self.layout.commit(upload, content).await?;
        self.notes.remove(upload);
        Ok(())
    }

    async fn discard(&self, upload: &str) -> Result<(), Error> {
        self.layout.discard(upload).await?;
        self.notes.remove(upload);
        Ok(())
    }

    async fn uploads(&self) -> Result<Vec<(String, String)>, Error> {
        self.notes.of(self.layout.uploads().await?).await
    }
}

impl fmt::Debug for DiskStorage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DiskStorage")
            .field("root", &self.layout.layout().path())
            .finish_non_exhaustive()
    }
}
