use std::time::Duration;

use tokio::{sync::watch, task::JoinHandle, time::timeout};

use super::notifications::deliver;
use crate::Registry;

/// The delivery of events of a served registry.
pub(crate) struct Delivering {
    closing: watch::Sender<bool>,
    senders: JoinHandle<()>,
}

impl Delivering {
    /// How long the last events may take when a server shuts down.
    const LAST: Duration = Duration::from_secs(5);

    pub(crate) fn start(registry: &Registry) -> Self {
        let (closing, closed) = watch::channel(false);
        let registry = registry.clone();
        let senders = tokio::spawn(async move { deliver(&registry, &closed).await });
        Self { closing, senders }
    }

    /// Delivers what can be delivered at once, and ends.
    pub(crate) async fn end(&mut self, registry: &Registry) {
        self.closing.send_replace(true);
        if let Some(outbox) = registry.state.backend.outbox() {
            outbox.signal().notify();
        }
        let _ = timeout(Self::LAST, &mut self.senders).await; // what is left then waits for another process
    }
}

impl Drop for Delivering {
    fn drop(&mut self) {
        self.senders.abort();
    }
}
