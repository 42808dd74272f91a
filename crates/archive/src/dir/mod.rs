//! The transport `dir:` of containers-transports(5).

mod files;
mod names;
mod target;
mod version;
mod writer;

use std::{fmt, path::Path, sync::Arc};

use async_trait::async_trait;
use wharf_content::{
    Blob, Descriptor, Error, ErrorKind, Location, Manifest, Signature, Source, Target, Wanted,
};
use wharf_fs::Directory;
use wharf_reference::Digest;

use self::files::{Files, Stored};
pub use self::writer::DirWriter;
use crate::{
    error::{At as _, error},
    runtime::blocking,
};

/// One image or index in a directory, as Skopeo's transport `dir:` keeps it: a flat directory with
/// `manifest.json`, the blobs under their digests, the manifests of an index as `HEX.manifest.json`, and
/// signatures as `signature-N` and `HEX.signature-N`.
///
/// It has no names: [`Dir::root`] is what it holds. Everything else is read by its digest, against which it is
/// verified; a blob or manifest that is not there is [`ErrorKind::NotFound`]. A copy of an index with none of
/// its images is read, too.
///
/// ```
/// use wharf_archive::Dir;
/// use wharf_content::{ImageBuilder, Platform, SinkExt as _, Source as _};
/// # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
/// # let directory = tempfile::tempdir()?;
/// let image = ImageBuilder::for_platform(Platform::host()).build()?;
/// let writer = Dir::create(directory.path().join("image")).await?;
/// writer.push_image(&image, None).await?;
/// writer.finish().await?;
///
/// let dir = Dir::open(directory.path().join("image")).await?;
/// assert_eq!(dir.root(), image.root());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Deviation
///
/// Skopeo does not compare a manifest with its digest.
#[derive(Clone)]
pub struct Dir {
    files: Arc<Files>,
    root: Manifest,
}

impl Dir {
    /// Opens a directory for reading. A handle stays with the image that was there when it was opened, also
    /// if another takes its path; blobs that were not opened before can then be gone.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::NotFound`] if there is no directory or no `manifest.json` in it,
    /// [`ErrorKind::Unsupported`] for a newer version of the format, [`ErrorKind::Invalid`] for a malformed
    /// version, and as [`Manifest::parse`]. The file `version` may be absent.
    pub async fn open(path: impl AsRef<Path>) -> Result<Self, Error> {
        let path = path.as_ref().to_owned();
        blocking(move || Self::open_blocking(&path)).await
    }

    fn open_blocking(path: &Path) -> Result<Self, Error> {
        let opened = Directory::open(path).at("open the image directory", path);
        let directory = opened.map_err(|error| target::point_at_displaced(path, error))?;
        let files = Files(directory);
        if let Some(text) = files.whole(version::FILE, version::MAX_VERSION_SIZE)? {
            version::check(&text).map_err(|why| {
                let path = files.path(version::FILE);
                error(
                    why.kind(),
                    format_args!("{} cannot be used: {why}", path.display()),
                )
            })?;
        }
        let root = files.root()?.ok_or_else(|| {
            let message = format!(
                "{} is no image directory: it has no manifest.json",
                path.display()
            );
            Error::new(ErrorKind::NotFound, message)
        })?;
        Ok(Self {
            files: Arc::new(files),
            root,
        })
    }

    /// Begins to write an image, in a directory beside `path` that takes its place in
    /// [`DirWriter::finish`].
    ///
    /// `path` must be absent, empty, or an image directory with a valid file `version`, which the new image
    /// replaces. Parents that are absent are created. A symbolic link is followed: the directory at its end is
    /// replaced.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Conflict`] if something else is there, or another process writes an image to `path`;
    /// [`ErrorKind::Unsupported`] for a mount point, the root directory and the current directory, which cannot
    /// be replaced. Nothing is changed then.
    ///
    /// # Deviation
    ///
    /// Skopeo erases the old image before it copies the new one.
    pub async fn create(path: impl AsRef<Path>) -> Result<DirWriter, Error> {
        let path = path.as_ref().to_owned();
        blocking(move || DirWriter::create(&path)).await
    }

    /// The manifest or index that the directory holds.
    #[must_use]
    pub const fn root(&self) -> &Manifest {
        &self.root
    }

    /// True if this is the digest of the root, of any algorithm.
    fn is_root(&self, digest: &Digest) -> bool {
        digest == self.root.digest()
            || Manifest::parse_pinned(self.root.bytes().clone(), None, digest).is_ok()
    }
}

#[async_trait]
impl Source for Dir {
    async fn resolve(&self, target: &Target) -> Result<Descriptor, Error> {
        Ok(self.manifest(target).await?.descriptor().clone())
    }

    async fn manifest(&self, target: &Target) -> Result<Manifest, Error> {
        let Target::Digest(digest) = target else {
            return Err(no_names(self.files.0.path(), target));
        };
        if digest == self.root.digest() {
            return Ok(self.root.clone());
        }
        if let Ok(root) = Manifest::parse_pinned(self.root.bytes().clone(), None, digest) {
            return Ok(root); // by the digest of another algorithm
        }
        manifest(&self.files, digest).await
    }

    async fn blob(&self, descriptor: &Descriptor) -> Result<Blob, Error> {
        blob(&self.files, descriptor)
    }

    async fn referrers(&self, subject: &Digest) -> Result<Vec<Descriptor>, Error> {
        let (files, subject) = (Arc::clone(&self.files), subject.clone());
        blocking(move || files.referrers(&subject)).await
    }

    async fn signatures(&self, manifest: &Digest, wanted: Wanted) -> Result<Vec<Signature>, Error> {
        let files = Arc::clone(&self.files);
        let manifest = (!self.is_root(manifest)).then(|| manifest.clone());
        blocking(move || files.signatures(manifest.as_ref(), wanted)).await
    }

    fn location(&self) -> Location {
        Location::ImageDirectory(self.files.0.path().to_owned())
    }
}

fn no_names(path: &Path, target: &Target) -> Error {
    error(
        ErrorKind::NotFound,
        format_args!(
            "{} has no image {target}: an image directory has no names",
            path.display()
        ),
    )
}

/// Reads a manifest other than the root.
async fn manifest(files: &Arc<Files>, digest: &Digest) -> Result<Manifest, Error> {
    let (files, digest) = (Arc::clone(files), digest.clone());
    blocking(move || {
        files.manifest(&digest)?.ok_or_else(|| {
            let path = files.0.path().display();
            error(
                ErrorKind::NotFound,
                format_args!("{path} has no manifest {digest}"),
            )
        })
    })
    .await
}

/// Opens a blob.
fn blob(files: &Arc<Files>, descriptor: &Descriptor) -> Result<Blob, Error> {
    let stored = Stored {
        files: Arc::clone(files),
        digest: descriptor.digest().clone(),
    };
    let path = files.0.path().display();
    Ok(Blob::new(descriptor.clone(), stored)?.with_location(path))
}

impl fmt::Debug for Dir {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Dir")
            .field("path", &self.files.0.path())
            .field("root", self.root.digest())
            .finish()
    }
}
