//! Blocking work from async code, whatever the runtime: a thread of its own per call.
//!
//! A look-up reads small files and may wait for a helper program for half a minute. A thread costs less than
//! the program it waits for, and keeps this crate free of any runtime.

use std::{
    future::Future,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll, Waker},
    thread,
};

use wharf_auth::CredentialError;

/// Runs `work` on a new thread. The work goes on when the future is dropped, unless it is told of that.
pub(super) async fn offload<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, CredentialError> {
    let shared = Arc::new(Mutex::new(State::default()));
    let finish = Finish(Arc::clone(&shared));
    thread::Builder::new()
        .name("wharf-credentials".to_owned())
        .spawn(move || {
            let result = work();
            finish.with(result);
        })
        .map_err(|error| CredentialError::new("cannot start a thread for credentials").with_source(error))?;
    Outcome(shared)
        .await
        .ok_or_else(|| CredentialError::new("the look-up of credentials ended unexpectedly"))
}

struct State<T> {
    result: Option<T>,
    finished: bool,
    waker: Option<Waker>,
}

impl<T> Default for State<T> {
    fn default() -> Self {
        Self {
            result: None,
            finished: false,
            waker: None,
        }
    }
}

/// Wakes the waiting side when it is dropped, so that a panic in the work is seen as well.
struct Finish<T>(Arc<Mutex<State<T>>>);

impl<T> Finish<T> {
    fn with(self, result: T) {
        lock(&self.0).result = Some(result);
    }
}

impl<T> Drop for Finish<T> {
    fn drop(&mut self) {
        let waker = {
            let mut state = lock(&self.0);
            state.finished = true;
            state.waker.take()
        };
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

struct Outcome<T>(Arc<Mutex<State<T>>>);

impl<T> Future for Outcome<T> {
    type Output = Option<T>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let mut state = lock(&self.0);
        if state.finished {
            return Poll::Ready(state.result.take());
        }
        state.waker = Some(context.waker().clone());
        Poll::Pending
    }
}

fn lock<T>(state: &Mutex<State<T>>) -> std::sync::MutexGuard<'_, State<T>> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}
