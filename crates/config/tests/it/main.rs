//! What the files of the containers ecosystem mean, through the public API.
#![expect(clippy::unwrap_used, reason = "a helper that fails is a test that fails")]

mod acceptance;
mod credentials;
mod support;
