use std::sync::Arc;

use http::request::Parts;
use tokio::{
    sync::{Mutex, mpsc, watch},
    task::JoinSet,
};
use wharf_content::{Error, ErrorKind};

use super::{
    Event, EventContext, Subscriber,
    context::uuid,
    sender::{self, Sender},
};
use crate::{
    Outbox, Registry,
    events::{EventActor, EventRequest, EventSource},
};

/// The pulls that wait for a subscriber. More are not told.
const MAX_PULLS: usize = 1024;

/// The longest name of a subscriber, in bytes.
const MAX_NAME: usize = 255;

/// The events that a registry makes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct EventOptions {
    /// Whether there are events of pulls. They are delivered once, in any order, and not at all if a subscriber
    /// is slow or fails. Default: `false`.
    pub pulls: bool,
    /// Whether events of pushed manifests list what the manifest names. Default: `false`.
    pub references: bool,
}

impl EventOptions {
    /// Sets [`EventOptions::pulls`].
    #[must_use]
    pub const fn with_pulls(mut self, pulls: bool) -> Self {
        self.pulls = pulls;
        self
    }

    /// Sets [`EventOptions::references`].
    #[must_use]
    pub const fn with_references(mut self, references: bool) -> Self {
        self.references = references;
        self
    }
}

/// The subscribers of a registry.
#[derive(Clone, Default)]
pub(crate) struct Notifications {
    pub(crate) options: EventOptions,
    /// The UUID of the registry; empty without subscribers.
    instance: String,
    subscriptions: Vec<Arc<Subscription>>,
}

struct Subscription {
    name: Arc<str>,
    subscriber: Arc<dyn Subscriber>,
    pulls: mpsc::Sender<Event>,
    /// The other end, for the sender that is running.
    pulled: Arc<Mutex<mpsc::Receiver<Event>>>,
}

impl Registry {
    /// Tells a subscriber what changes from now on. The name is the subscriber's in the backend: registries that
    /// share one must have the same subscribers under the same names. May be called for several.
    ///
    /// A change and its event are one step. For [`MemoryBackend`](crate::MemoryBackend) and
    /// [`DiskBackend`](crate::DiskBackend) events wait in memory: those that were not delivered are lost when the
    /// process is killed. A backend with an [`Outbox`] elsewhere keeps them.
    ///
    /// Not told are what a cache stores and what garbage collection removes. At most 10,000 events of the last
    /// 24 hours wait for a subscriber; [`Observer::events_dropped`](crate::Observer::events_dropped) counts
    /// older ones.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Unsupported`] if the backend has no [`Outbox`]; [`ErrorKind::Invalid`] for a name that another subscriber
    /// of the registry has, of which each would be told a part of the events, for an empty one, for one of more than 255
    /// bytes or with control characters; those of the backend.
    pub async fn with_subscriber(
        mut self,
        name: &str,
        subscriber: impl Subscriber + 'static,
    ) -> Result<Self, Error> {
        self.config.notifications.check_name(name)?;
        outbox(&self)?.subscribe(name).await?;
        let (pulls, pulled) = mpsc::channel(MAX_PULLS);
        let subscription = Subscription {
            name: name.into(),
            subscriber: Arc::new(subscriber),
            pulls,
            pulled: Arc::new(Mutex::new(pulled)),
        };
        let notifications = &mut self.config_mut().notifications;
        if notifications.instance.is_empty() {
            notifications.instance = uuid()?;
        }
        notifications.subscriptions.push(Arc::new(subscription));
        Ok(self)
    }

    /// Sets the events that there are.
    #[must_use]
    pub fn with_event_options(mut self, options: EventOptions) -> Self {
        self.config_mut().notifications.options = options;
        self
    }

    /// Delivers events to the subscribers, until the future is dropped or no subscriber wants events any more.
    /// A served registry does this by itself.
    pub async fn deliver_events(&self) {
        let (_open, closing) = watch::channel(false);
        deliver(self, &closing).await;
    }
}

fn outbox(registry: &Registry) -> Result<&dyn Outbox, Error> {
    let message = "the backend has no outbox, so that it cannot tell subscribers of events";
    let outbox = registry.state.backend.outbox();
    outbox.ok_or_else(|| Error::new(ErrorKind::Unsupported, message))
}

/// Delivers events. When it is closing, it ends as soon as nothing can be delivered at once.
pub(super) async fn deliver(registry: &Registry, closing: &watch::Receiver<bool>) {
    let mut senders = JoinSet::new();
    for subscription in &registry.config.notifications.subscriptions {
        let sender = Sender {
            state: Arc::clone(&registry.state),
            name: Arc::clone(&subscription.name),
            subscriber: Arc::clone(&subscription.subscriber),
        };
        let pulled = Arc::clone(&subscription.pulled);
        let subscriber = Arc::clone(&subscription.subscriber);
        let closing = closing.clone();
        senders.spawn(async move {
            let mut pulls = JoinSet::new(); // which end with the sender
            pulls.spawn(sender::tell_pulls(pulled, subscriber));
            sender.run(closing).await;
        });
    }
    while senders.join_next().await.is_some() {}
}

impl Notifications {
    /// Checks the name of a new subscriber.
    fn check_name(&self, name: &str) -> Result<(), Error> {
        let invalid = |message: String| Err(Error::new(ErrorKind::Invalid, message));
        if name.is_empty() || name.len() > MAX_NAME || name.chars().any(char::is_control) {
            return invalid(format!(
                "a subscriber of events cannot have the name {:?}: it needs 1 to {MAX_NAME} bytes without control characters",
                name.chars().take(MAX_NAME).collect::<String>()
            ));
        }
        if self.subscriptions.iter().any(|other| *other.name == *name) {
            return invalid(format!(
                "two subscribers of events have the name {name:?}: each would be told a part of the events; give each its own name, and each URL once"
            ));
        }
        Ok(())
    }

    fn context(&self, registry: &Registry, request: EventRequest, actor: Option<&str>) -> EventContext {
        let config = &registry.config;
        let url = config.external.as_ref().or(config.listening.as_ref());
        let addr = url.and_then(|url| url.split_once("://")).map(|(_, addr)| addr);
        EventContext {
            url: url.cloned(),
            source: EventSource {
                addr: addr.map(str::to_owned),
                instance_id: self.instance.clone(),
            },
            request,
            actor: EventActor {
                name: actor.map(str::to_owned),
            },
            references: self.options.references,
        }
    }

    /// The circumstances of a request, if anybody is to be told.
    pub(crate) fn of_request(
        &self,
        registry: &Registry,
        parts: &Parts,
        user: Option<&str>,
    ) -> Result<Option<EventContext>, Error> {
        if self.subscriptions.is_empty() {
            return Ok(None);
        }
        Ok(Some(self.context(registry, EventRequest::of(parts)?, user)))
    }

    /// The circumstances of a change in this process, if anybody is to be told.
    pub(crate) fn of_process(&self, registry: &Registry) -> Result<Option<EventContext>, Error> {
        if self.subscriptions.is_empty() {
            return Ok(None);
        }
        Ok(Some(self.context(registry, EventRequest::local()?, None)))
    }

    /// Tells of a pull, if pulls are told.
    pub(crate) fn pulled(&self, event: impl Fn() -> Result<Event, Error>) {
        if !self.options.pulls {
            return;
        }
        for subscription in &self.subscriptions {
            if let Ok(event) = event() {
                let _ = subscription.pulls.try_send(event); // a subscriber that is slow misses it
            }
        }
    }
}
