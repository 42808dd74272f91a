//! The logs of all crates in this process, at the most talkative level, searched for secrets line by line.

use std::{
    io,
    sync::{
        Mutex, OnceLock, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use super::secrets::{MARK, betrays, traces};

static LINES: AtomicU64 = AtomicU64::new(0);
static LEAKS: Mutex<Vec<String>> = Mutex::new(Vec::new());

/// Begins to listen, once per process.
pub(super) fn listen() {
    static STARTED: OnceLock<()> = OnceLock::new();
    STARTED.get_or_init(|| {
        let subscriber = tracing_subscriber::fmt()
            .with_max_level(tracing_subscriber::filter::LevelFilter::TRACE)
            .with_span_events(tracing_subscriber::fmt::format::FmtSpan::FULL)
            .with_ansi(false)
            .with_writer(|| Line);
        // A test that set its own subscriber is heard by that one instead.
        let _ = subscriber.try_init();
    });
}

/// How many lines were heard.
pub(super) fn lines() -> u64 {
    LINES.load(Ordering::SeqCst)
}

/// The lines with a secret in them, of all tests in this process.
pub(super) fn leaks() -> Vec<String> {
    LEAKS.lock().unwrap_or_else(PoisonError::into_inner).clone()
}

/// Forgets the leaks: for the test that proves that a leak is found.
#[cfg(test)]
pub(super) fn forget() {
    LEAKS.lock().unwrap_or_else(PoisonError::into_inner).clear();
}

struct Line;

impl io::Write for Line {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        static TRACES: OnceLock<Vec<Vec<u8>>> = OnceLock::new();
        LINES.fetch_add(1, Ordering::Relaxed);
        if betrays(bytes, TRACES.get_or_init(|| traces(MARK))) {
            let line = String::from_utf8_lossy(bytes).into_owned();
            LEAKS.lock().unwrap_or_else(PoisonError::into_inner).push(line);
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_in_a_log_line_is_found() {
        listen();
        tracing::trace!(target: "h2::client", "harmless");
        assert!(lines() > 0);
        assert!(leaks().is_empty());
        tracing::trace!(target: "h2::client", header = %format!("Bearer {MARK}0x"), "sending");
        tracing::trace_span!("request", token = ?format!("{MARK}1x")).in_scope(|| ());
        log::trace!(target: "rustls::client", "{:?}", format!("{MARK}2x").as_bytes());
        let found = leaks();
        for number in ["0x", "1x"] {
            assert!(
                found.iter().any(|line| line.contains(number)),
                "{number}: {found:?}"
            );
        }
        assert!(found.iter().any(|line| line.contains("rustls")), "{found:?}");
        forget();
    }
}
