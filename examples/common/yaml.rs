//! YAML for serde: maps, lists and scalars, and nothing that refers to something else.
//!
//! A scalar is what the type that is read wants, as in Go: `1.10` is text where text is wanted. Anchors, aliases and
//! tags are errors, so that the size of what is read is that of its text. An error has its line and column.

use std::{
    collections::HashSet,
    fmt,
    fs::File,
    io::{self, Read as _},
    path::Path,
};

use saphyr_parser::{Event, Parser, ScalarStyle, Span, StrInput};
use serde::{
    Deserialize,
    de::{self, DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor},
    forward_to_deserialize_any,
};
use wharf::{Error, ErrorKind};

/// The largest document, in bytes.
const MAX_SIZE: usize = 1 << 20;
/// The most maps and lists in each other.
const MAX_DEPTH: usize = 32;

/// Reads a value from a file.
pub(crate) fn from_file<T: for<'de> Deserialize<'de>>(path: &Path) -> Result<T, Error> {
    let mut text = String::new();
    // One byte more than a document may have: a file may be without an end.
    let read = File::open(path).and_then(|file| file.take(MAX_SIZE as u64 + 1).read_to_string(&mut text));
    read.map_err(|error| {
        let kind = match error.kind() {
            io::ErrorKind::NotFound => ErrorKind::NotFound,
            io::ErrorKind::InvalidData => ErrorKind::Invalid,
            _ => ErrorKind::Storage,
        };
        Error::new(kind, format!("cannot read {}", path.display())).with_source(error)
    })?;
    from_str(&text)
        .map_err(|problem| Error::new(ErrorKind::Invalid, format!("{}: {problem}", path.display())))
}

/// Reads a value from a document.
fn from_str<T: for<'de> Deserialize<'de>>(text: &str) -> Result<T, Problem> {
    if text.len() > MAX_SIZE {
        return Err(de::Error::custom(format!("larger than {} KiB", MAX_SIZE >> 10)));
    }
    let mut reader = Reader(Parser::new_from_str(text.trim_start_matches('\u{feff}')));
    T::deserialize(reader.document()?)
}

/// The reason why a document cannot be read, and its line and column.
#[derive(Debug)]
pub(crate) struct Problem {
    message: String,
    position: Option<(usize, usize)>,
}

impl Problem {
    fn at(message: impl Into<String>, position: (usize, usize)) -> Self {
        let message = message.into();
        let position = Some(position);
        Self { message, position }
    }

    /// With the position of a value, if there is none of something in it.
    fn or_at(mut self, position: (usize, usize)) -> Self {
        self.position.get_or_insert(position);
        self
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some((line, column)) = self.position {
            write!(f, "line {line}, column {column}: ")?;
        }
        f.write_str(&self.message)
    }
}

impl std::error::Error for Problem {}

impl de::Error for Problem {
    fn custom<T: fmt::Display>(message: T) -> Self {
        let position = None;
        let message = message.to_string();
        Self { message, position }
    }
}

struct Reader<'a>(Parser<'a, StrInput<'a>>);

impl<'a> Reader<'a> {
    fn next(&mut self) -> Result<Option<(Event<'a>, Span)>, Problem> {
        let event = self.0.next_event().transpose();
        event.map_err(|error| Problem::at(error.info(), position(*error.marker())))
    }

    /// The one document.
    fn document(&mut self) -> Result<Node, Problem> {
        let mut document = None;
        while let Some((event, span)) = self.next()? {
            match event {
                Event::Nothing | Event::StreamStart | Event::DocumentEnd => {}
                Event::DocumentStart(_) if document.is_none() => {}
                Event::StreamEnd => break,
                event if document.is_none() => document = Some(self.node(event, &span, 0)?),
                _ => return Err(Problem::at("more than one document", position(span.start))),
            }
        }
        document.ok_or_else(|| de::Error::custom("the document is empty"))
    }

    fn node(&mut self, event: Event<'a>, span: &Span, depth: usize) -> Result<Node, Problem> {
        let position = position(span.start);
        if depth == MAX_DEPTH {
            return Err(Problem::at(
                format!("more than {MAX_DEPTH} values in each other"),
                position,
            ));
        }
        let value = match event {
            Event::Scalar(text, style, 0, None) => Value::Scalar {
                text: text.into_owned(),
                is_plain: style == ScalarStyle::Plain,
            },
            Event::SequenceStart(0, None) => {
                let mut items = Vec::new();
                loop {
                    match self.next()? {
                        None | Some((Event::SequenceEnd, _)) => break Value::List(items),
                        Some((event, span)) => items.push(self.node(event, &span, depth + 1)?),
                    }
                }
            }
            Event::MappingStart(0, None) => Value::Map(self.entries(depth)?),
            _ => return Err(Problem::at("anchors, aliases and tags are not read", position)),
        };
        Ok(Node { value, position })
    }

    fn entries(&mut self, depth: usize) -> Result<Vec<(Node, Node)>, Problem> {
        let mut entries = Vec::new();
        let mut seen = HashSet::new();
        while let Some((event, span)) = self.next()? {
            if matches!(event, Event::MappingEnd) {
                break;
            }
            let key = self.node(event, &span, depth + 1)?;
            match &key.value {
                Value::Scalar { text, is_plain: true } if text == "<<" => {
                    return Err(Problem::at("merge keys are not read", key.position));
                }
                Value::Scalar { text, .. } if seen.insert(text.clone()) => {}
                Value::Scalar { text, .. } => {
                    return Err(Problem::at(
                        format!("the key {text:?} stands twice"),
                        key.position,
                    ));
                }
                _ => return Err(Problem::at("a key must be text", key.position)),
            }
            if let Some((event, span)) = self.next()? {
                entries.push((key, self.node(event, &span, depth + 1)?));
            }
        }
        Ok(entries)
    }
}

fn position(marker: saphyr_parser::Marker) -> (usize, usize) {
    (marker.line().max(1), marker.col() + 1)
}

/// A value and its line and column, from 1.
struct Node {
    value: Value,
    position: (usize, usize),
}

enum Value {
    Scalar { text: String, is_plain: bool },
    List(Vec<Node>),
    Map(Vec<(Node, Node)>),
}

impl Node {
    fn is_null(&self) -> bool {
        matches!(&self.value, Value::Scalar { text, is_plain: true } if matches!(text.as_str(), "" | "~" | "null" | "Null" | "NULL"))
    }
}

impl<'de> Deserializer<'de> for Node {
    type Error = Problem;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Problem> {
        let position = self.position;
        let is_null = self.is_null();
        let read = match self.value {
            Value::Scalar { .. } if is_null => visitor.visit_unit(),
            Value::Scalar { text, .. } => visitor.visit_string(text),
            Value::List(items) => visitor.visit_seq(Items(items.into_iter())),
            Value::Map(entries) => visitor.visit_map(Entries {
                entries: entries.into_iter(),
                value: None,
            }),
        };
        read.map_err(|problem: Problem| problem.or_at(position))
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Problem> {
        match &self.value {
            Value::Scalar { text, is_plain: true } => match text.as_str() {
                "true" | "True" | "TRUE" | "yes" | "Yes" | "YES" | "on" | "On" | "ON" => {
                    visitor.visit_bool(true)
                }
                "false" | "False" | "FALSE" | "no" | "No" | "NO" | "off" | "Off" | "OFF" => {
                    visitor.visit_bool(false)
                }
                _ => Err(Problem::at("expected true or false", self.position)),
            },
            _ => Err(Problem::at("expected true or false", self.position)),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Problem> {
        if self.is_null() {
            visitor.visit_none()
        } else {
            visitor.visit_some(self)
        }
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Problem> {
        let position = self.position;
        match self.value {
            Value::Scalar { text, .. } => visitor
                .visit_string(text)
                .map_err(|problem: Problem| problem.or_at(position)),
            _ => Err(Problem::at("expected text", position)),
        }
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Problem> {
        self.deserialize_string(visitor)
    }

    fn deserialize_identifier<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Problem> {
        self.deserialize_string(visitor)
    }

    forward_to_deserialize_any! {
        i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char bytes byte_buf unit unit_struct newtype_struct seq tuple
        tuple_struct map struct enum ignored_any
    }
}

struct Items(std::vec::IntoIter<Node>);

impl<'de> SeqAccess<'de> for Items {
    type Error = Problem;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Problem> {
        self.0.next().map(|item| seed.deserialize(item)).transpose()
    }
}

struct Entries {
    entries: std::vec::IntoIter<(Node, Node)>,
    value: Option<Node>,
}

impl<'de> MapAccess<'de> for Entries {
    type Error = Problem;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Problem> {
        let Some((key, value)) = self.entries.next() else {
            return Ok(None);
        };
        let position = key.position;
        self.value = Some(value);
        let read = seed.deserialize(key).map_err(|problem| problem.or_at(position));
        read.map(Some)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Problem> {
        let Some(value) = self.value.take() else {
            return Err(de::Error::custom("a value is missing"));
        };
        let position = value.position;
        seed.deserialize(value).map_err(|problem| problem.or_at(position))
    }
}
