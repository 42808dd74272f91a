//! Archives that cannot be read in place: from standard input or a pipe, or compressed as a whole.

use std::{
    fmt,
    fs::File,
    io::{IsTerminal as _, Read as _, stdin},
    path::{Path, PathBuf},
    sync::Arc,
};

use async_trait::async_trait;
use tokio::sync::OnceCell;
use wharf_archive::{Loaded, load, read_stream};
use wharf_content::{
    Blob, ByteStream, Descriptor, Error, ErrorKind, Location, Manifest, Name, Source, Target,
};
use wharf_reference::Digest;
use wharf_store::Layout;

use super::chosen::chosen;
use crate::{ArchiveForm, StoreImage, concurrency::blocking, listing::Entry, scratch::Scratch};

/// The archives that a client reads as streams.
#[derive(Clone)]
pub(crate) struct Streams {
    /// The directory below which their images are stored meanwhile.
    scratch: PathBuf,
    /// Standard input, which can be read once: its images are stored until the client is dropped.
    standard_input: Arc<OnceCell<Arc<Spooled>>>,
}

impl Default for Streams {
    fn default() -> Self {
        Self::new(std::env::temp_dir())
    }
}

impl fmt::Debug for Streams {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Streams")
            .field("scratch", &self.scratch)
            .finish_non_exhaustive()
    }
}

impl Streams {
    pub(crate) fn new(scratch: PathBuf) -> Self {
        let standard_input = Arc::default();
        Self {
            scratch,
            standard_input,
        }
    }

    async fn spooled(&self, path: &Path) -> Result<Arc<Spooled>, Error> {
        if is_standard_input(path) {
            let read = || async { Spooled::read(path, &self.scratch).await.map(Arc::new) };
            return self.standard_input.get_or_try_init(read).await.cloned();
        }
        Spooled::read(path, &self.scratch).await.map(Arc::new)
    }
}

/// All images of an archive, in a temporary store.
struct Spooled {
    layout: Layout,
    loaded: Vec<Loaded>,
    /// Removed with the value.
    _scratch: Scratch,
}

impl Spooled {
    async fn read(path: &Path, parent: &Path) -> Result<Self, Error> {
        let stream = open(path).await?;
        let scratch = Scratch::create(parent)?;
        let layout = Layout::create(scratch.path()).await?.pinned();
        let loaded = load(stream, &layout).await.map_err(|error| about(path, &error))?;
        Ok(Self {
            layout,
            loaded,
            _scratch: scratch,
        })
    }
}

fn about(path: &Path, error: &Error) -> Error {
    Error::new(error.kind(), format!("{}: {error}", path.display()))
}

async fn open(path: &Path) -> Result<ByteStream, Error> {
    if is_standard_input(path) {
        if stdin().is_terminal() {
            let message = "an archive is not read from a terminal: redirect standard input, or name a file";
            return Err(Error::new(ErrorKind::Invalid, message));
        }
        return Ok(read_stream(stdin()));
    }
    let owned = path.to_owned();
    let file = blocking(move || File::open(owned)).await?; // waits for the writer of a pipe
    file.map(read_stream).map_err(|error| {
        let kind = match error.kind() {
            std::io::ErrorKind::NotFound => ErrorKind::NotFound,
            _ => ErrorKind::Storage,
        };
        Error::new(kind, format!("cannot open {}", path.display())).with_source(error)
    })
}

fn is_standard_input(path: &Path) -> bool {
    ["/dev/stdin", "/dev/fd/0", "/proc/self/fd/0"]
        .iter()
        .any(|name| path == Path::new(name))
}

/// True for standard input, a pipe, and a file that is compressed as a whole.
pub(crate) async fn is_stream(path: &Path) -> Result<bool, Error> {
    if is_standard_input(path) {
        return Ok(true);
    }
    let path = path.to_owned();
    blocking(move || {
        let Ok(metadata) = std::fs::metadata(&path) else {
            return false; // reading it says why
        };
        if !metadata.is_file() {
            return !metadata.is_dir();
        }
        let mut magic = [0; 4];
        let read = File::open(path).and_then(|mut file| file.read_exact(&mut magic));
        read.is_ok() && (magic.starts_with(&[0x1f, 0x8b]) || magic == [0x28, 0xb5, 0x2f, 0xfd])
    })
    .await
}

/// An archive that is read when the first part of it is wanted, which is after the trust policy was asked.
pub(super) struct Streamed {
    streams: Streams,
    path: PathBuf,
    form: ArchiveForm,
    image: StoreImage,
    read: OnceCell<Arc<Spooled>>,
}

impl Streamed {
    pub(super) fn new(streams: &Streams, path: &Path, form: ArchiveForm, image: &StoreImage) -> Self {
        Self {
            streams: streams.clone(),
            path: path.to_owned(),
            form,
            image: image.clone(),
            read: OnceCell::new(),
        }
    }

    /// The name by which the image is read from this source.
    pub(super) fn target(&self) -> Result<Target, Error> {
        let name = match &self.image {
            StoreImage::Name(name) => name.clone(),
            StoreImage::Position(position) => Name::parse(&format!("@{position}"))?,
            StoreImage::Digest(digest) => Name::parse(digest.as_str())?,
            StoreImage::Only => Name::parse("@0")?,
        };
        Ok(Target::Name(name))
    }

    /// All images of the archive.
    pub(super) async fn entries(&self) -> Result<Vec<Entry>, Error> {
        let loaded = self.spooled().await?.loaded.iter().enumerate();
        let entries = loaded.map(|(position, image)| Entry {
            names: image.names.iter().map(ToString::to_string).collect(),
            position,
            target: Target::from(image.descriptor.digest()),
        });
        Ok(entries.collect())
    }

    async fn spooled(&self) -> Result<&Spooled, Error> {
        let read = || self.streams.spooled(&self.path);
        self.read.get_or_try_init(read).await.map(|read| &**read)
    }

    /// The digest of the image, or the one that is wanted of it.
    fn wanted(&self, spooled: &Spooled, target: &Target) -> Result<Digest, Error> {
        match target {
            Target::Name(_) => {
                chosen(&spooled.loaded, &self.image).map_err(|error| about(&self.path, &error))
            }
            Target::Digest(digest) => Ok(digest.clone()),
        }
    }
}

#[async_trait]
impl Source for Streamed {
    async fn resolve(&self, target: &Target) -> Result<Descriptor, Error> {
        let spooled = self.spooled().await?;
        let wanted = self.wanted(spooled, target)?;
        spooled.layout.resolve(&wanted.into()).await
    }

    async fn manifest(&self, target: &Target) -> Result<Manifest, Error> {
        let spooled = self.spooled().await?;
        let wanted = self.wanted(spooled, target)?;
        spooled.layout.manifest(&wanted.into()).await
    }

    async fn blob(&self, descriptor: &Descriptor) -> Result<Blob, Error> {
        self.spooled().await?.layout.blob(descriptor).await
    }

    async fn referrers(&self, subject: &Digest) -> Result<Vec<Descriptor>, Error> {
        self.spooled().await?.layout.referrers(subject).await
    }

    fn location(&self) -> Location {
        match self.form {
            ArchiveForm::Oci => Location::Archive(self.path.clone()),
            ArchiveForm::Docker => Location::DockerArchive(self.path.clone()),
        }
    }

    /// The store, from which another takes blobs without copying them.
    fn location_of(&self, _: &Descriptor) -> Location {
        match self.read.get() {
            Some(spooled) => Source::location(&spooled.layout),
            None => self.location(),
        }
    }
}
