//! Parses the error answers of servers, of any form, into messages.

use std::{borrow::Cow, fmt};

use http::{HeaderMap, header::CONTENT_TYPE};
use serde_json::{Map, Value};

use crate::printable;

/// The most bytes of an answer that are looked at: a longer one is no error answer.
const MAX_BODY: usize = 64 * 1024;
/// The most entries of one error answer that are read.
const MAX_ENTRIES: usize = 8;
/// The longest code of an error answer that is kept, in characters.
const MAX_CODE: usize = 64;
/// The longest message of an error answer that is kept, in characters.
const MAX_MESSAGE: usize = 300;
/// The longest detail of an error answer that is kept, in characters.
const MAX_DETAIL: usize = 200;
/// The longest title of a web page that is kept, in characters.
const MAX_TITLE: usize = 120;

/// One entry of an error answer, bounded and safe to print. At least one part is not empty.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct ErrorEntry {
    /// The code, such as `MANIFEST_UNKNOWN` (distribution-spec) or `invalid_grant` (RFC 6749).
    pub code: String,
    /// The message.
    pub message: String,
    /// The details; JSON if the server sent an object or a list.
    pub detail: String,
}

/// Parses the body of an error answer. `redact` gets every text before it is shortened, and may replace
/// secrets in it.
///
/// | body | entries |
/// |---|---|
/// | `{"errors": [{"code", "message", "detail"}]}` (distribution-spec), or a list without the object around it | one for each error |
/// | `{"error": {"code", "message"}}` | one |
/// | `{"error", "error_description"}` (RFC 6749), `{"title", "detail"}` (RFC 9457) | one |
/// | `{"message"}`, `{"detail"}`, `{"details"}`, `{"reason"}` and the like | one |
/// | XML with `Code` and `Message`, as storage services send it | one |
/// | a web page | one: the fact that it is a web page, and its title |
/// | plain text | one: its first line |
/// | any other, and more than 64 KiB | none |
#[must_use]
pub fn error_entries(body: &[u8], redact: &dyn Fn(&str) -> String) -> Vec<ErrorEntry> {
    let body = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body);
    if body.len() > MAX_BODY {
        return Vec::new();
    }
    let found = match serde_json::from_slice::<Value>(body) {
        Ok(value) => of_json(&value),
        Err(_) => of_text(body).into_iter().collect(),
    };
    let bounded = |text: &str, limit| printable(&redact(text), limit);
    let entries = found.into_iter().map(|entry| ErrorEntry {
        code: bounded(&entry.code, MAX_CODE),
        message: bounded(&entry.message, MAX_MESSAGE),
        detail: bounded(&entry.detail, MAX_DETAIL),
    });
    entries.filter(|entry| *entry != ErrorEntry::default()).collect()
}

impl fmt::Display for ErrorEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts = [&self.code, &self.message];
        let mut shown = parts.into_iter().filter(|part| !part.is_empty());
        if let Some(first) = shown.next() {
            f.write_str(first)?;
        }
        for part in shown {
            write!(f, ": {part}")?;
        }
        match self.detail.as_str() {
            "" => Ok(()),
            detail if self.message.contains(detail) => Ok(()),
            detail if self.code.is_empty() && self.message.is_empty() => f.write_str(detail),
            detail => write!(f, " ({detail})"),
        }
    }
}

fn of_json(value: &Value) -> Vec<ErrorEntry> {
    match value {
        Value::String(text) => vec![message(text)],
        Value::Array(entries) => of_list(entries),
        Value::Object(members) => {
            let listed = match members.get("errors") {
                Some(Value::Array(entries)) => of_list(entries),
                Some(Value::String(text)) => vec![message(text)],
                Some(Value::Object(entry)) => of_object(entry).into_iter().collect(),
                _ => Vec::new(),
            };
            if listed.is_empty() {
                of_object(members).into_iter().collect()
            } else {
                listed
            }
        }
        _ => Vec::new(),
    }
}

fn of_list(entries: &[Value]) -> Vec<ErrorEntry> {
    let entry = |entry: &Value| match entry {
        Value::String(text) => Some(message(text)),
        Value::Object(members) => of_object(members),
        _ => None,
    };
    entries.iter().filter_map(entry).take(MAX_ENTRIES).collect()
}

fn message(text: &str) -> ErrorEntry {
    ErrorEntry {
        message: text.to_owned(),
        ..ErrorEntry::default()
    }
}

/// The error that an object describes; `None` if it describes none.
fn of_object(members: &Map<String, Value>) -> Option<ErrorEntry> {
    const MESSAGES: [&str; 9] = [
        "message",
        "error_description",
        "Message",
        "error_message",
        "errorMessage",
        "msg",
        "description",
        "reason",
        "title",
    ];
    let text = |key: &str| members.get(key).map(text_of).unwrap_or_default();
    let first = |keys: &[&str]| {
        let texts = keys.iter().map(|key| text(key));
        texts
            .into_iter()
            .find(|text| !text.is_empty())
            .unwrap_or_default()
    };
    let code = ["code", "Code", "error_code", "errorCode"]
        .iter()
        .find_map(|key| members.get(*key)?.as_str())
        .unwrap_or_default();
    let mut entry = ErrorEntry {
        code: code.to_owned(),
        message: first(&MESSAGES),
        detail: first(&["detail", "details"]),
    };
    match members.get("error") {
        Some(Value::Object(inner)) => {
            if let Some(inner) = of_object(inner) {
                return Some(inner);
            }
        }
        Some(Value::String(error)) if entry.code.is_empty() && !entry.message.is_empty() => {
            entry.code.clone_from(error);
        }
        Some(Value::String(error)) if entry.message.is_empty() => entry.message.clone_from(error),
        _ => {}
    }
    if entry.message.is_empty() && entry.code.is_empty() {
        entry.message = std::mem::take(&mut entry.detail);
    }
    (entry != ErrorEntry::default()).then_some(entry)
}

/// A member as text: JSON if it is no text, empty for null, false and empty lists and objects.
fn text_of(value: &Value) -> String {
    match value {
        Value::Null | Value::Bool(false) => String::new(),
        Value::String(text) => text.clone(),
        Value::Array(entries) if entries.is_empty() => String::new(),
        Value::Object(members) if members.is_empty() => String::new(),
        Value::Array(entries) => {
            let texts: Vec<String> = of_list(entries).iter().map(ToString::to_string).collect();
            if texts.is_empty() {
                value.to_string()
            } else {
                texts.join(", ")
            }
        }
        Value::Object(members) => match members.get("message").or_else(|| members.get("msg")) {
            Some(Value::String(text)) => text.clone(),
            _ => value.to_string(),
        },
        other => other.to_string(),
    }
}

fn of_text(body: &[u8]) -> Option<ErrorEntry> {
    if let Some(page) = WebPage::of_body(body) {
        return Some(message(&page.to_string()));
    }
    let text = std::str::from_utf8(body).ok()?.trim();
    if text.starts_with('<') {
        let entry = ErrorEntry {
            code: element(text, "Code").unwrap_or_default(),
            message: element(text, "Message").unwrap_or_default(),
            ..ErrorEntry::default()
        };
        return Some(entry);
    }
    let is_broken_json = text.starts_with(['{', '[']);
    (!is_broken_json).then(|| message(text.lines().next().unwrap_or_default()))
}

/// A web page in place of the expected answer: of a login portal, a proxy, a bot check or an application.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WebPage {
    title: String,
}

impl WebPage {
    /// The page, if the answer is one by its `Content-Type` or its first bytes. The title is searched in
    /// the first 64 KiB.
    #[must_use]
    pub fn of(headers: &HeaderMap, body: &[u8]) -> Option<Self> {
        let declared = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
        let essence = declared.and_then(|value| value.split(';').next()).map(str::trim);
        let is_page = essence.is_some_and(|essence| {
            essence.eq_ignore_ascii_case("text/html") || essence.eq_ignore_ascii_case("application/xhtml+xml")
        });
        Self::of_body(body).or_else(|| is_page.then(|| Self::titled(body)))
    }

    fn of_body(body: &[u8]) -> Option<Self> {
        let start = body
            .strip_prefix(b"\xef\xbb\xbf")
            .unwrap_or(body)
            .trim_ascii_start();
        let begins = |text: &str| {
            start
                .get(..text.len())
                .is_some_and(|it| it.eq_ignore_ascii_case(text.as_bytes()))
        };
        ["<!doctype html", "<html", "<head", "<body", "<!--"]
            .into_iter()
            .any(begins)
            .then(|| Self::titled(body))
    }

    fn titled(body: &[u8]) -> Self {
        let start = body.get(..MAX_BODY).unwrap_or(body);
        let title = element(&String::from_utf8_lossy(start), "title").unwrap_or_default();
        Self {
            title: printable(&title, MAX_TITLE),
        }
    }
}

impl fmt::Display for WebPage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a web page (text/html)")?;
        if self.title.is_empty() {
            return Ok(());
        }
        write!(f, " titled \"{}\"", self.title)
    }
}

/// The text of the first element of this name, without regard to case, with white space collapsed.
fn element(document: &str, name: &str) -> Option<String> {
    let mut rest = document;
    loop {
        let (_, after) = rest.split_once('<')?;
        rest = after;
        let Some(start) = after.get(..name.len()) else {
            continue;
        };
        let Some(tail) = after.get(name.len()..) else {
            continue;
        };
        if !start.eq_ignore_ascii_case(name)
            || !tail.starts_with(|next: char| next == '>' || next.is_ascii_whitespace())
        {
            continue;
        }
        let (_, content) = tail.split_once('>')?;
        let text = content.split('<').next().unwrap_or_default();
        let words: Vec<&str> = text.split_whitespace().collect();
        return Some(unescaped(&words.join(" ")).into_owned());
    }
}

/// Decodes the entities that occur in titles.
fn unescaped(text: &str) -> Cow<'_, str> {
    if !text.contains('&') {
        return text.into();
    }
    let mut plain = text.to_owned();
    for (entity, character) in [
        ("&lt;", "<"),
        ("&gt;", ">"),
        ("&quot;", "\""),
        ("&#39;", "'"),
        ("&#x27;", "'"),
        ("&nbsp;", " "),
        ("&amp;", "&"),
    ] {
        plain = plain.replace(entity, character);
    }
    plain.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(body: &str) -> String {
        let entries = error_entries(body.as_bytes(), &str::to_owned);
        let texts: Vec<String> = entries.iter().map(ToString::to_string).collect();
        texts.join(" | ")
    }

    #[test]
    fn error_answers_in_every_form() {
        let table = [
            // distribution-spec
            (
                r#"{"errors":[{"code":"DENIED","message":"no\u001b[1m","detail":{}}]}"#,
                "DENIED: no\\u{1b}[1m",
            ),
            (r#"{"errors":[{"code":"A"},{"code":"B"}]}"#, "A | B"),
            (r#"{"errors":[{"code":7,"message":"m"},"x",{},null]}"#, "m | x"),
            (
                r#"{"errors":[{"code":"U","message":"m","detail":"the name is not known"}]}"#,
                "U: m (the name is not known)",
            ),
            (
                r#"{"errors":[{"code":"U","message":"m","detail":{"Tag":"v9"}}]}"#,
                r#"U: m ({"Tag":"v9"})"#,
            ),
            (
                r#"{"errors":[{"code":"U","message":"m","detail":{"message":"why"}}]}"#,
                "U: m (why)",
            ),
            (r#"{"errors":[{"code":"U","detail":[]}]}"#, "U"),
            (r#"{"errors":[{"message":"same","detail":"same"}]}"#, "same"),
            (r#"{"errors":["one","two"]}"#, "one | two"),
            (r#"{"errors":"nope"}"#, "nope"),
            (r#"{"errors":null}"#, ""),
            (r#"{"errors":null,"message":"nope"}"#, "nope"),
            (r#"[{"code":"A","message":"m"}]"#, "A: m"),
            // Others
            (r#"{"error":"unauthorized"}"#, "unauthorized"),
            (
                r#"{"error":{"code":403,"message":"quota","status":"X"}}"#,
                "quota",
            ),
            (
                r#"{"error":{"code":"Denied","message":"quota"}}"#,
                "Denied: quota",
            ),
            (
                r#"{"error":"invalid_grant","error_description":"expired"}"#,
                "invalid_grant: expired",
            ),
            (r#"{"error":"e","message":"m"}"#, "e: m"),
            (r#"{"detail":"Not authenticated"}"#, "Not authenticated"),
            (
                r#"{"detail":[{"loc":["body"],"msg":"field required"}]}"#,
                "field required",
            ),
            (r#"{"details":"incorrect username"}"#, "incorrect username"),
            (r#"{"details":"incorrect","message":"nope"}"#, "nope (incorrect)"),
            (
                r#"{"title":"Forbidden","detail":"no such seat","status":403}"#,
                "Forbidden (no such seat)",
            ),
            (r#"{"message":"nope"}"#, "nope"),
            (r#"{"__type":"X","Message":"nope"}"#, "nope"),
            (r#"{"msg":"nope","code":401}"#, "nope"),
            (r#""just text""#, "just text"),
            ("{}", ""),
            ("7", ""),
            // Storage services and web pages
            (
                "<?xml version=\"1.0\"?>\n<Error><Code>AccessDenied</Code><Message>Request has expired</Message></Error>",
                "AccessDenied: Request has expired",
            ),
            (
                "<html><head><title>502\n  Bad &amp; Gateway</title>",
                "a web page (text/html) titled \"502 Bad & Gateway\"",
            ),
            ("<!DOCTYPE HTML><body>hello", "a web page (text/html)"),
            // Plain text
            ("404 page not found\nmore", "404 page not found"),
            ("\u{feff}denied", "denied"),
            ("", ""),
            ("{\"errors\":[", ""),
            ("\u{0}\u{1}", "\\u{0}\\u{1}"),
        ];
        for (body, expected) in table {
            assert_eq!(shown(body), expected, "{body}");
        }
        assert!(error_entries(b"\xff\xfe\x00", &str::to_owned).is_empty());
    }

    #[test]
    fn texts_are_bounded_and_redacted_before_they_are() {
        let long = "x".repeat(5000);
        for body in [
            format!(r#"{{"errors":[{{"code":"{long}","message":"{long}","detail":"{long}"}}]}}"#),
            format!("<title>{long}</title>"),
            format!("<html><title>{long}</title>"),
            long.clone(),
        ] {
            assert!(shown(&body).chars().count() < 600, "{body:.40}");
        }
        let many: Vec<String> = (0..100).map(|number| format!(r#""e{number}""#)).collect();
        assert_eq!(
            shown(&format!("[{}]", many.join(","))).matches('|').count(),
            MAX_ENTRIES - 1
        );
        assert_eq!(shown(&format!("[{}\"x\"]", "0,".repeat(MAX_BODY / 2))), "");
        let redact = |text: &str| text.replace("hunter2", "[redacted]");
        let text = format!("{}hunter2", "x".repeat(MAX_MESSAGE - 3));
        let entries = error_entries(text.as_bytes(), &redact);
        assert!(!entries[0].message.contains("hun"), "{}", entries[0]);
    }

    #[test]
    fn web_pages_are_known_by_type_or_by_start() {
        let typed = |value: &str| HeaderMap::from_iter([(CONTENT_TYPE, value.parse().unwrap())]);
        let page = |headers: &HeaderMap, body: &str| {
            WebPage::of(headers, body.as_bytes()).map(|page| page.to_string())
        };
        let plain = Some("a web page (text/html)".to_owned());
        assert_eq!(page(&typed("Text/HTML; charset=utf-8"), "x"), plain);
        assert_eq!(page(&typed("application/xhtml+xml"), ""), plain);
        assert_eq!(page(&typed("application/json"), " <!doctype html><p>"), plain);
        assert_eq!(page(&HeaderMap::new(), "\u{feff}<HTML>"), plain);
        assert_eq!(page(&typed("application/json"), "{}"), None);
        assert_eq!(page(&typed("application/xml"), "<Error/>"), None);
        let titled = page(
            &HeaderMap::new(),
            "<html><svg><TITLE lang=en> Log\u{1b}[2J in </TITLE>",
        );
        assert_eq!(
            titled.as_deref(),
            Some("a web page (text/html) titled \"Log\\u{1b}[2J in\"")
        );
    }
}
