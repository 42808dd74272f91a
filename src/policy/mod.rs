//! Applies the host's trust policy, and the program's requirements, to images before they are copied.

#[cfg(feature = "trust")]
mod judged;
#[cfg(feature = "trust")]
mod read_once;
#[cfg(not(feature = "trust"))]
mod unjudged;

use std::path::{Path, PathBuf};

use wharf_config::{ConfigWarning, FileTransport};
use wharf_content::{Error, ErrorKind, Location, Target};
use wharf_reference::Reference;

use crate::{DaemonImage, warnings::Warning};

#[cfg(feature = "trust")]
pub(crate) use self::judged::{Admission, Demands, Guard};
#[cfg(not(feature = "trust"))]
pub(crate) use self::unjudged::{Admission, Demands, Guard};

/// The name that selects the rule of the policy for an image.
enum Named {
    /// The name that the user knows the image by, whichever candidate serves it.
    Reference(Reference),
    /// The directory of a layout, without symbolic links: rules are for the directory itself, whatever leads
    /// to it.
    Directory(PathBuf),
    /// A file or directory of another transport, without symbolic links.
    File(FileTransport, PathBuf),
    /// An image of a daemon, by its name; `None` if it is read by its ID.
    Daemon(Option<Reference>),
    /// The default of the policy applies.
    Nothing,
}

impl Guard {
    /// The warnings about the trust policy; empty if no policy applies.
    pub(crate) fn warnings(&self) -> &[ConfigWarning] {
        self.policy().map_or(&[], wharf_config::Policy::warnings)
    }

    /// The name of what is at a target. Of a reference with a tag and a digest, the digest counts.
    fn named(&self, location: &Location, target: &Target) -> Result<Named, Error> {
        match location {
            Location::Repository(repository) => {
                let reference = Reference::new(repository);
                let reference = match target {
                    Target::Digest(digest) => reference.with_digest(digest),
                    Target::Name(name) => reference.with_tag(&name.to_tag()?),
                };
                let policy = self.policy();
                if let Some(warning) = policy.and_then(|policy| policy.overlooked(&reference)) {
                    self.listener().warn(Warning::Configuration(warning));
                }
                Ok(Named::Reference(reference))
            }
            Location::Directory(directory) => resolved(directory).map(Named::Directory),
            Location::ImageDirectory(path) => Ok(Named::File(FileTransport::Dir, resolved(path)?)),
            Location::Archive(path) => Ok(Named::File(FileTransport::OciArchive, of_archive(path)?)),
            Location::DockerArchive(path) => Ok(Named::File(FileTransport::DockerArchive, of_archive(path)?)),
            Location::Daemon(_) => Ok(Named::Daemon(match target {
                Target::Name(name) => match name.as_str().parse()? {
                    DaemonImage::Reference(reference) => Some(reference),
                    DaemonImage::Id(_) => None,
                },
                Target::Digest(_) => None,
            })),
            _ => Ok(Named::Nothing),
        }
    }
}

/// The names that select the rules for an archive that comes as a stream, in either of its forms.
#[cfg(feature = "archive")]
fn archive_names(origin: Option<&Path>) -> Result<[Named; 2], Error> {
    let path = origin.map_or_else(|| Ok(PathBuf::new()), of_archive)?;
    Ok([
        Named::File(FileTransport::OciArchive, path.clone()),
        Named::File(FileTransport::DockerArchive, path),
    ])
}

/// The path of an archive without symbolic links; empty for a pipe, which has no path that a rule could name.
fn of_archive(path: &Path) -> Result<PathBuf, Error> {
    match resolved(path) {
        Err(_) if path.metadata().is_ok() => Ok(PathBuf::new()), // such as /dev/stdin
        other => other,
    }
}

fn resolved(directory: &Path) -> Result<PathBuf, Error> {
    directory.canonicalize().map_err(|error| {
        let kind = match error.kind() {
            std::io::ErrorKind::NotFound => ErrorKind::NotFound,
            _ => ErrorKind::Storage,
        };
        Error::new(kind, format!("cannot find {}", directory.display())).with_source(error)
    })
}
