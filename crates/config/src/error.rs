use std::{
    error, fmt, io,
    path::{Path, PathBuf},
    sync::Arc,
};

/// The failure to use a configuration file: the file, the position in it, and what was expected.
///
/// It prints as `file:line:column: key: message`, with what is not known left out. Text from files is
/// escaped and bounded. It never contains a secret.
#[derive(Debug, Clone)]
pub struct ConfigError(Box<Details>);

#[derive(Debug, Clone)]
struct Details {
    kind: ConfigErrorKind,
    file: Option<PathBuf>,
    /// Line and column.
    position: Option<(usize, usize)>,
    key: Option<String>,
    message: String,
    source: Option<Arc<io::Error>>,
    others: Vec<ConfigError>,
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
        Self(Box::new(Details {
            kind,
            file: None,
            position: None,
            key: None,
            message: message.into(),
            source: None,
            others: Vec::new(),
        }))
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
        self.0.file = Some(file.to_owned());
        self
    }

    /// Line and column, from 1.
    #[must_use]
    pub(crate) fn at(mut self, line: usize, column: usize) -> Self {
        self.0.position = Some((line, column));
        self
    }

    #[must_use]
    pub(crate) fn with_key(mut self, key: impl Into<String>) -> Self {
        self.0.key = Some(key.into());
        self
    }

    #[must_use]
    pub(crate) fn with_source(mut self, source: io::Error) -> Self {
        self.0.source = Some(Arc::new(source));
        self
    }

    /// Further errors of the same file.
    #[must_use]
    pub(crate) fn with_others(mut self, others: impl Iterator<Item = Self>) -> Self {
        self.0.others.extend(others);
        self
    }

    /// The kind of failure.
    #[must_use]
    pub const fn kind(&self) -> ConfigErrorKind {
        self.0.kind
    }

    /// The file; `None` for text that did not come from one.
    #[must_use]
    pub fn file(&self) -> Option<&Path> {
        self.0.file.as_deref()
    }

    /// The line, from 1.
    #[must_use]
    pub fn line(&self) -> Option<usize> {
        self.0.position.map(|(line, _)| line)
    }

    /// The column in characters, from 1.
    #[must_use]
    pub fn column(&self) -> Option<usize> {
        self.0.position.map(|(_, column)| column)
    }

    /// The key, with its tables: `registry.mirror.location`.
    #[must_use]
    pub fn key(&self) -> Option<&str> {
        self.0.key.as_deref()
    }

    /// Further errors of the same file, where it was read to its end: those of its other aliases.
    #[must_use]
    pub fn others(&self) -> &[Self] {
        &self.0.others
    }

    /// The mistake and what was expected, without file, position and key.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.0.message
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Details {
            file,
            position,
            key,
            message,
            others,
            ..
        } = &*self.0;
        match (file, position) {
            (Some(file), Some((line, column))) => write!(f, "{}:{line}:{column}: ", file.display())?,
            (Some(file), None) => write!(f, "{}: ", file.display())?,
            (None, Some((line, column))) => write!(f, "line {line}:{column}: ")?,
            (None, None) => {}
        }
        if let Some(key) = key {
            write!(f, "{key}: ")?;
        }
        f.write_str(message)?;
        for other in others {
            write!(f, "; {other}")?;
        }
        Ok(())
    }
}

impl error::Error for ConfigError {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        self.0.source.as_deref().map(|source| source as _)
    }
}
