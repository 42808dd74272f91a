//! The test suite for implementors of a [`Backend`], and for those of a [`Storage`](crate::Storage).
//!
//! ```
//! # async fn example() {
//! use wharf_registry::{MemoryBackend, conformance};
//!
//! let checks = conformance::check(&MemoryBackend::default()).await.expect("it conforms");
//! println!("{checks} checks passed");
//! # }
//! ```
//!
//! A backend that outlives its process is closed after [`check`], opened again and given to
//! [`check_reopened`]. One that several processes share is given to [`check_shared`] by two handles.

mod content;
mod guards;
mod outbox;
mod races;
mod records;
mod shared;
mod steps;
mod storage;
mod uploads;

use std::{fmt, sync::Arc};

use bytes::Bytes;
use wharf_content::{ByteStream, Error, ErrorKind, Hasher, Verified};
use wharf_reference::{Algorithm, Digest, Tag};

pub use self::storage::{check_bytes, check_storage, check_storage_reopened};
use crate::{Backend, Outbox, Records, RepositoryPath, UploadOwner, UploadSession};

/// An expectation that did not hold.
#[derive(Debug)]
pub struct ConformanceFailure {
    case: &'static str,
    message: String,
}

impl fmt::Display for ConformanceFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.case, self.message)
    }
}

impl std::error::Error for ConformanceFailure {}

/// Runs the suite against an empty backend, and returns how many expectations held.
///
/// # Errors
///
/// The first expectation that did not hold.
pub async fn check(backend: &dyn Backend) -> Result<u32, ConformanceFailure> {
    Ok(check_records(backend).await? + check_content(backend).await?)
}

/// Runs the part of the suite for [`Records`], against empty ones; see [`check`].
///
/// # Errors
///
/// The first expectation that did not hold.
pub async fn check_records(records: &dyn Records) -> Result<u32, ConformanceFailure> {
    let mut run = Run::default();
    run.no_records(records).await?;
    run.lookups(records).await?;
    run.ranges(records).await?;
    run.guards(records).await?;
    run.guards_side_by_side(records).await?;
    run.quotas(records).await?;
    run.repetition(records).await?;
    run.leave_links(records).await?;
    Ok(run.checks)
}

/// Runs the part of the suite for [`Uploads`](crate::Uploads), [`Content`](crate::Content) and collections; see
/// [`check`].
///
/// # Errors
///
/// The first expectation that did not hold.
pub async fn check_content(backend: &dyn Backend) -> Result<u32, ConformanceFailure> {
    let mut run = Run::default();
    run.sessions(backend).await?;
    run.writes(backend).await?;
    run.broken_writes(backend).await?;
    for algorithm in [Algorithm::Sha256, Algorithm::Sha512] {
        run.linked_uploads(backend, algorithm).await?;
    }
    run.linked_bytes(backend).await?;
    run.shared_content(backend).await?;
    run.refused_links(backend).await?;
    run.quarantine(backend).await?;
    run.collections(backend).await?;
    run.leave_session(backend).await?;
    Ok(run.checks)
}

/// Runs the rest of the suite against the backend of [`check`], opened again.
///
/// # Errors
///
/// The first expectation that did not hold.
pub async fn check_reopened(backend: &dyn Backend) -> Result<u32, ConformanceFailure> {
    let mut run = Run {
        case: "what outlives the process",
        ..Run::default()
    };
    run.find_links(backend).await?;
    run.find_session(backend).await?;
    Ok(run.checks)
}

/// Runs the suite for backends that share a storage: two handles on the same empty storage, in one process or
/// two. One handle given twice must pass, too.
///
/// # Errors
///
/// The first expectation that did not hold.
pub async fn check_shared(one: &dyn Backend, other: &dyn Backend) -> Result<u32, ConformanceFailure> {
    let mut run = Run::default();
    run.visibility(one, other).await?;
    run.overtaken_commits(one, other).await?;
    run.lost_replies(one, other).await?;
    run.one_quota(one, other).await?;
    run.moving_sessions(one, other).await?;
    run.limited_sessions(one, other).await?;
    run.links_against_a_collector(one, other).await?;
    run.mounts_against_a_collector(one, other).await?;
    Ok(run.checks)
}

/// Runs the suite for an [`Outbox`] to which the events of these records' commits go: two handles on one that
/// has no subscriber, or one handle given twice. The records are those of the first handle.
///
/// # Errors
///
/// The first expectation that did not hold.
pub async fn check_outbox(
    records: &dyn Records,
    one: &dyn Outbox,
    other: &dyn Outbox,
) -> Result<u32, ConformanceFailure> {
    let mut run = Run {
        case: "events",
        ..Run::default()
    };
    run.claims(records, one, other).await?;
    run.recorded_once(records, one).await?;
    run.failed_deliveries(records, one, other).await?;
    run.dropped_events(records, one).await?;
    run.unsubscribing(records, one, other).await?;
    Ok(run.checks)
}

/// The suite under way: the case, and how many expectations have held.
#[derive(Default)]
struct Run {
    case: &'static str,
    checks: u32,
}

impl Run {
    fn that(&mut self, holds: bool, message: &str) -> Result<(), ConformanceFailure> {
        if !holds {
            return Err(self.fail(message));
        }
        self.checks += 1;
        Ok(())
    }

    fn fail(&self, message: impl Into<String>) -> ConformanceFailure {
        ConformanceFailure {
            case: self.case,
            message: message.into(),
        }
    }

    fn ok<T>(&self, result: Result<T, Error>) -> Result<T, ConformanceFailure> {
        result.map_err(|error| self.fail(format!("failed: {error}")))
    }

    fn missing<T>(&mut self, result: Result<T, Error>, message: &str) -> Result<(), ConformanceFailure> {
        let missing = matches!(result, Err(error) if error.kind() == ErrorKind::NotFound);
        self.that(missing, message)
    }

    fn digest(&self, algorithm: Algorithm, bytes: &[u8]) -> Result<Digest, ConformanceFailure> {
        self.ok(Hasher::digest(algorithm, bytes))
    }

    fn proof(&self, algorithm: Algorithm, bytes: &[u8]) -> Result<Verified, ConformanceFailure> {
        self.ok(Verified::of(algorithm, bytes))
    }

    fn path(&self, text: &str) -> Result<RepositoryPath, ConformanceFailure> {
        self.ok(RepositoryPath::parse(text))
    }

    fn parsed_tag(&self, text: &str) -> Result<Tag, ConformanceFailure> {
        Tag::parse(text).map_err(|error| self.fail(error.to_string()))
    }

    /// A digest that is as good as any.
    fn name(&self, text: &str) -> Result<Digest, ConformanceFailure> {
        self.digest(Algorithm::Sha256, text.as_bytes())
    }
}

async fn collect(mut stream: ByteStream) -> Result<Vec<u8>, Error> {
    let mut bytes = Vec::new();
    while let Some(chunk) = std::future::poll_fn(|context| stream.as_mut().poll_next(context)).await {
        bytes.extend_from_slice(&chunk?);
    }
    Ok(bytes)
}

fn session_of(user: &str, path: &RepositoryPath) -> UploadSession {
    let owner = UploadOwner::User(Arc::from(user));
    UploadSession::new(path.clone(), owner, Algorithm::Sha256)
}

/// A stream of these results.
fn stream(items: Vec<Result<Bytes, Error>>) -> ByteStream {
    Box::pin(Items(items.into_iter()))
}

struct Items(std::vec::IntoIter<Result<Bytes, Error>>);

impl futures_core::Stream for Items {
    type Item = Result<Bytes, Error>;

    fn poll_next(
        mut self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Self::Item>> {
        std::task::Poll::Ready(self.0.next())
    }
}
