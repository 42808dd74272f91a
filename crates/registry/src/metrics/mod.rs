//! Counts of a registry's work for Prometheus.

mod counts;
mod histogram;
mod labels;
mod text;

use std::{
    fmt,
    sync::{Arc, Mutex},
    time::Duration,
};

use wharf_content::Error;
use wharf_reference::Digest;

use self::{
    counts::{Collections, Counts, Deliveries},
    labels::{handler, kind, method},
};
use crate::{Answered, BackendCall, GcReport, NotReady, Observer, Registry, RouteKind, sync::LockExt as _};

/// Counters of a registry in Prometheus' text format. An [`Observer`] that counts; clones share the counts.
///
/// | family | labels | counts |
/// |---|---|---|
/// | `wharf_requests_total`, `registry_http_requests_total` | endpoint or handler, method, status or code | requests that were answered; 499 is a client that went first |
/// | `wharf_request_seconds`, `registry_http_request_duration_seconds` | endpoint; handler, method | time from the head of a request to the end of its answer |
/// | `registry_http_in_flight_requests` | handler | requests that are being answered |
/// | `registry_http_request_size_bytes`, `registry_http_response_size_bytes` | handler | bytes of bodies |
/// | `wharf_received_bytes_total`, `wharf_sent_bytes_total` | | bytes of bodies |
/// | `wharf_store_requests_total` | op, outcome | calls of the backend |
/// | `wharf_store_seconds` | op | time of these; that of `write` is as long as a client sends |
/// | `wharf_commit_seconds` | | time of commits, with or without content |
/// | `wharf_commit_repeated_total`, `wharf_commit_lost_total` | | attempts of commits that the engine made again, and those of them whose first attempt had been made; [`Backend::repeated_commits`](crate::Backend::repeated_commits) |
/// | `wharf_backend_reachable` | | whether the backend answers, where [`Readiness`](crate::Readiness) watches it |
/// | `wharf_storage_failing`, `wharf_storage_failures_total` | | whether changes fail, and how often they began to |
/// | `wharf_corrupt_total` | | contents that were found corrupt |
/// | `wharf_gc_runs_total`, `wharf_gc_removed_total`, `wharf_gc_bytes_total`, `wharf_gc_seconds` | kind | collections of garbage, and what they removed |
/// | `wharf_gc_failed_objects_total` | | objects that collections could not delete; a later one tries again |
/// | `wharf_gc_doomed` | | objects that wait for their deletion; [`Registry::inventory`] |
/// | `wharf_gc_age_seconds` | | time since the last one ended well; absent before the first |
/// | `wharf_events_delivered_total`, `wharf_events_failed_total`, `wharf_events_dropped_total`, `registry_notifications_events_total` | subscriber; endpoint, type | events that a subscriber has accepted, attempts that failed, events that were given up |
/// | `registry_notifications_status_total` | endpoint, code | answers of endpoints: the status of those that refused an event, 200 for each that accepted one, whatever its 2xx is |
/// | `wharf_events_pending`, `registry_notifications_pending_total` | | events that wait; [`Registry::inventory`] |
/// | `wharf_cache_hits_total`, `wharf_cache_misses_total`, `registry_proxy_requests_total`, `registry_proxy_hits_total`, `registry_proxy_misses_total` | kind; type | of a [pull-through cache](crate::Registry::with_upstream): answers with manifests and blobs that it had, and that it fetched |
/// | `wharf_cache_bytes_total`, `registry_proxy_pulled_bytes_total`, `registry_proxy_pushed_bytes_total` | kind; type | bytes of them that came from upstream, and that were sent to clients |
/// | `wharf_repositories`, `wharf_tags`, `wharf_manifests`, `wharf_blobs`, `wharf_bytes`, `wharf_uploads`, `wharf_uploading_bytes` | | [`Registry::inventory`] |
///
/// The families `registry_http_*`, `registry_notifications_*` and `registry_proxy_*` have the names and labels of Docker's
/// registry; of the events, `Failures` are also what it counts as `Errors`. All labels have few values, none of which a client chooses.
///
/// ```
/// use wharf_registry::{Metrics, Registry};
///
/// # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
/// let metrics = Metrics::default();
/// let registry = Registry::memory().with_observer(metrics.clone());
/// let request = http::Request::get("/v2/").body(String::new())?;
/// drop(registry.handle(request).await);
/// let text = metrics.text(&registry);
/// assert!(text.contains("registry_http_requests_total{code=\"200\",handler=\"base\",method=\"get\"} 1\n"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Default)]
pub struct Metrics(Arc<Mutex<Counts>>);

impl Metrics {
    /// All families, for the `Content-Type` `text/plain; version=0.0.4`. The inventory is this registry's.
    #[must_use]
    pub fn text(&self, registry: &Registry) -> String {
        let commits = registry.state.backend.repeated_commits();
        let is_cache = registry.config.through.is_some();
        text::render(&self.0.locked(), &registry.inventory(), commits, is_cache)
    }

    fn deliveries(&self, subscriber: &str, count: impl FnOnce(&mut Deliveries)) {
        let mut counts = self.0.locked();
        if let Some(deliveries) = counts.deliveries.get_mut(subscriber) {
            count(deliveries);
        } else {
            count(counts.deliveries.entry(subscriber.to_owned()).or_default());
        }
    }
}

impl Observer for Metrics {
    fn begun(&self, route: Option<RouteKind>) {
        *self.0.locked().running.entry(handler(route)).or_default() += 1;
    }

    fn answered(&self, answered: &Answered) {
        let (handler, method) = (handler(answered.route), method(&answered.method));
        let seconds = answered.duration.as_secs_f64();
        let mut counts = self.0.locked();
        let running = counts.running.entry(handler).or_default();
        *running = running.saturating_sub(1);
        let request = (handler, method, answered.status.as_u16());
        *counts.requests.entry(request).or_default() += 1;
        counts
            .durations
            .entry((handler, method))
            .or_default()
            .add(seconds);
        let sizes = counts.sizes.entry(handler).or_default();
        sizes.received.add(approximately(answered.received));
        sizes.sent.add(approximately(answered.sent));
        if let Some(fetched) = answered.fetched {
            let cache = counts.cache.entry(handler).or_default();
            let answers = if fetched == 0 {
                &mut cache.hits
            } else {
                &mut cache.misses
            };
            *answers += 1;
            cache.fetched = cache.fetched.saturating_add(fetched);
            cache.sent = cache.sent.saturating_add(answered.sent);
        }
        counts.received = counts.received.saturating_add(answered.received);
        counts.sent = counts.sent.saturating_add(answered.sent);
    }

    fn corrupt(&self, _: &Digest) {
        self.0.locked().corrupt += 1;
    }

    fn storage_failed(&self, _: &Error) {
        let mut counts = self.0.locked();
        counts.failing = true;
        counts.failures += 1;
    }

    fn storage_recovered(&self) {
        self.0.locked().failing = false;
    }

    fn called(&self, call: BackendCall, duration: Duration, failure: Option<&Error>) {
        let outcome = failure.map_or("ok", |error| kind(error.kind()));
        let mut counts = self.0.locked();
        *counts.calls.entry((call.name(), outcome)).or_default() += 1;
        let seconds = duration.as_secs_f64();
        counts.call_durations.entry(call.name()).or_default().add(seconds);
        if call == BackendCall::Collect && failure.is_some() {
            counts.collections.failed += 1;
        }
    }

    fn collected(&self, report: &GcReport, duration: Duration) {
        self.0.locked().collections.add(report, duration);
    }

    fn reachable(&self, unreachable: Option<&NotReady>) {
        self.0.locked().unreachable = unreachable.is_some();
    }

    fn delivered(&self, subscriber: &str) {
        self.deliveries(subscriber, |deliveries| deliveries.accepted += 1);
    }

    fn delivery_failed(&self, subscriber: &str, error: &Error) {
        self.deliveries(subscriber, |deliveries| {
            deliveries.failed += 1;
            if let Some(status) = error.status() {
                *deliveries.refusals.entry(status).or_default() += 1;
            }
        });
    }

    fn events_dropped(&self, subscriber: &str, count: u64) {
        self.deliveries(subscriber, |deliveries| deliveries.dropped += count);
    }
}

impl Collections {
    fn add(&mut self, report: &GcReport, duration: Duration) {
        self.done += 1;
        self.manifests += report.manifests;
        self.blobs += report.blobs;
        self.contents += report.content;
        self.bytes += report.bytes;
        self.objects += report.failed;
        self.durations.add(duration.as_secs_f64());
        self.last = Some(tokio::time::Instant::now());
    }
}

#[expect(
    clippy::cast_precision_loss,
    reason = "a sum of bytes is exact up to 8 PiB, and a histogram needs no more"
)]
const fn approximately(bytes: u64) -> f64 {
    bytes as f64
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Metrics").finish_non_exhaustive()
    }
}
