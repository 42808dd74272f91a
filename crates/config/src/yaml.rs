//! The YAML of configuration files: mappings, lists and scalars, each with its position, and nothing that
//! refers to something else.
//!
//! Anchors, aliases, tags, merge keys and further documents are errors, so that the size of what is read is
//! that of its text (docs/threats.md, T183).

use saphyr_parser::{Event, Marker, Parser, ScalarStyle, Span};

use crate::{ConfigError, ConfigErrorKind, document::quoted};

/// The largest YAML file that is read, in bytes.
pub(crate) const MAX_YAML_SIZE: usize = 1 << 20;
/// The most mappings and lists in each other in a YAML file.
const MAX_YAML_DEPTH: usize = 32;

/// A value and its position: line and column, from 1.
#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) value: Value,
    pub(crate) position: (usize, usize),
}

#[derive(Debug)]
pub(crate) enum Value {
    /// Text. Whether it was written without quotes decides if it may be something else, such as null.
    Scalar {
        text: String,
        is_plain: bool,
    },
    Map(Vec<Entry>),
    List,
}

/// One key of a mapping. Keys are unique.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) key: String,
    pub(crate) position: (usize, usize),
    pub(crate) value: Node,
}

impl Node {
    pub(crate) fn is_null(&self) -> bool {
        matches!(&self.value, Value::Scalar { text, is_plain: true }
            if matches!(text.as_str(), "" | "~" | "null" | "Null" | "NULL"))
    }

    pub(crate) const fn kind(&self) -> &'static str {
        match self.value {
            Value::Scalar { .. } => "a scalar",
            Value::Map(_) => "a mapping",
            Value::List => "a list",
        }
    }
}

/// The one document of a text; `None` if it has none.
pub(crate) fn parse(text: &str) -> Result<Option<Node>, ConfigError> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    if text.len() > MAX_YAML_SIZE {
        let message = format!("it is larger than {} KiB", MAX_YAML_SIZE >> 10);
        return Err(ConfigError::new(ConfigErrorKind::TooLarge, message).at(1, 1));
    }
    let lines = text.split('\n').count();
    let mut reader = Reader {
        events: Parser::new_from_str(text),
        lines,
    };
    reader.document()
}

struct Reader<'a> {
    events: Parser<'a, saphyr_parser::StrInput<'a>>,
    lines: usize,
}

impl<'a> Reader<'a> {
    fn document(&mut self) -> Result<Option<Node>, ConfigError> {
        let mut document = None;
        while let Some((event, span)) = self.next()? {
            match event {
                Event::DocumentStart(_) if document.is_some() => {
                    return Err(self.syntax(&span, "the file has more than one document; write one"));
                }
                Event::Nothing | Event::StreamStart | Event::DocumentEnd | Event::DocumentStart(_) => {}
                Event::StreamEnd => break,
                event => document = Some(self.node(event, &span, 0)?),
            }
        }
        Ok(document)
    }

    fn next(&mut self) -> Result<Option<(Event<'a>, Span)>, ConfigError> {
        match self.events.next_event() {
            None => Ok(None),
            Some(Ok(event)) => Ok(Some(event)),
            Some(Err(error)) => {
                let message = format!("not valid YAML: {}", crate::document::bounded(error.info()));
                Err(self.error(ConfigErrorKind::Syntax, *error.marker(), message))
            }
        }
    }

    fn node(&mut self, event: Event<'a>, span: &Span, depth: usize) -> Result<Node, ConfigError> {
        let position = self.position(span.start);
        let (anchor, tag) = match &event {
            Event::Scalar(_, _, anchor, tag)
            | Event::MappingStart(anchor, tag)
            | Event::SequenceStart(anchor, tag) => (*anchor, tag.is_some()),
            _ => (0, false),
        };
        if anchor != 0 || matches!(event, Event::Alias(_)) {
            return Err(self.syntax(span, "anchors and aliases are not read; write the value out"));
        }
        if tag {
            return Err(self.syntax(span, "tags are not read; leave out the text that begins with `!`"));
        }
        if depth >= MAX_YAML_DEPTH {
            let message = format!("more than {MAX_YAML_DEPTH} values in each other");
            return Err(self.syntax(span, message));
        }
        let value = match event {
            Event::Scalar(text, style, ..) => Value::Scalar {
                text: text.into_owned(),
                is_plain: style == ScalarStyle::Plain,
            },
            Event::MappingStart(..) => Value::Map(self.entries(depth)?),
            Event::SequenceStart(..) => self.skip_list(depth)?,
            _ => return Err(self.syntax(span, "a value is missing")),
        };
        Ok(Node { value, position })
    }

    fn entries(&mut self, depth: usize) -> Result<Vec<Entry>, ConfigError> {
        let mut entries: Vec<Entry> = Vec::new();
        let mut seen = std::collections::HashSet::new();
        while let Some((event, span)) = self.next()? {
            if matches!(event, Event::MappingEnd) {
                break;
            }
            let key = self.node(event, &span, depth + 1)?;
            let position = key.position;
            let Value::Scalar { text: key, is_plain } = key.value else {
                return Err(self.syntax(&span, "a key must be text"));
            };
            if is_plain && key == "<<" {
                return Err(self.syntax(&span, "merge keys are not read; write the values out"));
            }
            if !seen.insert(key.clone()) {
                let message = "the key stands here twice; remove one of them";
                return Err(self.syntax(&span, message).with_key(quoted(&key)));
            }
            let Some((event, span)) = self.next()? else {
                break;
            };
            let value = self.node(event, &span, depth + 1)?;
            entries.push(Entry { key, position, value });
        }
        Ok(entries)
    }

    /// No file that is read has a list in it, so that its items are checked and dropped.
    fn skip_list(&mut self, depth: usize) -> Result<Value, ConfigError> {
        while let Some((event, span)) = self.next()? {
            if matches!(event, Event::SequenceEnd) {
                break;
            }
            self.node(event, &span, depth + 1)?;
        }
        Ok(Value::List)
    }

    fn position(&self, marker: Marker) -> (usize, usize) {
        (marker.line().clamp(1, self.lines), marker.col() + 1)
    }

    fn error(&self, kind: ConfigErrorKind, marker: Marker, message: impl Into<String>) -> ConfigError {
        let (line, column) = self.position(marker);
        ConfigError::new(kind, message).at(line, column)
    }

    fn syntax(&self, span: &Span, message: impl Into<String>) -> ConfigError {
        self.error(ConfigErrorKind::Syntax, span.start, message)
    }
}
