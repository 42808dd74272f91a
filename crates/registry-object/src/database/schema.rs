//! The tables, and their changes from release to release.

use std::time::Duration;

use tokio_postgres::types::Type;
use wharf_content::{Error, ErrorKind};

use super::{
    Database, Migrate,
    transaction::{Query as _, Transaction},
};

/// Processes that start at the same time migrate one after the other.
const LOCK: &str = "SET LOCAL statement_timeout = 0; SET LOCAL lock_timeout = 0; SELECT pg_advisory_xact_lock(8604496163541291009)";
const VERSIONS: &str = "CREATE TABLE IF NOT EXISTS schema_versions (
    version integer PRIMARY KEY,
    oldest integer NOT NULL,
    applied timestamptz NOT NULL DEFAULT now()
)";
const EXISTS: &str = "SELECT to_regclass('schema_versions') IS NOT NULL";
const CURRENT: &str = "SELECT coalesce(max(version), 0), coalesce(max(oldest), 0) FROM schema_versions";
/// Waits for the transactions that the release before has begun, each of which has read the table.
const EXCLUDE: &str = "LOCK TABLE schema_versions IN ACCESS EXCLUSIVE MODE";
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
        Ok(self.is_usable(&found).map(drop))
    }

    fn is_usable(&self, found: &Found) -> Result<bool, Error> {
        let version = self.release.version();
        if found.oldest > version {
            let message = format!(
                "the database has tables of version {}, which no release before version {} may write, and this release has version {version}: run a newer release",
                found.version, found.oldest
            );
            return Err(Error::new(ErrorKind::Unsupported, message));
        }
        Ok(found.version >= version)
    }

    async fn try_migrate(&self) -> Result<(), Error> {
        let deadline = tokio::time::Instant::now() + TIME;
        let transaction = self.begin_unfenced(deadline).await?;
        let found = current(&transaction).await?;
        let version = self.release.version();
        if self.is_usable(&found)? {
            return transaction.commit("read the version of the tables").await;
        }
        if self.options.migrate == Migrate::Never {
            let message = format!(
                "the database has tables of version {}, and this release needs version {version}: let one process migrate them",
                found.version
            );
            return Err(Error::new(ErrorKind::Unsupported, message));
        }
        transaction.batch("wait for other migrations", LOCK).await?;
        transaction.batch("make the table of versions", VERSIONS).await?;
        let found = current(&transaction).await?; // another process may have been faster
        if self.release.oldest > found.version && found.version > 0 {
            transaction
                .batch("wait for processes of the release before", EXCLUDE)
                .await?;
        }
        let next = usize::try_from(found.version).unwrap_or_default();
        for (version, migration) in (1_i32..).zip(&self.release.migrations).skip(next) {
            transaction
                .batch(&format!("migrate the tables to version {version}"), migration)
                .await?;
            let parameters = [
                (&version as _, Type::INT4),
                (&self.release.oldest as _, Type::INT4),
            ];
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
