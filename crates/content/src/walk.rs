use std::collections::HashMap;

use wharf_reference::Digest;

use crate::{Descriptor, Error, ErrorKind};

/// The most levels of manifests that one operation follows: an image in three levels of indexes (threat I6
/// in docs/threats.md).
pub const MAX_DEPTH: usize = 4;

/// The most manifests that one operation reads (threat I6 in docs/threats.md).
pub const MAX_MANIFESTS: usize = 2_000;

/// The most manifests and blobs of one operation.
pub const MAX_ITEMS: usize = 20_000;

/// The most bytes that the manifests of one operation may have together, since all are held in memory.
pub const MAX_MANIFEST_BYTES: u64 = 32 << 20;

/// The manifests and blobs that one operation has met, within [`MAX_MANIFESTS`], [`MAX_ITEMS`] and
/// [`MAX_MANIFEST_BYTES`]. An operation that follows manifests calls [`Visits::add`] before it reads one,
/// and counts the levels itself.
///
/// ```
/// use wharf_content::{Descriptor, MediaType, Visits};
///
/// let mut visits = Visits::new();
/// let image = Descriptor::of(MediaType::OCI_MANIFEST, b"...");
/// assert!(visits.add(&image)?);
/// assert!(!visits.add(&image)?); // listed again
/// # Ok::<(), wharf_content::Error>(())
/// ```
#[derive(Debug, Clone, Default)]
pub struct Visits {
    /// The size of each, by digest and whether it is a manifest, because an index may list the same bytes
    /// as both.
    seen: HashMap<(Digest, bool), u64>,
    manifest_count: usize,
    manifest_bytes: u64,
}

impl Visits {
    /// An empty set.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a manifest or blob. `false` if it was added before: the operation then skips it.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::TooLarge`] beyond a limit, [`ErrorKind::Mismatch`] if it was added before with another
    /// size.
    pub fn add(&mut self, descriptor: &Descriptor) -> Result<bool, Error> {
        let is_manifest = descriptor.media_type().is_manifest();
        let (digest, size) = (descriptor.digest(), descriptor.size());
        if let Some(known) = self.seen.get(&(digest.clone(), is_manifest)) {
            if *known != size {
                let message = format!("{digest} is described with {known} bytes and with {size} bytes");
                return Err(Error::new(ErrorKind::Mismatch, message));
            }
            return Ok(false);
        }
        if is_manifest {
            self.manifest_count += 1;
            self.manifest_bytes = self.manifest_bytes.saturating_add(size);
        }
        let too_large = |message| Err(Error::new(ErrorKind::TooLarge, message));
        if self.manifest_count > MAX_MANIFESTS {
            return too_large(format!("more than {MAX_MANIFESTS} manifests in one image"));
        }
        if self.manifest_bytes > MAX_MANIFEST_BYTES {
            return too_large(format!(
                "more than {MAX_MANIFEST_BYTES} bytes of manifests in one image"
            ));
        }
        if self.seen.len() >= MAX_ITEMS {
            return too_large(format!("more than {MAX_ITEMS} manifests and blobs in one image"));
        }
        self.seen.insert((digest.clone(), is_manifest), size);
        Ok(true)
    }

    /// The error for manifests on more than [`MAX_DEPTH`] levels.
    #[must_use]
    pub fn too_deep() -> Error {
        let message = format!("indexes are nested deeper than {MAX_DEPTH} levels");
        Error::new(ErrorKind::TooLarge, message)
    }

    /// True if a manifest of this digest was added.
    #[must_use]
    pub fn has_manifest(&self, digest: &Digest) -> bool {
        self.seen.contains_key(&(digest.clone(), true))
    }
}
