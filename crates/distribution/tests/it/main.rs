//! The client against Debian's docker-registry and scripted servers.
#![expect(
    clippy::unwrap_used,
    clippy::format_push_string,
    reason = "a helper that fails is a test that fails"
)]

mod at_once;
mod conformance;
mod hostile;
mod lists;
mod mirrors;
mod profiles;
mod pull;
mod push;
mod push_stream;
mod real_registry;
mod references;
mod repeats;
mod support;
mod verification;
