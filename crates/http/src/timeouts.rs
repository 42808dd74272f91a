use std::time::Duration;

/// How long to wait for what (X3). There is no limit on a whole body: a large blob takes its time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Timeouts {
    /// For a connection, TLS included: 10 s.
    pub connect: Duration,
    /// For the head of the answer, from the last byte of the request on: 30 s.
    pub head: Duration,
    /// Between two chunks of a body, in either direction: 30 s.
    pub idle: Duration,
    /// The fewest bytes per second of an answer's body, measured over [`Timeouts::RATE_WINDOW`] of waiting for
    /// the server: 1,024.
    pub minimum_rate: u64,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(10),
            head: Duration::from_secs(30),
            idle: Duration::from_secs(30),
            minimum_rate: 1024,
        }
    }
}

impl Timeouts {
    /// How long a body may be slower than the minimum rate.
    pub const RATE_WINDOW: Duration = Duration::from_secs(60);

    /// The same with no limit beyond a year, so that adding one to the present cannot overflow.
    #[cfg(feature = "reqwest")]
    pub(crate) fn bounded(self) -> Self {
        const YEAR: Duration = Duration::from_secs(365 * 24 * 60 * 60);
        Self {
            connect: self.connect.min(YEAR),
            head: self.head.min(YEAR),
            idle: self.idle.min(YEAR),
            ..self
        }
    }

    /// The same with this limit for a connection.
    #[must_use]
    pub const fn with_connect(mut self, connect: Duration) -> Self {
        self.connect = connect;
        self
    }

    /// The same with this limit for the head of an answer.
    #[must_use]
    pub const fn with_head(mut self, head: Duration) -> Self {
        self.head = head;
        self
    }

    /// The same with this minimum rate, in bytes per second; 0 for none.
    #[must_use]
    pub const fn with_minimum_rate(mut self, bytes_per_second: u64) -> Self {
        self.minimum_rate = bytes_per_second;
        self
    }

    /// The same with this limit between two chunks of a body.
    #[must_use]
    pub const fn with_idle(mut self, idle: Duration) -> Self {
        self.idle = idle;
        self
    }
}
