use std::sync::atomic::{AtomicU8, Ordering};

/// What a server speaks, as far as it has refused something else.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Protocols {
    /// Not known to refuse either.
    Either,
    /// It asked for HTTP/1.1 (`HTTP_1_1_REQUIRED`, RFC 9113, section 9.2.2).
    Http1,
    /// It has no other, which a connection that is not shared meets in the handshake.
    Http2,
}

/// The same, learned by whoever meets it first.
#[derive(Debug, Default)]
pub(super) struct Learned(AtomicU8);

impl Learned {
    pub(super) fn protocols(&self) -> Protocols {
        match self.0.load(Ordering::Relaxed) {
            1 => Protocols::Http1,
            2 => Protocols::Http2,
            _ => Protocols::Either,
        }
    }

    pub(super) fn learn(&self, protocols: Protocols) {
        self.0.store(protocols as u8, Ordering::Relaxed);
    }
}
