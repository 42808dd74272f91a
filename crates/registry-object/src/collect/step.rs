//! Transactions of a collection.

use std::future::Future;

use tokio_postgres::Row;
use wharf_content::Error;

use crate::{
    Database,
    database::{Attempts, Statement, Transaction, run_all},
};

pub(super) const DOING: &str = "collect what nobody needs";

/// A change of a collection that is one transaction.
pub(super) trait Step: Sync {
    type Done: Send;

    /// Makes the change.
    fn run(&self, transaction: &Transaction<'_>) -> impl Future<Output = Result<Self::Done, Error>> + Send;
}

/// Statements that need no answers of each other, with the rows of each.
impl Step for [Statement] {
    type Done = Vec<Vec<Row>>;

    async fn run(&self, transaction: &Transaction<'_>) -> Result<Vec<Vec<Row>>, Error> {
        run_all(transaction, self).await
    }
}

/// Makes a change, and repeats it until the request's time is over. A change whose commit got no answer is made once
/// more, and finds less to do then.
pub(super) async fn make<S: Step + ?Sized>(database: &Database, step: &S) -> Result<S::Done, Error> {
    let mut attempts = database.attempts();
    loop {
        match attempt(database, &attempts, step).await {
            Ok(done) => return Ok(done),
            Err(failure) => attempts.again_if_linked(failure).await?,
        }
    }
}

async fn attempt<S: Step + ?Sized>(
    database: &Database,
    attempts: &Attempts,
    step: &S,
) -> Result<S::Done, Error> {
    let transaction = database.begin(attempts.deadline).await?;
    let done = step.run(&transaction).await?;
    transaction.commit(DOING).await?;
    Ok(done)
}
