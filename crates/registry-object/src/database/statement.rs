//! Statements with their values.

use std::time::Duration;

use futures_util::future::{try_join_all, try_join3};
use tokio::time::Instant;
use tokio_postgres::{
    Row,
    types::{ToSql, Type},
};
use wharf_content::Error;

use super::{
    Database,
    pool::Use,
    transaction::{Query, Transaction, within},
};

/// The most statements that are sent before the first is answered.
const MAX_SENT: usize = 16;

/// The time of a statement that reads a whole table.
const LONG: Duration = Duration::from_secs(3600);
/// Ends the limit of the transaction's begin.
const UNLIMITED: &str = "SELECT set_config('statement_timeout', '0', true)";

/// A statement with its values, which may be sent several times.
pub(crate) struct Statement {
    doing: &'static str,
    sql: &'static str,
    values: Vec<Value>,
}

/// A parameter.
pub(crate) enum Value {
    Integer(Option<i64>),
    Integers(Vec<i64>),
    Seconds(f64),
    Text(Option<String>),
    Texts(Vec<String>),
    Bytes(Option<Vec<u8>>),
}

impl Value {
    pub(crate) fn text(text: &str) -> Self {
        Self::Text(Some(text.to_owned()))
    }

    fn parameter(&self) -> (&(dyn ToSql + Sync), Type) {
        match self {
            Self::Integer(value) => (value, Type::INT8),
            Self::Integers(value) => (value, Type::INT8_ARRAY),
            Self::Seconds(value) => (value, Type::FLOAT8),
            Self::Text(value) => (value, Type::TEXT),
            Self::Texts(value) => (value, Type::TEXT_ARRAY),
            Self::Bytes(value) => (value, Type::BYTEA),
        }
    }
}

impl From<i64> for Value {
    fn from(value: i64) -> Self {
        Self::Integer(Some(value))
    }
}

impl Statement {
    pub(crate) fn new(
        doing: &'static str,
        sql: &'static str,
        values: impl IntoIterator<Item = Value>,
    ) -> Self {
        Self {
            doing,
            sql,
            values: values.into_iter().collect(),
        }
    }

    pub(crate) async fn run(&self, by: &impl Query) -> Result<Vec<Row>, Error> {
        by.query(self.doing, self.sql, &self.parameters()).await
    }

    fn parameters(&self) -> Vec<(&(dyn ToSql + Sync), Type)> {
        self.values.iter().map(Value::parameter).collect()
    }
}

/// Runs statements one after the other, sent together, and returns the rows of each.
pub(crate) async fn run_all(
    transaction: &Transaction<'_>,
    statements: &[Statement],
) -> Result<Vec<Vec<Row>>, Error> {
    let mut all = Vec::with_capacity(statements.len());
    for together in statements.chunks(MAX_SENT) {
        // Each is sent when it is first polled, in this order; of several failures the first is the cause.
        let running = together.iter().map(|statement| statement.run(transaction));
        all.extend(try_join_all(running).await?);
    }
    Ok(all)
}

impl Database {
    /// Makes a transaction of a few statements that need no answers of each other, and returns the rows of each. All is sent
    /// together, so it takes one round trip. It is repeated until it is answered or the request's time is over: only for
    /// statements that may be made twice. Whether they were made before can be seen by their rows alone.
    pub(crate) async fn transact(&self, statements: &[Statement]) -> Result<Vec<Vec<Row>>, Error> {
        let mut attempts = self.attempts();
        loop {
            match self.try_transact(attempts.deadline, statements).await {
                Ok(rows) => return Ok(rows),
                Err(failure) => attempts.again(failure).await?,
            }
        }
    }

    /// Runs one statement that may take long, for as long as an hour. It is not repeated.
    pub(crate) async fn run_long(&self, statement: &Statement) -> Result<Vec<Row>, Error> {
        let transaction = self.begin_any(Instant::now() + LONG).await?;
        let unlimited = Statement::new(statement.doing, UNLIMITED, []);
        unlimited.run(&transaction).await?;
        let rows = statement.run(&transaction).await?;
        transaction.commit(statement.doing).await?;
        Ok(rows)
    }

    async fn try_transact(
        &self,
        deadline: Instant,
        statements: &[Statement],
    ) -> Result<Vec<Vec<Row>>, Error> {
        self.allow_change()?;
        let connection = self.pool.connection(Use::Write, deadline).await?;
        let parameters: Vec<_> = statements.iter().map(Statement::parameters).collect();
        let queries = statements.iter().zip(&parameters).map(|(statement, parameters)| {
            within(
                deadline,
                statement.doing,
                connection.query_typed(statement.sql, parameters),
            )
        });
        // Each is sent when it is first polled, in this order. After a failure the server makes a ROLLBACK of the COMMIT.
        let begin = within(
            deadline,
            "begin a transaction",
            connection.batch_execute(&self.begin.fenced),
        );
        let commit = within(deadline, "commit", connection.batch_execute("COMMIT"));
        let made = try_join3(begin, try_join_all(queries), commit).await;
        match made {
            Ok(((), rows, ())) => {
                connection.release();
                Ok(rows)
            }
            Err(failure) => {
                drop(connection); // another one finds out why
                Err(self.explained(failure).await)
            }
        }
    }
}
