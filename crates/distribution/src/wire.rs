//! Documents of the protocol, and the errors for answers that are something else.

use std::{fmt, marker::PhantomData};

use http::HeaderMap;
use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, Visitor, value::MapAccessDeserializer},
};
use url::Url;
use wharf_content::{ErrorKind, Hint};
use wharf_http::{ErrorEntry, Redacted, WebPage, error_entries};

use crate::{
    error::{Error, Operation},
    send::RegistryAnswer,
};

/// A document, or an entry of a list, that must be a JSON object. serde also takes a list for a struct, member
/// by member, so that `[]` would be a document without members.
pub(crate) struct Object<T>(pub(crate) T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Members<T>(PhantomData<T>);

        impl<'de, T: Deserialize<'de>> Visitor<'de> for Members<T> {
            type Value = Object<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, members: A) -> Result<Object<T>, A::Error> {
                T::deserialize(MapAccessDeserializer::new(members)).map(Object)
            }
        }

        deserializer.deserialize_map(Members(PhantomData))
    }
}

/// A page of tags. `tags` may be null, and the name is ignored.
#[derive(Deserialize)]
pub(crate) struct TagPage {
    #[serde(default)]
    pub(crate) tags: Option<Vec<String>>,
}

/// The reason why a successful answer is not the expected document, with a hint for the user.
pub(crate) struct UnexpectedBody {
    pub(crate) reason: String,
    pub(crate) hint: Option<Hint>,
}

impl UnexpectedBody {
    /// Explains a successful answer that is not the `expected` document; `None` if there is nothing to
    /// explain.
    ///
    /// | answer | reason |
    /// |---|---|
    /// | empty | that it is empty |
    /// | a web page, by its type or its beginning | that it is one, and its title |
    /// | an error answer in JSON | its messages |
    /// | any other | `None` |
    pub(crate) fn of(expected: &str, headers: &HeaderMap, body: &[u8]) -> Option<Self> {
        let reason = if body.is_empty() {
            format!("the server's answer is empty instead of {expected}")
        } else if is_json(body) {
            return Self::error(expected, body);
        } else {
            let page = WebPage::of(headers, body)?;
            format!("the server sent {page} instead of {expected}")
        };
        let hint = (!body.is_empty()).then_some(Hint::CheckNetwork);
        Some(Self { reason, hint })
    }

    /// The error for an answer that is not the `expected` document.
    pub(crate) fn in_answer(
        expected: &str,
        operation: Operation,
        subject: impl fmt::Display,
        answer: &RegistryAnswer,
    ) -> Error {
        let instead = Self::of(expected, &answer.headers, &answer.bytes);
        instead
            .unwrap_or_else(|| Self::unreadable(expected))
            .into_error(operation, subject, &answer.url)
    }

    pub(crate) fn unreadable(expected: &str) -> Self {
        Self {
            reason: format!("the registry's answer is not {expected}"),
            hint: None,
        }
    }

    pub(crate) fn into_error(self, operation: Operation, subject: impl fmt::Display, url: &Url) -> Error {
        Error::new(ErrorKind::Server, operation, subject, self.reason)
            .at(Redacted(url))
            .with_hint(self.hint)
    }

    /// The messages of an error answer with a status of success; `None` if it is not an error answer.
    pub(crate) fn error(expected: &str, body: &[u8]) -> Option<Self> {
        let entries = error_entries(body, &str::to_owned);
        let messages: Vec<String> = entries.iter().map(ErrorEntry::to_string).collect();
        (!messages.is_empty()).then(|| Self {
            reason: format!(
                "the server sent an error instead of {expected} ({})",
                messages.join("; ")
            ),
            hint: None,
        })
    }
}

fn is_json(body: &[u8]) -> bool {
    serde_json::from_slice::<serde::de::IgnoredAny>(body).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_came_instead_is_said() {
        let table = [
            (
                "text/html",
                "<title>Log in</title>",
                "sent a web page (text/html) titled \"Log in\" instead of a list",
                true,
            ),
            (
                "text/html; charset=utf-8",
                "hello",
                "sent a web page (text/html) instead of a list",
                true,
            ),
            (
                "application/json",
                "<!DOCTYPE html>",
                "sent a web page (text/html) instead of a list",
                true,
            ),
            ("application/json", "", "is empty instead of a list", false),
            (
                "application/json",
                r#"{"errors":[{"code":"DENIED","message":"no"}]}"#,
                "(DENIED: no)",
                false,
            ),
            ("text/html", r#"{"error":"no"}"#, "(no)", false),
            ("application/json", "{\"x\":", "", false),
            ("application/json", "{\"x\":1}", "", false),
            ("text/plain", "hello", "", false),
        ];
        for (media_type, body, words, has_hint) in table {
            let headers = HeaderMap::from_iter([(http::header::CONTENT_TYPE, media_type.parse().unwrap())]);
            let instead = UnexpectedBody::of("a list", &headers, body.as_bytes());
            let (reason, hint) = instead.map_or_else(Default::default, |it| (it.reason, it.hint));
            assert!(
                reason.ends_with(words) && reason.is_empty() == words.is_empty(),
                "{reason}"
            );
            assert_eq!(hint, has_hint.then_some(Hint::CheckNetwork), "{body}");
        }
    }
}
