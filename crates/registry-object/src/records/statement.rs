//! Statements with their values.

use tokio_postgres::{
    Row,
    types::{ToSql, Type},
};
use wharf_content::Error;

use crate::database::{Query as _, Transaction};

/// The most statements that are sent before the first is answered.
const MAX_SENT: usize = 16;

/// A statement that changes rows.
pub(super) struct Statement {
    doing: &'static str,
    sql: &'static str,
    values: Vec<Value>,
}

/// A parameter.
pub(super) enum Value {
    Integer(Option<i64>),
    Text(Option<String>),
    Texts(Vec<String>),
}

impl Value {
    pub(super) fn text(text: &str) -> Self {
        Self::Text(Some(text.to_owned()))
    }

    fn parameter(&self) -> (&(dyn ToSql + Sync), Type) {
        match self {
            Self::Integer(value) => (value, Type::INT8),
            Self::Text(value) => (value, Type::TEXT),
            Self::Texts(value) => (value, Type::TEXT_ARRAY),
        }
    }
}

impl From<i64> for Value {
    fn from(value: i64) -> Self {
        Self::Integer(Some(value))
    }
}

impl Statement {
    pub(super) fn new(
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

    async fn run(&self, transaction: &Transaction<'_>) -> Result<Vec<Row>, Error> {
        let parameters: Vec<_> = self.values.iter().map(Value::parameter).collect();
        transaction.query(self.doing, self.sql, &parameters).await
    }
}

/// Runs statements one after the other, sent together, and returns the rows of each.
pub(super) async fn run_all(
    transaction: &Transaction<'_>,
    statements: &[Statement],
) -> Result<Vec<Vec<Row>>, Error> {
    let mut all = Vec::with_capacity(statements.len());
    for together in statements.chunks(MAX_SENT) {
        // Each is sent when it is first polled, in this order; of several failures the first is the cause.
        let running = together.iter().map(|statement| statement.run(transaction));
        all.extend(futures_util::future::try_join_all(running).await?);
    }
    Ok(all)
}
