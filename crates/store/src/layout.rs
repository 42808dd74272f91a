use std::{path::Path, sync::Arc};

use async_trait::async_trait;
use wharf_content::{
    Blob, ByteStream, Descriptor, Error, ErrorKind, Location, MAX_MANIFEST_SIZE, Manifest, MediaType, Name,
    Signature, Sink, Source, Target, Wanted,
};
use wharf_reference::{Algorithm, Digest};

use crate::{
    Options,
    disk::{Disk, Found, Lease, verifiable},
    ingest,
    read::{Stored, whole},
    referrers, reflink,
    runtime::blocking,
    shared::Shared,
    signatures,
};

/// An OCI image layout in a directory (image-spec, *Image Layout*), shared with other processes and tools.
///
/// A blob is written to a file beside the blobs, verified, synced and only then moved to its name;
/// index.json is replaced as a whole, under a lock. So a reader sees the old or the new state at any time,
/// also after a writer was killed.
///
/// # What is promised when
///
/// When [`Sink::push_blob`] returns, the blob is visible and verified, and its bytes are on the disk. Its
/// directory entry is certain to be on the disk when the image is acknowledged: once
/// [`Sink::push_manifest`] with a name, [`Layout::tag`] or [`Layout::sync`] has returned, everything pushed
/// before survives a power failure. So an image of a hundred layers syncs its directories once.
///
/// # What stays
///
/// Content that a handle has pushed, or found by [`Sink::contains`], is not collected until the last clone
/// of the handle is dropped, whether it has a name or not, and in whichever process the collector runs. A
/// long-running program makes a handle for each operation with [`Layout::pinned`].
///
/// Cloning is cheap; all methods need a tokio runtime.
#[derive(Debug, Clone)]
pub struct Layout {
    pub(crate) shared: Arc<Shared>,
    pub(crate) lease: Arc<Lease>,
}

impl Layout {
    /// Opens an existing layout, also of another tool.
    ///
    /// ```
    /// use wharf_content::Source as _;
    /// use wharf_store::Layout;
    /// # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
    /// # let directory = tempfile::tempdir()?;
    /// # Layout::create(directory.path()).await?;
    /// let store = Layout::open(directory.path()).await?;
    /// for image in store.images().await? {
    ///     println!("{:?} {}", image.name(), image.descriptor().digest());
    /// }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// # })?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`ErrorKind::NotFound`] if there is none, [`ErrorKind::Unsupported`] for another version,
    /// [`ErrorKind::Corrupt`] if `oci-layout` or `index.json` is corrupt, or there is no `index.json`.
    pub async fn open(path: impl AsRef<Path>) -> Result<Self, Error> {
        Self::open_with(path, Options::default()).await
    }

    /// Opens an existing layout with options.
    ///
    /// # Errors
    ///
    /// As [`Layout::open`].
    pub async fn open_with(path: impl AsRef<Path>, options: Options) -> Result<Self, Error> {
        let path = path.as_ref().to_owned();
        blocking(move || Disk::open(&path, options).map(Self::new)).await
    }

    /// Opens a layout, or creates one in an empty or absent directory. A new directory has mode 0700. A
    /// layout without `index.json` gets an empty one.
    ///
    /// ```
    /// use wharf_store::{Layout, Options, Verify};
    /// # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
    /// # let directory = tempfile::tempdir()?;
    /// let options = Options::default().with_verify(Verify::Always);
    /// let store = Layout::create_with(directory.path().join("images"), options).await?;
    /// assert!(store.images().await?.is_empty());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// # })?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Conflict`] if the directory has other files, and as [`Layout::open`].
    pub async fn create(path: impl AsRef<Path>) -> Result<Self, Error> {
        Self::create_with(path, Options::default()).await
    }

    /// Opens or creates a layout with options.
    ///
    /// # Errors
    ///
    /// As [`Layout::create`].
    pub async fn create_with(path: impl AsRef<Path>, options: Options) -> Result<Self, Error> {
        let path = path.as_ref().to_owned();
        blocking(move || Disk::create(&path, options).map(Self::new)).await
    }

    fn new(disk: Disk) -> Self {
        let shared = Arc::new(Shared::new(disk));
        let lease = Arc::new(Lease::new(Arc::clone(&shared.disk)));
        Self { shared, lease }
    }

    /// Makes a pinning handle for one operation: the content that it relies on is not collected until its
    /// last clone is dropped.
    #[must_use]
    pub fn pinned(&self) -> Self {
        Self {
            shared: Arc::clone(&self.shared),
            lease: Arc::new(Lease::new(Arc::clone(&self.shared.disk))),
        }
    }

    /// The directory.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.shared.disk.path()
    }

    /// Makes everything pushed so far survive a power failure, for content that gets no name.
    ///
    /// # Errors
    ///
    /// Those of the file system. Content pushed before is not known to be on the disk then; push it again.
    pub async fn sync(&self) -> Result<(), Error> {
        self.blocking(|layout| layout.shared.disk.sync_blobs()).await
    }

    /// Runs blocking work with this handle on a thread for blocking work.
    pub(crate) async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Self) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        let layout = self.clone();
        blocking(move || work(&layout)).await
    }

    /// Finds a target in index.json; for a digest that index.json does not list, reads the manifest itself.
    fn find(&self, target: &Target) -> Result<(Descriptor, Option<Manifest>), Error> {
        let disk = &self.shared.disk;
        let index = disk.index()?;
        match target {
            Target::Name(name) => {
                if let Some(descriptor) = index.named(name)? {
                    return Ok((plain(&descriptor)?, None));
                }
                let (directory, offer) = (disk.path().display(), index.offer());
                let message = format!("there is no image {name} in {directory}; {offer}");
                Err(Error::new(ErrorKind::NotFound, message))
            }
            Target::Digest(digest) => {
                if let Some(descriptor) = index.manifest(digest) {
                    return Ok((plain(&descriptor)?, None));
                }
                self.lease.pin_to_read(digest)?;
                let bytes = whole(disk, digest, MAX_MANIFEST_SIZE)?;
                let bytes = bytes.ok_or_else(|| disk.no_manifest(digest))?;
                let manifest = Manifest::parse_pinned(bytes, None, digest)?;
                Ok((manifest.descriptor().clone(), Some(manifest)))
            }
        }
    }

    fn read_manifest(&self, target: &Target) -> Result<Manifest, Error> {
        /// The most attempts to read a manifest whose name is moved meanwhile.
        const MAX_ATTEMPTS: u32 = 3;
        let disk = &self.shared.disk;
        let mut attempt = 0;
        loop {
            let (descriptor, manifest) = self.find(target)?;
            if let Some(manifest) = manifest {
                return Ok(manifest);
            }
            let digest = descriptor.digest();
            self.lease.pin_to_read(digest)?;
            attempt += 1;
            match whole(disk, digest, MAX_MANIFEST_SIZE)? {
                Some(bytes) => return Manifest::parse_pinned(bytes, Some(descriptor.media_type()), digest),
                None if attempt < MAX_ATTEMPTS => {} // the name may have moved and the image have been collected
                None => return Err(disk.no_manifest(digest)),
            }
        }
    }

    /// Writes small and verified content, unless it is there.
    pub(crate) fn write_whole(&self, descriptor: &Descriptor, bytes: &[u8]) -> Result<(), Error> {
        let digest = descriptor.digest();
        self.lease.pin([digest])?;
        if !self.shared.ensure_verified(descriptor)? {
            let stamp = self.shared.disk.commit_bytes(digest, bytes)?;
            self.shared.hashed.insert(digest, stamp);
        }
        Ok(())
    }

    /// True if content is there and complete: a blob, an index, or an image manifest with its blobs.
    fn is_complete(&self, descriptor: &Descriptor) -> Result<bool, Error> {
        let digest = descriptor.digest();
        self.lease.pin([digest])?;
        if !self.shared.ensure_verified(descriptor)? {
            return Ok(false);
        }
        if !descriptor.media_type().is_image() {
            return Ok(true);
        }
        let Some(bytes) = whole(&self.shared.disk, digest, MAX_MANIFEST_SIZE)? else {
            return Ok(false);
        };
        let manifest = Manifest::parse_pinned(bytes, Some(descriptor.media_type()), digest)?;
        self.lease.pin(manifest.blobs().map(Descriptor::digest))?;
        for blob in manifest.blobs() {
            if !blob.is_nondistributable() && !self.shared.ensure_verified(blob)? {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

/// The descriptor without the members that only index.json states.
fn plain(descriptor: &Descriptor) -> Result<Descriptor, Error> {
    let plain = Descriptor::new(
        descriptor.media_type().clone(),
        descriptor.digest().clone(),
        descriptor.size(),
    )?;
    Ok(match descriptor.artifact_type() {
        Some(artifact_type) => plain.with_artifact_type(artifact_type.clone()),
        None => plain,
    })
}

#[async_trait]
impl Source for Layout {
    async fn resolve(&self, target: &Target) -> Result<Descriptor, Error> {
        let target = target.clone();
        self.blocking(move |layout| {
            let (descriptor, _) = layout.find(&target)?;
            layout.lease.pin_to_read(descriptor.digest())?;
            Ok(descriptor)
        })
        .await
    }

    async fn manifest(&self, target: &Target) -> Result<Manifest, Error> {
        let target = target.clone();
        self.blocking(move |layout| layout.read_manifest(&target)).await
    }

    async fn blob(&self, descriptor: &Descriptor) -> Result<Blob, Error> {
        let wanted = descriptor.clone();
        self.blocking(move |layout| {
            let (disk, digest) = (&layout.shared.disk, wanted.digest());
            layout.lease.pin_to_read(digest)?;
            match disk.find_blob(digest)? {
                Found::File(_) => Ok(()),
                found => Err(disk.lacks_blob(&wanted, found)),
            }
        })
        .await?;
        let stored = Stored {
            shared: Arc::clone(&self.shared),
            lease: Arc::clone(&self.lease),
            descriptor: descriptor.clone(),
            unverified: false,
        };
        // The reader hashes, on the thread that reads.
        Ok(Blob::verified_before(descriptor.clone(), stored))
    }

    /// Lists the manifests in the layout whose `subject` is this one, with their annotations. Reads every
    /// small file of the store.
    async fn referrers(&self, subject: &Digest) -> Result<Vec<Descriptor>, Error> {
        let subject = subject.clone();
        self.blocking(move |layout| referrers::of(layout, &subject)).await
    }

    /// Reads attachments from the manifest that index.json names `sha256-….sig`, and bundles from the referrers.
    async fn signatures(&self, manifest: &Digest, wanted: Wanted) -> Result<Vec<Signature>, Error> {
        let manifest = manifest.clone();
        self.blocking(move |layout| signatures::read(layout, &manifest, wanted))
            .await
    }

    fn location(&self) -> Location {
        Location::Directory(self.path().to_owned())
    }
}

#[async_trait]
impl Sink for Layout {
    fn pinned(&self) -> Option<Arc<dyn Sink>> {
        Some(Arc::new(Self::pinned(self)))
    }

    async fn contains(&self, descriptor: &Descriptor) -> Result<bool, Error> {
        let descriptor = descriptor.clone();
        self.blocking(move |layout| layout.is_complete(&descriptor)).await
    }

    async fn contains_cached(&self, descriptors: &[Descriptor]) -> Result<Vec<Option<bool>>, Error> {
        let descriptors = descriptors.to_vec();
        self.blocking(move |layout| {
            layout.lease.pin(descriptors.iter().map(Descriptor::digest))?;
            let known = |descriptor: &Descriptor| {
                if descriptor.media_type().is_image() {
                    return Ok(None); // whether its blobs are there is to be read from it
                }
                layout.shared.contains_cached(descriptor)
            };
            descriptors.iter().map(known).collect()
        })
        .await
    }

    /// Writes a blob. A partial download, of this or another process, is resumed. If another process
    /// receives the blob, the call waits for it.
    async fn push_blob(&self, blob: Blob) -> Result<(), Error> {
        ingest::push(self, blob).await
    }

    /// Writes a manifest. With a name, everything pushed before survives a power failure when this returns.
    async fn push_manifest(&self, manifest: &Manifest, name: Option<&Name>) -> Result<(), Error> {
        let (manifest, name) = (manifest.clone(), name.cloned());
        self.blocking(move |layout| {
            let disk = &layout.shared.disk;
            layout.write_whole(manifest.descriptor(), manifest.bytes())?;
            let Some(name) = name else {
                return Ok(());
            };
            disk.sync_blobs()?;
            disk.update_index(|index| Ok((index.tag(&name, manifest.descriptor())?, ())))
        })
        .await
    }

    /// Adds an entry without a name to index.json, unless an entry of this manifest is there. Everything pushed before
    /// survives a power failure when this returns.
    async fn list_unnamed(&self, manifest: &Descriptor) -> Result<(), Error> {
        let manifest = manifest.clone();
        self.blocking(move |layout| {
            layout.require(&manifest)?;
            let disk = &layout.shared.disk;
            disk.update_index(|index| Ok((index.list_unnamed(&manifest)?, ())))
        })
        .await
    }

    fn can_ingest(&self) -> bool {
        true
    }

    /// Writes a blob of unknown digest through a temporary file. It buffers at most some megabytes.
    async fn ingest(
        &self,
        media_type: MediaType,
        algorithm: Algorithm,
        bytes: ByteStream,
    ) -> Result<Descriptor, Error> {
        ingest::ingest(self, media_type, algorithm, bytes).await
    }

    fn accepts(&self, descriptor: &Descriptor) -> Result<(), Error> {
        verifiable(descriptor.digest())
    }

    async fn accepts_signatures(&self, kinds: Wanted, _: Option<&Name>) -> Result<(), Error> {
        signatures::check(self, kinds)
    }

    /// Writes attachments into a manifest that index.json names `sha256-….sig`, and bundles as referrers. They survive a
    /// power failure when this returns, and stay as long as the manifest that they sign. Writers of several processes
    /// lose nothing.
    async fn push_signatures(
        &self,
        manifest: &Descriptor,
        _: Option<&Name>,
        signatures: &[Signature],
    ) -> Result<usize, Error> {
        let (manifest, signatures) = (manifest.clone(), signatures.to_vec());
        self.blocking(move |layout| signatures::push(layout, &manifest, &signatures))
            .await
    }

    async fn stored_manifest(&self, descriptor: &Descriptor) -> Result<Option<Manifest>, Error> {
        match self.manifest(&Target::Digest(descriptor.digest().clone())).await {
            Ok(manifest) => Ok(Some(manifest)),
            Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::Corrupt) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Mounts a blob from a layout in another directory without copying its bytes, if the file system can
    /// share blocks (reflink). The other layout's file is not changed.
    async fn mount(&self, descriptor: &Descriptor, from: &Location) -> Result<bool, Error> {
        let Location::Directory(from) = from else {
            return Ok(false);
        };
        reflink::mount(self, descriptor, from).await
    }

    fn location(&self) -> Location {
        Location::Directory(self.path().to_owned())
    }
}
