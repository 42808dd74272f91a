//! JSON as Go reads it, with positions: members in order, duplicates kept, field names in any case.
//!
//! `serde_json` does the parsing. Its messages are replaced here: those about wrong types quote the value,
//! which may be a secret, and the others do not say what to do.

mod position;
mod syntax;

use std::{fmt, path::Path};

use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, Visitor},
};
use serde_json::{error::Category, value::RawValue};

use crate::{ConfigError, ConfigErrorKind, fold};
pub(crate) use position::{Cursor, Position};
use syntax::Stop;

/// A mistake in a text, described without a byte of its values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Problem {
    pub(crate) position: Position,
    pub(crate) message: String,
}

impl Problem {
    pub(crate) fn into_error(self, path: Option<&Path>) -> ConfigError {
        let error = ConfigError::new(ConfigErrorKind::Syntax, self.message)
            .at(self.position.line, self.position.column);
        match path {
            Some(path) => error.with_file(path),
            None => error,
        }
    }
}

/// One value and where it lies in the whole text. It may be a secret, so it has no `Debug` (docs/threats.md,
/// N19).
#[derive(Clone, Copy)]
pub(crate) struct Value<'a> {
    whole: &'a str,
    text: &'a str,
}

/// `"key": value`, in the order of the file.
#[derive(Clone)]
pub(crate) struct Member<'a> {
    pub(crate) key: String,
    pub(crate) value: Value<'a>,
}

impl Member<'_> {
    /// True if this is the field of that name; Go compares them without case.
    pub(crate) fn is(&self, field: &str) -> bool {
        fold::same(&self.key, field)
    }
}

impl<'a> Value<'a> {
    /// The whole text as one value. Anything but one JSON value is a problem.
    pub(crate) fn parse(whole: &'a str) -> Result<Self, Problem> {
        let start = Self { whole, text: whole };
        let mut reader = serde_json::Deserializer::from_str(whole);
        let raw = <&RawValue>::deserialize(&mut reader)
            .map_err(|error| start.malformed(&error, Stop::Unexpected))?;
        reader
            .end()
            .map_err(|error| start.malformed(&error, Stop::Trailing))?;
        Ok(Self {
            whole,
            text: raw.get(),
        })
    }

    /// The text of the value as it stands in the file.
    pub(crate) fn text(self) -> &'a str {
        self.text
    }

    /// The members of an object. `null` is none, as in Go.
    pub(crate) fn object(self, what: &str) -> Result<Option<Vec<Member<'a>>>, Problem> {
        let Members(members) = self.decode(what, "an object")?;
        Ok(members.map(|members| {
            members
                .into_iter()
                .map(|(key, raw)| Member {
                    key,
                    value: Self {
                        whole: self.whole,
                        text: raw.get(),
                    },
                })
                .collect()
        }))
    }

    /// The elements of an array.
    pub(crate) fn array(self, what: &str) -> Result<Vec<Self>, Problem> {
        let elements: Vec<&'a RawValue> = self.decode(what, "an array")?;
        let whole = self.whole;
        let element = |raw: &'a RawValue| Self {
            whole,
            text: raw.get(),
        };
        Ok(elements.into_iter().map(element).collect())
    }

    /// A problem with this value.
    pub(crate) fn problem(self, message: impl Into<String>) -> Problem {
        Problem {
            position: Cursor::new(self).advance(self),
            message: message.into(),
        }
    }

    /// A string. `null` is none, as in Go.
    pub(crate) fn string(self, what: &str) -> Result<Option<String>, Problem> {
        self.decode(what, "a string")
    }

    fn decode<T: Deserialize<'a>>(self, what: &str, expected: &str) -> Result<T, Problem> {
        serde_json::from_str(self.text).map_err(|error| {
            if error.classify() == Category::Data {
                self.problem(format!("expected {what} to be {expected}"))
            } else {
                // The value was read once, so only what a string stands for can be wrong.
                self.malformed(&error, Stop::String)
            }
        })
    }

    /// The problem of a text that is no JSON.
    fn malformed(self, error: &serde_json::Error, stop: Stop) -> Problem {
        let stop = match error.classify() {
            Category::Eof if stop == Stop::Unexpected => Stop::End,
            _ => stop,
        };
        let lines = self
            .text
            .split_inclusive('\n')
            .take(error.line().saturating_sub(1));
        let line: usize = lines.map(str::len).sum();
        let mut offset = self.offset() + line + error.column().saturating_sub(1);
        while !self.whole.is_char_boundary(offset) {
            offset -= 1;
        }
        Problem {
            position: Cursor::new(self).to(offset),
            message: syntax::describe(self.whole, offset, stop).to_owned(),
        }
    }

    /// Both are parts of one string, so the difference of their addresses is the offset.
    fn offset(self) -> usize {
        self.text
            .as_ptr()
            .addr()
            .saturating_sub(self.whole.as_ptr().addr())
    }
}

struct Members<'a>(Option<Vec<(String, &'a RawValue)>>);

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(MembersVisitor)
    }
}

struct MembersVisitor;

impl<'de> Visitor<'de> for MembersVisitor {
    type Value = Members<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(Members(None))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut members = Vec::new();
        while let Some(member) = map.next_entry()? {
            members.push(member);
        }
        Ok(Members(Some(members)))
    }
}

/// A JSON string literal.
pub(crate) fn quote(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_are_absolute_and_values_stay_out_of_messages() {
        let text = "{\n  \"auths\": {\n    \"a\": \"canary\"\n  }\n}";
        let top = Value::parse(text).unwrap().object("the file").unwrap().unwrap();
        let auths = top[0].value.object("auths").unwrap().unwrap();
        let problem = auths[0].value.object("the entry").map(drop).unwrap_err();
        assert_eq!(problem.position, Position { line: 3, column: 10 });
        assert_eq!(problem.message, "expected the entry to be an object");
    }

    #[test]
    fn syntax_errors_name_the_position_and_what_to_do() {
        for (text, line, column, message) in [
            ("", 1, 1, "is empty"),
            (" \n\t", 2, 1, "is empty"),
            ("\u{feff}{}", 1, 1, "byte order mark"),
            ("{\"a\":1", 1, 6, "ends within a value"),
            ("{\"a\": \"b", 1, 8, "ends within a value"),
            ("{\n\"a\": [1,", 2, 8, "ends within a value"),
            ("{}\n{}", 2, 1, "something follows"),
            ("{} x", 1, 4, "something follows"),
            ("{\"a\": 1,}", 1, 9, "a comma stands before"),
            ("{\"a\": 1,\n  }", 2, 3, "a comma stands before"),
            ("{\"a\": [1,]}", 1, 10, "a comma stands before"),
            ("{\"\u{e9}\": [1,]}", 1, 10, "a comma stands before"),
            ("{\"a\": {}\n\"b\": 1}", 2, 1, "a comma or colon is missing"),
            ("{\"a\" \"b\"}", 1, 6, "a comma or colon is missing"),
            ("// text\n{}", 1, 1, "no comments"),
            ("{ # text\n}", 1, 3, "no comments"),
            ("{'a': 1}", 1, 2, "no single quotes"),
            ("{\"a\": \"b\\c\"}", 1, 10, "a backslash itself is written twice"),
            ("{\"a\": \"b\n\"}", 1, 8, "does not end before the line does"),
            ("{\"a\": \"\n\"}", 1, 7, "does not end before the line does"),
            ("{\"a\": \"b\u{1}\"}", 1, 8, "a control character"),
            ("{a: 1}", 1, 2, "stand in double quotes"),
            ("auths: {}", 1, 1, "stand in double quotes"),
        ] {
            let problem = Value::parse(text).map(|_| ()).unwrap_err();
            assert!(problem.message.contains(message), "{text:?}: {problem:?}");
            assert_eq!(
                problem.position,
                Position { line, column },
                "{text:?}: {problem:?}"
            );
        }
    }

    #[test]
    fn a_string_that_stands_for_nothing_is_located() {
        let whole = "{\"a\":\n \"x\\ud800\"}";
        let top = Value::parse(whole).unwrap().object("the file").unwrap().unwrap();
        let problem = top[0].value.string("`a`").unwrap_err();
        assert_eq!(problem.position.line, 2);
        assert_eq!(
            problem.message,
            "the string has an escape that stands for no character"
        );
    }

    #[test]
    fn wrong_values_within_an_object_do_not_leak() {
        let value = Value::parse("[\"canary\"]").unwrap();
        let problem = value.string("`auth`").unwrap_err();
        assert_eq!(problem.message, "expected `auth` to be a string");
    }
}
