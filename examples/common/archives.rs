//! Archives that these programs read and write: also through standard input and output.

use std::{
    fs::File,
    io::{IsTerminal as _, stdin, stdout},
    path::{Path, PathBuf},
    sync::Arc,
};

use clap::{Args, ValueEnum};
use wharf::{
    ArchiveForm, Client, Error, ErrorKind, ImageLocation, Name, Platform,
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
    /// Form of a docker-archive: by default a hybrid, which keeps every byte and is an OCI archive, too; `legacy` is
    /// Docker's old form, for programs that read no other: layers are decompressed, and an index has no place in it
    #[arg(long, value_name = "hybrid|legacy", hide_possible_values = true)]
    docker_archive_form: Option<DockerForm>,
}

#[derive(Clone, Copy, ValueEnum)]
enum DockerForm {
    Hybrid,
    Legacy,
}

impl Archives {
    /// Refuses these settings for what is written to no archive.
    pub(crate) fn refuse_elsewhere(&self) -> Result<(), Error> {
        let given = [
            (self.replace, "--replace"),
            (self.docker_platform.is_some(), "--docker-platform"),
            (self.docker_archive_form.is_some(), "--docker-archive-form"),
        ];
        match given.into_iter().find(|(given, _)| *given) {
            None => Ok(()),
            Some((_, flag)) => {
                let message = format!("{flag} is for archives, and no archive is written");
                Err(Error::new(ErrorKind::Invalid, message))
            }
        }
    }

    /// Begins an archive at a path, or on standard output.
    pub(crate) async fn create(&self, path: &Path, form: ArchiveForm) -> Result<Arc<Writer>, Error> {
        let mut options = WriterOptions::default()
            .with_form(self.written_as(form)?)
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

    fn written_as(&self, form: ArchiveForm) -> Result<WriterForm, Error> {
        match (form, self.docker_archive_form) {
            (ArchiveForm::Oci, None) => Ok(WriterForm::Oci),
            (ArchiveForm::Oci, Some(_)) => {
                let message = "--docker-archive-form is for a docker-archive, and an oci-archive is written";
                Err(Error::new(ErrorKind::Invalid, message))
            }
            (_, Some(DockerForm::Legacy)) => Ok(WriterForm::DockerLegacy),
            (_, Some(DockerForm::Hybrid) | None) => Ok(WriterForm::Hybrid),
        }
    }
}

/// The time that a reproducible build states in seconds since 1970 (reproducible-builds.org).
pub(crate) fn source_date_epoch() -> Result<Option<i64>, Error> {
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

/// The location with the file `-` as the path of standard input.
pub(crate) fn read_from(location: ImageLocation) -> ImageLocation {
    match location {
        ImageLocation::Archive { path, form, image } if path == Path::new("-") => ImageLocation::Archive {
            path: PathBuf::from("/dev/stdin"),
            form,
            image,
        },
        other => other,
    }
}
