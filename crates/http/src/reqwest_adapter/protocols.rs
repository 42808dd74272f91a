use std::sync::atomic::{AtomicU8, Ordering};

/// The HTTP versions that a server accepts, as far as it has refused one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Protocols {
    /// It has refused neither.
    Either,
    /// HTTP/1.1 only: it asked for it (`HTTP_1_1_REQUIRED`, RFC 9113, section 9.2.2).
    Http1,
    /// HTTP/2 only: it refused a handshake whose ALPN had no `h2`.
    Http2,
}

/// The versions that a server accepts, shared by all requests to it.
#[derive(Debug, Default)]
pub(super) struct LearnedProtocols(AtomicU8);

impl LearnedProtocols {
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
