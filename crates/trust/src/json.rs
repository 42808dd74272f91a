//! JSON that can be read in one way only: every member once, in its own case, nothing after the value.

use std::fmt;

use serde::{
    Deserializer,
    de::{DeserializeSeed, Error as _, MapAccess, SeqAccess, Visitor},
};
use serde_json::Number;

/// A value. Members are in the order of the text, no two of one name.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Value {
    Null,
    Bool(bool),
    Number(Number),
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
    /// Reads a whole text. The error has line and column where the grammar is broken or a member is there twice.
    pub(crate) fn parse(text: &[u8], limits: Limits) -> Result<Self, String> {
        if text.len() > limits.bytes {
            return Err(format!("it is longer than {} bytes", limits.bytes));
        }
        let text = str::from_utf8(text).map_err(|_| "it is not UTF-8".to_owned())?;
        let mut deserializer = serde_json::Deserializer::from_str(text);
        let value = Seed { depth: limits.depth }
            .deserialize(&mut deserializer)
            .map_err(|error| bounded(&error))?;
        deserializer.end().map_err(|error| bounded(&error))?;
        Ok(value)
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
        if let Some(integer) = number.as_i64() {
            return Ok(integer);
        }
        let float = number.as_f64().unwrap_or(f64::NAN);
        let integer = float as i64;
        // The cast saturates, and the largest integer is no float.
        if integer == i64::MAX || integer as f64 != float {
            return Err(format!("`{what}` is not an integer"));
        }
        Ok(integer)
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

impl Object {
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

/// What serde says of foreign text, which it may quote at any length.
fn bounded(error: &serde_json::Error) -> String {
    let whole = error.to_string();
    let start = crate::bounded(&whole);
    if start.len() == whole.len() {
        return format!("it is no acceptable JSON: {whole}");
    }
    format!(
        "it is no acceptable JSON: {start}… at line {} column {}",
        error.line(),
        error.column()
    )
}

#[derive(Clone, Copy)]
struct Seed {
    /// How many levels may still be opened.
    depth: usize,
}

impl Seed {
    fn deeper<E: serde::de::Error>(self) -> Result<Self, E> {
        let depth = self.depth.checked_sub(1);
        depth
            .map(|depth| Self { depth })
            .ok_or_else(|| E::custom("it is nested too deep"))
    }
}

impl<'de> DeserializeSeed<'de> for Seed {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Seed {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<Value, E> {
        let number = Number::from_f64(value);
        number
            .map(Value::Number)
            .ok_or_else(|| E::custom("number out of range"))
    }

    fn visit_str<E>(self, text: &str) -> Result<Value, E> {
        Ok(Value::String(text.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let inner = self.deeper()?;
        let mut list = Vec::new();
        while let Some(item) = items.next_element_seed(inner)? {
            list.push(item);
        }
        Ok(Value::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let inner = self.deeper()?;
        let mut seen = std::collections::HashSet::new();
        let mut members = Vec::new();
        while let Some(name) = entries.next_key::<String>()? {
            if !seen.insert(name.clone()) {
                let name = crate::bounded(&name);
                return Err(A::Error::custom(format_args!(
                    "the member {name:?} is there twice"
                )));
            }
            members.push((name, entries.next_value_seed(inner)?));
        }
        Ok(Value::Object(members))
    }
}
