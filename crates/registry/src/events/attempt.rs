//! One call of a subscriber, which is foreign code.

use std::{
    future::poll_fn,
    panic::{AssertUnwindSafe, catch_unwind},
    task::Poll,
    time::Duration,
};

use tokio::time::timeout;
use wharf_content::{Error, ErrorKind};

use super::{Delivery, Event, Subscriber};

/// The time of one delivery, which ends before the lease of a claim does.
const DELIVERY: Duration = Duration::from_secs(20);

/// Delivers an event. A subscriber that panics or takes too long has failed, as one that returns an error.
pub(super) async fn deliver(subscriber: &dyn Subscriber, event: &Event) -> Result<Delivery, Error> {
    let delivering = async {
        let mut delivering = caught(|| subscriber.deliver(event))?;
        let polled = poll_fn(|context| match caught(|| delivering.as_mut().poll(context)) {
            Ok(polled) => polled,
            Err(panicked) => Poll::Ready(Err(panicked)),
        });
        polled.await
    };
    let late = |_| {
        Err(Error::new(
            ErrorKind::Timeout,
            "the event was not accepted in 20 s",
        ))
    };
    timeout(DELIVERY, delivering).await.unwrap_or_else(late)
}

/// The future is not polled again after a panic, and an event is not changed: nothing that is half done is seen.
fn caught<T>(call: impl FnOnce() -> T) -> Result<T, Error> {
    let panicked = |_| Error::new(ErrorKind::Other, "the subscriber panicked");
    catch_unwind(AssertUnwindSafe(call)).map_err(panicked)
}
