//! A layout of which one program has exclusive use.

use std::{error::Error as _, fmt, fs::File, io, ops::Range, sync::Arc};

use bytes::Bytes;
use wharf_content::{ByteStream, Error, Verified};
use wharf_reference::Digest;

use crate::{
    Layout,
    chunks::ReadAhead,
    collect::{self, Named},
    disk::{Corrupt, Disk, Found},
    ingest::Uploads,
    read::Reader,
    runtime::blocking,
    shared::Shared,
};

/// Content of up to this size in bytes is verified before any of it is returned.
const SMALL: u64 = 1024 * 1024;

/// A layout of which one program, such as a registry, has exclusive use: the program decides which content
/// is needed beside what index.json names, and it writes uploads whose digest is known only at their end.
///
/// ```
/// use wharf_content::{Verified, Source as _};
/// use wharf_reference::Algorithm;
/// use wharf_store::Layout;
///
/// # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
/// # let directory = tempfile::tempdir()?;
/// let exclusive = Layout::create(directory.path().join("store")).await?.make_exclusive().await?;
/// exclusive.begin("u1").await?;
/// exclusive.append("u1", 0, vec!["some ".into()]).await?;
/// exclusive.append("u1", 5, vec!["content".into()]).await?;
/// let content = Verified::of(Algorithm::Sha256, b"some content")?; // hashed as it came
/// exclusive.commit("u1", &content).await?;
/// assert_eq!(exclusive.size(content.digest()).await?, Some(12));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Removal
///
/// A layout that was made exclusive stays so, also while no process has it: [`Layout::collect`] and
/// [`Layout::prune`] refuse it. Only [`ExclusiveLayout::remove`] removes content, and it refuses what an
/// image in index.json or a running operation of any process needs. So other processes may still push to
/// the layout, name images in it and copy from it.
///
/// # Uploads
///
/// An upload is a file that grows, under an id that the caller chooses, and it outlives the process: after
/// the next [`Layout::make_exclusive`] it has at least the bytes that were flushed. It becomes content when
/// the caller passes [`Verified`], the proof that its bytes were hashed. So the caller hashes bytes as it
/// receives them, and the layout does not hash them again.
///
/// Uploads have no locks: calls for the same upload must not overlap.
pub struct ExclusiveLayout {
    layout: Layout,
    uploads: Arc<Uploads>,
    named: Arc<Named>,
    /// Locked as long as this process has the layout.
    lock: File,
}

impl Layout {
    /// Makes the layout exclusive, which cannot be undone, and takes its lock, which one process at a time
    /// can have; see [`ExclusiveLayout`]. Waits for a running collector, and removes partial blobs that are
    /// a week old.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Conflict`](wharf_content::ErrorKind::Conflict) if another process has it,
    /// [`ErrorKind::Unsupported`](wharf_content::ErrorKind::Unsupported) for a layout with shared blobs.
    pub async fn make_exclusive(&self) -> Result<ExclusiveLayout, Error> {
        let layout = self.pinned();
        blocking(move || {
            let disk = &layout.shared.disk;
            let (directory, lock) = disk.make_exclusive()?;
            collect::tidy(disk)?;
            Ok(ExclusiveLayout {
                uploads: Arc::new(Uploads::new(Arc::clone(disk), directory)),
                named: Arc::default(),
                lock,
                layout,
            })
        })
        .await
    }
}

impl Drop for ExclusiveLayout {
    fn drop(&mut self) {
        let _ = self.lock.unlock(); // closing is not enough while a child process has a copy
    }
}

/// Content of the layout.
impl ExclusiveLayout {
    /// The layout, for reading, pushing and naming.
    #[must_use]
    pub const fn layout(&self) -> &Layout {
        &self.layout
    }

    /// The size of content in bytes, or `None` if there is no file of it that this process may read. The
    /// bytes are not verified.
    ///
    /// # Errors
    ///
    /// Those of the file system. A file that this process may not read is no error.
    pub async fn size(&self, digest: &Digest) -> Result<Option<u64>, Error> {
        let digest = digest.clone();
        self.layout
            .blocking(move |layout| readable(&layout.shared.disk, &digest))
            .await
    }

    /// The sizes of several contents, in their order, as by [`ExclusiveLayout::size`].
    ///
    /// # Errors
    ///
    /// As [`ExclusiveLayout::size`], of the first that fails.
    pub async fn sizes(&self, digests: &[Digest]) -> Result<Vec<Option<u64>>, Error> {
        let digests = digests.to_vec();
        let sizes = self.layout.blocking(move |layout| {
            let size = |digest| readable(&layout.shared.disk, digest);
            digests.iter().map(size).collect()
        });
        sizes.await
    }

    /// Reads a range of content, as far as the content has it. A stream once opened is not affected by
    /// [`ExclusiveLayout::remove`].
    ///
    /// Content that this process has not verified yet is hashed: for a part, or content of up to 1 MiB,
    /// before this returns; otherwise as the stream is read, whose last chunk is only yielded if the digest
    /// is right.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::NotFound`](wharf_content::ErrorKind::NotFound) if it is not there,
    /// [`ErrorKind::Corrupt`](wharf_content::ErrorKind::Corrupt) if it is corrupt, here or from the stream;
    /// it was moved aside then.
    pub async fn read(&self, digest: &Digest, range: Range<u64>) -> Result<ByteStream, Error> {
        let (shared, digest) = (Arc::clone(&self.layout.shared), digest.clone());
        let open = move || {
            let mut reader = open(shared, &digest)?;
            if reader.size() <= SMALL {
                reader.verify_all(&|| true)?;
            }
            reader.part(range)
        };
        ReadAhead::open(open).await
    }

    /// Hashes content on the calling thread, unless this process has verified it before, so that
    /// [`ExclusiveLayout::read`] of a part need not hash it. A program calls this to decide itself on which
    /// thread a long hash runs, at which priority, and for how long: before each chunk of 256 KiB,
    /// `is_wanted` is asked whether to go on.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Cancelled`](wharf_content::ErrorKind::Cancelled) if it was not wanted any more, and those
    /// of [`ExclusiveLayout::read`].
    pub fn blocking_verify(&self, digest: &Digest, is_wanted: &dyn Fn() -> bool) -> Result<(), Error> {
        open(Arc::clone(&self.layout.shared), digest)?.verify_all(is_wanted)
    }

    /// All content that [`ExclusiveLayout::remove`] may remove, in no order. As in a collection, blobs that
    /// another tool has written less than an hour ago are left out. When the future is dropped, the listing
    /// ends early.
    ///
    /// # Errors
    ///
    /// Those of the file system; [`ErrorKind::Corrupt`](wharf_content::ErrorKind::Corrupt) if index.json or a
    /// document that an image needs cannot be read.
    pub async fn removable(&self) -> Result<Vec<Digest>, Error> {
        let waiting = Arc::new(());
        let waits = Arc::downgrade(&waiting);
        let listed = self
            .layout
            .blocking(move |layout| collect::removable(&layout.shared.disk, &|| waits.strong_count() > 0));
        let listed = listed.await;
        drop(waiting);
        listed
    }

    /// Removes content and returns true, unless an image in index.json or a running operation of any
    /// process needs it. Disk space is freed after the last open stream of it is dropped.
    ///
    /// # Errors
    ///
    /// Those of the file system; [`ErrorKind::Corrupt`](wharf_content::ErrorKind::Corrupt) if index.json or a
    /// document that an image needs cannot be read. Nothing has been removed then.
    pub async fn remove(&self, digest: &Digest) -> Result<bool, Error> {
        let (named, digest) = (Arc::clone(&self.named), digest.clone());
        let removed = self
            .layout
            .blocking(move |layout| collect::remove(&layout.shared.disk, &named, &digest));
        removed.await
    }

    /// Moves corrupt content aside for inspection. It is deleted a week later.
    ///
    /// # Errors
    ///
    /// Those of the file system. Missing content is no error.
    pub async fn quarantine(&self, digest: &Digest) -> Result<(), Error> {
        let digest = digest.clone();
        let aside = self.layout.blocking(move |layout| {
            let disk = &layout.shared.disk;
            match disk.find_blob(&digest)? {
                Found::File(stamp) => disk.set_aside(&Corrupt::new(&digest, stamp, "")).map(drop),
                Found::Nothing | Found::Symlink | Found::Other => Ok(()),
            }
        });
        aside.await
    }
}

/// Opens content to read it. What this process may not read counts as missing.
fn open(shared: Arc<Shared>, digest: &Digest) -> Result<Reader, Error> {
    let disk = Arc::clone(&shared.disk);
    match Reader::open(shared, None, digest, None) {
        Err(_) if readable(&disk, digest)?.is_none() => Err(disk.no_blob(digest)),
        opened => opened,
    }
}

/// The size of content, if this process may read its file.
fn readable(disk: &Disk, digest: &Digest) -> Result<Option<u64>, Error> {
    if !matches!(disk.find_blob(digest)?, Found::File(_)) {
        return Ok(None);
    }
    match disk.open_blob(digest) {
        Ok(found) => Ok(found.map(|(_, stamp)| stamp.size)),
        Err(error) if is_denied(&error) => Ok(None),
        Err(error) => Err(error),
    }
}

fn is_denied(error: &Error) -> bool {
    let source = error
        .source()
        .and_then(|source| source.downcast_ref::<io::Error>());
    source.is_some_and(|source| source.kind() == io::ErrorKind::PermissionDenied)
}

/// Uploads to the layout.
impl ExclusiveLayout {
    /// Creates an empty upload with a new id of 1 to 64 lowercase letters, digits and hyphens.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Invalid`](wharf_content::ErrorKind::Invalid) for a malformed id; those of the file
    /// system, as for an id that is in use.
    pub async fn begin(&self, id: &str) -> Result<(), Error> {
        self.upload(id, Uploads::begin).await
    }

    /// Writes at `offset`, in bytes. Existing bytes beyond it are cut off first. The bytes need not be on
    /// the disk when this returns.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::NotFound`](wharf_content::ErrorKind::NotFound) if there is no such upload, as
    /// all that follow do, and with [`ErrorKind::Corrupt`](wharf_content::ErrorKind::Corrupt) if bytes are
    /// missing before the offset.
    pub async fn append(&self, id: &str, offset: u64, chunks: Vec<Bytes>) -> Result<(), Error> {
        self.upload(id, move |uploads, id| uploads.append(id, offset, &chunks))
            .await
    }

    /// The number of bytes of an upload, or `None` if there is no such upload. They need not be on the
    /// disk.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Invalid`](wharf_content::ErrorKind::Invalid) for a malformed id; those of the file system.
    pub async fn length(&self, id: &str) -> Result<Option<u64>, Error> {
        self.upload(id, Uploads::length).await
    }

    /// Makes all appended bytes survive a crash and returns their number. If that fails, the upload is
    /// empty afterwards, or removed.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::NotFound`](wharf_content::ErrorKind::NotFound) if there is no such upload; those of the
    /// file system.
    pub async fn flush(&self, id: &str) -> Result<u64, Error> {
        self.upload(id, Uploads::flush).await
    }

    /// Reads all bytes of an upload.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::NotFound`](wharf_content::ErrorKind::NotFound) if there is no such upload; those of the
    /// file system, here or from the stream.
    pub async fn read_upload(&self, id: &str) -> Result<ByteStream, Error> {
        let (uploads, id) = (Arc::clone(&self.uploads), id.to_owned());
        ReadAhead::open(move || uploads.read(&id)).await
    }

    /// Turns an upload into content, which survives a power failure when this returns. The caller ensures
    /// that the proof is of the upload's bytes. Existing content of that digest is replaced.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Mismatch`](wharf_content::ErrorKind::Mismatch) if another number of bytes was
    /// hashed than the upload has.
    pub async fn commit(&self, id: &str, content: &Verified) -> Result<(), Error> {
        let (shared, content) = (Arc::clone(&self.layout.shared), content.clone());
        let committed = self.upload(id, move |uploads, id| {
            let stamp = uploads.commit(id, &content)?;
            shared.hashed.insert(content.digest(), stamp);
            Ok(())
        });
        committed.await
    }

    /// Removes an upload, if there is one.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Invalid`](wharf_content::ErrorKind::Invalid) for a malformed id; those of the file system.
    pub async fn discard(&self, id: &str) -> Result<(), Error> {
        self.upload(id, Uploads::discard).await
    }

    /// The ids of all uploads, in no order.
    ///
    /// # Errors
    ///
    /// Those of the file system.
    pub async fn uploads(&self) -> Result<Vec<String>, Error> {
        let uploads = Arc::clone(&self.uploads);
        blocking(move || uploads.ids()).await
    }

    async fn upload<T: Send + 'static>(
        &self,
        id: &str,
        work: impl FnOnce(&Uploads, &str) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        let (uploads, id) = (Arc::clone(&self.uploads), id.to_owned());
        blocking(move || work(&uploads, &id)).await
    }
}

impl fmt::Debug for ExclusiveLayout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ExclusiveLayout")
            .field("path", &self.layout.path())
            .finish_non_exhaustive()
    }
}
