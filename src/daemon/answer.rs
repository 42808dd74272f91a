//! Answers of a daemon: refusals, and the lines about images that were loaded.

use serde_json::Value;
use wharf_content::{Error, ErrorKind};
use wharf_http::{Response, ResponseBody, printable};

use super::DaemonHost;

/// The most bytes of a daemon's text in a message.
const MAX_TEXT: usize = 4 << 10;
/// The most bytes of a refusal that are read.
const MAX_PAGE: usize = 64 << 10;
/// The most bytes of the lines about images that were loaded.
const MAX_LINES: usize = 4 << 20;

/// Text of a daemon for a message.
pub(super) fn shown(text: &str) -> String {
    let mut shown = printable(text, MAX_TEXT);
    if shown.len() > MAX_TEXT {
        let end = (0..=MAX_TEXT - '…'.len_utf8())
            .rev()
            .find(|end| shown.is_char_boundary(*end))
            .unwrap_or(0);
        shown.truncate(end);
        shown.push('…');
    }
    shown
}

/// The error of an answer whose status is no success.
pub(super) async fn refused(response: Response, doing: &str, host: &DaemonHost) -> Error {
    let status = response.status();
    let page = response.into_body().read_prefix(MAX_PAGE).await;
    let text = text_of_page(&page);
    let kind = match status.as_u16() {
        404 => ErrorKind::NotFound,
        401 => ErrorKind::Unauthorized,
        403 => ErrorKind::Denied,
        409 => ErrorKind::Conflict,
        413 => ErrorKind::TooLarge,
        429 => ErrorKind::RateLimited,
        // Podman answers so for an image that it does not have.
        500 if is_missing(&text) => ErrorKind::NotFound,
        500 | 507 if is_full(&text) => ErrorKind::NoSpace,
        400..=499 => ErrorKind::Rejected,
        _ => ErrorKind::Server,
    };
    let text = if text.is_empty() {
        String::new()
    } else {
        format!(": {}", shown(&text))
    };
    Error::new(
        kind,
        format!(
            "cannot {doing} the daemon at {host} (status {}){text}",
            status.as_u16()
        ),
    )
}

/// True for the words of Docker and Podman about an image that is not there.
fn is_missing(text: &str) -> bool {
    [
        "no such image",
        "image not known",
        "unable to find",
        "does not exist",
    ]
    .iter()
    .any(|words| text.to_ascii_lowercase().contains(words))
}

fn is_full(text: &str) -> bool {
    text.to_ascii_lowercase().contains("no space left on device")
}

/// The message of a refusal, which is JSON, or its text.
fn text_of_page(page: &[u8]) -> String {
    let Ok(Value::Object(page)) = serde_json::from_slice(page) else {
        return String::from_utf8_lossy(page).into_owned();
    };
    let text = |key: &str| {
        page.get(key)
            .and_then(Value::as_str)
            .filter(|text| !text.is_empty())
    };
    text("message")
        .or_else(|| text("cause"))
        .unwrap_or_default()
        .to_owned()
}

/// The names and IDs of the images that were loaded. The lines are read to their end, and the first error among them
/// counts.
pub(super) async fn loaded(mut body: ResponseBody, host: &DaemonHost) -> Result<Vec<String>, Error> {
    let mut text = Vec::new();
    let mut ended = Ok(());
    while let Some(chunk) = body.next().await {
        match chunk {
            Ok(chunk) if text.len() + chunk.len() > MAX_LINES => {
                let message = format!("the answer of the daemon at {host} has more than {MAX_LINES} bytes");
                ended = Err(Error::new(ErrorKind::TooLarge, message));
                break;
            }
            Ok(chunk) => text.extend_from_slice(&chunk),
            Err(error) => {
                let message =
                    format!("the daemon at {host} did not say to the end whether the image is loaded");
                ended = Err(
                    Error::new(wharf_distribution::kind_of_http(error.kind()), message).with_source(error),
                );
                break;
            }
        }
    }
    let no_list = || {
        let message = format!("the daemon at {host} answers what is no list of loaded images");
        Error::new(ErrorKind::Server, message)
    };
    let (mut names, mut is_list) = (Vec::new(), text.trim_ascii().is_empty());
    for line in serde_json::Deserializer::from_slice(&text).into_iter::<Value>() {
        let Ok(line) = line else {
            return Err(ended.err().unwrap_or_else(no_list));
        };
        is_list |= line.is_object();
        if let Some(failure) = failure(&line) {
            let message = format!("the daemon at {host} refuses the image: {}", shown(&failure));
            let kind = if is_full(&failure) {
                ErrorKind::NoSpace
            } else {
                ErrorKind::Rejected
            };
            return Err(Error::new(kind, message));
        }
        let said = line.get("stream").and_then(Value::as_str).unwrap_or_default();
        for said in said.lines() {
            let loaded = ["Loaded image: ", "Loaded image ID: ", "Loaded image(s): "];
            let listed = loaded.iter().find_map(|words| said.strip_prefix(words));
            let listed = listed.into_iter().flat_map(|names| names.split(','));
            names.extend(listed.filter(|name| !name.trim().is_empty()).map(shown));
        }
    }
    ended?;
    if is_list { Ok(names) } else { Err(no_list()) }
}

/// The error that a line states.
fn failure(line: &Value) -> Option<String> {
    let detail = line.get("errorDetail").filter(|detail| !detail.is_null());
    let error = line.get("error").filter(|error| !error.is_null());
    let message = detail.and_then(|detail| detail.get("message"));
    let stated = [message, error].into_iter().flatten().find_map(Value::as_str);
    match (stated, error.or(detail)) {
        (Some(text), _) => Some(text.to_owned()),
        (None, Some(other)) => Some(other.to_string()),
        (None, None) => None,
    }
}

/// The error at the end of bytes that were to be something else: a daemon that fails in the middle appends it.
pub(super) fn failure_at_end(bytes: &[u8]) -> Option<String> {
    let starts = bytes.iter().enumerate().filter(|(_, byte)| **byte == b'{');
    starts.rev().find_map(|(start, _)| {
        let line = serde_json::from_slice(bytes.get(start..)?.trim_ascii()).ok()?;
        failure(&line)
    })
}
