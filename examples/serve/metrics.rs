//! Counters in Prometheus' text format, and whether the registry is well.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use wharf_registry::{Answered, Inventory, RouteKind};

/// Upper bounds of the histogram, in seconds.
const BUCKETS: [f64; 8] = [0.005, 0.025, 0.1, 0.5, 2.0, 10.0, 60.0, 600.0];

#[derive(Default)]
pub(crate) struct Metrics {
    requests: Mutex<BTreeMap<(&'static str, &'static str, u16), u64>>,
    seconds: Mutex<BTreeMap<&'static str, Histogram>>,
    received: AtomicU64,
    sent: AtomicU64,
    corrupt: AtomicU64,
    draining: AtomicBool,
}

#[derive(Default)]
struct Histogram {
    buckets: [u64; BUCKETS.len()],
    count: u64,
    sum: f64,
}

impl Metrics {
    pub(crate) fn count(&self, answered: &Answered) {
        let endpoint = name(answered.route);
        let method = match answered.method.as_str() {
            "GET" => "GET",
            "HEAD" => "HEAD",
            "POST" => "POST",
            "PUT" => "PUT",
            "PATCH" => "PATCH",
            "DELETE" => "DELETE",
            _ => "other", // a label that clients choose would grow without end
        };
        let key = (endpoint, method, answered.status.as_u16());
        *self
            .requests
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .entry(key)
            .or_default() += 1;
        let seconds = answered.duration.as_secs_f64();
        let mut histograms = self.seconds.lock().unwrap_or_else(PoisonError::into_inner);
        let histogram = histograms.entry(endpoint).or_default();
        for (count, bound) in histogram.buckets.iter_mut().zip(BUCKETS) {
            *count += u64::from(seconds <= bound);
        }
        histogram.count += 1;
        histogram.sum += seconds;
        self.received.fetch_add(answered.received, Ordering::Relaxed);
        self.sent.fetch_add(answered.sent, Ordering::Relaxed);
    }

    pub(crate) fn corrupt(&self) {
        self.corrupt.fetch_add(1, Ordering::Relaxed);
    }

    /// From now on the registry is not well: it ends.
    pub(crate) fn drain(&self) {
        self.draining.store(true, Ordering::Relaxed);
    }

    pub(crate) fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Relaxed)
    }

    pub(crate) fn text(&self, inventory: &Inventory) -> String {
        let mut text = String::new();
        describe(
            &mut text,
            "wharf_requests_total",
            "counter",
            "Requests that were answered.",
        );
        let requests = self.requests.lock().unwrap_or_else(PoisonError::into_inner);
        for ((endpoint, method, status), count) in requests.iter() {
            let _ = writeln!(
                text,
                "wharf_requests_total{{endpoint=\"{endpoint}\",method=\"{method}\",status=\"{status}\"}} {count}"
            );
        }
        describe(
            &mut text,
            "wharf_request_seconds",
            "histogram",
            "From a request's head to the end of its answer.",
        );
        let seconds = self.seconds.lock().unwrap_or_else(PoisonError::into_inner);
        for (endpoint, histogram) in seconds.iter() {
            let label = format!("endpoint=\"{endpoint}\"");
            for (count, bound) in histogram.buckets.iter().zip(BUCKETS) {
                let _ = writeln!(
                    text,
                    "wharf_request_seconds_bucket{{{label},le=\"{bound}\"}} {count}"
                );
            }
            let Histogram { count, sum, .. } = histogram;
            let _ = writeln!(
                text,
                "wharf_request_seconds_bucket{{{label},le=\"+Inf\"}} {count}"
            );
            let _ = writeln!(text, "wharf_request_seconds_sum{{{label}}} {sum}");
            let _ = writeln!(text, "wharf_request_seconds_count{{{label}}} {count}");
        }
        let load = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        for (name, kind, help, value) in [
            (
                "wharf_received_bytes_total",
                "counter",
                "Bytes of requests' bodies.",
                load(&self.received),
            ),
            (
                "wharf_sent_bytes_total",
                "counter",
                "Bytes of answers' bodies.",
                load(&self.sent),
            ),
            (
                "wharf_corrupt_total",
                "counter",
                "Content that was found corrupt.",
                load(&self.corrupt),
            ),
            (
                "wharf_repositories",
                "gauge",
                "Repositories that have something.",
                inventory.repositories as u64,
            ),
            ("wharf_tags", "gauge", "Tags.", inventory.tags as u64),
            (
                "wharf_manifests",
                "gauge",
                "Manifests, once per repository.",
                inventory.manifests as u64,
            ),
            (
                "wharf_blobs",
                "gauge",
                "Blobs, once per repository.",
                inventory.blobs as u64,
            ),
            (
                "wharf_bytes",
                "gauge",
                "Bytes of manifests and blobs, once per repository.",
                inventory.bytes,
            ),
            (
                "wharf_uploads",
                "gauge",
                "Uploads that are open.",
                inventory.uploads as u64,
            ),
            (
                "wharf_uploading_bytes",
                "gauge",
                "Bytes that have come in them.",
                inventory.uploading,
            ),
        ] {
            describe(&mut text, name, kind, help);
            let _ = writeln!(text, "{name} {value}");
        }
        text
    }
}

fn describe(text: &mut String, name: &str, kind: &str, help: &str) {
    let _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} {kind}");
}

fn name(endpoint: Option<RouteKind>) -> &'static str {
    match endpoint {
        Some(RouteKind::Base) => "base",
        Some(RouteKind::Token) => "token",
        Some(RouteKind::Catalog) => "catalog",
        Some(RouteKind::Manifest) => "manifest",
        Some(RouteKind::Blob) => "blob",
        Some(RouteKind::Uploads | RouteKind::Upload) => "upload",
        Some(RouteKind::Tags) => "tags",
        Some(RouteKind::Referrers) => "referrers",
        _ => "other",
    }
}
