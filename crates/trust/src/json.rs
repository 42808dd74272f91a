//! JSON that can be read in one way only: every member once, in its own case, nothing after the value.

mod parser;

use base64::{Engine as _, engine::general_purpose::STANDARD};

/// A value. Members are in the order of the text, no two of one name.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Value {
    Null,
    Bool(bool),
    /// As it is written.
    Number(String),
    String(String),
    List(Vec<Value>),
    Object(Vec<(String, Value)>),
}

/// How much is read at most.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    /// Bytes of the text.
    pub(crate) bytes: usize,
    /// Objects and lists within each other.
    pub(crate) depth: usize,
}

impl Value {
    /// Reads a whole text. The error has line and column where the grammar is broken or a member is there
    /// twice.
    pub(crate) fn parse(text: &[u8], limits: Limits) -> Result<Self, String> {
        if text.len() > limits.bytes {
            return Err(format!("it is longer than {} bytes", limits.bytes));
        }
        let text = str::from_utf8(text).map_err(|_| "it is not UTF-8".to_owned())?;
        parser::read(text, limits)
    }

    pub(crate) const fn kind(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool(_) => "a boolean",
            Self::Number(_) => "a number",
            Self::String(_) => "a string",
            Self::List(_) => "a list",
            Self::Object(_) => "an object",
        }
    }

    /// The text of a string; `what` names the value in the error.
    pub(crate) fn into_string(self, what: &str) -> Result<String, String> {
        match self {
            Self::String(text) => Ok(text),
            other => Err(wrong(what, "a string", &other)),
        }
    }

    /// A number without a fraction, written in whatever way.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_precision_loss,
        clippy::float_cmp,
        reason = "compared with the number it came from"
    )]
    pub(crate) fn into_integer(self, what: &str) -> Result<i64, String> {
        let Self::Number(number) = &self else {
            return Err(wrong(what, "a number", &self));
        };
        if let Ok(integer) = number.parse() {
            return Ok(integer);
        }
        let float = number.parse().unwrap_or(f64::NAN);
        let integer = float as i64;
        // The cast saturates, and the largest integer is no float.
        if integer == i64::MAX || integer as f64 != float {
            return Err(format!("`{what}` is not an integer"));
        }
        Ok(integer)
    }

    /// A number that is not negative, in its only spelling as an integer; `None` for any other value.
    pub(crate) fn as_unsigned(&self) -> Option<u64> {
        match self {
            Self::Number(text) => unsigned(text),
            _ => None,
        }
    }

    /// The members of an object, to be taken out one by one.
    pub(crate) fn into_object(self, what: &'static str) -> Result<Object, String> {
        match self {
            Self::Object(members) => Ok(Object { what, members }),
            other => Err(wrong(what, "an object", &other)),
        }
    }
}

fn wrong(what: &str, expected: &str, found: &Value) -> String {
    format!("`{what}` is {} and not {expected}", found.kind())
}

/// An object whose members are taken out one by one; what is left at the end is unknown.
#[derive(Debug)]
pub(crate) struct Object {
    what: &'static str,
    members: Vec<(String, Value)>,
}

/// How deep lists and objects may be nested in a document of sigstore's.
const MAX_DEPTH: usize = 64;

impl Object {
    /// Reads a document of at most so many bytes that is an object; the error begins with what it is.
    pub(crate) fn parse(text: &[u8], bytes: usize, what: &'static str) -> Result<Self, String> {
        let limits = Limits {
            bytes,
            depth: MAX_DEPTH,
        };
        let value = Value::parse(text, limits).map_err(|why| format!("{what}: {why}"))?;
        value.into_object(what)
    }

    pub(crate) fn optional(&mut self, name: &str) -> Option<Value> {
        let position = self.members.iter().position(|(known, _)| known == name)?;
        Some(self.members.swap_remove(position).1)
    }

    pub(crate) fn required(&mut self, name: &str) -> Result<Value, String> {
        let value = self.optional(name);
        value.ok_or_else(|| format!("`{}` has no `{name}`", self.what))
    }

    pub(crate) fn string(&mut self, name: &str) -> Result<String, String> {
        self.required(name)?.into_string(name)
    }

    pub(crate) fn object(&mut self, name: &'static str) -> Result<Self, String> {
        self.required(name)?.into_object(name)
    }

    /// The bytes of a string in base64.
    pub(crate) fn base64(&mut self, name: &str) -> Result<Vec<u8>, String> {
        let text = self.string(name)?;
        base64(&text).ok_or_else(|| self.wrong(&format!("has a `{name}` that is not base64")))
    }

    /// An error text about this object.
    pub(crate) fn wrong(&self, why: &str) -> String {
        format!("`{}` {why}", self.what)
    }

    pub(crate) fn finish(self) -> Result<(), String> {
        match self.members.first() {
            None => Ok(()),
            Some((unknown, _)) => Err(format!(
                "`{}` has an unknown member {:?}",
                self.what,
                crate::bounded(unknown)
            )),
        }
    }
}

/// An integer that is not negative, in its only spelling.
pub(crate) fn unsigned(text: &str) -> Option<u64> {
    text.parse()
        .ok()
        .filter(|number: &u64| number.to_string() == text)
}

/// Bytes in standard base64: padded, without line breaks and spare bits.
pub(crate) fn base64(text: &str) -> Option<Vec<u8>> {
    STANDARD.decode(text).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &[u8], bytes: usize, depth: usize) -> Result<Value, String> {
        Value::parse(text, Limits { bytes, depth })
    }

    #[test]
    fn t186_what_two_readers_could_read_differently_is_refused() {
        for text in [
            "",
            " ",
            "{} {}",
            "{}x",
            "\u{feff}{}",
            "{\"a\":1,\"a\":1}",
            "{\"a\":1,\"\\u0061\":1}",
            "{\"a\":1,}",
            "[1,]",
            "[1 2]",
            "{\"a\" 1}",
            "{a:1}",
            "{'a':1}",
            "\"\\ud800\"",
            "\"\\udc00\"",
            "\"\\ud800\\u0041\"",
            "\"\\u00g0\"",
            "\"\\u+123\"",
            "\"\\x\"",
            "\"a\nb\"",
            "\"a",
            "01",
            "+1",
            "1.",
            ".5",
            "1e",
            "--1",
            "0x1",
            "1e400",
            "-1e400",
            "NaN",
            "Infinity",
            "True",
            "nul",
            "// c\n1",
        ] {
            assert!(parse(text.as_bytes(), 100, 64).is_err(), "{text:?}");
        }
        assert!(parse(b"\"\xff\"", 100, 64).is_err());
        assert!(parse(b"[1,2,3]", 6, 64).is_err());
        for (depth, good) in [(64, true), (65, false), (100_000, false)] {
            let text = "[".repeat(depth) + &"]".repeat(depth);
            assert_eq!(parse(text.as_bytes(), text.len(), 64).is_ok(), good, "{depth}");
        }
    }

    #[test]
    fn values_are_those_that_another_reader_reads() {
        for text in [
            "null",
            " true ",
            "[false, 0, -1, 1.5, 1e3, -0.0E-2, \"\"]",
            "{\"a\": {\"b\": [1, {}]}, \"A\": \"x\\\"\\\\\\/\\b\\f\\n\\r\\t\\u00e9\\ud83d\\ude00\u{20ac}\"}",
        ] {
            let ours = parse(text.as_bytes(), 1000, 64).unwrap();
            let theirs: serde_json::Value = serde_json::from_str(text).unwrap();
            assert_eq!(compared(&ours), theirs, "{text}");
        }
    }

    fn compared(value: &Value) -> serde_json::Value {
        match value {
            Value::Null => serde_json::Value::Null,
            Value::Bool(value) => (*value).into(),
            Value::Number(text) => serde_json::from_str(text).unwrap(),
            Value::String(text) => text.clone().into(),
            Value::List(items) => items.iter().map(compared).collect(),
            Value::Object(members) => {
                let members = members.iter().map(|(key, value)| (key.clone(), compared(value)));
                serde_json::Value::Object(members.collect())
            }
        }
    }
}
