//! Archives that these programs read and write: also through standard input and output.

use std::{
    fs::File,
    io::{IsTerminal as _, Read as _, stdin, stdout},
    path::{Path, PathBuf},
    sync::Arc,
};

use clap::Args;
use tempfile::TempDir;
use wharf::{
    ArchiveForm, Client, Digest, Error, ErrorKind, ImageLocation, Name, Platform, Reference, StoreImage,
    archive::{Loaded, Writer, WriterForm, WriterOptions, WrittenArchive, read_stream},
    store::Layout,
};

/// Settings of an archive that is written.
#[derive(Args)]
pub(crate) struct Archives {
    /// Of an index in an archive, the image that `docker load` sees; the host's by default
    #[arg(long, value_name = "OS/ARCH[/VARIANT]")]
    docker_platform: Option<Platform>,
    /// Replace an archive file that exists
    #[arg(long)]
    replace: bool,
}

impl Archives {
    /// Begins an archive at a path, or on standard output.
    pub(crate) async fn create(&self, path: &Path, form: WriterForm) -> Result<Arc<Writer>, Error> {
        let mut options = WriterOptions::default()
            .with_form(form)
            .with_replace(self.replace);
        if let Some(seconds) = source_date_epoch()? {
            options = options.with_time(seconds);
        }
        if let Some(platform) = &self.docker_platform {
            options = options.with_platform(platform.clone());
        }
        let writer = if is_standard_output(path) {
            if stdout().is_terminal() {
                let message =
                    "an archive is not written to a terminal: redirect standard output, or name a file";
                return Err(Error::new(ErrorKind::Invalid, message));
            }
            Writer::stream(stdout(), options).await?
        } else {
            Writer::create_with(path, options).await?
        };
        Ok(Arc::new(writer))
    }
}

/// The form in which the archive of a location is written.
pub(crate) fn written_as(form: ArchiveForm) -> WriterForm {
    match form {
        ArchiveForm::Oci => WriterForm::Oci,
        _ => WriterForm::Hybrid,
    }
}

/// The time that a reproducible build states in seconds since 1970 (reproducible-builds.org).
fn source_date_epoch() -> Result<Option<i64>, Error> {
    let Some(text) = std::env::var_os("SOURCE_DATE_EPOCH").filter(|text| !text.is_empty()) else {
        return Ok(None);
    };
    let seconds = text.to_str().and_then(|text| text.parse::<u32>().ok());
    let seconds = seconds.ok_or_else(|| {
        let message = format!(
            "SOURCE_DATE_EPOCH is {}, and no number of seconds since 1970",
            text.display()
        );
        Error::new(ErrorKind::Invalid, message)
    })?;
    Ok(Some(seconds.into()))
}

/// The facts about an archive that its user should know.
pub(crate) fn remarks(written: &WrittenArchive) -> Vec<String> {
    let hidden = written.oci_only.iter().map(|image| {
        let digest = image.descriptor.digest();
        format!("docker load does not see {digest}: {}", image.reason)
    });
    let zstd = "layers are compressed with zstd, which Docker before version 23 cannot load";
    hidden.chain(written.has_zstd.then(|| zstd.to_owned())).collect()
}

/// A name in an archive as `docker load` needs it: with registry and tag.
pub(crate) fn full_name(text: &str) -> Result<Name, String> {
    let reference = super::reference(text)?.normalise().or_latest();
    if reference.has_digest() {
        return Err("a name in an archive has a tag and no digest".to_owned());
    }
    Ok(Name::from(&reference))
}

fn is_one_of(path: &Path, names: [&str; 4]) -> bool {
    names.iter().any(|name| path == Path::new(name))
}

/// True for `-` and the paths of standard output.
pub(crate) fn is_standard_output(path: &Path) -> bool {
    is_one_of(path, ["-", "/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"])
}

/// True for `-` and the paths of standard input.
pub(crate) fn is_standard_input(path: &Path) -> bool {
    is_one_of(path, ["-", "/dev/stdin", "/dev/fd/0", "/proc/self/fd/0"])
}

/// Loads an archive from a file, a pipe or standard input into a store.
pub(crate) async fn load(client: &Client, path: &Path, store: &Layout) -> Result<Vec<Loaded>, Error> {
    if is_standard_input(path) {
        if stdin().is_terminal() {
            let message = "an archive is not read from a terminal: redirect standard input, or name a file";
            return Err(Error::new(ErrorKind::Invalid, message));
        }
        return client.load(read_stream(stdin()), None, store).await;
    }
    let file = File::open(path).map_err(|error| {
        let kind = match error.kind() {
            std::io::ErrorKind::NotFound => ErrorKind::NotFound,
            _ => ErrorKind::Storage,
        };
        Error::new(kind, format!("cannot open {}", path.display())).with_source(error)
    })?;
    client.load(read_stream(file), Some(path), store).await
}

/// The image that is copied, or that an archive from a pipe has brought to a scratch store.
pub(crate) struct Incoming {
    pub(crate) location: ImageLocation,
    /// Removed with the value.
    _scratch: Option<TempDir>,
}

impl Incoming {
    /// Reads an archive that cannot be sought; everything else is where it is.
    pub(crate) async fn read(client: &Client, location: &ImageLocation) -> Result<Self, Error> {
        let stays = Self {
            location: location.clone(),
            _scratch: None,
        };
        let ImageLocation::Archive {
            path, image, form, ..
        } = location
        else {
            return Ok(stays);
        };
        if !is_stream(path) {
            return Ok(stays);
        }
        let (scratch, directory, loaded) = to_scratch(client, path).await?;
        let image = chosen(&loaded, image, *form == ArchiveForm::Docker)
            .map_err(|error| Error::new(error.kind(), format!("{}: {error}", path.display())))?;
        Ok(Self {
            location: ImageLocation::Store { directory, image },
            _scratch: Some(scratch),
        })
    }

    /// As [`Incoming::read`], for all images of an archive.
    pub(crate) async fn all(client: &Client, location: &ImageLocation) -> Result<Self, Error> {
        match location {
            ImageLocation::Archive { path, .. } if is_stream(path) => {
                let (scratch, directory, _) = to_scratch(client, path).await?;
                let image = StoreImage::Only;
                Ok(Self {
                    location: ImageLocation::Store { directory, image },
                    _scratch: Some(scratch),
                })
            }
            other => Ok(Self {
                location: other.clone(),
                _scratch: None,
            }),
        }
    }
}

/// Loads an archive into a store that is temporary.
async fn to_scratch(client: &Client, path: &Path) -> Result<(TempDir, PathBuf, Vec<Loaded>), Error> {
    let scratch = TempDir::new().map_err(|error| {
        Error::new(ErrorKind::Storage, "cannot make a temporary directory").with_source(error)
    })?;
    let directory = scratch.path().join("images");
    let store = Layout::create(&directory).await?;
    let loaded = load(client, path, &store).await?;
    Ok((scratch, directory, loaded))
}

/// True for standard input, a pipe, and a file that is compressed as a whole.
fn is_stream(path: &Path) -> bool {
    if is_standard_input(path) {
        return true;
    }
    let Ok(metadata) = std::fs::metadata(path) else {
        return false;
    };
    if !metadata.is_file() {
        return !metadata.is_dir();
    }
    let mut magic = [0; 4];
    let read = File::open(path).and_then(|mut file| file.read_exact(&mut magic));
    read.is_ok() && (magic.starts_with(&[0x1f, 0x8b]) || magic == [0x28, 0xb5, 0x2f, 0xfd])
}

/// The image of an archive that was loaded. A name that finds it stays its name.
fn chosen(loaded: &[Loaded], image: &StoreImage, is_docker: bool) -> Result<StoreImage, Error> {
    let names = || {
        let all = loaded
            .iter()
            .enumerate()
            .map(|(position, image)| match image.names.first() {
                Some(name) => name.to_string(),
                None => format!("@{position}"),
            });
        all.take(5).collect::<Vec<_>>().join(", ")
    };
    let missing = |what: String| {
        let message = format!("it has no image {what}; it has {}", names());
        Error::new(ErrorKind::NotFound, message)
    };
    let by_digest = |digest: &Digest| StoreImage::Digest(digest.clone());
    match image {
        StoreImage::Name(name) => {
            let full = Reference::parse(name.as_str()).map(Reference::or_latest);
            let full = full.ok().filter(|_| !is_docker).map(|full| Name::from(&full));
            let mut all = loaded.iter().flat_map(|image| &image.names);
            let found = all.find(|own| *own == name || Some(*own) == full.as_ref());
            found
                .cloned()
                .map(StoreImage::Name)
                .ok_or_else(|| missing(name.to_string()))
        }
        StoreImage::Position(position) => match loaded.get(*position) {
            Some(image) => Ok(by_digest(image.descriptor.digest())),
            None => Err(missing(format!("@{position}"))),
        },
        StoreImage::Digest(digest) => {
            let mut all = loaded.iter();
            let found = all
                .find(|image| image.image_id.as_ref() == Some(digest) || image.descriptor.digest() == digest);
            Ok(by_digest(found.map_or(digest, |image| image.descriptor.digest())))
        }
        _ => match loaded {
            [] => Err(Error::new(ErrorKind::NotFound, "it has no image")),
            [first, rest @ ..]
                if rest
                    .iter()
                    .all(|one| one.descriptor.digest() == first.descriptor.digest()) =>
            {
                let name = first.names.first().cloned();
                Ok(name.map_or_else(|| by_digest(first.descriptor.digest()), StoreImage::Name))
            }
            _ => {
                let message = format!("it has several images: write which one; it has {}", names());
                Err(Error::new(ErrorKind::Ambiguous, message))
            }
        },
    }
}
