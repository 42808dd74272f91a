//! The database that holds a registry's records.

mod error;
mod pool;
mod release;
mod schema;
mod session;
mod statement;
mod tls;
mod tokens;
mod transaction;
mod url;

use std::{
    fmt,
    sync::{
        OnceLock,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use wharf_content::{Error, ErrorKind};
use wharf_registry::{EventSignal, RepeatedCommits};

#[cfg(feature = "testing")]
pub use self::release::NextRelease;
pub use self::url::DatabaseUrl;
pub(crate) use self::{
    error::late,
    statement::{Statement, Value, run_all},
    transaction::{Attempts, Parameters, Query, RELAXED, Transaction},
};
use self::{pool::Pool, release::Release, tls::Tls, transaction::Begin};
use crate::records::CommitLimiter;

/// A PostgreSQL database with the records of one registry, whose processes all open the same.
///
/// Connections are made when they are needed and used again. Whatever breaks them, a restart of the server, a failover or
/// a network, the next request makes new ones; until that succeeds, requests fail with a kind that says that nothing is known:
/// [`ErrorKind::Network`], [`ErrorKind::Timeout`] or [`ErrorKind::RateLimited`].
pub struct Database {
    url: DatabaseUrl,
    options: DatabaseOptions,
    pool: Pool,
    release: Release,
    begin: Begin,
    limiter: CommitLimiter,
    commits: Commits,
    /// The reason why this process must not change anything any more, once it was found.
    outdated: OnceLock<String>,
    /// Given when this process has recorded events.
    events: EventSignal,
}

/// The commits of this process, counted.
#[derive(Default)]
struct Commits {
    made: AtomicU64,
    repeated: AtomicU64,
    /// Those whose answer was lost.
    lost: AtomicU64,
}

/// The way in which a database is used.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct DatabaseOptions {
    /// The most connections of this process; 8 by default. More requests wait for one. All processes together must
    /// stay below the server's `max_connections`.
    pub connections: usize,
    /// The time of a request to the database, with all repetitions; 10 s by default. It also ends a transaction on
    /// the server, so that a process that was stopped in the middle of one holds up no other for longer.
    pub request_time: Duration,
    /// The grace of collections, which all processes must agree on; 1 hour by default. A record that is looked up by a
    /// client after a quarter of it counts as used then.
    pub grace: Duration,
    /// Whether the tables are made and brought to the version of this release.
    pub migrate: Migrate,
    /// The release that the process is of, if it is not this one.
    #[cfg(feature = "testing")]
    pub next: Option<NextRelease>,
}

impl Default for DatabaseOptions {
    fn default() -> Self {
        Self {
            connections: 8,
            request_time: Duration::from_secs(10),
            grace: Duration::from_secs(60 * 60),
            migrate: Migrate::Apply,
            #[cfg(feature = "testing")]
            next: None,
        }
    }
}

/// Whether a process makes and changes tables.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Migrate {
    /// It does, if they are older than this release. Several processes may start at the same time. A migration only
    /// adds within a release, so that processes of the release before go on.
    #[default]
    Apply,
    /// It refuses tables that are older.
    Never,
}

impl Database {
    /// Connects, makes the tables unless they are there, and checks what must hold so that nothing that was
    /// acknowledged is lost.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Unsupported`] for a server older than PostgreSQL 13, one without `fsync` or `full_page_writes`, a
    /// standby, an encoding that is not UTF-8, or tables of a release that this one cannot use;
    /// [`ErrorKind::Unauthorized`], [`ErrorKind::Tls`], [`ErrorKind::Network`] and [`ErrorKind::Timeout`] if there
    /// is no connection. The database is named without its password.
    pub async fn open(url: &DatabaseUrl, options: DatabaseOptions) -> Result<Self, Error> {
        let release = Release::of(&options);
        let database = Self {
            pool: Pool::new(
                url.config.clone(),
                Tls::new(&url.verification)?,
                options.connections.max(1),
            ),
            begin: Begin::new(options.request_time, release.version()),
            release,
            limiter: CommitLimiter::default(),
            commits: Commits::default(),
            outdated: OnceLock::new(),
            events: EventSignal::default(),
            url: url.clone(),
            options,
        };
        let opened = async {
            database.check_settings().await?;
            database.migrate().await
        };
        let named = |error: Error| Error::new(error.kind(), format!("{url}: {error}")).with_source(error);
        opened.await.map_err(named)?;
        Ok(database)
    }

    /// The random id of the registry whose records are here. Whatever else belongs to the registry carries the same.
    ///
    /// # Errors
    ///
    /// Those of the database.
    pub async fn registry_id(&self) -> Result<u128, Error> {
        const DOING: &str = "read the id of the registry";
        let rows = self.query(DOING, "SELECT id FROM registry", &[]).await?;
        let bytes = rows.first().map(|row| row.try_get::<_, &[u8]>(0)).transpose();
        let bytes = bytes.map_err(|failure| error::failed(DOING, &failure))?;
        let id = bytes.and_then(|bytes| bytes.try_into().ok());
        let message = "the database has no id of a registry, or a damaged one";
        id.map(u128::from_be_bytes)
            .ok_or_else(|| Error::new(ErrorKind::Corrupt, message))
    }

    /// Asks whether changes can be committed now, for a process's readiness. One attempt on a connection of the pool.
    ///
    /// If the tables have become those of a later release that forbids this one to write, all changes by this process fail from then on.
    ///
    /// # Errors
    ///
    /// The reason why not.
    pub async fn check(&self) -> Result<(), Error> {
        let transaction = self.begin_any(self.attempts().deadline).await?;
        let usable = self.check_version(&transaction).await?;
        transaction.commit("commit an empty transaction").await?;
        usable.inspect_err(|reason| self.forbid_changes(reason))
    }

    /// Makes all changes by this process fail for this reason, until it is started again.
    pub(crate) fn forbid_changes(&self, reason: &Error) {
        let _ = self.outdated.set(reason.to_string()); // the first reason stays
    }

    /// Fails if this process must not change anything.
    pub(crate) fn allow_change(&self) -> Result<(), Error> {
        match self.outdated.get() {
            None => Ok(()),
            // For clients as an engine that is away: another process serves them.
            Some(reason) => Err(Error::new(
                ErrorKind::Denied,
                format!("this process must not change anything: {reason}"),
            )),
        }
    }

    /// The version of the store's layout that this process writes.
    pub(crate) const fn layout(&self) -> u32 {
        self.release.layout
    }

    /// See [`DatabaseOptions::grace`].
    pub(crate) const fn grace(&self) -> Duration {
        self.options.grace
    }

    /// Counts a commit, and returns how many this process has made.
    pub(crate) fn count_commit(&self) -> u64 {
        self.commits.made.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// Counts an attempt of a commit that is made again.
    pub(crate) fn count_repetition(&self) {
        self.commits.repeated.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts a commit that an attempt found made.
    pub(crate) fn count_lost_answer(&self) {
        self.commits.lost.fetch_add(1, Ordering::Relaxed);
    }

    /// The commits that this process has repeated.
    #[must_use]
    pub fn repeated_commits(&self) -> RepeatedCommits {
        let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        RepeatedCommits::new(count(&self.commits.repeated), count(&self.commits.lost))
    }

    pub(crate) const fn limiter(&self) -> &CommitLimiter {
        &self.limiter
    }

    pub(crate) const fn event_signal(&self) -> &EventSignal {
        &self.events
    }

    /// The reason why the last connection could not be made, if it could not.
    pub(crate) fn last_failure(&self) -> Result<(), Error> {
        self.pool.last_failure()
    }

    async fn check_settings(&self) -> Result<(), Error> {
        const DOING: &str = "read the server's settings";
        let rows = self.query(DOING, SETTINGS, &[]).await?;
        for (index, (expected, reason)) in EXPECTED.into_iter().enumerate() {
            let found = rows.first().map(|row| row.try_get::<_, bool>(index)).transpose();
            if found.map_err(|failure| error::failed(DOING, &failure))? != Some(expected) {
                return Err(Error::new(ErrorKind::Unsupported, reason));
            }
        }
        Ok(())
    }
}

/// The conditions that a server must meet: the columns of [`EXPECTED`].
const SETTINGS: &str = "SELECT
    current_setting('server_version_num')::integer >= 130000,
    current_setting('server_encoding') = 'UTF8',
    pg_is_in_recovery(),
    current_setting('fsync')::boolean,
    current_setting('full_page_writes')::boolean";
const EXPECTED: [(bool, &str); 5] = [
    (true, "the server is older than PostgreSQL 13"),
    (
        true,
        "the database's encoding is not UTF8: create it with ENCODING 'UTF8'",
    ),
    (
        false,
        "the server is a standby, which cannot be written: use the primary",
    ),
    (
        true,
        "the server runs with fsync = off, and loses acknowledged pushes when its machine fails: turn it on",
    ),
    (
        true,
        "the server runs with full_page_writes = off, and damages records when its machine fails: turn it on",
    ),
];

impl fmt::Debug for Database {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Database")
            .field("url", &self.url)
            .field("options", &self.options)
            .finish_non_exhaustive()
    }
}
