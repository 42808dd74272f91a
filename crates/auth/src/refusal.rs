//! The errors of token servers, with the server's message and without the secrets that the message may
//! repeat.

use http::{HeaderMap, StatusCode};
use serde_json::Value;
use std::time::Duration;
use wharf_http::{ErrorEntry, WebPage, error_entries};

use crate::{AuthError, AuthErrorKind, Credential};

/// The text that replaces a secret in a message.
const REDACTED: &str = "[redacted]";
/// The shortest secret that is replaced, in bytes: shorter ones occur in ordinary words.
const MIN_SECRET: usize = 8;
/// The shortest run of letters and digits, with a digit among them, that counts as a token, in bytes.
const MIN_TOKEN: usize = 16;

/// `text` without these secrets. A secret of letters only is not replaced: a gap in a sentence would reveal
/// it.
pub(crate) fn without<'a>(text: &str, secrets: impl IntoIterator<Item = &'a str>) -> String {
    let secrets = secrets.into_iter().filter(|secret| {
        secret.len() >= MIN_SECRET && !secret.bytes().all(|byte| byte.is_ascii_alphabetic())
    });
    secrets.fold(text.to_owned(), |text, secret| text.replace(secret, REDACTED))
}

/// `text` without anything that looks like a token: a token server may repeat another token than it was
/// sent.
fn without_tokens(text: &str) -> String {
    let is_part = |character: char| character.is_ascii_alphanumeric() || "+=_-".contains(character);
    let mut kept = String::new();
    let mut rest = text;
    while let Some(start) = rest.find(is_part) {
        let (before, from) = rest.split_at(start);
        let end = from.find(|character| !is_part(character)).unwrap_or(from.len());
        let (word, after) = from.split_at(end);
        kept.push_str(before);
        let is_token = word.len() >= MIN_TOKEN && word.contains(|character: char| character.is_ascii_digit());
        kept.push_str(if is_token { REDACTED } else { word });
        rest = after;
    }
    kept + rest
}

/// The messages in an error answer of a token server, without secrets; empty if there are none
/// (docs/threats.md, N14).
fn messages_in(body: &[u8], credential: Option<&Credential>) -> String {
    let encoded = credential.and_then(|login| login.authorization().ok().flatten());
    let encoded = encoded
        .as_ref()
        .and_then(|header| header.to_str().ok()?.strip_prefix("Basic "));
    let secret = match credential {
        Some(Credential::Basic { password, .. }) => Some(password.expose()),
        Some(Credential::Identity(token) | Credential::Bearer(token)) => Some(token.expose()),
        None => None,
    };
    let redact = |text: &str| without_tokens(&without(text, encoded.into_iter().chain(secret)));
    let entries = error_entries(body, &redact);
    let said = entries
        .iter()
        .map(ErrorEntry::to_string)
        .filter(|text| text != REDACTED);
    said.collect::<Vec<_>>().join("; ")
}

/// The error for a token answer with a status that is no success. `body` is the beginning of the answer.
///
/// | status | credential sent | kind |
/// |---|---|---|
/// | 401, or 400 with `invalid_grant` | yes | rejected |
/// | 403 | yes | denied: the login is valid, and has no right to the access |
/// | 401, 403 | no | a login is needed |
/// | 429 | any | rate limited |
/// | any other | any | the status |
pub(crate) fn status_error(
    status: StatusCode,
    credential: Option<&Credential>,
    wait: Option<Duration>,
    body: &[u8],
) -> AuthError {
    let had_credential = credential.is_some();
    let (kind, message) = match status.as_u16() {
        401 if had_credential => (AuthErrorKind::Rejected, "the token server refused the login"),
        400 if had_credential && refuses_grant(body) => {
            (AuthErrorKind::Rejected, "the token server refused the login")
        }
        403 if had_credential => (AuthErrorKind::Denied, "the token server denies the login access"),
        401 | 403 => (AuthErrorKind::NoCredential, "the token server wants a login"),
        429 => (
            AuthErrorKind::RateLimited(wait),
            "the token server refuses more requests for now",
        ),
        code @ 300..=399 => (
            AuthErrorKind::TokenServer(code),
            "the token server redirects, which is not followed",
        ),
        code => {
            let kind = AuthErrorKind::TokenServer(code);
            let message = format!("the token server answered with status {code}");
            return AuthError::new(kind, with_messages(&message, &messages_in(body, credential)));
        }
    };
    AuthError::new(kind, with_messages(message, &messages_in(body, credential)))
}

/// The error for a successful answer without a token: `error`, with the message in the answer if there is
/// one.
pub(crate) fn unusable(
    error: AuthError,
    headers: &HeaderMap,
    body: &[u8],
    credential: Option<&Credential>,
) -> AuthError {
    if serde_json::from_slice::<Value>(body).is_ok() {
        let message = with_messages(&error.to_string(), &messages_in(body, credential));
        return AuthError::new(error.kind(), message);
    }
    match WebPage::of(headers, body) {
        Some(page) => {
            let page = without_tokens(&page.to_string());
            let message = format!("the token server sent {page} instead of a token");
            AuthError::new(AuthErrorKind::WebPage, message)
        }
        None => error,
    }
}

fn with_messages(message: &str, messages: &str) -> String {
    if messages.is_empty() {
        message.to_owned()
    } else {
        format!("{message}: {messages}")
    }
}

/// True if the answer is the OAuth2 error for a refused password or refresh token, which has status 400
/// (RFC 6749, section 5.2).
fn refuses_grant(body: &[u8]) -> bool {
    serde_json::from_slice::<Value>(body)
        .is_ok_and(|answer| answer.get("error").and_then(Value::as_str) == Some("invalid_grant"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_in_the_servers_own_words() {
        use AuthErrorKind::{Denied, NoCredential, RateLimited, Rejected, TokenServer};
        let login = Credential::basic("ada", "hunter2-secret");
        let table = [
            (
                403,
                r#"{"errors":[{"code":"DENIED","message":"project is private"}]}"#,
                Denied,
                NoCredential,
                "DENIED: project is private",
            ),
            (
                401,
                r#"{"details":"access token is expired"}"#,
                Rejected,
                NoCredential,
                "access token is expired",
            ),
            (
                401,
                r#"{"error":"no such robot"}"#,
                Rejected,
                NoCredential,
                "no such robot",
            ),
            (
                401,
                r#"{"detail":"Not authenticated"}"#,
                Rejected,
                NoCredential,
                "Not authenticated",
            ),
            (
                401,
                "HTTP Basic: Access denied.\nmore",
                Rejected,
                NoCredential,
                "HTTP Basic: Access denied.",
            ),
            (
                403,
                "<html><title>Blocked by proxy</title>",
                Denied,
                NoCredential,
                "titled \"Blocked by proxy\"",
            ),
            (
                400,
                r#"{"error":"invalid_grant","error_description":"seat removed"}"#,
                Rejected,
                TokenServer(400),
                "invalid_grant: seat removed",
            ),
            (
                400,
                r#"{"error":"invalid_scope"}"#,
                TokenServer(400),
                TokenServer(400),
                "400: invalid_scope",
            ),
            (
                429,
                r#"{"message":"slow down"}"#,
                RateLimited(None),
                RateLimited(None),
                "slow down",
            ),
            (
                503,
                "upstream is down",
                TokenServer(503),
                TokenServer(503),
                "503: upstream is down",
            ),
            (302, "", TokenServer(302), TokenServer(302), "redirects"),
            (401, "", Rejected, NoCredential, ""),
        ];
        for (status, body, with_login, without_login, words) in table {
            let status = StatusCode::from_u16(status).unwrap();
            for (credential, kind) in [(Some(&login), with_login), (None, without_login)] {
                let error = status_error(status, credential, None, body.as_bytes());
                assert_eq!(error.kind(), kind, "{status} {body}");
                let text = error.to_string();
                assert!(text.contains(words), "{text}");
                assert_eq!(text.contains("wants a login"), kind == NoCredential, "{text}");
            }
        }
    }

    #[test]
    fn secrets_that_a_server_repeats_are_taken_out() {
        let password = "hunter2-secret";
        let login = Credential::basic("ada", password);
        let encoded = login.authorization().unwrap().unwrap();
        let encoded = encoded.to_str().unwrap().strip_prefix("Basic ").unwrap();
        for said in [
            format!(r#"{{"message":"no {password}!"}}"#),
            format!("no {encoded} here"),
            r#"{"error":"bad eyJhbGciOiJFUzI1NiJ9x.eyJqdGkiOiI0NDQ0In0x"}"#.to_owned(),
            "glpat-0123456789abcdef was revoked".to_owned(),
            format!("<html><title>{password}</title>"),
        ] {
            let text =
                status_error(StatusCode::UNAUTHORIZED, Some(&login), None, said.as_bytes()).to_string();
            assert!(text.contains("[redacted]"), "{text}");
            for secret in [password, encoded, "eyJ", "glpat-0"] {
                assert!(!text.contains(secret), "{text}");
            }
        }
        // A password that is a word of the language, or nearly nothing.
        for (password, words) in [("password", "wrong password"), ("p", "project is private")] {
            let login = Credential::basic("ada", password);
            let error = status_error(StatusCode::FORBIDDEN, Some(&login), None, words.as_bytes());
            assert!(error.to_string().ends_with(words), "{error}");
        }
        let long = "project-group-with-a-long-name.example-registry.test";
        assert_eq!(without_tokens(long), long);
    }

    #[test]
    fn successes_without_a_token_are_explained() {
        let invalid = || AuthError::new(AuthErrorKind::InvalidToken, "no token");
        let table = [
            (
                "text/html",
                "<p>",
                AuthErrorKind::WebPage,
                "a web page (text/html)",
            ),
            (
                "text/html",
                "<title>Log in</title>",
                AuthErrorKind::WebPage,
                "titled \"Log in\"",
            ),
            (
                "application/json",
                "<!doctype html>",
                AuthErrorKind::WebPage,
                "a web page",
            ),
            (
                "application/json",
                r#"{"error":"no seat"}"#,
                AuthErrorKind::InvalidToken,
                "no token: no seat",
            ),
            (
                "application/json",
                r#"{"token":""}"#,
                AuthErrorKind::InvalidToken,
                "no token",
            ),
            ("text/plain", "SECRET", AuthErrorKind::InvalidToken, "no token"),
        ];
        for (media_type, body, kind, words) in table {
            let headers = HeaderMap::from_iter([(http::header::CONTENT_TYPE, media_type.parse().unwrap())]);
            let error = unusable(invalid(), &headers, body.as_bytes(), None);
            assert_eq!(error.kind(), kind, "{body}");
            assert!(
                error.to_string().contains(words) && !error.to_string().contains("SECRET"),
                "{error}"
            );
        }
    }
}
