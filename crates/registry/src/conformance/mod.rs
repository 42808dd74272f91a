//! The test suite for implementors of [`Records`], [`Content`] and [`Uploads`].
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
//! [`check_reopened`].

mod content;
mod records;
mod uploads;

use std::{fmt, ops::Range};

use bytes::Bytes;
use wharf_content::{ByteStream, Error, ErrorKind, Hasher, Verified};
use wharf_reference::{Algorithm, Digest};

use crate::{Backend, Content, Listing, Records, Uploads};

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
    Ok(check_records(backend).await? + check_content(backend, backend).await?)
}

/// Runs the part of the suite for [`Records`], against empty ones; see [`check`].
///
/// # Errors
///
/// The first expectation that did not hold.
pub async fn check_records(records: &dyn Records) -> Result<u32, ConformanceFailure> {
    let mut run = Run::default();
    run.records(records).await?;
    run.leave_records(records).await?;
    Ok(run.checks)
}

/// Runs the part of the suite for [`Content`] and for the [`Uploads`] that become this content, against empty
/// ones; see [`check`].
///
/// # Errors
///
/// The first expectation that did not hold.
pub async fn check_content(content: &dyn Content, uploads: &dyn Uploads) -> Result<u32, ConformanceFailure> {
    let mut run = Run::default();
    run.no_content(content).await?;
    run.no_uploads(uploads).await?;
    for algorithm in [Algorithm::Sha256, Algorithm::Sha512] {
        run.uploads(content, uploads, algorithm).await?;
        run.content(content, uploads, algorithm).await?;
    }
    run.removal(content, uploads).await?;
    run.leave_content(uploads).await?;
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
    run.find_content(backend).await?;
    run.find_records(backend).await?;
    run.find_upload(backend).await?;
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

    async fn all<T: Send + 'static>(
        &self,
        listing: Result<Listing<T>, Error>,
    ) -> Result<Vec<T>, ConformanceFailure> {
        let listing = self.ok(listing)?;
        self.ok(listing.all().await)
    }

    async fn read(
        &self,
        content: &dyn Content,
        digest: &Digest,
        range: Range<u64>,
    ) -> Result<Vec<u8>, ConformanceFailure> {
        let stream = self.ok(content.read(digest, range).await)?;
        self.ok(collect(stream).await)
    }

    async fn read_upload(&self, uploads: &dyn Uploads, id: &str) -> Result<Vec<u8>, ConformanceFailure> {
        let stream = self.ok(uploads.read_upload(id).await)?;
        self.ok(collect(stream).await)
    }

    /// Makes bytes content by an upload with this id.
    async fn upload(
        &self,
        uploads: &dyn Uploads,
        id: &str,
        bytes: Bytes,
    ) -> Result<Digest, ConformanceFailure> {
        self.upload_as(uploads, id, Algorithm::Sha256, bytes).await
    }

    async fn upload_as(
        &self,
        uploads: &dyn Uploads,
        id: &str,
        algorithm: Algorithm,
        bytes: Bytes,
    ) -> Result<Digest, ConformanceFailure> {
        let content = self.proof(algorithm, &bytes)?;
        self.ok(uploads.begin(id, "").await)?;
        self.ok(uploads.append(id, 0, vec![bytes]).await)?;
        self.ok(uploads.finish(id, &content).await)?;
        Ok(content.digest().clone())
    }
}

async fn collect(mut stream: ByteStream) -> Result<Vec<u8>, Error> {
    let mut bytes = Vec::new();
    while let Some(chunk) = std::future::poll_fn(|context| stream.as_mut().poll_next(context)).await {
        bytes.extend_from_slice(&chunk?);
    }
    Ok(bytes)
}
