//! Prometheus' text format, 0.0.4.

use std::{collections::BTreeMap, fmt::Write as _};

use super::{
    counts::{Cache, Collections, Counts, Deliveries},
    histogram::{Bounds, Histogram, Seconds},
    labels::{endpoint, upper},
};
use crate::{Inventory, RepeatedCommits};

pub(super) fn render(
    counts: &Counts,
    inventory: &Inventory,
    commits: RepeatedCommits,
    is_cache: bool,
) -> String {
    let mut text = Text(String::new());
    requests(&mut text, counts);
    familiar(&mut text, counts);
    storage(&mut text, counts);
    self::commits(&mut text, counts, commits);
    collections(&mut text, &counts.collections);
    events(&mut text, counts, inventory.events);
    if is_cache {
        cache(&mut text, counts);
    }
    stored(&mut text, inventory);
    text.0
}

struct Text(String);

impl Text {
    fn family(&mut self, name: &str, kind: &str, help: &str) {
        let _ = writeln!(self.0, "# HELP {name} {help}\n# TYPE {name} {kind}"); // writing to a String cannot fail
    }

    /// A sample; `labels` are written as they are to stand between the braces.
    fn sample(&mut self, name: &str, labels: &str, value: impl std::fmt::Display) {
        let _ = if labels.is_empty() {
            writeln!(self.0, "{name} {value}")
        } else {
            writeln!(self.0, "{name}{{{labels}}} {value}")
        };
    }

    fn one(&mut self, name: &str, kind: &str, help: &str, value: impl std::fmt::Display) {
        self.family(name, kind, help);
        self.sample(name, "", value);
    }

    fn histogram<B: Bounds>(&mut self, name: &str, labels: &str, histogram: &Histogram<B>) {
        let separator = if labels.is_empty() { "" } else { "," };
        let bucket = format!("{name}_bucket");
        for (bound, count) in histogram.buckets() {
            self.sample(&bucket, &format!("{labels}{separator}le=\"{bound}\""), count);
        }
        self.sample(
            &bucket,
            &format!("{labels}{separator}le=\"+Inf\""),
            histogram.count,
        );
        self.sample(&format!("{name}_sum"), labels, histogram.sum);
        self.sample(&format!("{name}_count"), labels, histogram.count);
    }
}

/// Requests, by the endpoints that people think of.
fn requests(text: &mut Text, counts: &Counts) {
    let mut by_endpoint = BTreeMap::<_, u64>::new();
    for ((handler, method, status), count) in &counts.requests {
        *by_endpoint
            .entry((endpoint(handler), *method, *status))
            .or_default() += count;
    }
    let name = "wharf_requests_total";
    text.family(name, "counter", "Requests that were answered.");
    for ((endpoint, method, status), count) in by_endpoint {
        let method = upper(method);
        let labels = format!("endpoint=\"{endpoint}\",method=\"{method}\",status=\"{status}\"");
        text.sample(name, &labels, count);
    }
    let mut durations = BTreeMap::<_, Histogram<Seconds>>::new();
    for ((handler, _), histogram) in &counts.durations {
        durations.entry(endpoint(handler)).or_default().merge(histogram);
    }
    let name = "wharf_request_seconds";
    text.family(
        name,
        "histogram",
        "From a request's head to the end of its answer.",
    );
    for (endpoint, histogram) in &durations {
        text.histogram(name, &format!("endpoint=\"{endpoint}\""), histogram);
    }
    let (received, sent) = (counts.received, counts.sent);
    text.one(
        "wharf_received_bytes_total",
        "counter",
        "Bytes of requests' bodies.",
        received,
    );
    text.one(
        "wharf_sent_bytes_total",
        "counter",
        "Bytes of answers' bodies.",
        sent,
    );
}

/// Requests, by the names of Docker's registry.
fn familiar(text: &mut Text, counts: &Counts) {
    let name = "registry_http_requests_total";
    text.family(name, "counter", "Total number of HTTP requests made.");
    for ((handler, method, status), count) in &counts.requests {
        let labels = format!("code=\"{status}\",handler=\"{handler}\",method=\"{method}\"");
        text.sample(name, &labels, count);
    }
    let name = "registry_http_in_flight_requests";
    text.family(name, "gauge", "The in-flight HTTP requests");
    for (handler, running) in &counts.running {
        text.sample(name, &format!("handler=\"{handler}\""), running);
    }
    let name = "registry_http_request_duration_seconds";
    text.family(name, "histogram", "The HTTP request latencies in seconds.");
    for ((handler, method), histogram) in &counts.durations {
        text.histogram(
            name,
            &format!("handler=\"{handler}\",method=\"{method}\""),
            histogram,
        );
    }
    let name = "registry_http_request_size_bytes";
    text.family(name, "histogram", "The HTTP request sizes in bytes.");
    for (handler, sizes) in &counts.sizes {
        text.histogram(name, &format!("handler=\"{handler}\""), &sizes.received);
    }
    let name = "registry_http_response_size_bytes";
    text.family(name, "histogram", "The HTTP response sizes in bytes.");
    for (handler, sizes) in &counts.sizes {
        text.histogram(name, &format!("handler=\"{handler}\""), &sizes.sent);
    }
}

fn storage(text: &mut Text, counts: &Counts) {
    let name = "wharf_store_requests_total";
    text.family(name, "counter", "Calls of the backend.");
    for ((call, outcome), count) in &counts.calls {
        text.sample(name, &format!("op=\"{call}\",outcome=\"{outcome}\""), count);
    }
    let name = "wharf_store_seconds";
    text.family(name, "histogram", "Times of calls of the backend.");
    for (call, histogram) in &counts.call_durations {
        text.histogram(name, &format!("op=\"{call}\""), histogram);
    }
    let reachable = u8::from(!counts.unreachable);
    let help = "Whether the backend answers.";
    text.one("wharf_backend_reachable", "gauge", help, reachable);
    let failing = u8::from(counts.failing);
    text.one(
        "wharf_storage_failing",
        "gauge",
        "Whether changes cannot be recorded.",
        failing,
    );
    let help = "Times that changes began to fail.";
    text.one("wharf_storage_failures_total", "counter", help, counts.failures);
    let help = "Content that was found corrupt.";
    text.one("wharf_corrupt_total", "counter", help, counts.corrupt);
}

fn commits(text: &mut Text, counts: &Counts, repeated: RepeatedCommits) {
    let mut durations = Histogram::<Seconds>::default();
    for call in ["commit", "link"] {
        if let Some(histogram) = counts.call_durations.get(call) {
            durations.merge(histogram);
        }
    }
    let name = "wharf_commit_seconds";
    text.family(name, "histogram", "Times of commits.");
    text.histogram(name, "", &durations);
    let help = "Attempts of commits that were made again.";
    text.one("wharf_commit_repeated_total", "counter", help, repeated.repeated);
    let help = "Commits whose answer was lost, and that had been made.";
    text.one("wharf_commit_lost_total", "counter", help, repeated.lost);
}

fn events(text: &mut Text, counts: &Counts, pending: u64) {
    type Count = fn(&Deliveries) -> u64;
    let families: [(&str, &str, Count); 3] = [
        (
            "wharf_events_delivered_total",
            "Events that a subscriber has accepted.",
            |deliveries| deliveries.accepted,
        ),
        (
            "wharf_events_failed_total",
            "Deliveries of events that failed.",
            |deliveries| deliveries.failed,
        ),
        (
            "wharf_events_dropped_total",
            "Events that were given up.",
            |deliveries| deliveries.dropped,
        ),
    ];
    for (name, help, count) in families {
        text.family(name, "counter", help);
        for (subscriber, deliveries) in &counts.deliveries {
            let labels = format!("subscriber=\"{}\"", escaped(subscriber));
            text.sample(name, &labels, count(deliveries));
        }
    }
    let help = "Events that wait for a subscriber.";
    text.one("wharf_events_pending", "gauge", help, pending);
    let name = "registry_notifications_events_total";
    text.family(name, "counter", "The number of total events");
    for (subscriber, deliveries) in &counts.deliveries {
        for (kind, count) in [
            ("Failures", deliveries.failed),
            ("Successes", deliveries.accepted),
        ] {
            let labels = format!("endpoint=\"{}\",type=\"{kind}\"", escaped(subscriber));
            text.sample(name, &labels, count);
        }
    }
    let name = "registry_notifications_status_total";
    text.family(name, "counter", "The number of status code");
    for (subscriber, deliveries) in &counts.deliveries {
        let accepted = (200, deliveries.accepted);
        let refused = deliveries
            .refusals
            .iter()
            .map(|(status, count)| (*status, *count));
        for (status, count) in std::iter::once(accepted).chain(refused) {
            let reason = http::StatusCode::from_u16(status).ok();
            let reason = reason.and_then(|status| status.canonical_reason());
            let code = format!("{status} {}", reason.unwrap_or_default());
            let labels = format!(
                "code=\"{}\",endpoint=\"{}\"",
                code.trim_end(),
                escaped(subscriber)
            );
            text.sample(name, &labels, count);
        }
    }
    let help = "The gauge of pending events in queue";
    text.one("registry_notifications_pending_total", "gauge", help, pending);
}

/// Answers of a pull-through cache, by names of its own and by those of Docker's registry.
fn cache(text: &mut Text, counts: &Counts) {
    type Count = fn(&Cache) -> u64;
    let families: [(&str, &str, &str, Count); 8] = [
        (
            "wharf_cache_hits_total",
            "kind",
            "Answers whose content was here.",
            |cache| cache.hits,
        ),
        (
            "wharf_cache_misses_total",
            "kind",
            "Answers whose content came from upstream.",
            |cache| cache.misses,
        ),
        (
            "wharf_cache_bytes_total",
            "kind",
            "Bytes that came from upstream.",
            |cache| cache.fetched,
        ),
        (
            "registry_proxy_requests_total",
            "type",
            "The number of total incoming proxy request received",
            |cache| cache.hits + cache.misses,
        ),
        (
            "registry_proxy_hits_total",
            "type",
            "The number of total proxy request hits",
            |cache| cache.hits,
        ),
        (
            "registry_proxy_misses_total",
            "type",
            "The number of total proxy request misses",
            |cache| cache.misses,
        ),
        (
            "registry_proxy_pulled_bytes_total",
            "type",
            "The size of total bytes pulled from the upstream",
            |cache| cache.fetched,
        ),
        (
            "registry_proxy_pushed_bytes_total",
            "type",
            "The size of total bytes pushed to the client",
            |cache| cache.sent,
        ),
    ];
    for (name, label, help, count) in families {
        text.family(name, "counter", help);
        for kind in ["blob", "manifest"] {
            let value = counts.cache.get(kind).map_or(0, count);
            text.sample(name, &format!("{label}=\"{kind}\""), value);
        }
    }
}

/// The name of a subscriber as the value of a label.
fn escaped(name: &str) -> String {
    name.replace('\\', "\\\\")
        .replace('"', "\\\"")
        .replace('\n', "\\n")
}

fn collections(text: &mut Text, collections: &Collections) {
    let name = "wharf_gc_runs_total";
    text.family(name, "counter", "Collections of garbage.");
    text.sample(name, "outcome=\"ok\"", collections.done);
    text.sample(name, "outcome=\"failed\"", collections.failed);
    let name = "wharf_gc_removed_total";
    text.family(name, "counter", "Links and contents that were collected.");
    text.sample(name, "kind=\"manifest\"", collections.manifests);
    text.sample(name, "kind=\"blob\"", collections.blobs);
    text.sample(name, "kind=\"content\"", collections.contents);
    let help = "Bytes of contents that were collected.";
    text.one("wharf_gc_bytes_total", "counter", help, collections.bytes);
    let help = "Objects that could not be deleted.";
    text.one(
        "wharf_gc_failed_objects_total",
        "counter",
        help,
        collections.objects,
    );
    let name = "wharf_gc_seconds";
    text.family(name, "histogram", "Times of collections.");
    text.histogram(name, "", &collections.durations);
    if let Some(last) = collections.last {
        let help = "Time since the last collection ended well.";
        text.one("wharf_gc_age_seconds", "gauge", help, last.elapsed().as_secs());
    }
}

fn stored(text: &mut Text, inventory: &Inventory) {
    for (name, help, value) in [
        (
            "wharf_repositories",
            "Repositories that have something.",
            inventory.repositories as u64,
        ),
        ("wharf_tags", "Tags.", inventory.tags as u64),
        (
            "wharf_manifests",
            "Manifests, once per repository.",
            inventory.manifests as u64,
        ),
        (
            "wharf_blobs",
            "Blobs, once per repository.",
            inventory.blobs as u64,
        ),
        (
            "wharf_bytes",
            "Bytes of manifests and blobs, once per repository.",
            inventory.bytes,
        ),
        (
            "wharf_gc_doomed",
            "Objects that wait for their deletion.",
            inventory.doomed,
        ),
        (
            "wharf_uploads",
            "Uploads that are open.",
            inventory.uploads as u64,
        ),
        (
            "wharf_uploading_bytes",
            "Bytes that have come in them.",
            inventory.uploading,
        ),
    ] {
        text.one(name, "gauge", help, value);
    }
}
