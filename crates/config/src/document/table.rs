use std::{borrow::Cow, collections::BTreeSet};

use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

use super::{Document, Located, quoted};
use crate::{ConfigError, ConfigErrorKind, SourceLine, fold};

/// One table of a document. As upstream, a key that is not there as it is written is looked for without
/// regard to case; that gives a warning.
///
/// # Deviation
///
/// A key that stands in a table more than once, in different cases, is an error; upstream takes any of them.
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

    pub(crate) fn source_line(&self) -> SourceLine {
        self.document.source_line(self.offset)
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
        self.entries
            .keys()
            .any(|written| fold::same(written.get_ref(), key))
    }

    fn value(&mut self, key: &'static str) -> Result<Option<&'t Spanned<DeValue<'a>>>, ConfigError> {
        self.known.insert(key);
        let mut written = self
            .entries
            .iter()
            .filter(|(written, _)| fold::same(written.get_ref(), key));
        let Some((name, value)) = written.next() else {
            return Ok(None);
        };
        let offset = name.span().start;
        if let Some((other, _)) = written.next() {
            let message = format!(
                "the key stands here and in line {}, in another case; leave one",
                self.document.source_line(other.span().start.min(offset)).line()
            );
            let last = other.span().start.max(offset);
            return Err(self.error(ConfigErrorKind::Conflict, last, key, message));
        }
        if name.get_ref() != key {
            self.warn(offset, name.get_ref(), format!("read as {key}; write it so"));
        }
        Ok(Some(value))
    }

    fn mistyped(&self, key: &str, value: &Spanned<DeValue<'a>>, expected: &str) -> ConfigError {
        let message = format!("expected {expected}, found {}", value.get_ref().type_str());
        self.error(ConfigErrorKind::Type, value.span().start, key, message)
    }

    pub(crate) fn string(&mut self, key: &'static str) -> Result<Option<Located<String>>, ConfigError> {
        let Some(value) = self.value(key)? else {
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
        let Some(value) = self.value(key)? else {
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
        let Some(value) = self.value(key)? else {
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
        let Some(value) = self.value(key)? else {
            return Ok(None);
        };
        self.child(key, value, "a table").map(Some)
    }

    /// Tables under `[[key]]`, or an array of inline tables.
    pub(crate) fn tables(&mut self, key: &'static str) -> Result<Vec<Self>, ConfigError> {
        let Some(value) = self.value(key)? else {
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
            if !self.known.iter().any(|known| fold::same(known, name)) {
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
        let dashed = name.replace('_', "-");
        let is = |known: &&str| fold::same(known, name);
        if !self.name.is_empty() && GLOBAL.iter().any(is) {
            return format!(
                "ignored: it fell into the table {}; it belongs above the first table",
                self.name
            );
        }
        let meant = self.known.iter().find(|known| fold::same(known, &dashed));
        match meant {
            Some(key) => format!("unknown key, ignored; did you mean {key}?"),
            None => "unknown key, ignored".to_owned(),
        }
    }
}
