//! JSON as Go reads it, with positions: members in order, duplicates kept, field names in any case.
//!
//! `serde_json` does the parsing; its messages about wrong types quote the value, which may be a secret, so
//! they are replaced here.

use std::{fmt, path::Path};

use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, Visitor},
};
use serde_json::{error::Category, value::RawValue};

use crate::{ConfigError, ConfigErrorKind, fold};

/// Where something stands in a file, both counted from 1; columns count characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Position {
    pub(crate) line: usize,
    pub(crate) column: usize,
}

/// Finds positions in ascending order in one pass over a text.
pub(crate) struct Cursor<'a> {
    rest: &'a str,
    offset: usize,
    position: Position,
}

impl<'a> Cursor<'a> {
    /// At the start of the text that this value is part of.
    pub(crate) const fn new(value: Value<'a>) -> Self {
        Self {
            rest: value.whole,
            offset: 0,
            position: Position { line: 1, column: 1 },
        }
    }

    /// The position of a value that begins no earlier than the one before.
    pub(crate) fn advance(&mut self, value: Value<'_>) -> Position {
        self.to(value.offset())
    }

    fn to(&mut self, offset: usize) -> Position {
        let (before, rest) = self
            .rest
            .split_at_checked(offset.saturating_sub(self.offset))
            .unwrap_or((self.rest, ""));
        let lines = before.matches('\n').count();
        let last = before.rsplit('\n').next().unwrap_or_default().chars().count();
        self.position = Position {
            line: self.position.line + lines,
            column: if lines == 0 {
                self.position.column + last
            } else {
                last + 1
            },
        };
        (self.rest, self.offset) = (rest, offset);
        self.position
    }
}

/// What is wrong with a text, without a byte of its values.
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

/// One value and where it lies in the whole text. It may be a secret, so it has no `Debug` (N19).
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
    /// Whether this is the field of that name; Go compares them without case.
    pub(crate) fn is(&self, field: &str) -> bool {
        fold::same(&self.key, field)
    }
}

impl<'a> Value<'a> {
    /// The whole text as one value. Anything but one JSON value is a problem.
    pub(crate) fn parse(whole: &'a str) -> Result<Self, Problem> {
        let start = Self { whole, text: whole };
        let raw: &RawValue =
            serde_json::from_str(whole).map_err(|error| problem(&error, start, "one JSON value"))?;
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
        serde_json::from_str(self.text)
            .map_err(|error| problem(&error, self, &format!("{what} to be {expected}")))
    }

    /// Both are parts of one string, so the difference of their addresses is the offset.
    fn offset(self) -> usize {
        self.text
            .as_ptr()
            .addr()
            .saturating_sub(self.whole.as_ptr().addr())
    }
}

fn problem(error: &serde_json::Error, value: Value<'_>, expected: &str) -> Problem {
    let start = Cursor::new(value).advance(value);
    if error.classify() == Category::Data {
        return Problem {
            position: start,
            message: format!("expected {expected}"),
        };
    }
    // The messages of these categories are fixed texts; only the position is cut off, to be given once.
    let (line, column) = (error.line(), error.column());
    let text = error.to_string();
    let message = text
        .strip_suffix(&format!(" at line {line} column {column}"))
        .unwrap_or(&text);
    Problem {
        position: Position {
            line: start.line + line.saturating_sub(1),
            column: if line <= 1 {
                start.column + column.saturating_sub(1)
            } else {
                column.max(1)
            },
        },
        message: message.to_owned(),
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
    fn syntax_errors_name_the_place() {
        for (text, line, column, message) in [
            ("", 1, 1, "EOF while parsing a value"),
            ("{\"a\":1", 1, 6, "EOF while parsing an object"),
            ("{}\n{}", 2, 1, "trailing characters"),
            ("{\n\"a\" 1}", 2, 5, "expected `:`"),
        ] {
            let problem = Value::parse(text).map(|_| ()).unwrap_err();
            assert_eq!(problem.message, message, "{text:?}");
            assert_eq!(problem.position, Position { line, column }, "{text:?}");
        }
    }

    #[test]
    fn wrong_values_within_an_object_do_not_leak() {
        let value = Value::parse("[\"canary\"]").unwrap();
        let problem = value.string("`auth`").unwrap_err();
        assert_eq!(problem.message, "expected `auth` to be a string");
    }
}
