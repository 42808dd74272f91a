//! What happens, as log lines and metrics.

use std::{
    fmt,
    io::{self, Write as _},
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};

use serde_json::json;
use wharf_registry::{Answered, Observer};

use crate::{arguments::Log, metrics::Metrics};

pub(crate) struct Report {
    log: Log,
    metrics: Arc<Metrics>,
}

impl Report {
    pub(crate) fn new(log: Log, metrics: Arc<Metrics>) -> Self {
        Self { log, metrics }
    }
}

impl Observer for Report {
    fn answered(&self, answered: &Answered) {
        self.metrics.count(answered);
        let milliseconds = answered.duration.as_millis();
        let user = answered.user.as_deref();
        match self.log {
            Log::Off => {}
            Log::Plain => say(format_args!(
                "{} {} {} {} in={} out={} {}ms{}",
                user.unwrap_or("-"),
                answered.method,
                answered.path.escape_debug(),
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
                    "user": user,
                    "method": answered.method.as_str(),
                    "path": answered.path,
                    "status": answered.status.as_u16(),
                    "received": answered.received,
                    "sent": answered.sent,
                    "complete": answered.complete,
                    "milliseconds": u64::try_from(milliseconds).unwrap_or(u64::MAX),
                });
                say(format_args!("{line}"));
            }
        }
    }

    fn damaged(&self, digest: &wharf_reference::Digest) {
        self.metrics.damage();
        say(format_args!(
            "serve: {digest} is damaged; it was moved to corrupt/ and can be pushed again"
        ));
    }
}

/// A line on standard error. If nobody reads it any more, that is no reason to stop serving.
pub(crate) fn say(line: fmt::Arguments<'_>) {
    let _ = writeln!(io::stderr().lock(), "{line}");
}
