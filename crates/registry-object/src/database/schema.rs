//! The tables, and their changes from release to release.

use std::time::Duration;

use tokio_postgres::types::Type;
use wharf_content::{Error, ErrorKind};

use super::{
    Database, Migrate,
    transaction::{Query as _, Transaction},
};

/// The migrations, of which the first makes version 1. A migration that was released is never changed; it only adds,
/// so that processes of the release before go on.
const MIGRATIONS: &[&str] = &[
    include_str!("../../sql/migrations/1.sql"),
    include_str!("../../sql/migrations/2.sql"),
];
/// The version that this release writes.
pub(super) const VERSION: i32 = 2;
/// The oldest version that a process may know to write what this release writes, but for contents in external objects:
/// the first of these raises it in the table to 2.
const OLDEST: i32 = 1;

/// Processes that start at the same time migrate one after the other.
const LOCK: &str = "SET LOCAL statement_timeout = 0; SET LOCAL lock_timeout = 0; SELECT pg_advisory_xact_lock(8604496163541291009)";
const VERSIONS: &str = "CREATE TABLE IF NOT EXISTS schema_versions (
    version integer PRIMARY KEY,
    oldest integer NOT NULL,
    applied timestamptz NOT NULL DEFAULT now()
)";
const EXISTS: &str = "SELECT to_regclass('schema_versions') IS NOT NULL";
const CURRENT: &str = "SELECT coalesce(max(version), 0), coalesce(max(oldest), 0) FROM schema_versions";
const APPLIED: &str = "INSERT INTO schema_versions (version, oldest) VALUES ($1, $2)";

/// The time for a migration, which may build an index over all records.
const TIME: Duration = Duration::from_secs(3600);

impl Database {
    /// Brings the tables to the version of this release, or checks that they have it.
    pub(super) async fn migrate(&self) -> Result<(), Error> {
        let mut attempts = self.attempts();
        loop {
            match self.try_migrate().await {
                Ok(()) => return Ok(()),
                Err(failure) => attempts.again(failure).await?,
            }
        }
    }

    /// Whether this release may still change what is in the tables.
    pub(super) async fn check_version(
        &self,
        transaction: &Transaction<'_>,
    ) -> Result<Result<(), Error>, Error> {
        let found = current(transaction).await?;
        Ok(found.is_usable().map(drop))
    }

    async fn try_migrate(&self) -> Result<(), Error> {
        let deadline = tokio::time::Instant::now() + TIME;
        let transaction = self.begin(deadline).await?;
        let found = current(&transaction).await?;
        if found.is_usable()? {
            return transaction.commit("read the version of the tables").await;
        }
        if self.options.migrate == Migrate::Never {
            let message = format!(
                "the database has tables of version {}, and this release needs version {VERSION}: let one process migrate them",
                found.version
            );
            return Err(Error::new(ErrorKind::Unsupported, message));
        }
        transaction.batch("wait for other migrations", LOCK).await?;
        transaction.batch("make the table of versions", VERSIONS).await?;
        let found = current(&transaction).await?; // another process may have been faster
        let next = usize::try_from(found.version).unwrap_or_default();
        for (version, migration) in (1_i32..).zip(MIGRATIONS).skip(next) {
            transaction
                .batch(&format!("migrate the tables to version {version}"), migration)
                .await?;
            let parameters = [(&version as _, Type::INT4), (&OLDEST as _, Type::INT4)];
            transaction
                .query("record the migration", APPLIED, &parameters)
                .await?;
        }
        transaction.commit("commit the migrations").await
    }
}

/// The version that was found.
struct Found {
    version: i32,
    /// The oldest version that a process must know.
    oldest: i32,
}

impl Found {
    fn is_usable(&self) -> Result<bool, Error> {
        if self.oldest > VERSION {
            let message = format!(
                "the database has tables of version {}, which no release before version {} may write, and this release has version {VERSION}: run a newer release",
                self.version, self.oldest
            );
            return Err(Error::new(ErrorKind::Unsupported, message));
        }
        Ok(self.version >= VERSION)
    }
}

async fn current(transaction: &Transaction<'_>) -> Result<Found, Error> {
    const DOING: &str = "read the version of the tables";
    let exists = transaction.query(DOING, EXISTS, &[]).await?;
    let exists = exists.first().is_some_and(|row| row.try_get(0).unwrap_or(false));
    let rows = if exists {
        transaction.query(DOING, CURRENT, &[]).await?
    } else {
        Vec::new()
    };
    let Some(row) = rows.first() else {
        return Ok(Found {
            version: 0,
            oldest: 0,
        });
    };
    let column = |index| {
        row.try_get(index)
            .map_err(|failure| super::error::failed(DOING, &failure))
    };
    Ok(Found {
        version: column(0)?,
        oldest: column(1)?,
    })
}
