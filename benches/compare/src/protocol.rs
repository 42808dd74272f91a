//! The protocols that a link reads.

use crate::{requests, statements};

/// Returns what is complete with the bytes that it is given.
pub type Reader = dyn FnMut(&[u8]) -> Vec<String> + Send;

/// The protocol of what passes a link from the client to the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// HTTP/1.1 in the clear: each request is its method and target.
    Http,
    /// PostgreSQL's without TLS: each transaction is a word and the number of its statements, see [`statements`].
    PostgreSql,
    /// Something that is not read, or encrypted.
    Unread,
}

impl Protocol {
    /// Reads the client's half of one connection.
    pub fn reader(self) -> Box<Reader> {
        match self {
            Self::Http => {
                let mut parser = requests::Parser::default();
                Box::new(move |bytes| parser.feed(bytes))
            }
            Self::PostgreSql => {
                let mut parser = statements::Parser::default();
                Box::new(move |bytes| parser.feed(bytes))
            }
            Self::Unread => Box::new(|_| Vec::new()),
        }
    }
}
