use std::sync::atomic::{AtomicU8, Ordering};

/// The HTTP versions to speak with a server, as far as it has refused one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Protocols {
    /// It has refused neither.
    Either,
    /// HTTP/1.1 only: it asked for it (`HTTP_1_1_REQUIRED`, RFC 9113, section 9.2.2), or has fewer streams or
    /// requests per connection for HTTP/2 than are wanted.
    Http1,
    /// HTTP/2 only: it refused a handshake whose ALPN had no `h2`.
    Http2,
}

/// The versions to speak with a server, shared by all requests to it.
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

    /// Speaks HTTP/1.1 from now on, unless the server has refused that.
    pub(super) fn avoid_http2(&self) {
        let (either, http1) = (Protocols::Either as u8, Protocols::Http1 as u8);
        // An error means that there is nothing to change.
        let _ = self
            .0
            .compare_exchange(either, http1, Ordering::Relaxed, Ordering::Relaxed);
    }
}
