use std::sync::{
    Mutex,
    atomic::{AtomicU64, Ordering},
};

use crate::Request;

/// The bytes that an origin received, and the number that it sent.
#[derive(Debug, Default)]
pub(super) struct Capture {
    received: Mutex<Vec<u8>>,
    requests: Mutex<Vec<Request>>,
    connections: AtomicU64,
    open: AtomicU64,
    sent: AtomicU64,
    received_count: AtomicU64,
}

/// How much of what is kept: enough for every head and for small bodies.
const KEPT: usize = 8 * 1024 * 1024;

impl Capture {
    pub(super) fn received(&self, bytes: &[u8]) {
        self.received_count
            .fetch_add(bytes.len() as u64, Ordering::SeqCst);
        let mut kept = self.received.lock().expect("capturing does not panic");
        let room = KEPT.saturating_sub(kept.len()).min(bytes.len());
        kept.extend_from_slice(&bytes[..room]);
    }

    pub(super) fn sent(&self, count: usize) {
        self.sent.fetch_add(count as u64, Ordering::SeqCst);
    }

    pub(super) fn request(&self, request: &Request) {
        self.requests
            .lock()
            .expect("capturing does not panic")
            .push(request.clone());
    }

    /// Counts a connection until the returned value is dropped.
    pub(super) fn connected(&self) -> Connected<'_> {
        self.connections.fetch_add(1, Ordering::SeqCst);
        self.open.fetch_add(1, Ordering::SeqCst);
        Connected(self)
    }

    pub(super) fn requests(&self) -> Vec<Request> {
        self.requests.lock().expect("capturing does not panic").clone()
    }

    pub(super) fn request_count(&self) -> u64 {
        self.requests.lock().expect("capturing does not panic").len() as u64
    }

    pub(super) fn bytes(&self) -> Vec<u8> {
        self.received.lock().expect("capturing does not panic").clone()
    }

    pub(super) fn counters(&self) -> [u64; 4] {
        [&self.connections, &self.open, &self.sent, &self.received_count]
            .map(|counter| counter.load(Ordering::SeqCst))
    }
}

pub(super) struct Connected<'a>(&'a Capture);

impl Drop for Connected<'_> {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Ordering::SeqCst);
    }
}
