//! Credentials: files, helpers, and what happens to them when things go wrong.

mod concurrent;
mod crash;
mod edit;
mod lookup;
mod malformed;
mod secrets;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use wharf_auth::Credential;
use wharf_config::CredentialKey;

fn key(text: &str) -> CredentialKey {
    CredentialKey::parse(text).unwrap()
}

/// The `auth` of a user whose password is `pw`.
fn auth(user: &str) -> String {
    STANDARD.encode(format!("{user}:pw"))
}

/// An auth file with one entry per key, whose user is the given one.
fn auths(entries: &[(&str, &str)]) -> String {
    let entries: Vec<String> = entries
        .iter()
        .map(|(key, user)| format!("\"{key}\": {{\"auth\": \"{}\"}}", auth(user)))
        .collect();
    format!("{{\"auths\": {{{}}}}}", entries.join(","))
}

#[expect(clippy::panic, reason = "a helper that fails is a test that fails")]
fn user(credential: Option<&Credential>) -> Option<&str> {
    match credential? {
        Credential::Basic { username, .. } => Some(username),
        other => panic!("not a user name and password: {other:?}"),
    }
}
