use std::collections::BTreeMap;

use tokio::time::Instant;

use super::histogram::{Bytes, Histogram, Seconds};

/// The name of an endpoint in `registry_http_*`.
pub(super) type Handler = &'static str;
pub(super) type Method = &'static str;

#[derive(Default)]
pub(super) struct Counts {
    pub(super) requests: BTreeMap<(Handler, Method, u16), u64>,
    pub(super) running: BTreeMap<Handler, u64>,
    pub(super) durations: BTreeMap<(Handler, Method), Histogram<Seconds>>,
    pub(super) sizes: BTreeMap<Handler, Sizes>,
    pub(super) received: u64,
    pub(super) sent: u64,
    /// Calls of the backend, with their outcomes.
    pub(super) calls: BTreeMap<(&'static str, &'static str), u64>,
    pub(super) call_durations: BTreeMap<&'static str, Histogram<Seconds>>,
    pub(super) corrupt: u64,
    /// Whether changes fail now.
    pub(super) failing: bool,
    pub(super) failures: u64,
    pub(super) collections: Collections,
    /// Whether the backend does not answer.
    pub(super) unreachable: bool,
    /// Of a pull-through cache, by the handler.
    pub(super) cache: BTreeMap<Handler, Cache>,
    /// By subscriber.
    pub(super) deliveries: BTreeMap<String, Deliveries>,
}

/// The events for a subscriber.
#[derive(Default)]
pub(super) struct Deliveries {
    pub(super) accepted: u64,
    pub(super) failed: u64,
    pub(super) dropped: u64,
    /// The statuses of the answers to deliveries that failed.
    pub(super) refusals: BTreeMap<u16, u64>,
}

/// Answers with content of a pull-through cache.
#[derive(Default)]
pub(super) struct Cache {
    /// Those whose content was here.
    pub(super) hits: u64,
    /// Those whose content came from upstream.
    pub(super) misses: u64,
    /// Bytes that came from upstream.
    pub(super) fetched: u64,
    /// Bytes that were sent.
    pub(super) sent: u64,
}

#[derive(Default)]
pub(super) struct Sizes {
    pub(super) received: Histogram<Bytes>,
    pub(super) sent: Histogram<Bytes>,
}

#[derive(Default)]
pub(super) struct Collections {
    pub(super) done: u64,
    pub(super) failed: u64,
    pub(super) manifests: u64,
    pub(super) blobs: u64,
    pub(super) contents: u64,
    pub(super) bytes: u64,
    /// Objects that could not be deleted.
    pub(super) objects: u64,
    pub(super) durations: Histogram<Seconds>,
    /// When the last one ended well.
    pub(super) last: Option<Instant>,
}
