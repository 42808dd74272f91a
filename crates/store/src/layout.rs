use std::{path::Path, sync::Arc};

use async_trait::async_trait;
use wharf_content::{
    Blob, Descriptor, Error, ErrorKind, Location, MAX_MANIFEST_SIZE, Manifest, Name, Sink, Source, Target,
};

use crate::{
    Image,
    disk::Disk,
    index::Entry,
    ingest::Partials,
    pipeline,
    read::{Stored, Verified, whole},
    runtime::blocking,
};

/// An OCI image layout in a directory (image-spec, *Image Layout*), shared with other processes and tools.
///
/// A blob is written beside the others, synced, verified and only then visible; index.json is replaced as a
/// whole, under a lock. So a reader sees the old or the new state, whenever it looks and whatever stops a
/// writer.
///
/// When [`Sink::push_manifest`] with a name, or [`Layout::tag`], returns, everything pushed before it is
/// durable. Cloning is cheap; all methods need a tokio runtime.
#[derive(Debug, Clone)]
pub struct Layout {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    disk: Arc<Disk>,
    partials: Arc<Partials>,
    verified: Arc<Verified>,
}

impl Layout {
    /// Opens a layout that exists.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::NotFound`] if there is none, [`ErrorKind::Unsupported`] for another version,
    /// [`ErrorKind::Corrupt`] if `oci-layout` or `index.json` is damaged.
    pub async fn open(path: impl AsRef<Path>) -> Result<Self, Error> {
        let path = path.as_ref().to_owned();
        blocking(move || Disk::open(&path).map(Self::new)).await
    }

    /// Opens a layout, or makes one where there is nothing yet or an empty directory. A new directory has
    /// mode 0700.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Conflict`] if the directory has other files, and as [`Layout::open`].
    pub async fn create(path: impl AsRef<Path>) -> Result<Self, Error> {
        let path = path.as_ref().to_owned();
        blocking(move || Disk::create(&path).map(Self::new)).await
    }

    fn new(disk: Disk) -> Self {
        Self {
            inner: Arc::new(Inner {
                disk: Arc::new(disk),
                partials: Arc::default(),
                verified: Arc::default(),
            }),
        }
    }

    /// The directory.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.inner.disk.path()
    }

    /// The images that index.json lists, in its order: one for each name, and those that have lost theirs.
    pub async fn images(&self) -> Result<Vec<Image>, Error> {
        let disk = Arc::clone(&self.inner.disk);
        blocking(move || Ok(disk.index()?.entries().iter().map(image).collect())).await
    }

    /// Gives a manifest that is in the store a name. An image that had the name stays, without it.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::NotFound`] if the manifest is not in the store.
    pub async fn tag(&self, name: &Name, manifest: &Descriptor) -> Result<(), Error> {
        let (disk, name, manifest) = (Arc::clone(&self.inner.disk), name.clone(), manifest.clone());
        blocking(move || {
            if !manifest.media_type().is_manifest() {
                let message = format!("cannot name {}: it is no image manifest", manifest.media_type());
                return Err(Error::new(ErrorKind::Invalid, message));
            }
            if !disk.has_blob(&manifest)? {
                return Err(disk.no_blob(manifest.digest()));
            }
            disk.sync_blobs()?;
            disk.update_index(|index| index.tag(&name, &manifest))
        })
        .await
    }

    /// Takes a name away. The image stays: under its other names, or without any. `false` if there was no
    /// such name.
    pub async fn untag(&self, name: &Name) -> Result<bool, Error> {
        let (disk, name) = (Arc::clone(&self.inner.disk), name.clone());
        blocking(move || {
            if disk
                .index()?
                .entries()
                .iter()
                .all(|entry| entry.name() != Some(name.as_str()))
            {
                return Ok(false);
            }
            disk.update_index(|index| index.untag(&name))
        })
        .await
    }

    /// Removes an image from index.json: by name that name, and the image when it was its last; by digest
    /// all its names. `false` if there was nothing to remove. What it consists of stays on the disk.
    pub async fn remove(&self, target: &Target) -> Result<bool, Error> {
        let (disk, target) = (Arc::clone(&self.inner.disk), target.clone());
        blocking(move || {
            let gone = |entry: &Entry| match &target {
                Target::Name(name) => entry.name() == Some(name.as_str()),
                Target::Digest(digest) => entry.descriptor().digest() == digest,
            };
            if !disk.index()?.entries().iter().any(gone) {
                return Ok(false);
            }
            disk.update_index(|index| Ok(index.remove(gone) > 0))
        })
        .await
    }
}

fn image(entry: &Entry) -> Image {
    Image::new(
        entry.name().and_then(|name| Name::parse(name).ok()),
        entry.descriptor().clone(),
    )
}

/// What a target is, according to index.json or, for a digest that it does not list, the manifest itself.
fn resolve(disk: &Disk, target: &Target) -> Result<(Descriptor, Option<Manifest>), Error> {
    let index = disk.index()?;
    match target {
        Target::Name(name) => {
            if let Some(descriptor) = index.named(name)? {
                return Ok((descriptor.clone(), None));
            }
            let message = format!("there is no image {name} in {}", disk.path().display());
            Err(Error::new(ErrorKind::NotFound, message))
        }
        Target::Digest(digest) => {
            if let Some(descriptor) = index.manifest(digest) {
                return Ok((descriptor.clone(), None));
            }
            let bytes = whole(disk, digest, MAX_MANIFEST_SIZE)?;
            let manifest = Manifest::parse_pinned(bytes, None, digest)?;
            Ok((manifest.descriptor().clone(), Some(manifest)))
        }
    }
}

#[async_trait]
impl Source for Layout {
    async fn resolve(&self, target: &Target) -> Result<Descriptor, Error> {
        let (disk, target) = (Arc::clone(&self.inner.disk), target.clone());
        blocking(move || resolve(&disk, &target).map(|(descriptor, _)| descriptor)).await
    }

    async fn manifest(&self, target: &Target) -> Result<Manifest, Error> {
        let (disk, target) = (Arc::clone(&self.inner.disk), target.clone());
        blocking(move || match resolve(&disk, &target)? {
            (_, Some(manifest)) => Ok(manifest),
            (descriptor, None) => {
                let bytes = whole(&disk, descriptor.digest(), MAX_MANIFEST_SIZE)?;
                Manifest::parse_pinned(bytes, Some(descriptor.media_type()), descriptor.digest())
            }
        })
        .await
    }

    async fn blob(&self, descriptor: &Descriptor) -> Result<Blob, Error> {
        let (disk, wanted) = (Arc::clone(&self.inner.disk), descriptor.clone());
        blocking(move || match disk.stat_blob(wanted.digest())? {
            Some(stamp) if stamp.size == wanted.size() => Ok(()),
            Some(_) => Err(disk.damaged(wanted.digest(), "its size is wrong")),
            None => Err(disk.no_blob(wanted.digest())),
        })
        .await?;
        let stored = Stored {
            disk: Arc::clone(&self.inner.disk),
            verified: Arc::clone(&self.inner.verified),
            descriptor: descriptor.clone(),
        };
        // The reader hashes by itself, on the thread that reads.
        Ok(Blob::verified_before(descriptor.clone(), Arc::new(stored)))
    }

    fn location(&self) -> Location {
        Location::Directory(self.path().to_owned())
    }
}

#[async_trait]
impl Sink for Layout {
    async fn contains(&self, descriptor: &Descriptor) -> Result<bool, Error> {
        let (disk, descriptor) = (Arc::clone(&self.inner.disk), descriptor.clone());
        blocking(move || disk.has_blob(&descriptor)).await
    }

    /// Takes in a blob. A download that was cut, in this or another process, is continued; one that is under
    /// way elsewhere is waited for.
    async fn push_blob(&self, blob: Blob) -> Result<(), Error> {
        pipeline::push(&self.inner.disk, &self.inner.partials, blob).await
    }

    /// Takes in a manifest. With a name, everything pushed before is durable when this returns.
    async fn push_manifest(&self, manifest: &Manifest, name: Option<&Name>) -> Result<(), Error> {
        let (disk, manifest, name) = (Arc::clone(&self.inner.disk), manifest.clone(), name.cloned());
        blocking(move || {
            if !disk.has_blob(manifest.descriptor())? {
                disk.commit_bytes(manifest.digest(), manifest.bytes())?;
            }
            let Some(name) = name else {
                return Ok(());
            };
            disk.sync_blobs()?;
            disk.update_index(|index| index.tag(&name, manifest.descriptor()))
        })
        .await
    }

    async fn stored_manifest(&self, descriptor: &Descriptor) -> Result<Option<Manifest>, Error> {
        match self.manifest(&Target::Digest(descriptor.digest().clone())).await {
            Ok(manifest) => Ok(Some(manifest)),
            Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::Corrupt) => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn location(&self) -> Location {
        Location::Directory(self.path().to_owned())
    }
}
