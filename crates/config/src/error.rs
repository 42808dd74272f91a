use std::{
    error, fmt, io,
    path::{Path, PathBuf},
    sync::Arc,
};

/// Why a configuration file cannot be used: which file, where in it, and what was expected.
///
/// It prints as `file:line:column: key: message`, with what is not known left out. Text from files is
/// escaped and bounded. It never contains a secret.
#[derive(Debug, Clone)]
pub struct ConfigError {
    kind: ConfigErrorKind,
    file: Option<PathBuf>,
    line: Option<usize>,
    column: Option<usize>,
    key: Option<String>,
    message: String,
    source: Option<Arc<io::Error>>,
}

/// The kinds of [`ConfigError`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ConfigErrorKind {
    /// A file that was asked for by name does not exist.
    Missing,
    /// A file or directory exists but cannot be read.
    Unreadable,
    /// A file cannot be written.
    Unwritable,
    /// A file is larger than any configuration.
    TooLarge,
    /// The file is not valid TOML or JSON, or not UTF-8.
    Syntax,
    /// A value of the wrong type, such as a string where a boolean must stand.
    Type,
    /// A value of the right type that is not allowed.
    Value,
    /// Something required is not there.
    Incomplete,
    /// Two things that exclude each other.
    Conflict,
}

impl ConfigError {
    /// An error in words. Say what is wrong and what was expected.
    pub(crate) fn new(kind: ConfigErrorKind, message: impl Into<String>) -> Self {
        Self {
            kind,
            file: None,
            line: None,
            column: None,
            key: None,
            message: message.into(),
            source: None,
        }
    }

    /// A failed operation on a file or directory; `NotFound` becomes [`ConfigErrorKind::Missing`].
    pub(crate) fn reading(path: &Path, error: io::Error) -> Self {
        let (kind, message) = match error.kind() {
            io::ErrorKind::NotFound => (ConfigErrorKind::Missing, "the file does not exist"),
            _ => (ConfigErrorKind::Unreadable, "cannot be read"),
        };
        Self::new(kind, message).with_file(path).with_source(error)
    }

    /// A failed write.
    pub(crate) fn writing(path: &Path, error: io::Error) -> Self {
        Self::new(ConfigErrorKind::Unwritable, "cannot be written")
            .with_file(path)
            .with_source(error)
    }

    #[must_use]
    pub(crate) fn with_file(mut self, file: &Path) -> Self {
        self.file = Some(file.to_owned());
        self
    }

    /// Line and column, from 1.
    #[must_use]
    pub(crate) const fn at(mut self, line: usize, column: usize) -> Self {
        self.line = Some(line);
        self.column = Some(column);
        self
    }

    #[must_use]
    pub(crate) fn with_key(mut self, key: impl Into<String>) -> Self {
        self.key = Some(key.into());
        self
    }

    #[must_use]
    pub(crate) fn with_source(mut self, source: io::Error) -> Self {
        self.source = Some(Arc::new(source));
        self
    }

    /// What kind of failure it is.
    #[must_use]
    pub const fn kind(&self) -> ConfigErrorKind {
        self.kind
    }

    /// The file; `None` for text that did not come from one.
    #[must_use]
    pub fn file(&self) -> Option<&Path> {
        self.file.as_deref()
    }

    /// The line, from 1.
    #[must_use]
    pub const fn line(&self) -> Option<usize> {
        self.line
    }

    /// The column in characters, from 1.
    #[must_use]
    pub const fn column(&self) -> Option<usize> {
        self.column
    }

    /// The key, with its tables: `registry.mirror.location`.
    #[must_use]
    pub fn key(&self) -> Option<&str> {
        self.key.as_deref()
    }

    /// What is wrong and what was expected, without the place.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.message
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.file, self.line) {
            (Some(file), _) => write!(f, "{}", file.display())?,
            (None, Some(_)) => f.write_str("line ")?,
            (None, None) => {}
        }
        if let Some(line) = self.line {
            let colon = if self.file.is_some() { ":" } else { "" };
            write!(f, "{colon}{line}")?;
            if let Some(column) = self.column {
                write!(f, ":{column}")?;
            }
        }
        if self.file.is_some() || self.line.is_some() {
            f.write_str(": ")?;
        }
        if let Some(key) = &self.key {
            write!(f, "{key}: ")?;
        }
        f.write_str(&self.message)
    }
}

impl error::Error for ConfigError {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        self.source.as_deref().map(|source| source as _)
    }
}
