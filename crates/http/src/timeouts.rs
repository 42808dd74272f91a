use std::time::Duration;

/// Time limits of requests (docs/threats.md, X3). The whole of a body has none, as a large blob takes long.
///
/// | limit | default | of |
/// |---|---|---|
/// | connect | 10 s | a connection: name, TCP, proxy and TLS |
/// | question | 60 s | the head of an answer to [`RequestClass::Question`] |
/// | content | 10 min | the head of an answer to [`RequestClass::Content`]: Harbor takes up to 417 s for a manifest that it fetches first |
/// | commit | 15 min | the head of an answer to [`RequestClass::Commit`]: storage assembles and hashes an upload before it answers |
/// | optional | 5 s | the head of an answer to [`RequestClass::Optional`], including the connection: the request would not save more time than that |
/// | alternative | 15 s | the head of any answer where another server can be asked |
/// | send | 5 min | a pause in the body of a request while the server takes no more bytes: it may be writing to slow storage |
/// | idle | 60 s | a pause in the body of an answer after its first byte |
/// | minimum rate | 1,024 B/s | the body of an answer, over [`Timeouts::RATE_WINDOW`] of waiting for the server |
///
/// The limit of a head begins with the last byte of the request, and the first byte of the body has the
/// same limit again. A long limit does not mean a long wait for a dead server: the built-in transport
/// probes idle connections (TCP keep-alive, HTTP/2 PING), and notices within two minutes that a server is
/// gone.
///
/// ```
/// use std::time::Duration;
/// use wharf_http::Timeouts;
///
/// let timeouts = Timeouts::default()
///     .with_connect(Duration::from_secs(3))
///     .with_head(Duration::from_secs(30));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timeouts {
    pub(crate) connect: Duration,
    question: Duration,
    content: Duration,
    commit: Duration,
    optional: Duration,
    alternative: Duration,
    pub(crate) send: Duration,
    pub(crate) idle: Duration,
    pub(crate) minimum_rate: u64,
}

/// Classes of requests, by the time that a server may need before it answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum RequestClass {
    /// Requests something that the server knows: a token, a login, whether content exists, where to upload.
    #[default]
    Question,
    /// Reads something that the server may have to fetch or collect first: a manifest, a blob, a list.
    Content,
    /// Writes or deletes; the server answers when that is done.
    Commit,
    /// Only saves work, and is given up soon: a mount, a check whether content exists.
    Optional,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(10),
            question: Duration::from_secs(60),
            content: Duration::from_secs(600),
            commit: Duration::from_secs(900),
            optional: Duration::from_secs(5),
            alternative: Duration::from_secs(15),
            send: Duration::from_secs(300),
            idle: Duration::from_secs(60),
            minimum_rate: 1024,
        }
    }
}

impl Timeouts {
    /// The time over which the rate of a body is measured. Only the time of waiting for the server counts.
    pub const RATE_WINDOW: Duration = Duration::from_secs(60);

    /// The time limit for the head of the answer to a request of this class. `has_alternative` is true if
    /// another server can be asked.
    #[must_use]
    pub fn head(&self, class: RequestClass, has_alternative: bool) -> Duration {
        let limit = match class {
            RequestClass::Question => self.question,
            RequestClass::Content => self.content,
            RequestClass::Commit => self.commit,
            RequestClass::Optional => self.optional,
        };
        if has_alternative {
            limit.min(self.alternative)
        } else {
            limit
        }
    }

    /// Shortens every limit to a year at most, so that the present time plus a limit cannot overflow.
    #[cfg(feature = "reqwest")]
    pub(crate) fn bounded(self) -> Self {
        const YEAR: Duration = Duration::from_secs(365 * 24 * 60 * 60);
        Self {
            connect: self.connect.min(YEAR),
            question: self.question.min(YEAR),
            content: self.content.min(YEAR),
            commit: self.commit.min(YEAR),
            optional: self.optional.min(YEAR),
            alternative: self.alternative.min(YEAR),
            send: self.send.min(YEAR),
            idle: self.idle.min(YEAR),
            ..self
        }
    }

    /// Sets the limit for the making of a connection: name, TCP, proxy and TLS.
    #[must_use]
    pub const fn with_connect(mut self, connect: Duration) -> Self {
        self.connect = connect;
        self
    }

    /// Sets the limit for the head of an answer to a request of every [`RequestClass`]. The limit where
    /// another server can be asked ([`Timeouts::with_alternative`]) stays.
    #[must_use]
    pub const fn with_head(self, limit: Duration) -> Self {
        self.with_question(limit)
            .with_content(limit)
            .with_commit(limit)
            .with_optional(limit)
    }

    /// Sets the limit for the head of an answer to [`RequestClass::Question`].
    #[must_use]
    pub const fn with_question(mut self, limit: Duration) -> Self {
        self.question = limit;
        self
    }

    /// Sets the limit for the head of an answer to [`RequestClass::Content`].
    #[must_use]
    pub const fn with_content(mut self, limit: Duration) -> Self {
        self.content = limit;
        self
    }

    /// Sets the limit for the head of an answer to [`RequestClass::Commit`]: a write or a deletion.
    #[must_use]
    pub const fn with_commit(mut self, limit: Duration) -> Self {
        self.commit = limit;
        self
    }

    /// Sets the limit for the head of an answer to [`RequestClass::Optional`]: a request that may only save
    /// work.
    #[must_use]
    pub const fn with_optional(mut self, limit: Duration) -> Self {
        self.optional = limit;
        self
    }

    /// Sets the longest limit for the head of any answer where another server can be asked: a longer limit
    /// of the request's class is shortened to it.
    #[must_use]
    pub const fn with_alternative(mut self, limit: Duration) -> Self {
        self.alternative = limit;
        self
    }

    /// Sets the limit for a pause in a request's body, while the server takes no more bytes.
    #[must_use]
    pub const fn with_send(mut self, limit: Duration) -> Self {
        self.send = limit;
        self
    }

    /// Sets the limit for a pause in an answer's body after its first byte.
    #[must_use]
    pub const fn with_idle(mut self, idle: Duration) -> Self {
        self.idle = idle;
        self
    }

    /// Sets the minimum rate of an answer's body, in bytes per second, over [`Timeouts::RATE_WINDOW`]; 0
    /// sets no minimum.
    #[must_use]
    pub const fn with_minimum_rate(mut self, bytes_per_second: u64) -> Self {
        self.minimum_rate = bytes_per_second;
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_class_has_its_limit_and_an_alternative_shortens_it() {
        use RequestClass::{Commit, Content, Optional, Question};
        let secs = Duration::from_secs;
        let limits = Timeouts::default();
        let table = [
            (Question, false, 60),
            (Question, true, 15),
            (Content, false, 600),
            (Content, true, 15),
            (Commit, false, 900),
            (Optional, false, 5),
            (Optional, true, 5),
        ];
        for (class, has_alternative, seconds) in table {
            let limit = limits.head(class, has_alternative);
            assert_eq!(limit, secs(seconds), "{class:?} {has_alternative}");
        }
        let short = limits.with_head(secs(1));
        for class in [Question, Content, Commit, Optional] {
            assert_eq!(short.head(class, false), secs(1));
        }
    }
}
