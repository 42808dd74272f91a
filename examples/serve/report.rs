//! Log lines and metrics of what happens.

use std::{
    fmt,
    io::{self, Write as _},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use serde_json::json;
use wharf_registry::{Answered, BackendCall, GcReport, Metrics, NotReady, Observer, RouteKind};

use crate::arguments::Log;

pub(crate) struct Report {
    log: Log,
    metrics: Metrics,
}

impl Report {
    pub(crate) const fn new(log: Log, metrics: Metrics) -> Self {
        Self { log, metrics }
    }
}

impl Observer for Report {
    fn begun(&self, route: Option<RouteKind>) {
        self.metrics.begun(route);
    }

    fn called(&self, call: BackendCall, duration: Duration, failure: Option<&wharf_content::Error>) {
        self.metrics.called(call, duration, failure);
    }

    fn collected(&self, report: &GcReport, duration: Duration) {
        self.metrics.collected(report, duration);
    }

    fn answered(&self, answered: &Answered) {
        self.metrics.answered(answered);
        let milliseconds = answered.duration.as_millis();
        let user = answered.user.as_deref();
        match self.log {
            Log::Off => {}
            Log::Plain => say(format_args!(
                "{} {} {} {} in={} out={} {}ms{}",
                user.map_or_else(|| "-".to_owned(), named),
                tame(answered.method.as_str()),
                tame(&answered.path),
                answered.status.as_u16(),
                answered.received,
                answered.sent,
                milliseconds,
                if answered.complete { "" } else { " broken off" },
            )),
            Log::Json => {
                let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
                let line = json!({
                    "time": now.as_secs_f64(),
                    "user": user.map(bounded),
                    "method": bounded(answered.method.as_str()),
                    "path": bounded(&answered.path),
                    "status": answered.status.as_u16(),
                    "received": answered.received,
                    "sent": answered.sent,
                    "complete": answered.complete,
                    "milliseconds": u64::try_from(milliseconds).unwrap_or(u64::MAX),
                });
                say(format_args!("{}", ascii(&line.to_string())));
            }
        }
    }

    fn corrupt(&self, digest: &wharf_reference::Digest) {
        self.metrics.corrupt(digest);
        say(format_args!(
            "serve: {digest} is corrupt; it was moved to corrupt/ and can be pushed again"
        ));
    }

    fn storage_failed(&self, error: &wharf_content::Error) {
        self.metrics.storage_failed(error);
        say(format_args!("serve: changes cannot be recorded: {error}"));
    }

    fn storage_recovered(&self) {
        self.metrics.storage_recovered();
        say(format_args!("serve: changes are recorded again"));
    }

    fn reachable(&self, unreachable: Option<&NotReady>) {
        self.metrics.reachable(unreachable);
        match unreachable {
            Some(reason) => say(format_args!("serve: not ready: {reason}")),
            None => say(format_args!("serve: ready: the storage answers again")),
        }
    }

    fn delivered(&self, subscriber: &str) {
        self.metrics.delivered(subscriber);
    }

    fn delivery_failed(&self, subscriber: &str, error: &wharf_content::Error) {
        self.metrics.delivery_failed(subscriber, error);
        say(format_args!("serve: an event waits for {subscriber}: {error}"));
    }

    fn events_dropped(&self, subscriber: &str, count: u64) {
        self.metrics.events_dropped(subscriber, count);
        say(format_args!(
            "serve: dropped {count} events that {subscriber} has not accepted"
        ));
    }
}

/// Characters of a client's text that are logged.
const MAX_LOGGED: usize = 1024;

/// The beginning of a client's text.
fn bounded(text: &str) -> &str {
    let end = text.char_indices().nth(MAX_LOGGED);
    end.and_then(|(end, _)| text.get(..end)).unwrap_or(text)
}

/// A client's text as one word of a line: printable ASCII as it is, everything else escaped.
fn tame(text: &str) -> String {
    let mut tame = String::with_capacity(text.len().min(MAX_LOGGED));
    for character in bounded(text).chars() {
        match character {
            '"' | '\\' => tame.extend(character.escape_unicode()),
            '!'..='~' => tame.push(character),
            _ => tame.extend(character.escape_unicode()),
        }
    }
    if bounded(text).len() < text.len() {
        tame.push_str("...");
    }
    tame
}

/// A user's name, which is never that of nobody.
fn named(user: &str) -> String {
    match user {
        "" => "\"\"".to_owned(),
        "-" => '-'.escape_unicode().to_string(),
        user => tame(user),
    }
}

/// JSON in which everything but printable ASCII is escaped, so that no terminal obeys it.
fn ascii(json: &str) -> String {
    use std::fmt::Write as _;
    let mut escaped = String::with_capacity(json.len());
    for character in json.chars() {
        if let ' '..='~' = character {
            escaped.push(character);
            continue;
        }
        for unit in character.encode_utf16(&mut [0; 2]) {
            let _ = write!(escaped, "\\u{unit:04x}"); // writing to a String cannot fail
        }
    }
    escaped
}

/// A line on standard error. If nobody reads it any more, that is no reason to stop serving.
pub(crate) fn say(line: fmt::Arguments<'_>) {
    let _ = writeln!(io::stderr().lock(), "{line}");
}
