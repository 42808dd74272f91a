//! The JSON documents of the protocol.

use serde::Deserialize;
use wharf_http::printable;

use crate::RegistryError;

const MAX_CODES: usize = 8;

/// The longest text of a server that is kept, in characters.
const MAX_TEXT: usize = 300;

/// What an error answer says, whatever its form: the standard list, a single `details` or `message`, or plain
/// text. An HTML page says nothing.
pub(crate) fn registry_errors(body: &[u8]) -> Vec<RegistryError> {
    #[derive(Deserialize)]
    struct Body {
        errors: Option<Vec<serde_json::Value>>,
        details: Option<String>,
        message: Option<String>,
    }
    let plain = |message: &str| {
        vec![RegistryError {
            code: String::new(),
            message: printable(message, MAX_TEXT),
        }]
    };
    if let Ok(body) = serde_json::from_slice::<Body>(body) {
        let text = |value: &serde_json::Value, key: &str, limit| {
            value
                .get(key)
                .and_then(serde_json::Value::as_str)
                .map(|text| printable(text, limit))
        };
        let codes: Vec<_> = body
            .errors
            .iter()
            .flatten()
            .take(MAX_CODES)
            .map(|error| RegistryError {
                code: text(error, "code", 64).unwrap_or_default(),
                message: text(error, "message", MAX_TEXT).unwrap_or_default(),
            })
            .filter(|error| !(error.code.is_empty() && error.message.is_empty()))
            .collect();
        return match body.details.or(body.message) {
            Some(details) if codes.is_empty() => plain(&details),
            _ => codes,
        };
    }
    match std::str::from_utf8(body).map(str::trim) {
        Ok(text) if !text.is_empty() && !text.starts_with(['<', '{', '[']) => {
            plain(text.lines().next().unwrap_or_default())
        }
        _ => Vec::new(),
    }
}

/// A page of tags; `tags` may be null, and the name is not believed.
#[derive(Deserialize)]
pub(crate) struct TagPage {
    #[serde(default)]
    pub(crate) tags: Option<Vec<String>>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_in_every_form() {
        let table = [
            (
                r#"{"errors":[{"code":"DENIED","message":"no\u001b[1m","detail":{}}]}"#,
                "DENIED no\\u{1b}[1m",
            ),
            (r#"{"errors":[{"code":7,"message":"m"},"x",{}]}"#, " m"),
            (r#"{"errors":[{"code":"A"},{"code":"B"}]}"#, "A |B "),
            (r#"{"errors":null}"#, ""),
            (r#"{"errors":null,"message":"nope"}"#, " nope"),
            (r#"{"details":"incorrect","message":"nope"}"#, " incorrect"),
            (r#"{"details":"incorrect username"}"#, " incorrect username"),
            (r#"{"message":"nope"}"#, " nope"),
            ("<html><title>502</title>", ""),
            ("404 page not found\n", " 404 page not found"),
            ("", ""),
            ("\u{0}\u{1}", " \\u{0}\\u{1}"),
        ];
        for (body, expected) in table {
            let shown: Vec<_> = registry_errors(body.as_bytes())
                .iter()
                .map(|error| format!("{} {}", error.code, error.message))
                .collect();
            assert_eq!(shown.join("|"), expected, "{body}");
        }
        let long = format!(
            r#"{{"errors":[{{"code":"A","message":"{}"}}]}}"#,
            "x".repeat(5000)
        );
        assert!(registry_errors(long.as_bytes())[0].message.chars().count() <= MAX_TEXT + 1);
    }
}
