//! Checks of what is stored, while all processes serve.
//!
//! Rows are read part by part, each part as it is at one moment. What seems to be wrong because it changed between two
//! parts is looked at once more.

mod events;
mod external;
mod finding;
mod foreign;
mod hash;
mod links;
mod named;
mod objects;
mod usage;

use std::{fmt::Display, num::NonZeroU32};

use tokio_postgres::Row;
use wharf_content::{Error, ErrorKind};

pub use self::finding::FsckFinding;
use crate::{
    ObjectBackend,
    database::{Statement, Value},
};

/// The way in which what is stored is checked.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct FsckOptions {
    /// Of how many contents one is read and hashed, with the next check another one. 1: all. Default: `None`, nothing is.
    pub hash_one_in: Option<NonZeroU32>,
    /// Whether damaged content is put in quarantine, so that the next push brings it again, and objects that belong to
    /// nothing are given to the next collection, unless a row is damaged to which they may have belonged. Nothing else is
    /// repaired. Default: `false`.
    pub repair: bool,
    /// The most objects that are known in memory at a time, about 50 bytes each. The rows of contents are read as many
    /// times as it takes. Default: 1,000,000.
    pub objects_at_a_time: usize,
}

impl Default for FsckOptions {
    fn default() -> Self {
        Self {
            hash_one_in: None,
            repair: false,
            objects_at_a_time: 1_000_000,
        }
    }
}

/// The result of a check: what was looked at, and how much was found.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct FsckReport {
    /// Repositories.
    pub repositories: u64,
    /// Tags.
    pub tags: u64,
    /// Manifests of repositories.
    pub manifests: u64,
    /// Blobs of repositories.
    pub blobs: u64,
    /// Contents.
    pub contents: u64,
    /// Contents of these in objects that another registry has written.
    pub external: u64,
    /// Contents that no repository links, which the next collection removes.
    pub unlinked: u64,
    /// Contents that were hashed.
    pub hashed: u64,
    /// Objects in the store, without foreign ones.
    pub objects: u64,
    /// The bytes of these objects.
    pub bytes: u64,
    /// Objects that are no content yet.
    pub pending: u64,
    /// Objects that are to be deleted.
    pub doomed: u64,
    /// Findings that are damage.
    pub damage: u64,
    /// The other findings.
    pub notes: u64,
}

impl ObjectBackend {
    /// Compares the rows of the database with each other and with the objects of the store. Findings are told as they are
    /// made. Memory is bounded by [`FsckOptions::objects_at_a_time`].
    ///
    /// Processes may serve and collect meanwhile. Several checks at the same time are no harm.
    ///
    /// # Errors
    ///
    /// Those of the database and the store, for what could not be looked up; damage is no error.
    pub async fn fsck(
        &self,
        options: &FsckOptions,
        found: &mut (dyn FnMut(FsckFinding) + Send),
    ) -> Result<FsckReport, Error> {
        let mut check = Check {
            backend: self,
            options,
            found,
            report: FsckReport::default(),
            offset: random()?,
            has_damaged_rows: false,
        };
        check.usage().await?;
        check.events().await?;
        check.tags().await?;
        check.links().await?;
        check.objects().await?;
        check.foreign().await?;
        Ok(check.report)
    }
}

/// A check under way.
struct Check<'a> {
    backend: &'a ObjectBackend,
    options: &'a FsckOptions,
    found: &'a mut (dyn FnMut(FsckFinding) + Send),
    report: FsckReport,
    /// Which contents are hashed, of those of which one in so many is.
    offset: u64,
    /// Whether rows were found that may have named objects.
    has_damaged_rows: bool,
}

fn random() -> Result<u64, Error> {
    getrandom::u64().map_err(|error| {
        let message = format!("the operating system returned no random bytes: {error}");
        Error::new(ErrorKind::Other, message)
    })
}

impl Check<'_> {
    fn tell(&mut self, finding: FsckFinding) {
        if finding.is_damage() {
            self.report.damage += 1;
        } else {
            self.report.notes += 1;
        }
        (self.found)(finding);
    }

    fn damaged(&mut self, table: &'static str, key: &str, reason: &dyn Display) {
        self.has_damaged_rows |= matches!(table, "contents" | "uploads");
        self.tell(FsckFinding::DamagedRow {
            table,
            key: key.to_owned(),
            reason: reason.to_string(),
        });
    }

    async fn rows(
        &self,
        sql: &'static str,
        values: impl IntoIterator<Item = Value> + Send,
    ) -> Result<Vec<Row>, Error> {
        let statement = Statement::new("check what is stored", sql, values);
        statement.run(&**self.backend.database()).await
    }
}
