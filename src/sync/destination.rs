use std::{fmt, path::PathBuf, str::FromStr};

use wharf_content::{Error, ErrorKind, Name};

use crate::{ArchiveForm, ImageLocation, StoreImage, arguments::written};

/// The place that a set of images is copied to. As text:
///
/// | text | images |
/// |---|---|
/// | `docker://PREFIX` | in a registry, below `PREFIX`, such as `mirror.example.com/team`; without a registry, in Docker Hub |
/// | `dir:DIRECTORY` | each in a directory below this one |
/// | `oci:DIRECTORY` | in an OCI image layout, by name |
/// | `oci-archive:FILE` | in one new archive, by name |
/// | `docker-archive:FILE` | in one new archive, which `docker load` reads |
///
/// ```
/// use wharf::sync::Destination;
///
/// let mirror: Destination = "docker://mirror.example.com/team".parse()?;
/// assert_eq!(mirror, Destination::Registry("mirror.example.com/team".to_owned()));
/// # Ok::<(), wharf::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Destination {
    /// A registry, or a prefix of repositories in it.
    Registry(String),
    /// A directory, below which each image has one of its own, as `dir:` keeps it.
    Directory(PathBuf),
    /// An OCI image layout.
    Layout(PathBuf),
    /// An archive file, which must not exist.
    Archive {
        /// The file.
        path: PathBuf,
        /// Its form. In that of Docker, a name without a registry is Docker Hub's.
        form: ArchiveForm,
    },
}

impl Destination {
    /// The location of an image with this name below the destination.
    pub(super) fn locate(&self, name: &str) -> Result<ImageLocation, Error> {
        Ok(match self {
            Self::Registry(prefix) => {
                let text = format!("{}/{name}", prefix.trim_end_matches('/'));
                ImageLocation::Registry(written(&text)?.normalise().or_latest())
            }
            Self::Directory(directory) => ImageLocation::Directory(directory.join(name)),
            Self::Layout(directory) => ImageLocation::Store {
                directory: directory.clone(),
                image: StoreImage::Name(Name::parse(name)?),
            },
            Self::Archive { path, form } => {
                let name = match form {
                    ArchiveForm::Docker => Name::from(&written(name)?.normalise().or_latest()),
                    ArchiveForm::Oci => Name::parse(name)?,
                };
                ImageLocation::Archive {
                    path: path.clone(),
                    form: *form,
                    image: StoreImage::Name(name),
                }
            }
        })
    }
}

impl FromStr for Destination {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        if let Some(prefix) = text.strip_prefix("docker://") {
            let prefix = prefix.trim_end_matches('/');
            if prefix.is_empty() {
                return Err(invalid(
                    text,
                    "the registry is missing; write docker://REGISTRY/PREFIX",
                ));
            }
            written(&format!("{prefix}/name"))?;
            return Ok(Self::Registry(prefix.to_owned()));
        }
        let (transport, path) = text.split_once(':').unwrap_or(("", text));
        let path = match path {
            "" => return Err(invalid(text, "the path is missing")),
            path => PathBuf::from(path),
        };
        Ok(match transport {
            "dir" => Self::Directory(path),
            "oci" => Self::Layout(path),
            "oci-archive" => Self::Archive {
                path,
                form: ArchiveForm::Oci,
            },
            "docker-archive" => Self::Archive {
                path,
                form: ArchiveForm::Docker,
            },
            _ => {
                return Err(invalid(
                    text,
                    "expected docker://, dir:, oci:, oci-archive: or docker-archive:",
                ));
            }
        })
    }
}

fn invalid(text: &str, problem: &str) -> Error {
    let shown: String = text.chars().take(80).collect();
    Error::new(
        ErrorKind::Invalid,
        format!("{shown:?} is no destination of images: {problem}"),
    )
}

impl fmt::Display for Destination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (transport, path) = match self {
            Self::Registry(prefix) => return write!(f, "docker://{prefix}"),
            Self::Directory(path) => ("dir", path),
            Self::Layout(path) => ("oci", path),
            Self::Archive { path, form } => (form.transport(), path),
        };
        write!(f, "{transport}:{}", path.display())
    }
}

/// A [`Destination`], or text that names one.
pub trait IntoDestination {
    /// The destination.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Invalid`] for text that names none.
    fn into_destination(self) -> Result<Destination, Error>;
}

impl IntoDestination for Destination {
    fn into_destination(self) -> Result<Destination, Error> {
        Ok(self)
    }
}

impl IntoDestination for &Destination {
    fn into_destination(self) -> Result<Destination, Error> {
        Ok(self.clone())
    }
}

impl IntoDestination for &str {
    fn into_destination(self) -> Result<Destination, Error> {
        self.parse()
    }
}

impl IntoDestination for &String {
    fn into_destination(self) -> Result<Destination, Error> {
        self.parse()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn destinations_are_read_and_have_places_for_names() {
        for (text, name, expected) in [
            ("docker://m.example", "app:1", "docker://m.example/app:1"),
            ("docker://m.example/x", "app:1", "docker://m.example/x/app:1"),
            ("docker://team", "app:1", "docker://docker.io/team/app:1"),
            (
                "docker://localhost:5000/x",
                "app",
                "docker://localhost:5000/x/app:latest",
            ),
            ("dir:/srv/x", "q.io/a:1", "dir:/srv/x/q.io/a:1"),
            ("oci:/srv/x", "a:1", "oci:/srv/x:a:1"),
            ("oci-archive:x.tar", "a:1", "oci-archive:x.tar:a:1"),
            (
                "docker-archive:x.tar",
                "a:1",
                "docker-archive:x.tar:docker.io/library/a:1",
            ),
        ] {
            let destination: Destination = text.parse().unwrap();
            assert_eq!(destination.to_string(), text);
            assert_eq!(destination.locate(name).unwrap().to_string(), expected);
        }
        let slash: Destination = "docker://m.example/x/".parse().unwrap();
        assert_eq!(slash.to_string(), "docker://m.example/x");
    }

    #[test]
    fn text_that_is_no_destination_is_invalid() {
        for text in [
            "",
            "docker://",
            "dir:",
            "oci:",
            "m.example/x",
            "docker://M.example/X",
            "ostree:x",
            "docker://a b",
        ] {
            let error = text.parse::<Destination>().unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Invalid, "{text}");
        }
        let mirror: Destination = "docker://m.example".parse().unwrap();
        for name in ["localhost:5000/app:1", "App:1", "app:1@x"] {
            assert_eq!(
                mirror.locate(name).unwrap_err().kind(),
                ErrorKind::Invalid,
                "{name}"
            );
        }
    }
}
