use std::sync::Arc;

use async_trait::async_trait;
use wharf_content::Error;

use super::Event;

/// Whoever is told of events.
///
/// Events of one repository are delivered in the order of their commits, one at a time, each again until it is
/// accepted. An event is delivered at least once: after a failure between the delivery and its record it comes
/// again, with the same [`Event::id`]. What an event is about can be read when the event comes.
///
/// ```
/// use wharf_content::Error;
/// use wharf_registry::{Delivery, Event, Registry, Subscriber};
///
/// struct Print;
///
/// #[async_trait::async_trait]
/// impl Subscriber for Print {
///     async fn deliver(&self, event: &Event) -> Result<Delivery, Error> {
///         println!("{:?} {}", event.action, event.target.repository);
///         Ok(Delivery::Accepted)
///     }
/// }
///
/// # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
/// let registry = Registry::memory().with_subscriber("print", Print).await?;
/// # drop(registry);
/// # Ok::<(), wharf_content::Error>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[async_trait]
pub trait Subscriber: Send + Sync {
    /// Delivers an event. The future is dropped after 20 s, which counts as a failure, and so does a panic. It must not
    /// block its thread. It may use the registry that tells it.
    ///
    /// # Errors
    ///
    /// The reason why the event was not accepted. It is delivered again, after a second at first and five
    /// minutes at last, or after [`Error::retry_after`] if that is longer, up to five minutes. Meanwhile other
    /// repositories go on: one that has a new event waits for at most ten seconds, or as long as was asked for.
    async fn deliver(&self, event: &Event) -> Result<Delivery, Error>;
}

/// The answer of a [`Subscriber`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Delivery {
    /// It has accepted the event.
    Accepted,
    /// It wants no event any more, until a registry is opened with it again.
    Unsubscribe,
}

#[async_trait]
impl<S: Subscriber + ?Sized> Subscriber for Arc<S> {
    async fn deliver(&self, event: &Event) -> Result<Delivery, Error> {
        (**self).deliver(event).await
    }
}
