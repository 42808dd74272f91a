//! Archives are written.

mod documents;
mod file;
mod ingest;
mod legacy;
mod members;
mod options;
mod report;

use std::{
    fmt,
    io::Write,
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
};

use async_trait::async_trait;
use wharf_content::{
    Blob, ByteStream, Descriptor, Error, ErrorKind, Hasher, Location, Manifest, MediaType, Name, OpenBlob,
    Sink, Source, Target,
};
use wharf_reference::{Algorithm, Digest};

use self::{
    file::{NewFile, Opened},
    members::Inner,
};
pub use self::{
    options::{WriterForm, WriterOptions},
    report::{OciOnly, OciOnlyReason, WrittenArchive},
};
use crate::{error::error, input::Part, output::Destination, runtime::blocking, stream::Hashed};

/// Writes images to an archive, with [`Sink`]. Any number of images and names, shared blobs once.
///
/// The members stand in the order in which they are pushed, one at a time: a push waits for the one before. Equal
/// pushes in the same order give equal bytes. Nothing is at the path before [`Writer::finish`], which the caller
/// must call; a writer that is dropped before leaves what was there.
///
/// A full name with registry and tag (`docker.io/library/app:1`) is one for all readers; any other, such as `1`,
/// is found in the OCI layout alone. Images without a name that belong to no index are listed without one.
///
/// ```
/// use wharf_archive::{Archive, Form, Writer};
/// use wharf_content::{ImageBuilder, Name, Platform, SinkExt as _};
/// # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
/// # let directory = tempfile::tempdir()?;
/// # let path = directory.path().join("image.tar");
/// let image = ImageBuilder::for_platform(Platform::host()).build()?;
/// let writer = Writer::create(&path).await?;
/// writer.push_image(&image, Some(&Name::parse("docker.io/library/app:1")?)).await?;
/// writer.finish().await?;
///
/// let archive = Archive::open(&path, Form::Detect).await?;
/// assert_eq!(archive.only()?.descriptor().digest(), image.digest());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// In a file, a push that fails or is given up leaves nothing, and blobs of unknown digest can be written. In a
/// stream, a push that fails ends the archive: every later call fails with the first cause.
pub struct Writer {
    inner: Arc<Inner>,
}

impl Writer {
    /// Creates an archive file: under another name beside `path`, which it gets when it is finished. A pipe or
    /// device at `path` is written as [`Writer::stream`] does.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Conflict`] if there is a directory or a file with content, or another process writes an archive
    /// to `path`; [`ErrorKind::Invalid`] for a terminal.
    pub async fn create(path: impl AsRef<Path>) -> Result<Self, Error> {
        Self::create_with(path, WriterOptions::default()).await
    }

    /// As [`Writer::create`], with options.
    ///
    /// # Errors
    ///
    /// As [`Writer::create`].
    pub async fn create_with(path: impl AsRef<Path>, options: WriterOptions) -> Result<Self, Error> {
        let path = path.as_ref().to_owned();
        let inner = blocking(move || match NewFile::create(&path, options.replaces())? {
            Opened::File(new_file) => {
                let destination = Destination::File(Arc::clone(&new_file.file));
                Inner::begin(&path, destination, Some(new_file), options)
            }
            Opened::Stream(file) => {
                let destination = Destination::Stream(Arc::new(Mutex::new(file)));
                Inner::begin(&path, destination, None, options)
            }
        });
        Ok(Self {
            inner: Arc::new(inner.await?),
        })
    }

    /// Writes an archive to a stream, such as standard output or a socket. The bytes are written in order, on a
    /// thread for blocking work.
    ///
    /// # Errors
    ///
    /// The failure to write the first bytes.
    pub async fn stream(stream: impl Write + Send + 'static, options: WriterOptions) -> Result<Self, Error> {
        let inner = blocking(move || {
            let destination = Destination::Stream(Arc::new(Mutex::new(stream)));
            Inner::begin(Path::new("-"), destination, None, options)
        });
        Ok(Self {
            inner: Arc::new(inner.await?),
        })
    }

    /// Gives a manifest that was pushed a name, in addition to those that it has. A name of another manifest moves.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::NotFound`] if the manifest was not pushed; [`ErrorKind::Invalid`] for a name that
    /// [`WriterForm::DockerLegacy`] cannot state.
    pub fn tag(&self, name: &Name, manifest: &Digest) -> Result<(), Error> {
        let mut state = self.inner.open_state()?;
        if !state.content.manifests.contains_key(manifest) {
            let path = self.inner.path.display();
            return Err(error(
                ErrorKind::NotFound,
                format_args!("{path} has no manifest {manifest} to be called {name}"),
            ));
        }
        if self.inner.is_legacy() {
            legacy::full_name(name)?;
        }
        state.content.tag(name, manifest);
        Ok(())
    }

    /// Writes the lists of images and ends the archive; a file is synced and gets its name. Nothing can be pushed
    /// afterwards.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Conflict`] if a file appeared at the path meanwhile, and the failures to write.
    pub async fn finish(&self) -> Result<WrittenArchive, Error> {
        self.inner.finish().await
    }
}

#[async_trait]
impl Sink for Writer {
    async fn contains(&self, descriptor: &Descriptor) -> Result<bool, Error> {
        let state = self.inner.state();
        Ok(if descriptor.media_type().is_manifest() {
            state.content.manifests.contains_key(descriptor.digest())
        } else {
            let digest = descriptor.digest();
            state.content.blobs.contains_key(digest) || state.legacy.contains(digest)
        })
    }

    async fn contains_cached(&self, descriptors: &[Descriptor]) -> Result<Vec<Option<bool>>, Error> {
        let mut answers = Vec::with_capacity(descriptors.len());
        for descriptor in descriptors {
            answers.push(Some(self.contains(descriptor).await?));
        }
        Ok(answers)
    }

    async fn push_blob(&self, blob: Blob) -> Result<(), Error> {
        if self.inner.is_legacy() {
            return legacy::push_blob(&self.inner, blob).await;
        }
        let descriptor = blob.descriptor().clone();
        self.inner
            .append(descriptor.digest(), descriptor.size(), blob)
            .await
    }

    async fn push_manifest(&self, manifest: &Manifest, name: Option<&Name>) -> Result<(), Error> {
        let digest = manifest.digest();
        if self.inner.is_legacy() {
            legacy::push_manifest(&self.inner, manifest, name).await?;
        } else {
            let blob = Blob::from_bytes(manifest.descriptor().clone(), manifest.bytes().clone())?;
            let size = manifest.bytes().len() as u64;
            self.inner.append(digest, size, blob).await?;
        }
        let mut state = self.inner.open_state()?;
        let content = &mut state.content;
        if content
            .manifests
            .insert(digest.clone(), manifest.clone())
            .is_none()
        {
            content.order.push(digest.clone());
        }
        if let Some(name) = name {
            content.tag(name, digest);
        }
        Ok(())
    }

    fn can_mount(&self, _: &Location) -> bool {
        false
    }

    /// True for a file, but in Docker's old form; a stream takes blobs of known digest alone.
    fn can_ingest(&self) -> bool {
        !self.inner.is_stream() && !self.inner.is_legacy()
    }

    async fn ingest(
        &self,
        media_type: MediaType,
        algorithm: Algorithm,
        bytes: ByteStream,
    ) -> Result<Descriptor, Error> {
        if !self.can_ingest() {
            let path = self.inner.path.display();
            return Err(error(
                ErrorKind::Unsupported,
                format_args!(
                    "{path} takes no blob of unknown digest: it is a stream, or of Docker's old form"
                ),
            ));
        }
        let (digest, size) = self.inner.ingest(Hashed::new(bytes, algorithm)?).await?;
        Descriptor::new(media_type, digest, size)
    }

    fn accepts(&self, descriptor: &Descriptor) -> Result<(), Error> {
        if self.inner.is_legacy() {
            return legacy::accepts(descriptor);
        }
        Hasher::new(descriptor.digest().algorithm()).map(drop)
    }

    async fn stored_manifest(&self, descriptor: &Descriptor) -> Result<Option<Manifest>, Error> {
        let state = self.inner.state();
        Ok(state.content.manifests.get(descriptor.digest()).cloned())
    }

    fn location(&self) -> Location {
        Location::Archive(PathBuf::from(&*self.inner.path))
    }
}

/// The content pushed so far. Of a stream, only manifests can be read.
#[async_trait]
impl Source for Writer {
    async fn resolve(&self, target: &Target) -> Result<Descriptor, Error> {
        Ok(Source::manifest(self, target).await?.descriptor().clone())
    }

    async fn manifest(&self, target: &Target) -> Result<Manifest, Error> {
        let state = self.inner.state();
        let digest = match target {
            Target::Name(name) => state.content.named(name),
            Target::Digest(digest) => Some(digest),
        };
        let manifest = digest.and_then(|digest| state.content.manifests.get(digest));
        manifest.cloned().ok_or_else(|| no_manifest(&self.inner, target))
    }

    async fn blob(&self, descriptor: &Descriptor) -> Result<Blob, Error> {
        if let Some(config) = self.inner.state().legacy.config(descriptor.digest()) {
            return Blob::from_bytes(descriptor.clone(), config.clone());
        }
        let opener = Pushed {
            inner: Arc::clone(&self.inner),
            digest: descriptor.digest().clone(),
        };
        Ok(Blob::new(descriptor.clone(), opener)?.with_location(self.inner.path.display()))
    }

    fn location(&self) -> Location {
        Sink::location(self)
    }
}

fn no_manifest(inner: &Inner, target: &Target) -> Error {
    let path = inner.path.display();
    error(
        ErrorKind::NotFound,
        format_args!("{path} has no manifest {target}"),
    )
}

/// A blob that was pushed.
struct Pushed {
    inner: Arc<Inner>,
    digest: Digest,
}

#[async_trait]
impl OpenBlob for Pushed {
    async fn open(&self, offset: u64) -> Result<ByteStream, Error> {
        let place = self.inner.state().content.blobs.get(&self.digest).copied();
        let path = self.inner.path.display();
        let (start, size) = place.ok_or_else(|| {
            error(
                ErrorKind::NotFound,
                format_args!("{path} has no blob {}", self.digest),
            )
        })?;
        let Destination::File(file) = &self.inner.destination else {
            return Err(error(
                ErrorKind::Unsupported,
                format_args!("{path} is a stream and cannot be read"),
            ));
        };
        let end = start.saturating_add(size);
        let part = Part {
            file: Arc::clone(file),
            path: Arc::clone(&self.inner.path),
            range: start.saturating_add(offset).min(end)..end,
        };
        Ok(Box::pin(part.stream()))
    }
}

impl fmt::Debug for Writer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Writer")
            .field("path", &self.inner.path)
            .field("options", &self.inner.options)
            .finish_non_exhaustive()
    }
}
