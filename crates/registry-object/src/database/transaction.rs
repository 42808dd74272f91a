//! Transactions, and their repetition.

use std::{future::Future, time::Duration};

use tokio::time::{Instant, sleep_until, timeout_at};
use tokio_postgres::{
    Row,
    types::{ToSql, Type},
};
use wharf_content::Error;

use super::{
    Database, error,
    pool::{Connection, Use},
};

/// The longest pause between two attempts. The first are shorter.
const MAX_PAUSE: Duration = Duration::from_millis(500);

pub(crate) type Parameters<'a> = &'a [(&'a (dyn ToSql + Sync), Type)];

/// Whoever runs a single statement: a transaction, or the database itself.
pub(crate) trait Query: Sync {
    /// Runs a statement and returns its rows.
    fn query(
        &self,
        doing: &str,
        sql: &str,
        parameters: Parameters<'_>,
    ) -> impl Future<Output = Result<Vec<Row>, Error>> + Send;
}

/// A transaction. Dropped, it closes its connection, and nothing has changed.
///
/// Statements are not prepared: a prepared one belongs to a connection, and behind a pooler that shares
/// connections out by transactions the next transaction may have another.
pub(crate) struct Transaction<'d> {
    connection: Connection<'d>,
    deadline: Instant,
}

impl Transaction<'_> {
    pub(super) async fn batch(&self, doing: &str, sql: &str) -> Result<(), Error> {
        within(self.deadline, doing, self.connection.batch_execute(sql)).await
    }

    pub(crate) async fn commit(self, doing: &str) -> Result<(), Error> {
        self.end(doing, "COMMIT").await
    }

    pub(crate) async fn roll_back(self, doing: &str) -> Result<(), Error> {
        self.end(doing, "ROLLBACK").await
    }

    async fn end(self, doing: &str, sql: &str) -> Result<(), Error> {
        self.batch(doing, sql).await?;
        self.connection.release();
        Ok(())
    }
}

impl Query for Transaction<'_> {
    async fn query(&self, doing: &str, sql: &str, parameters: Parameters<'_>) -> Result<Vec<Row>, Error> {
        within(self.deadline, doing, self.connection.query_typed(sql, parameters)).await
    }
}

/// The attempts of a request, until its time is over.
pub(crate) struct Attempts {
    pub(crate) deadline: Instant,
    pause: Duration,
}

impl Attempts {
    fn new(time: Duration) -> Self {
        Self {
            deadline: Instant::now() + time,
            pause: Duration::from_millis(4),
        }
    }

    /// Waits before the next attempt, after a failure that may pass.
    ///
    /// # Errors
    ///
    /// The failure itself, if it will not pass or if the time is over.
    pub(crate) async fn again(&mut self, failure: Error) -> Result<(), Error> {
        let passes = error::is_transient(&failure);
        self.again_if(passes, failure).await
    }

    /// As [`Attempts::again`]; and a row that was to be removed and is referred to meanwhile is looked at again.
    pub(crate) async fn again_if_linked(&mut self, failure: Error) -> Result<(), Error> {
        let passes = error::is_transient(&failure) || error::is_linked(&failure);
        self.again_if(passes, failure).await
    }

    async fn again_if(&mut self, passes: bool, failure: Error) -> Result<(), Error> {
        let next = Instant::now() + jittered(self.pause);
        if !passes || next >= self.deadline {
            return Err(failure);
        }
        sleep_until(next).await;
        self.pause = (self.pause * 2).min(MAX_PAUSE);
        Ok(())
    }
}

/// Between a half and the whole of a pause, so that those who met do not meet again.
fn jittered(pause: Duration) -> Duration {
    let mut random = [0];
    // Without random numbers the pauses are equal, which is only slower.
    let _ = getrandom::fill(&mut random);
    pause.mul_f64(0.5 + f64::from(random[0]) / 510.0)
}

impl Database {
    /// Begins a transaction at READ COMMITTED, whose statements, locks and pauses end with the request's time, and
    /// whose commit waits for the disk. It fails if a later release has forbidden this one to write.
    pub(crate) async fn begin(&self, deadline: Instant) -> Result<Transaction<'_>, Error> {
        self.allow_change()?;
        match self.begin_as(Use::Write, &self.begin.fenced, deadline).await {
            Err(failure) => Err(self.explained(failure).await),
            begun => begun,
        }
    }

    /// As [`Database::begin`], whatever the tables are.
    pub(super) async fn begin_unfenced(&self, deadline: Instant) -> Result<Transaction<'_>, Error> {
        self.begin_as(Use::Write, &self.begin.any, deadline).await
    }

    /// As [`Database::begin`], for a transaction that changes nothing, and waits for no other.
    pub(super) async fn begin_any(&self, deadline: Instant) -> Result<Transaction<'_>, Error> {
        self.begin_as(Use::Read, &self.begin.any, deadline).await
    }

    /// A failure that the fence of a transaction may be: then the reason why this process must not change anything.
    pub(super) async fn explained(&self, failure: Error) -> Error {
        if !error::is_fence(&failure) {
            return failure;
        }
        let _ = self.check().await; // which forbids changes, or does not answer
        self.allow_change().err().unwrap_or(failure)
    }

    async fn begin_as(&self, purpose: Use, begin: &str, deadline: Instant) -> Result<Transaction<'_>, Error> {
        loop {
            let connection = self.pool.connection(purpose, deadline).await?;
            let begun = within(deadline, "begin a transaction", connection.batch_execute(begin)).await;
            match begun {
                Ok(()) => return Ok(Transaction { connection, deadline }),
                // The server has closed it while it was idle; nothing was sent on it that could have had an effect.
                Err(failure) if connection.is_reused() && error::is_transient(&failure) => {}
                Err(failure) => return Err(failure),
            }
        }
    }

    /// The attempts of a new request.
    pub(crate) fn attempts(&self) -> Attempts {
        Attempts::new(self.options.request_time)
    }

    async fn try_query(
        &self,
        deadline: Instant,
        doing: &str,
        sql: &str,
        parameters: Parameters<'_>,
    ) -> Result<Vec<Row>, Error> {
        let connection = self.pool.connection(Use::Read, deadline).await?;
        let rows = within(deadline, doing, connection.query_typed(sql, parameters)).await?;
        connection.release();
        Ok(rows)
    }
}

/// Each statement is repeated until it is answered or the request's time is over: only for those that may be
/// made twice.
impl Query for Database {
    async fn query(&self, doing: &str, sql: &str, parameters: Parameters<'_>) -> Result<Vec<Row>, Error> {
        let mut attempts = self.attempts();
        loop {
            match self.try_query(attempts.deadline, doing, sql, parameters).await {
                Ok(rows) => return Ok(rows),
                Err(failure) => attempts.again(failure).await?,
            }
        }
    }
}

/// The statements that begin a transaction.
pub(super) struct Begin {
    /// Whatever the tables are.
    any: String,
    /// Fails if a later release has forbidden that of this version to write.
    pub(super) fenced: String,
}

impl Begin {
    /// Those of a request that has this time, by a release that has this version of the tables.
    pub(super) fn new(time: Duration, version: i32) -> Self {
        let milliseconds = time.as_millis().clamp(1, i32::MAX as u128);
        let limits = [
            "statement_timeout",
            "lock_timeout",
            "idle_in_transaction_session_timeout",
        ];
        let limits: String = limits
            .map(|name| format!("SET LOCAL {name} = {milliseconds};"))
            .concat();
        let any = format!("BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE; {limits} {DURABLE}");
        // The text is no number: SQLSTATE 22P02.
        let fenced = format!(
            "{any}; SELECT ('version ' || oldest)::integer FROM schema_versions WHERE oldest > {version}"
        );
        Self { any, fenced }
    }
}

/// A commit is acknowledged when it is on the disk, whatever the server's default is; an operator may demand more, that a
/// standby has applied it.
const DURABLE: &str = "SELECT set_config('synchronous_commit', CASE current_setting('synchronous_commit')
    WHEN 'remote_apply' THEN 'remote_apply' ELSE 'on' END, true)";

/// Makes the commit of the statement that it is part of, outside a transaction, wait neither for the disk nor for a standby. Only for
/// a statement of which nothing that is acknowledged depends.
pub(crate) const RELAXED: &str = "set_config('synchronous_commit', 'off', true)";

pub(super) async fn within<T>(
    deadline: Instant,
    doing: &str,
    answer: impl Future<Output = Result<T, tokio_postgres::Error>>,
) -> Result<T, Error> {
    match timeout_at(deadline, answer).await {
        Ok(answer) => answer.map_err(|failure| error::failed(doing, &failure)),
        Err(_) => Err(error::late(doing)),
    }
}
