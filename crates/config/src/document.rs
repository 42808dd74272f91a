//! A TOML file read key by key, so that every error and warning knows its line and table, and what was not
//! asked for is noticed.

mod table;

use std::{cell::RefCell, path::Path};

use toml::{Spanned, de::DeTable};

use crate::{ConfigError, ConfigErrorKind, ConfigWarning, SourceLine};
pub(crate) use table::Table;

/// A value and the byte offset at which it stands.
#[derive(Debug, Clone)]
pub(crate) struct Located<T> {
    pub(crate) value: T,
    pub(crate) offset: usize,
}

/// The text of one file: turns offsets into positions and collects warnings.
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

    pub(crate) fn source_line(&self, offset: usize) -> SourceLine {
        SourceLine::new(self.file.map(Path::to_owned), self.position(offset).0)
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

/// Text from a file as it appears in a message: in quotes, escaped and bounded.
pub(crate) fn quoted(text: &str) -> String {
    format!("\"{}\"", bounded(text))
}

pub(crate) fn bounded(text: &str) -> String {
    /// The most characters of a configuration file's text in a message.
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
