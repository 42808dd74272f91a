//! Copies that report how long they have been waiting.

use std::{
    future::Future,
    sync::{Arc, Mutex},
    time::Duration,
};

use tokio::time::Instant;
use wharf_content::{Error, Event, Progress, Sink, Source, Target};
use wharf_copy::Options;

use crate::{Copied, concurrency::LockExt as _, policy::Admission};

/// The first wait that is reported; afterwards each time it has doubled.
const FIRST: Duration = Duration::from_secs(10);

/// Copies an image that its gate admits, and reports long waits to the listener of the options.
pub(crate) async fn copy(
    source: Arc<dyn Source>,
    sink: Arc<dyn Sink>,
    target: &Target,
    options: Options,
    admission: Admission,
) -> Result<Copied, Error> {
    let (source, options) = (admission.source(source), admission.apply(options));
    let report = reported(options, |options| wharf_copy::copy(source, sink, target, options)).await?;
    Ok(Copied::new(report, admission))
}

/// Runs an operation with options that report its long waits to their listener.
pub(crate) async fn reported<F: Future>(options: Options, operation: impl FnOnce(Options) -> F) -> F::Output {
    let progress = Arc::clone(options.progress());
    watched(progress, |watch| operation(options.with_progress_listener(watch))).await
}

/// Runs an operation with a listener that reports its long waits to this one.
pub(crate) async fn watched<F: Future>(
    progress: Arc<dyn Progress>,
    operation: impl FnOnce(Arc<Watch>) -> F,
) -> F::Output {
    let watch = Arc::new(Watch::new(progress));
    let operation = Box::pin(operation(Arc::clone(&watch))); // its future is large
    watch.during(operation).await
}

/// Forwards events, and reports when there have been none for a while.
pub(crate) struct Watch {
    progress: Arc<dyn Progress>,
    last: Mutex<Instant>,
}

impl Watch {
    fn new(progress: Arc<dyn Progress>) -> Self {
        let last = Mutex::new(Instant::now());
        Self { progress, last }
    }

    /// Runs an operation that reports to this listener, and reports its waits.
    async fn during<F: Future>(&self, operation: F) -> F::Output {
        let mut operation = std::pin::pin!(operation);
        let (mut silent_since, mut due) = (self.last(), FIRST);
        loop {
            if let Ok(done) = tokio::time::timeout_at(silent_since + due, operation.as_mut()).await {
                return done;
            }
            let last = self.last();
            if last == silent_since {
                self.progress.event(Event::Waiting { elapsed: due });
                due = due.saturating_mul(2);
            } else {
                (silent_since, due) = (last, FIRST);
            }
        }
    }

    fn last(&self) -> Instant {
        *self.last.locked()
    }
}

impl Progress for Watch {
    fn event(&self, event: Event<'_>) {
        *self.last.locked() = Instant::now();
        self.progress.event(event);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The seconds of each wait that was reported.
    #[derive(Default)]
    struct Heard(Mutex<Vec<u64>>);

    impl Progress for Heard {
        fn event(&self, event: Event<'_>) {
            if let Event::Waiting { elapsed } = event {
                self.0.lock().unwrap().push(elapsed.as_secs());
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_silence_is_told_of_ever_more_rarely() {
        let table: [(&[u64], &[u64]); 6] = [
            (&[0], &[]),
            (&[9], &[]),
            (&[11], &[10]),
            (&[50], &[10, 20, 40]),
            (&[600], &[10, 20, 40, 80, 160, 320]),
            (&[25, 9, 12], &[10, 20, 10]), // each with an event after it
        ];
        for (pauses, told) in table {
            let heard = Arc::new(Heard::default());
            let watch = Watch::new(heard.clone());
            let operation = async {
                for seconds in pauses {
                    tokio::time::sleep(Duration::from_secs(*seconds)).await;
                    watch.event(Event::Planned { count: 0, bytes: 0 });
                }
            };
            watch.during(operation).await;
            assert_eq!(*heard.0.lock().unwrap(), told, "{pauses:?}");
        }
    }
}
