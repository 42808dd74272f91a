//! A TOML file read key by key, so that every error and warning knows its line and table, and what was not
//! asked for is noticed.

use std::{borrow::Cow, cell::RefCell, collections::BTreeSet, path::Path};

use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

use crate::{ConfigError, ConfigErrorKind, ConfigWarning, Origin};

/// A value and the byte offset at which it stands.
#[derive(Debug, Clone)]
pub(crate) struct Located<T> {
    pub(crate) value: T,
    pub(crate) offset: usize,
}

/// The text of one file: turns offsets into places and collects warnings.
#[derive(Debug)]
pub(crate) struct Document<'a> {
    text: &'a str,
    file: Option<&'a Path>,
    /// The offset at which each line starts.
    lines: Vec<usize>,
    warnings: RefCell<Vec<(usize, ConfigWarning)>>,
}

impl<'a> Document<'a> {
    pub(crate) fn new(text: &'a str, file: Option<&'a Path>) -> Self {
        // A byte order mark is no part of the text, though some editors write one.
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let after_newlines = text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n');
        Self {
            text,
            file,
            lines: std::iter::once(0)
                .chain(after_newlines.map(|(offset, _)| offset + 1))
                .collect(),
            warnings: RefCell::default(),
        }
    }

    pub(crate) fn parse(&self) -> Result<Spanned<DeTable<'a>>, ConfigError> {
        DeTable::parse(self.text).map_err(|error| {
            let message = format!("not valid TOML: {}", bounded(error.message()));
            let offset = error.span().map_or(0, |span| span.start);
            self.error(ConfigErrorKind::Syntax, offset, message)
        })
    }

    /// Line and column of an offset, from 1.
    fn position(&self, offset: usize) -> (usize, usize) {
        let line = self.lines.partition_point(|start| *start <= offset).max(1);
        let start = self.lines.get(line - 1).copied().unwrap_or_default();
        let before = self.text.get(start..offset).unwrap_or_default();
        (line, before.chars().count() + 1)
    }

    pub(crate) fn origin(&self, offset: usize) -> Origin {
        Origin::new(self.file.map(Path::to_owned), self.position(offset).0)
    }

    pub(crate) fn error(
        &self,
        kind: ConfigErrorKind,
        offset: usize,
        message: impl Into<String>,
    ) -> ConfigError {
        let (line, column) = self.position(offset);
        let error = ConfigError::new(kind, message).at(line, column);
        match self.file {
            Some(file) => error.with_file(file),
            None => error,
        }
    }

    pub(crate) fn warn(&self, offset: usize, table: &str, key: &str, message: impl Into<String>) {
        let warning = ConfigWarning {
            file: self.file.map(Path::to_owned),
            line: Some(self.position(offset).0),
            key: bounded(key),
            table: table.to_owned(),
            message: message.into(),
        };
        self.warnings.borrow_mut().push((offset, warning));
    }

    /// The warnings in the order of the file.
    pub(crate) fn into_warnings(self) -> Vec<ConfigWarning> {
        let mut warnings = self.warnings.into_inner();
        warnings.sort_by_key(|(offset, _)| *offset);
        warnings.into_iter().map(|(_, warning)| warning).collect()
    }
}

/// One table of a document. Keys are looked up by their exact name.
///
/// # Deviation
///
/// Upstream falls back to comparing keys without regard to ASCII case, an artefact of its TOML library.
#[derive(Debug)]
pub(crate) struct Table<'t, 'a> {
    document: &'t Document<'a>,
    entries: &'t DeTable<'a>,
    /// The dotted name without the root: `registry.mirror`.
    name: String,
    offset: usize,
    known: BTreeSet<&'static str>,
}

impl<'t, 'a> Table<'t, 'a> {
    pub(crate) fn root(document: &'t Document<'a>, entries: &'t Spanned<DeTable<'a>>) -> Self {
        Self {
            document,
            entries: entries.get_ref(),
            name: String::new(),
            offset: 0,
            known: BTreeSet::new(),
        }
    }

    pub(crate) const fn document(&self) -> &'t Document<'a> {
        self.document
    }

    pub(crate) const fn offset(&self) -> usize {
        self.offset
    }

    pub(crate) fn origin(&self) -> Origin {
        self.document.origin(self.offset)
    }

    /// An error about one of this table's keys.
    pub(crate) fn error(
        &self,
        kind: ConfigErrorKind,
        offset: usize,
        key: &str,
        message: impl Into<String>,
    ) -> ConfigError {
        self.document
            .error(kind, offset, message)
            .with_key(self.key_name(key))
    }

    pub(crate) fn warn(&self, offset: usize, key: &str, message: impl Into<String>) {
        self.document.warn(offset, &self.name, key, message);
    }

    fn key_name(&self, key: &str) -> String {
        match self.name.as_str() {
            "" => key.to_owned(),
            name if key.is_empty() => name.to_owned(),
            name => format!("{name}.{key}"),
        }
    }

    pub(crate) fn contains(&self, key: &str) -> bool {
        self.entries.contains_key(key)
    }

    fn value(&mut self, key: &'static str) -> Option<&'t Spanned<DeValue<'a>>> {
        self.known.insert(key);
        self.entries.get(key)
    }

    fn mistyped(&self, key: &str, value: &Spanned<DeValue<'a>>, expected: &str) -> ConfigError {
        let message = format!("expected {expected}, found {}", value.get_ref().type_str());
        self.error(ConfigErrorKind::Type, value.span().start, key, message)
    }

    pub(crate) fn string(&mut self, key: &'static str) -> Result<Option<Located<String>>, ConfigError> {
        let Some(value) = self.value(key) else {
            return Ok(None);
        };
        match value.get_ref() {
            DeValue::String(text) => Ok(Some(Located {
                value: text.to_string(),
                offset: value.span().start,
            })),
            _ => Err(self.mistyped(key, value, "a string")),
        }
    }

    pub(crate) fn bool(&mut self, key: &'static str) -> Result<Option<bool>, ConfigError> {
        let Some(value) = self.value(key) else {
            return Ok(None);
        };
        match value.get_ref() {
            DeValue::Boolean(flag) => Ok(Some(*flag)),
            _ => Err(self.mistyped(key, value, "true or false")),
        }
    }

    /// An array of strings, each with its offset.
    pub(crate) fn strings(
        &mut self,
        key: &'static str,
    ) -> Result<Option<Located<Vec<Located<String>>>>, ConfigError> {
        const EXPECTED: &str = "an array of strings";
        let Some(value) = self.value(key) else {
            return Ok(None);
        };
        let DeValue::Array(items) = value.get_ref() else {
            return Err(self.mistyped(key, value, EXPECTED));
        };
        let located = items.iter().map(|item| match item.get_ref() {
            DeValue::String(text) => Ok(Located {
                value: text.to_string(),
                offset: item.span().start,
            }),
            _ => Err(self.mistyped(key, item, EXPECTED)),
        });
        Ok(Some(Located {
            value: located.collect::<Result<_, _>>()?,
            offset: value.span().start,
        }))
    }

    pub(crate) fn table(&mut self, key: &'static str) -> Result<Option<Self>, ConfigError> {
        let Some(value) = self.value(key) else {
            return Ok(None);
        };
        self.child(key, value, "a table").map(Some)
    }

    /// Tables under `[[key]]`, or an array of inline tables.
    pub(crate) fn tables(&mut self, key: &'static str) -> Result<Vec<Self>, ConfigError> {
        let Some(value) = self.value(key) else {
            return Ok(Vec::new());
        };
        let expected = format!("an array of tables, written as [[{}]]", self.key_name(key));
        match value.get_ref() {
            DeValue::Array(items) => items
                .iter()
                .map(|item| self.child(key, item, &expected))
                .collect(),
            _ => Err(self.mistyped(key, value, &expected)),
        }
    }

    fn child(&self, key: &str, value: &'t Spanned<DeValue<'a>>, expected: &str) -> Result<Self, ConfigError> {
        match value.get_ref() {
            DeValue::Table(entries) => Ok(Self {
                document: self.document,
                entries,
                name: self.key_name(key),
                offset: value.span().start,
                known: BTreeSet::new(),
            }),
            _ => Err(self.mistyped(key, value, expected)),
        }
    }

    /// Every entry of a table that maps names to strings.
    pub(crate) fn string_entries(
        &self,
    ) -> impl Iterator<Item = (Located<&'t str>, Result<Located<&'t str>, ConfigError>)> {
        self.entries.iter().map(|(key, value)| {
            let name: &'t Cow<'a, str> = key.get_ref();
            let text = match value.get_ref() {
                DeValue::String(text) => Ok(Located {
                    value: text.as_ref(),
                    offset: value.span().start,
                }),
                _ => Err(self.mistyped(&quoted(name), value, "a string")),
            };
            let name = Located {
                value: name.as_ref(),
                offset: key.span().start,
            };
            (name, text)
        })
    }

    /// Warns of every key that nothing asked for.
    pub(crate) fn finish(self) {
        for (key, _) in self.entries {
            let name = key.get_ref().as_ref();
            if !self.known.contains(name) {
                self.warn(key.span().start, name, self.unknown(name));
            }
        }
    }

    fn unknown(&self, name: &str) -> String {
        const GLOBAL: [&str; 5] = [
            "unqualified-search-registries",
            "credential-helpers",
            "short-name-mode",
            "additional-layer-store-auth-helper",
            "aliases",
        ];
        let lower = name.to_ascii_lowercase();
        let dashed = lower.replace('_', "-");
        if !self.name.is_empty() && GLOBAL.contains(&name) {
            return format!(
                "ignored: it fell into the table {}; it belongs above the first table",
                self.name
            );
        }
        let meant = [lower.as_str(), dashed.as_str()]
            .into_iter()
            .find_map(|key| self.known.get(key));
        match meant {
            Some(key) => format!("unknown key, ignored; did you mean {key}?"),
            None => "unknown key, ignored".to_owned(),
        }
    }
}

/// Text from a file as it appears in a message: in quotes, escaped and bounded.
pub(crate) fn quoted(text: &str) -> String {
    format!("\"{}\"", bounded(text))
}

fn bounded(text: &str) -> String {
    const MAX_CHARS: usize = 120;
    let mut bounded = String::new();
    for char in text.chars().take(MAX_CHARS) {
        match char {
            '"' | '\'' => bounded.push(char),
            _ => bounded.extend(char.escape_debug()),
        }
    }
    if text.chars().nth(MAX_CHARS).is_some() {
        bounded.push('…');
    }
    bounded
}
