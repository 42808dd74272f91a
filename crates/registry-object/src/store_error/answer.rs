//! The answer of a server.

use super::causes;

/// The most characters of the code of a server's error.
const MAX_CODE: usize = 64;

/// The status and the code of a server's answer. `object_store` has them in the text of a cause alone.
#[derive(Default)]
pub(super) struct Answer {
    pub(super) status: Option<u16>,
    pub(super) code: Option<String>,
}

impl Answer {
    pub(super) fn of(error: &object_store::Error) -> Self {
        let texts = causes(error).map(ToString::to_string);
        let mut found = texts.filter_map(|text| {
            let (_, rest) = text.split_once("status code: ")?;
            let status = rest.get(..3)?.parse().ok()?;
            Some(Self {
                status: Some(status),
                code: code_of(rest),
            })
        });
        found.next().unwrap_or_default()
    }

    /// The status and code in parentheses; nothing if there was no answer.
    pub(super) fn shown(&self) -> String {
        match (self.status, &self.code) {
            (Some(status), Some(code)) => format!(" ({status}, {code})"),
            (Some(status), None) => format!(" ({status})"),
            (None, _) => String::new(),
        }
    }
}

/// The code of an error document in XML, if it is a word.
fn code_of(text: &str) -> Option<String> {
    let (_, rest) = text.split_once("<Code>")?;
    let (code, _) = rest.split_once("</Code>")?;
    let is_word =
        !code.is_empty() && code.len() <= MAX_CODE && code.bytes().all(|byte| byte.is_ascii_alphanumeric());
    is_word.then(|| code.to_owned())
}
