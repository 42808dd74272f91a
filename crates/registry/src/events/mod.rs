//! Events: what changed in a repository, told to subscribers.
//!
//! An event is made where a request is known, and travels with its commit, so that an engine records it in the
//! same step. From its [`Outbox`] a [sender](sender) delivers it to each [`Subscriber`].

mod attempt;
mod context;
#[cfg(feature = "server")]
mod delivering;
mod event;
mod format;
mod notifications;
mod outbox;
mod sender;
mod subscriber;

#[cfg(feature = "server")]
pub(crate) use self::delivering::Delivering;
pub(crate) use self::{context::EventContext, notifications::Notifications};
pub use self::{
    event::{Event, EventAction, EventActor, EventDescriptor, EventRequest, EventSource, EventTarget},
    format::EventFormat,
    notifications::EventOptions,
    outbox::{Claimed, EventClaim, EventListener, EventSignal, Outbox},
    subscriber::{Delivery, Subscriber},
};

/// The time for which an event is kept for a subscriber that does not accept it.
pub(crate) const MAX_AGE: std::time::Duration = std::time::Duration::from_secs(24 * 60 * 60);
/// The events that are kept for a subscriber.
pub(crate) const MAX_EVENTS: usize = 10_000;
