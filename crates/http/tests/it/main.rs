//! The transport against servers that attack. Names carry the row of the table in docs/threats.md.
#![expect(clippy::unwrap_used, reason = "a helper that fails is a test that fails")]

mod addresses;
mod bodies;
mod certificates;
mod http2;
mod limits;
mod proxies;
mod redirects;
mod support;
mod tls;
