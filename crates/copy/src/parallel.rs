use std::{future::Future, num::NonZeroUsize};

use tokio::task::{JoinError, JoinSet};
use wharf_content::{Error, ErrorKind};

/// Runs futures on tasks of their own, at most `limit` at a time, and returns their results in order.
///
/// The first failure is returned once the other tasks were aborted and have ended. Dropping the future
/// aborts all tasks.
pub(crate) async fn each<T, F>(limit: NonZeroUsize, futures: Vec<F>) -> Result<Vec<T>, Error>
where
    T: Send + 'static,
    F: Future<Output = Result<T, Error>> + Send + 'static,
{
    let mut results: Vec<Option<T>> = futures.iter().map(|_| None).collect();
    let mut waiting = futures.into_iter().enumerate();
    let mut tasks = JoinSet::new();
    loop {
        while tasks.len() < limit.get()
            && let Some((position, future)) = waiting.next()
        {
            tasks.spawn(async move { Ok((position, future.await?)) });
        }
        match joined(&mut tasks).await? {
            Some((position, value)) => {
                if let Some(slot) = results.get_mut(position) {
                    *slot = Some(value);
                }
            }
            None => return Ok(results.into_iter().flatten().collect()),
        }
    }
}

/// The result of the next task; `None` when all have ended. After a failure the other tasks are aborted and
/// have ended when this returns.
pub(crate) async fn joined<T: 'static>(tasks: &mut JoinSet<Result<T, Error>>) -> Result<Option<T>, Error> {
    let result = match tasks.join_next().await {
        None => return Ok(None),
        Some(Ok(result)) => result,
        Some(Err(failure)) => Err(without_result(failure)),
    };
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error) => {
            tasks.shutdown().await;
            Err(error)
        }
    }
}

fn without_result(failure: JoinError) -> Error {
    Error::new(ErrorKind::Other, "a task of the copy ended without a result").with_source(failure)
}
