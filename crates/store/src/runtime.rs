//! Blocking and long work, away from the threads of the runtime.

use std::{
    convert::Infallible,
    future::{Future, poll_fn},
    pin::{Pin, pin},
    task::Poll,
};

use tokio::{runtime::Handle, sync::oneshot, task::JoinError};
use wharf_content::{Error, ErrorKind};

/// Runs blocking work on a thread for blocking work.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Error> + Send + 'static,
) -> Result<T, Error> {
    joined(tokio::task::spawn_blocking(work).await)
}

/// Runs a future that computes for long between two awaits on a thread of its own.
///
/// On a thread of the runtime it would delay the tasks that it wakes: tokio schedules a task that was woken
/// by another on the same thread, so the next piece of a blob would be received only after this one was
/// hashed.
///
/// If this future is dropped, the other one is dropped on its thread as soon as its poll returns.
pub(crate) async fn on_own_thread<T: Send + 'static>(
    future: impl Future<Output = Result<T, Error>> + Send + 'static,
) -> Result<T, Error> {
    let (waiting, mut given_up) = oneshot::channel::<Infallible>();
    let runtime = Handle::current();
    let work = blocking(move || {
        runtime.block_on(async move {
            let mut future = pin!(future);
            poll_fn(|context| {
                if Pin::new(&mut given_up).poll(context).is_ready() {
                    let cancelled = Error::new(ErrorKind::Cancelled, "the operation was cancelled");
                    return Poll::Ready(Err(cancelled));
                }
                future.as_mut().poll(context)
            })
            .await
        })
    });
    let result = work.await;
    drop(waiting);
    result
}

/// The result of work on another thread; an error if the work was cancelled or panicked.
pub(crate) fn joined<T>(result: Result<Result<T, Error>, JoinError>) -> Result<T, Error> {
    result.map_err(|error| {
        let kind = if error.is_cancelled() {
            ErrorKind::Cancelled
        } else {
            ErrorKind::Other
        };
        Error::new(kind, "work on the layout was stopped").with_source(error)
    })?
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    /// Sends a message when it is dropped.
    struct Witness(mpsc::Sender<()>);

    impl Drop for Witness {
        fn drop(&mut self) {
            let _ = self.0.send(());
        }
    }

    #[tokio::test]
    async fn who_gives_up_ends_the_work() {
        let result = on_own_thread(async { Ok(std::thread::current().id()) }).await;
        assert_ne!(result.unwrap(), std::thread::current().id());

        let (sender, dropped) = mpsc::channel();
        let (begun, begins) = oneshot::channel();
        let witness = Witness(sender);
        let endless = on_own_thread(async move {
            let _witness = witness;
            let _ = begun.send(());
            std::future::pending::<Result<(), Error>>().await
        });
        let task = tokio::spawn(endless);
        begins.await.unwrap();
        task.abort();
        assert!(task.await.unwrap_err().is_cancelled());
        dropped.recv().unwrap();
    }
}
