use std::{fmt, fs, path::Path, time::Duration};

use async_trait::async_trait;
use serde_json::Value;
use wharf_reference::Digest;

use super::Stage;
use crate::{Image, sha256};

/// A client that scripts drive: a library or a program, doing what its user would do. It is logged in at the
/// registry, trusts the stage's authority, and is otherwise as it comes.
#[async_trait]
pub trait Driver: Send + Sync {
    /// Pulls the image at a tag, `name:tag`, or at a digest, `name@digest`, into an OCI layout.
    async fn pull(&self, image: &str, into: &Path) -> Done;

    /// Pushes the image with this tag from an OCI layout to `name:tag`.
    async fn push(&self, layout: &Path, tag: &str, image: &str) -> Done;

    /// The tags of a repository, one per line.
    async fn list(&self, repository: &str) -> Done;

    /// The digests of what really refers to a manifest of a repository, one per line.
    async fn referrers(&self, repository: &str, subject: &Digest) -> Done;

    /// Logs in at a registry with the credentials it has, and checks them.
    async fn login(&self, registry: &str) -> Done;
}

/// How a client says that it ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Done {
    /// Well, with this output.
    Well(String),
    /// With this error.
    Failed(String),
    /// Not within its time.
    Never,
    /// It has no such command.
    Unable,
}

/// The outcome of a script, whatever the client reports.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// The client got the content that it asked for, and nothing else.
    Correct,
    /// An error.
    Refused,
    /// A secret reached somebody it was not for.
    Leaked,
    /// It says that all is well, and the result is not what was asked for.
    Wrong,
    /// It did not end within the time of the script.
    Hung,
    /// The client has no such command.
    Unable,
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Correct => "correct",
            Self::Refused => "refused",
            Self::Leaked => "leaked a secret",
            Self::Wrong => "accepted what is wrong",
            Self::Hung => "did not end",
            Self::Unable => "no such command",
        })
    }
}

impl Outcome {
    /// Judges what a client did on a stage, which ends here. `right` says of its output, if it ended well,
    /// whether the result is the one that was asked for.
    pub fn of(stage: Stage, done: &Done, right: impl FnOnce(&str) -> bool) -> Self {
        if let Done::Well(text) | Done::Failed(text) = done {
            stage.inspect_text("the output", text);
        }
        if !stage.dismiss().is_empty() {
            return Self::Leaked;
        }
        match done {
            Done::Well(output) if right(output) => Self::Correct,
            Done::Well(_) => Self::Wrong,
            Done::Failed(_) => Self::Refused,
            Done::Never => Self::Hung,
            Done::Unable => Self::Unable,
        }
    }
}

/// Waits for a client at most this long.
pub async fn within(limit: Duration, doing: impl Future<Output = Done>) -> Done {
    tokio::time::timeout(limit, doing).await.unwrap_or(Done::Never)
}

/// Whether an OCI layout holds exactly this image: its manifest under some name, all its blobs, and no blob
/// that is not what its name says.
pub fn holds(layout: &Path, image: &Image) -> bool {
    let blobs = layout.join("blobs/sha256");
    let read = |digest: &Digest| fs::read(blobs.join(digest.encoded())).ok();
    let index = fs::read(layout.join("index.json")).ok();
    let index: Option<Value> = index.and_then(|index| serde_json::from_slice(&index).ok());
    let named =
        index.is_some_and(|index| index["manifests"][0]["digest"] == image.manifest().digest().as_str());
    let whole = read(image.manifest().digest()).is_some_and(|bytes| bytes == *image.manifest().bytes())
        && image
            .blobs()
            .iter()
            .all(|(descriptor, bytes)| read(descriptor.digest()).is_some_and(|found| found == *bytes));
    let entries = fs::read_dir(&blobs).into_iter().flatten().flatten();
    let mut honest = entries.map(|entry| {
        let bytes = fs::read(entry.path()).unwrap_or_default();
        sha256(&bytes).encoded() == entry.file_name().to_string_lossy()
    });
    named && whole && honest.all(|honest| honest)
}
