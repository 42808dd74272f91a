use serde::{Serialize, Serializer, ser::SerializeStruct as _};
use wharf_content::{Error, ErrorKind, WithCauses};
use wharf_reference::Digest;

use crate::ImageLocation;

/// The result of a run, image by image. Its `Serialize` is for logs and other programs:
///
/// ```json
/// {"images": [{"from": "docker://quay.io/a:1", "to": "docker://m.example/a:1", "digest": "sha256:...",
///              "outcome": "copied", "bytes": 1234, "error": null}],
///  "failures": [{"source": "docker://quay.io/b", "error": "..."}],
///  "removed": ["docker://m.example/a:0"]}
/// ```
#[derive(Debug, Serialize)]
#[non_exhaustive]
pub struct Report {
    /// The images, in the order of the set.
    pub images: Vec<SyncedImage>,
    /// The parts of the set that could not be listed, and the names that could not be removed.
    pub failures: Vec<Failure>,
    /// The images whose names were removed from the destination, or would be in a dry run.
    #[serde(serialize_with = "locations")]
    pub removed: Vec<ImageLocation>,
}

/// The result for one image.
#[derive(Debug)]
#[non_exhaustive]
pub struct SyncedImage {
    /// The image of the set.
    pub from: ImageLocation,
    /// Its location at the destination.
    pub to: ImageLocation,
    /// Its digest at the destination; `None` if it could not be found out.
    pub digest: Option<Digest>,
    /// The result.
    pub outcome: Outcome,
    /// The bytes that were copied for it.
    pub bytes: u64,
}

/// The result for an image.
#[derive(Debug)]
#[non_exhaustive]
pub enum Outcome {
    /// It was copied.
    Copied,
    /// It was equal at the destination.
    Present,
    /// It would be copied; this was a dry run.
    WouldCopy,
    /// It was not copied.
    Failed(Error),
    /// It was not copied, because the work ended before.
    NotCopied,
}

impl Outcome {
    const fn name(&self) -> &'static str {
        match self {
            Self::Copied => "copied",
            Self::Present => "present",
            Self::WouldCopy => "would-copy",
            Self::Failed(_) => "failed",
            Self::NotCopied => "not-copied",
        }
    }
}

/// A part of a set, or a name at the destination, and its failure.
#[derive(Debug)]
#[non_exhaustive]
pub struct Failure {
    /// The part of the set, such as `docker://quay.io/fedora/fedora`.
    pub source: String,
    /// The failure.
    pub error: Error,
    /// The step that was to be done.
    work: Work,
}

#[derive(Debug, Clone, Copy)]
enum Work {
    Copy,
    Remove,
}

impl Failure {
    /// The failure of a part of the set.
    pub(super) const fn new(source: String, error: Error) -> Self {
        let work = Work::Copy;
        Self { source, error, work }
    }

    /// The failure to remove a name.
    pub(super) const fn of_removal(source: String, error: Error) -> Self {
        let work = Work::Remove;
        Self { source, error, work }
    }

    /// The failure, which says what failed.
    pub(super) fn into_error(self) -> Error {
        let Self { source, error, work } = self;
        let done = match work {
            Work::Copy => "copied",
            Work::Remove => "removed",
        };
        Error::new(error.kind(), format!("{source} was not {done}")).with_source(error)
    }
}

impl Report {
    /// The number of images that were copied.
    #[must_use]
    pub fn copied(&self) -> usize {
        self.count(|outcome| matches!(outcome, Outcome::Copied))
    }

    /// The number of images that were equal at the destination.
    #[must_use]
    pub fn present(&self) -> usize {
        self.count(|outcome| matches!(outcome, Outcome::Present))
    }

    /// The number of images, parts of the set and names that failed.
    #[must_use]
    pub fn failed(&self) -> usize {
        self.failures.len() + self.count(|outcome| matches!(outcome, Outcome::Failed(_)))
    }

    fn count(&self, counts: impl Fn(&Outcome) -> bool) -> usize {
        self.images.iter().filter(|image| counts(&image.outcome)).count()
    }

    /// The report, if nothing failed.
    ///
    /// # Errors
    ///
    /// The only failure, or one that has all of them ([`Error::failures`]).
    pub fn into_result(self) -> Result<Self, Error> {
        if self.failed() == 0 && self.count(|outcome| matches!(outcome, Outcome::NotCopied)) == 0 {
            return Ok(self);
        }
        let count = self.images.len();
        let of_images = self.images.into_iter().filter_map(|image| match image.outcome {
            Outcome::Failed(error) => Some(Failure::new(image.from.to_string(), error)),
            _ => None,
        });
        let mut errors: Vec<Error> = of_images.chain(self.failures).map(Failure::into_error).collect();
        match errors.len() {
            0 => Err(Error::new(
                ErrorKind::Other,
                "the work ended before all images were copied",
            )),
            1 => Err(errors.swap_remove(0)),
            failed => {
                let message = format!("{failed} failures in the synchronisation of {count} images");
                Err(Error::all(errors, message))
            }
        }
    }
}

impl Serialize for SyncedImage {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let error = match &self.outcome {
            Outcome::Failed(error) => Some(WithCauses(error).to_string()),
            _ => None,
        };
        let mut image = serializer.serialize_struct("SyncedImage", 6)?;
        image.serialize_field("from", &self.from.to_string())?;
        image.serialize_field("to", &self.to.to_string())?;
        image.serialize_field("digest", &self.digest)?;
        image.serialize_field("outcome", self.outcome.name())?;
        image.serialize_field("bytes", &self.bytes)?;
        image.serialize_field("error", &error)?;
        image.end()
    }
}

impl Serialize for Failure {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut failure = serializer.serialize_struct("Failure", 2)?;
        failure.serialize_field("source", &self.source)?;
        failure.serialize_field("error", &WithCauses(&self.error).to_string())?;
        failure.end()
    }
}

fn locations<S: Serializer>(locations: &[ImageLocation], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(locations.iter().map(ToString::to_string))
}
