//! The state that all handles of an open layout share.

use std::{fs::File, num::NonZeroUsize, sync::Arc, thread};

use tokio::sync::{Mutex as AsyncMutex, Semaphore};
use wharf_content::{Descriptor, Error};
use wharf_fs::Stamp;
use wharf_reference::Digest;

use crate::{
    disk::{Corrupt, Disk, Found, VerifiedStamp},
    hashed_files::HashedFiles,
    hashing::file_has,
    ingest::Partials,
    single_flight::SingleFlight,
};

#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) disk: Arc<Disk>,
    pub(crate) partials: Arc<Partials>,
    pub(crate) hashed: Arc<HashedFiles>,
    /// Held by the task of this process that receives a digest. Between processes the lock of the ingest
    /// file does the same.
    pub(crate) receiving: SingleFlight<AsyncMutex<()>>,
    /// Bounds concurrent calls of `ingest::acquire`, each of which takes microseconds of blocking work:
    /// without it, a hundred small blobs would start a hundred threads.
    pub(crate) acquire_permits: Semaphore,
}

impl Shared {
    pub(crate) fn new(disk: Disk) -> Self {
        Self {
            disk: Arc::new(disk),
            partials: Arc::default(),
            hashed: Arc::default(),
            receiving: SingleFlight::default(),
            acquire_permits: Semaphore::new(thread::available_parallelism().map_or(1, NonZeroUsize::get)),
        }
    }

    /// True if the blob is there and verified, false if it is not there, `None` if its bytes must be read
    /// to tell. The caller has pinned it.
    ///
    /// A blob with a durable verified stamp counts as verified. A file of another size counts as absent but
    /// stays, because the descriptor may be wrong and other images may need the file.
    pub(crate) fn contains_cached(&self, descriptor: &Descriptor) -> Result<Option<bool>, Error> {
        let digest = descriptor.digest();
        Ok(match self.disk.find_blob(digest)? {
            Found::File(stamp) if stamp.size == descriptor.size() => {
                let known = self.hashed.contains(digest, &stamp)
                    || VerifiedStamp::of(digest, &stamp) == Some(VerifiedStamp::Durable);
                known.then_some(true)
            }
            Found::File(_) | Found::Nothing | Found::Symlink | Found::Other => Some(false),
        })
    }

    /// True if the blob is there and verified, so that it need not be pushed. The caller has pinned it.
    ///
    /// An unverified blob is hashed, synced and stamped. A corrupt one is moved aside and counts as absent.
    pub(crate) fn ensure_verified(&self, descriptor: &Descriptor) -> Result<bool, Error> {
        if let Some(known) = self.contains_cached(descriptor)? {
            return Ok(known);
        }
        let digest = descriptor.digest();
        let Some((mut file, stamp)) = self.disk.open_blob(digest)? else {
            return Ok(false);
        };
        let path = self.disk.blob_path(digest);
        if !file_has(&mut file, digest, &path)? {
            let why = "its bytes have another digest";
            return self.refuse(&Corrupt::new(digest, stamp, why));
        }
        self.remember_verified(&file, digest, &stamp);
        Ok(true)
    }

    /// Stamps a file that was just verified, so that no process hashes it for this again. A file that has
    /// other names, as in another tool's layout or build, is not changed.
    fn remember_verified(&self, file: &File, digest: &Digest, stamp: &Stamp) {
        let unchanged = || Stamp::of(file).ok().as_ref() == Some(stamp);
        let path = self.disk.blob_path(digest);
        let is_ours = || matches!(wharf_fs::has_other_names(file), Ok(false));
        if unchanged() && is_ours() && self.disk.seal(file, digest, &path).is_ok() {
            if let Ok(marked) = Stamp::of(file) {
                self.hashed.insert(digest, marked);
            }
        } else if unchanged() && !stamp.is_racy() {
            self.hashed.insert(digest, *stamp); // somebody else's file, or a store that is read-only
        }
    }

    /// Moves a corrupt blob aside and returns `Ok(false)`, so that the caller fetches it again.
    fn refuse(&self, corrupt: &Corrupt) -> Result<bool, Error> {
        self.disk.set_aside(corrupt).map(|_| false)
    }
}
