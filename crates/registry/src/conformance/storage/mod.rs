//! The part of the suite for [`Storage`].

mod content;
mod records;
mod uploads;

use std::ops::Range;

use bytes::Bytes;
use wharf_content::Error;
use wharf_reference::{Algorithm, Digest};

use super::{ConformanceFailure, Run, collect};
use crate::{Listing, Storage};

/// Runs the suite for a [`Storage`] against an empty one, and returns how many expectations held.
///
/// # Errors
///
/// The first expectation that did not hold.
pub async fn check_storage(storage: &dyn Storage) -> Result<u32, ConformanceFailure> {
    let mut run = Run::default();
    run.records(storage).await?;
    run.leave_records(storage).await?;
    Ok(run.checks + check_bytes(storage).await?)
}

/// Runs the part of the suite for content and uploads, for a [`Storage`] whose records nothing reads again;
/// see [`check_storage`].
///
/// # Errors
///
/// The first expectation that did not hold.
pub async fn check_bytes(storage: &dyn Storage) -> Result<u32, ConformanceFailure> {
    let mut run = Run::default();
    run.no_content(storage).await?;
    run.no_uploads(storage).await?;
    for algorithm in [Algorithm::Sha256, Algorithm::Sha512] {
        run.uploads(storage, algorithm).await?;
        run.content(storage, algorithm).await?;
    }
    run.removal(storage).await?;
    run.leave_content(storage).await?;
    Ok(run.checks)
}

/// Runs the rest of the suite against the storage of [`check_storage`], opened again.
///
/// # Errors
///
/// The first expectation that did not hold.
pub async fn check_storage_reopened(storage: &dyn Storage) -> Result<u32, ConformanceFailure> {
    let mut run = Run {
        case: "what outlives the process",
        ..Run::default()
    };
    run.find_content(storage).await?;
    run.find_records(storage).await?;
    run.find_upload(storage).await?;
    Ok(run.checks)
}

impl Run {
    async fn all<T: Send + 'static>(
        &self,
        listing: Result<Listing<T>, Error>,
    ) -> Result<Vec<T>, ConformanceFailure> {
        let listing = self.ok(listing)?;
        self.ok(listing.all().await)
    }

    async fn read_stored(
        &self,
        storage: &dyn Storage,
        digest: &Digest,
        range: Range<u64>,
    ) -> Result<Vec<u8>, ConformanceFailure> {
        let stream = self.ok(storage.read(digest, range).await)?;
        self.ok(collect(stream).await)
    }

    async fn read_upload(&self, storage: &dyn Storage, id: &str) -> Result<Vec<u8>, ConformanceFailure> {
        let stream = self.ok(storage.read_upload(id).await)?;
        self.ok(collect(stream).await)
    }

    /// Makes bytes content by an upload with this id.
    async fn upload(
        &self,
        storage: &dyn Storage,
        id: &str,
        bytes: Bytes,
    ) -> Result<Digest, ConformanceFailure> {
        self.upload_as(storage, id, Algorithm::Sha256, bytes).await
    }

    async fn upload_as(
        &self,
        storage: &dyn Storage,
        id: &str,
        algorithm: Algorithm,
        bytes: Bytes,
    ) -> Result<Digest, ConformanceFailure> {
        let content = self.proof(algorithm, &bytes)?;
        self.ok(storage.begin(id, "").await)?;
        self.ok(storage.append(id, 0, vec![bytes]).await)?;
        self.ok(storage.finish(id, &content).await)?;
        Ok(content.digest().clone())
    }
}
