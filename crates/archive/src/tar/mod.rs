//! Archive files: the transports `oci-archive:` and `docker-archive:` of containers-transports(5).

pub(crate) mod docker;
pub(crate) mod image;
pub(crate) mod members;
pub(crate) mod names;
pub(crate) mod oci;
mod saved;

use std::{
    collections::{HashMap, HashSet},
    fmt,
    fs::File,
    io,
    path::Path,
    sync::Arc,
};

use async_trait::async_trait;
use bytes::Bytes;
use wharf_content::{
    Blob, ByteStream, Descriptor, Error, ErrorKind, Location, MAX_MANIFEST_SIZE, Manifest, OpenBlob, Source,
    Target,
};
use wharf_fs::WrongKind;
use wharf_layer::{Codec, MAGIC_SIZE};
use wharf_reference::Digest;

pub use self::image::ArchivedImage;
use self::members::Members;
use crate::{
    error::{At as _, error, in_archive, storage},
    referrer,
    runtime::blocking,
};

/// The form that an archive file is read as.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Form {
    /// By its content: an OCI layout if it has one that is complete, else a docker-archive.
    #[default]
    Detect,
    /// An OCI image layout in a tar archive, as Skopeo's `oci-archive:`.
    Oci,
    /// Images that `manifest.json` lists, as Skopeo's `docker-archive:`, `docker save` and `podman save`.
    Docker,
}

/// Images in an archive file, read in place: one pass over the headers, then each blob from where it is.
/// Nothing is unpacked, and memory and disk do not grow with the archive.
///
/// It reads the archives of `docker save`, `podman save`, `skopeo copy`, BuildKit, containerd and crane, in any
/// order of members, and hybrids of both forms. Everything is verified against its digest when it is read. A
/// docker-archive has no manifests, so a manifest of Docker's type is made for each image: of layers as they are
/// stored, with the types that their first bytes tell.
///
/// A name ([`Target::Name`]) means an image by its full name, by a short one as Docker shortens names, or by its
/// tag.
///
/// ```no_run
/// # async fn example() -> Result<(), wharf_content::Error> {
/// use wharf_archive::{Archive, Form};
/// use wharf_content::Source as _;
///
/// let archive = Archive::open("images.tar", Form::Detect).await?;
/// for image in archive.images() {
///     println!("{} {:?}", image.descriptor().digest(), image.names().collect::<Vec<_>>());
/// }
/// let manifest = archive.manifest(&archive.only()?.target()).await?;
/// # Ok(())
/// # }
/// ```
///
/// # Deviation
///
/// - Skopeo's manifest of a docker-archive says that layers are compressed with gzip, whatever they are, and
///   gives them out uncompressed.
/// - Hard links, devices, FIFOs and sparse files, two members of one name, and bytes after the end are refused.
#[derive(Clone)]
pub struct Archive {
    inner: Arc<Inner>,
}

struct Inner {
    members: Members,
    images: Vec<ArchivedImage>,
    blobs: HashMap<Digest, (u64, u64)>,
    /// Manifests that were made, as the archive has none.
    made: HashMap<Digest, Manifest>,
    /// True if the images are those of `manifest.json`.
    is_docker: bool,
}

impl Archive {
    /// Opens an archive file.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::NotFound`] if there is no file, or nothing in it of the form; [`ErrorKind::Invalid`] if it is no
    /// image archive; [`ErrorKind::Corrupt`] if it ends within a member; [`ErrorKind::Ambiguous`] if two readers
    /// would see different images; [`ErrorKind::TooLarge`] beyond a limit (docs/limits.md);
    /// [`ErrorKind::Unsupported`] for what cannot be sought, such as a pipe or a compressed archive, and for hard
    /// links, devices, FIFOs and sparse files in it.
    pub async fn open(path: impl AsRef<Path>, form: Form) -> Result<Self, Error> {
        let path = path.as_ref().to_owned();
        blocking(move || Self::open_blocking(&path, form)).await
    }

    fn open_blocking(path: &Path, form: Form) -> Result<Self, Error> {
        let file = wharf_fs::open_regular(path).map_err(|error| unopened(path, error))?;
        refuse_compressed(&file, path)?;
        let members = Members::index(file, path)?;
        let read = match form {
            Form::Oci => Inner::oci(members),
            Form::Docker => saved::read(members),
            Form::Detect => Inner::detect(members),
        };
        let inner = read.map_err(|error| in_archive(path, &error))?;
        Ok(Self {
            inner: Arc::new(inner),
        })
    }

    /// The images that the archive lists, in its order.
    #[must_use]
    pub fn images(&self) -> &[ArchivedImage] {
        &self.inner.images
    }

    /// The image, if there is only one.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::NotFound`] if there is none, [`ErrorKind::Ambiguous`] if there are several.
    pub fn only(&self) -> Result<&ArchivedImage, Error> {
        image::only(&self.inner.images).map_err(|error| self.about(&error))
    }

    /// The image after so many entries of `index.json` or `manifest.json`, as Skopeo's `:@N` counts.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::NotFound`] if there is none.
    pub fn at(&self, position: usize) -> Result<&ArchivedImage, Error> {
        image::at(&self.inner.images, position).map_err(|error| self.about(&error))
    }

    /// The image that a name means.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::NotFound`] if no image has the name, [`ErrorKind::Ambiguous`] if several have.
    pub fn named(&self, name: &wharf_content::Name) -> Result<&ArchivedImage, Error> {
        image::named(&self.inner.images, name).map_err(|error| self.about(&error))
    }

    fn about(&self, cause: &Error) -> Error {
        in_archive(self.inner.members.path(), cause)
    }
}

impl Inner {
    /// Reads the images that `index.json` lists.
    fn oci(members: Members) -> Result<Self, Error> {
        oci::check_layout(&members.whole(oci::LAYOUT, oci::MAX_LAYOUT_SIZE)?)?;
        let images = oci::images(members.whole(oci::INDEX, MAX_MANIFEST_SIZE)?)?;
        let blobs = members
            .names()
            .blobs()
            .map(|(digest, at)| (digest, *at))
            .collect();
        Ok(Self {
            members,
            images,
            blobs,
            made: HashMap::new(),
            is_docker: false,
        })
    }

    fn detect(members: Members) -> Result<Self, Error> {
        let names = members.names();
        let (has_index, has_docker) = (names.has(oci::INDEX), names.has(docker::MANIFEST));
        if !has_index && !has_docker {
            return Err(error(
                ErrorKind::Invalid,
                format_args!(
                    "it is no image archive: it has neither {} nor {}",
                    oci::INDEX,
                    docker::MANIFEST
                ),
            ));
        }
        if !has_index || (has_docker && !names.has(oci::LAYOUT)) {
            return saved::read(members);
        }
        let inner = Self::oci(members)?;
        if has_docker && !inner.is_complete() {
            return saved::read(inner.members);
        }
        Ok(inner)
    }

    /// True if every image that is listed is there with its config and layers, of an index the index, and
    /// `manifest.json` has no other image.
    fn is_complete(&self) -> bool {
        let has = |descriptor: &Descriptor| {
            let at = self.blobs.get(descriptor.digest());
            at.is_some_and(|(_, size)| *size == descriptor.size())
        };
        let mut manifests = Vec::with_capacity(self.images.len());
        for image in &self.images {
            let Ok(manifest) = self.listed(image.descriptor()) else {
                return false;
            };
            let is_there = |blob: &Descriptor| blob.is_nondistributable() || has(blob);
            if !has(image.descriptor()) || !manifest.blobs().all(is_there) {
                return false;
            }
            manifests.push(manifest);
        }
        let items = self
            .members
            .whole(docker::MANIFEST, docker::MAX_DOCKER_MANIFEST_SIZE);
        let Ok(items) = items.and_then(|text| docker::items(&text)) else {
            return true; // no other reader gets an image of it
        };
        docker::are_among(&items, &self.configs(manifests))
    }

    /// The configs of these images, and of the images of these indexes that are there.
    fn configs(&self, mut manifests: Vec<Manifest>) -> HashSet<Digest> {
        let (mut configs, mut seen) = (HashSet::new(), HashSet::new());
        while let Some(manifest) = manifests.pop() {
            configs.extend(manifest.config().map(|config| config.digest().clone()));
            for child in manifest.manifests() {
                if seen.insert(child.digest().clone()) && self.blobs.contains_key(child.digest()) {
                    manifests.extend(self.manifest(child.digest()).ok());
                }
            }
        }
        configs
    }

    /// Reads a manifest that index.json lists, and that must have the type stated there.
    fn listed(&self, descriptor: &Descriptor) -> Result<Manifest, Error> {
        let bytes = self.bytes(descriptor.digest())?;
        Manifest::parse_pinned(bytes, Some(descriptor.media_type()), descriptor.digest())
    }

    fn manifest(&self, digest: &Digest) -> Result<Manifest, Error> {
        if let Some(made) = self.made.get(digest) {
            return Ok(made.clone());
        }
        let listed = self
            .images
            .iter()
            .find(|image| image.descriptor().digest() == digest);
        match listed {
            Some(image) => self.listed(image.descriptor()),
            None => Manifest::parse_pinned(self.bytes(digest)?, None, digest),
        }
    }

    fn bytes(&self, digest: &Digest) -> Result<Bytes, Error> {
        let at = self
            .blobs
            .get(digest)
            .ok_or_else(|| error(ErrorKind::NotFound, format_args!("it has no manifest {digest}")))?;
        self.members
            .whole_at(*at, &names::blob_name(digest), MAX_MANIFEST_SIZE)
    }

    fn referrers(&self, subject: &Digest) -> Result<Vec<Descriptor>, Error> {
        let wanted = subject.encoded().as_bytes();
        let mut found = Vec::new();
        for (digest, at) in &self.blobs {
            if at.1 > MAX_MANIFEST_SIZE || self.members.start(*at, 1)? != b"{" {
                continue;
            }
            let bytes = self.bytes(digest)?;
            if bytes.windows(wanted.len()).any(|window| window == wanted)
                && let Ok(manifest) = Manifest::parse_pinned(bytes, None, digest)
                && manifest.subject().is_some_and(|is| is.digest() == subject)
            {
                found.push(referrer::describe(&manifest));
            }
        }
        found.sort_by(|one, other| one.digest().as_str().cmp(other.digest().as_str()));
        Ok(found)
    }
}

/// The failure to open an archive file.
fn unopened(path: &Path, failure: io::Error) -> Error {
    let failure = match WrongKind::of(&failure) {
        Some(wrong) => {
            let message = format!("{wrong} and cannot be read in place; read a pipe as a stream");
            io::Error::new(io::ErrorKind::Unsupported, message)
        }
        None => failure,
    };
    storage("open the archive", path, failure)
}

/// Refuses an archive that is compressed as a whole.
fn refuse_compressed(file: &File, path: &Path) -> Result<(), Error> {
    let mut start = [0; MAGIC_SIZE];
    let length = wharf_fs::fill_at(file, &mut start, 0).at("read", path)?;
    let codec = Codec::of_magic(start.get(..length).unwrap_or_default());
    let codec = codec.map_err(|error| in_archive(path, &error))?;
    if codec == Codec::Plain {
        return Ok(());
    }
    Err(error(
        ErrorKind::Unsupported,
        format_args!(
            "{} is compressed with {codec} as a whole and cannot be read in place; decompress it, or load it as a \
             stream",
            path.display()
        ),
    ))
}

#[async_trait]
impl Source for Archive {
    async fn resolve(&self, target: &Target) -> Result<Descriptor, Error> {
        match target {
            Target::Name(name) => Ok(self.named(name)?.descriptor().clone()),
            Target::Digest(_) => Ok(self.manifest(target).await?.descriptor().clone()),
        }
    }

    async fn manifest(&self, target: &Target) -> Result<Manifest, Error> {
        let digest = match target {
            Target::Name(name) => self.named(name)?.descriptor().digest().clone(),
            Target::Digest(digest) => digest.clone(),
        };
        let inner = Arc::clone(&self.inner);
        blocking(move || {
            let read = inner.manifest(&digest);
            read.map_err(|error| in_archive(inner.members.path(), &error))
        })
        .await
    }

    async fn blob(&self, descriptor: &Descriptor) -> Result<Blob, Error> {
        let opener = Member {
            inner: Arc::clone(&self.inner),
            digest: descriptor.digest().clone(),
        };
        Ok(Blob::new(descriptor.clone(), opener)?.with_location(self.inner.members.path().display()))
    }

    async fn referrers(&self, subject: &Digest) -> Result<Vec<Descriptor>, Error> {
        let (inner, subject) = (Arc::clone(&self.inner), subject.clone());
        blocking(move || {
            let found = inner.referrers(&subject);
            found.map_err(|error| in_archive(inner.members.path(), &error))
        })
        .await
    }

    fn location(&self) -> Location {
        let path = self.inner.members.path().to_owned();
        if self.inner.is_docker {
            Location::DockerArchive(path)
        } else {
            Location::Archive(path)
        }
    }
}

/// A blob of an archive.
struct Member {
    inner: Arc<Inner>,
    digest: Digest,
}

#[async_trait]
impl OpenBlob for Member {
    async fn open(&self, offset: u64) -> Result<ByteStream, Error> {
        let members = &self.inner.members;
        let at = self.inner.blobs.get(&self.digest).ok_or_else(|| {
            let path = members.path().display();
            error(
                ErrorKind::NotFound,
                format_args!("{path} has no blob {}", self.digest),
            )
        })?;
        let mut part = members.part(*at);
        part.range.start = part.range.start.saturating_add(offset).min(part.range.end);
        Ok(Box::pin(part.stream()))
    }
}

impl fmt::Debug for Archive {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Archive")
            .field("path", &self.inner.members.path())
            .field("images", &self.inner.images)
            .finish()
    }
}
