use std::{fmt, time::Duration};

use async_trait::async_trait;
use tokio::sync::watch;
use wharf_content::Error;

use super::Event;
use crate::RepositoryPath;

/// The events that an engine has recorded with its commits and that subscribers have not accepted yet.
///
/// Each subscriber has, for each repository, a position behind which it has accepted everything. A sender claims a
/// repository, never single events: two senders would overtake each other. A claim ends with its lease, so that
/// the events of a sender that has died go to another: an event may come twice, and it never goes missing.
#[async_trait]
pub trait Outbox: Send + Sync + fmt::Debug {
    /// Adds a subscriber, which gets the events of commits that begin after this. One that is there stays as
    /// it is, and gets events again if it had unsubscribed.
    ///
    /// # Errors
    ///
    /// Those of the storage.
    async fn subscribe(&self, subscriber: &str) -> Result<(), Error>;

    /// Drops the events of a subscriber, which gets no more, whoever sends them.
    ///
    /// # Errors
    ///
    /// Those of the storage.
    async fn unsubscribe(&self, subscriber: &str) -> Result<(), Error>;

    /// Claims, for the time of `lease`, a repository that has events for the subscriber and that nobody has
    /// claimed: its first events, at most `limit`, which is at least 1.
    ///
    /// # Errors
    ///
    /// Those of the storage.
    async fn claim(&self, subscriber: &str, lease: Duration, limit: usize) -> Result<Claimed, Error>;

    /// Records that the subscriber has accepted the event with this number and all before it, and renews the
    /// lease. `false` if the claim has ended meanwhile: another sender may have the repository.
    ///
    /// # Errors
    ///
    /// Those of the storage.
    async fn acknowledge(&self, claim: &EventClaim, number: u64, lease: Duration) -> Result<bool, Error>;

    /// Ends a claim. After a failure the repository cannot be claimed before `pause` is over, and
    /// [`EventClaim::failures`] is one more, until an event is acknowledged.
    ///
    /// # Errors
    ///
    /// Those of the storage.
    async fn release(&self, claim: &EventClaim, pause: Option<Duration>) -> Result<(), Error>;

    /// Drops events of a subscriber that are older than `age`, and the oldest of more than `limit`. Returns how
    /// many this engine has dropped for the subscriber since the last call, of events that nobody has accepted.
    ///
    /// # Errors
    ///
    /// Those of the storage.
    async fn expire(&self, subscriber: &str, age: Duration, limit: usize) -> Result<u64, Error>;

    /// The signal that is given when this engine has recorded events.
    fn signal(&self) -> &EventSignal;
}

/// The outcome of [`Outbox::claim`].
#[derive(Debug)]
pub enum Claimed {
    /// A repository was claimed.
    Events(EventClaim),
    /// There is none now. After this time there may be one, if no event is recorded before; `None`: only then.
    Nothing(Option<Duration>),
    /// The subscriber is none any more.
    Unsubscribed,
}

/// A repository that a sender has claimed.
#[derive(Debug)]
#[non_exhaustive]
pub struct EventClaim {
    /// The subscriber.
    pub subscriber: Box<str>,
    /// The repository.
    pub repository: RepositoryPath,
    /// The events, in order, with their numbers.
    pub events: Vec<Event>,
    /// The number of times that the delivery of the first event has failed.
    pub failures: u32,
    /// A number by which the engine knows the claim.
    pub token: u64,
}

impl EventClaim {
    /// A claim of a repository whose first event has not failed yet.
    #[must_use]
    pub fn new(subscriber: &str, repository: RepositoryPath, events: Vec<Event>, token: u64) -> Self {
        Self {
            subscriber: subscriber.into(),
            repository,
            events,
            failures: 0,
            token,
        }
    }

    /// Sets [`EventClaim::failures`].
    #[must_use]
    pub const fn with_failures(mut self, failures: u32) -> Self {
        self.failures = failures;
        self
    }
}

/// A signal from whoever records events to those who wait for them.
#[derive(Debug)]
pub struct EventSignal(watch::Sender<()>);

impl Default for EventSignal {
    fn default() -> Self {
        Self(watch::Sender::new(()))
    }
}

impl EventSignal {
    /// Gives the signal.
    pub fn notify(&self) {
        self.0.send_replace(());
    }

    /// Waits for signals from now on.
    #[must_use]
    pub fn listen(&self) -> EventListener {
        EventListener(self.0.subscribe())
    }
}

/// Waits for an [`EventSignal`].
#[derive(Debug)]
pub struct EventListener(watch::Receiver<()>);

impl EventListener {
    /// Returns when the signal has been given since [`EventSignal::listen`] or since this returned last. Never
    /// returns if the signal is gone.
    pub async fn notified(&mut self) {
        if self.0.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}
