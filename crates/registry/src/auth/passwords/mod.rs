//! Limits how many passwords are checked at a time. A check costs a client nothing and this process tens of
//! milliseconds; clients that wait are served [fairly](waiting).

mod waiting;

use std::{
    hash::{BuildHasher as _, RandomState},
    sync::{Arc, Mutex, MutexGuard},
    thread,
    time::Duration,
};

use http::StatusCode;
use tokio::{sync::oneshot, time::timeout};

use self::waiting::Waiting;
use crate::{client::ClientNetwork, error::ApiError, sync::LockExt as _};

/// The time that a client waits for the check of a password before it is answered 429.
const LONGEST_WAIT: Duration = Duration::from_secs(30);

/// The queue for password checks of a registry. Clones share it.
#[derive(Clone)]
pub(crate) struct PasswordQueue {
    state: Arc<Mutex<State>>,
    /// Hashes user names, so that an entry of the queue is small.
    names: RandomState,
}

struct State {
    /// The checks that may begin now.
    free: usize,
    waiting: Waiting,
    /// Whether the server is shutting down.
    closed: bool,
}

impl Default for PasswordQueue {
    fn default() -> Self {
        // Half of the processor is left for those who are known already.
        let cores = thread::available_parallelism().map_or(1, usize::from);
        Self::with_permits(cores.div_ceil(2))
    }
}

impl PasswordQueue {
    fn with_permits(free: usize) -> Self {
        let state = State {
            free,
            waiting: Waiting::default(),
            closed: false,
        };
        Self {
            state: Arc::new(Mutex::new(state)),
            names: RandomState::new(),
        }
    }

    /// Waits for a permit to check a password of `user` for a client.
    ///
    /// # Errors
    ///
    /// [`Busy`] if the queue is full, the wait took too long, or the server is shutting down.
    pub(in crate::auth) async fn acquire(&self, client: &ClientNetwork, user: &str) -> Result<Permit, Busy> {
        let granted = {
            let mut state = lock(&self.state);
            if state.closed {
                return Err(Busy::Closing);
            }
            if state.free > 0 {
                state.free -= 1;
                return Ok(Permit::new(&self.state));
            }
            let (waiter, granted) = oneshot::channel();
            let name = self.names.hash_one(user);
            if !state.waiting.push(client.network, name, waiter) {
                return Err(Busy::Full);
            }
            granted
        };
        match timeout(LONGEST_WAIT, granted).await {
            Ok(Ok(permit)) => Ok(permit),
            Ok(Err(_)) if lock(&self.state).closed => Err(Busy::Closing),
            _ => Err(Busy::Full),
        }
    }

    /// Refuses the clients that wait, and all that come later.
    #[cfg(feature = "server")]
    pub(crate) fn close(&self) {
        let waiting = {
            let mut state = lock(&self.state);
            state.closed = true;
            std::mem::take(&mut state.waiting)
        };
        drop(waiting);
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.locked()
}

/// A permit to check one password. It is returned when this is dropped. The check owns it, since the check
/// runs to its end although its client has gone.
pub(in crate::auth) struct Permit(Option<Arc<Mutex<State>>>);

impl Permit {
    fn new(state: &Arc<Mutex<State>>) -> Self {
        Self(Some(Arc::clone(state)))
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let Some(state) = self.0.take() else { return };
        loop {
            let next = {
                let mut state = lock(&state);
                let next = state.waiting.pop();
                if next.is_none() {
                    state.free += 1;
                }
                next
            };
            let Some(next) = next else { return };
            match next.send(Self::new(&state)) {
                Ok(()) => return,
                Err(mut unwanted) => unwanted.0 = None, // its client has gone
            }
        }
    }
}

/// The reason why a password cannot be checked now.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Busy {
    Full,
    Closing,
}

impl From<Busy> for ApiError {
    fn from(busy: Busy) -> Self {
        let (status, message) = match busy {
            Busy::Full => (
                StatusCode::TOO_MANY_REQUESTS,
                "too many passwords are being checked",
            ),
            Busy::Closing => (StatusCode::SERVICE_UNAVAILABLE, "shutting down"),
        };
        Self::wait(status, 1, message)
    }
}

#[cfg(test)]
mod tests {
    use std::{future::Future, pin::Pin, task::Poll};

    use super::{waiting::MAX_WAITING, *};
    use crate::client::Network;

    type Pending = Pin<Box<dyn Future<Output = Result<Permit, Busy>>>>;

    fn client(address: &str) -> ClientNetwork {
        ClientNetwork {
            network: Some(Network::of(address.parse().unwrap())),
        }
    }

    /// A client that has asked and waits.
    async fn wait(queue: &PasswordQueue, address: &str, user: &str) -> Pending {
        let (queue, name, client) = (queue.clone(), user.to_owned(), client(address));
        let mut waiting: Pending = Box::pin(async move { queue.acquire(&client, &name).await });
        assert!(now(&mut waiting).await.is_none(), "{user} does not wait");
        waiting
    }

    /// The outcome of this wait; `None` if the client still waits.
    async fn now(waiting: &mut Pending) -> Option<Result<Permit, Busy>> {
        let polled = std::future::poll_fn(|context| Poll::Ready(waiting.as_mut().poll(context))).await;
        match polled {
            Poll::Ready(got) => Some(got),
            Poll::Pending => None,
        }
    }

    fn waiting(queue: &PasswordQueue) -> usize {
        lock(&queue.state).waiting.len()
    }

    #[tokio::test]
    async fn networks_and_names_take_turns() {
        let queue = PasswordQueue::with_permits(1);
        let mut permit = queue.acquire(&client("192.0.2.1"), "x").await.unwrap();
        let mut all = Vec::new();
        for (address, user) in [
            ("192.0.2.1", "nobody"),
            ("192.0.2.1", "nobody"),
            ("192.0.2.1", "nobody"),
            ("192.0.2.1", "ada"),
            ("2001:db8::1", "eve"),
            ("2001:db8::2", "eve"),
            ("2001:db8::3", "bob"),
            ("198.51.100.7", "nobody"),
        ] {
            let waiting = wait(&queue, address, user).await;
            all.push((format!("{address} {user}"), waiting));
        }
        let mut order = Vec::new();
        while !all.is_empty() {
            drop(permit);
            let mut next = None;
            for (number, (_, waiting)) in all.iter_mut().enumerate() {
                if let Some(got) = now(waiting).await {
                    assert!(next.is_none(), "two at a time");
                    next = Some((number, got.unwrap()));
                }
            }
            let (number, got) = next.unwrap();
            order.push(all.remove(number).0);
            permit = got;
        }
        assert_eq!(
            order,
            [
                "192.0.2.1 nobody",
                "2001:db8::1 eve",
                "198.51.100.7 nobody",
                "192.0.2.1 ada",
                "2001:db8::3 bob",
                "192.0.2.1 nobody",
                "2001:db8::2 eve",
                "192.0.2.1 nobody",
            ]
        );
    }

    #[tokio::test]
    async fn who_hangs_up_is_passed_over() {
        let queue = PasswordQueue::with_permits(1);
        let permit = queue.acquire(&client("192.0.2.1"), "x").await.unwrap();
        let mut gone = Vec::new();
        for number in 0..100 {
            gone.push(wait(&queue, "192.0.2.1", &format!("user {number}")).await);
        }
        let mut last = wait(&queue, "192.0.2.1", "ada").await;
        gone.clear();
        drop(permit);
        let permit = now(&mut last).await.unwrap().unwrap();
        assert_eq!(waiting(&queue), 0);
        // A permit that nobody takes any more is given back.
        let left = wait(&queue, "192.0.2.1", "ada").await;
        drop(permit);
        drop(left);
        assert_eq!(lock(&queue.state).free, 1);
    }

    #[tokio::test]
    async fn a_full_queue_makes_room_for_who_has_less() {
        let queue = PasswordQueue::with_permits(1);
        let permit = queue.acquire(&client("192.0.2.1"), "x").await.unwrap();
        let mut attack = Vec::new();
        for _ in 0..MAX_WAITING {
            attack.push(wait(&queue, "192.0.2.1", "nobody").await);
        }
        let full = queue.acquire(&client("192.0.2.1"), "nobody").await;
        assert_eq!(full.err(), Some(Busy::Full));
        let mut ada = wait(&queue, "192.0.2.1", "ada").await;
        let mut eve = wait(&queue, "192.0.2.2", "nobody").await;
        for late in attack.iter_mut().rev().take(2) {
            assert_eq!(now(late).await.unwrap().err(), Some(Busy::Full));
        }
        assert_eq!(waiting(&queue), MAX_WAITING);
        drop(permit);
        let first = now(&mut attack[0]).await.unwrap().unwrap();
        drop(first);
        let second = now(&mut eve).await.unwrap().unwrap();
        drop(second);
        assert!(now(&mut ada).await.unwrap().is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_waits_for_ever() {
        let queue = PasswordQueue::with_permits(1);
        let _permit = queue.acquire(&client("192.0.2.1"), "x").await.unwrap();
        let start = tokio::time::Instant::now();
        let refused = queue.acquire(&client("192.0.2.2"), "ada").await;
        assert_eq!((refused.err(), start.elapsed()), (Some(Busy::Full), LONGEST_WAIT));
    }

    #[cfg(feature = "server")]
    #[tokio::test]
    async fn who_waits_when_the_server_ends_is_told_so() {
        let queue = PasswordQueue::with_permits(1);
        let permit = queue.acquire(&client("192.0.2.1"), "x").await.unwrap();
        let mut waiting = wait(&queue, "192.0.2.1", "ada").await;
        queue.close();
        assert_eq!(now(&mut waiting).await.unwrap().err(), Some(Busy::Closing));
        drop(permit);
        let late = queue.acquire(&client("192.0.2.1"), "ada").await;
        assert_eq!(late.err(), Some(Busy::Closing));
    }
}
