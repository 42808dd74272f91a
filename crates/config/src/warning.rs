use std::{
    fmt,
    path::{Path, PathBuf},
};

use crate::SourceLine;

/// Something in a configuration file that has no effect, or not the one its author may expect. The file is
/// used all the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigWarning {
    pub(crate) file: Option<PathBuf>,
    pub(crate) line: Option<usize>,
    pub(crate) key: String,
    pub(crate) table: String,
    pub(crate) message: String,
}

impl ConfigWarning {
    /// A warning about a file as a whole.
    pub(crate) fn of_file(file: &Path, message: &str) -> Self {
        Self {
            file: Some(file.to_owned()),
            line: None,
            key: String::new(),
            table: String::new(),
            message: message.to_owned(),
        }
    }

    /// A warning about a key of the table at this line.
    pub(crate) fn of_table(line: &SourceLine, table: &str, key: &str, message: String) -> Self {
        Self {
            file: line.file().map(Path::to_owned),
            line: Some(line.line()),
            key: key.to_owned(),
            table: table.to_owned(),
            message,
        }
    }

    /// The file; `None` for text that did not come from one.
    #[must_use]
    pub fn file(&self) -> Option<&Path> {
        self.file.as_deref()
    }

    /// The line, from 1; `None` if the file as a whole is meant.
    #[must_use]
    pub const fn line(&self) -> Option<usize> {
        self.line
    }

    /// The key, without its tables; empty if the file as a whole is meant.
    #[must_use]
    pub fn key(&self) -> &str {
        &self.key
    }

    /// The table the key is in, such as `registry.mirror`; empty at the top level.
    #[must_use]
    pub fn table(&self) -> &str {
        &self.table
    }

    /// The oddity and what to do about it, without file, line and key.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.message
    }
}

impl fmt::Display for ConfigWarning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.file, self.line) {
            (Some(file), Some(line)) => write!(f, "{}:{line}: ", file.display())?,
            (Some(file), None) => write!(f, "{}: ", file.display())?,
            (None, Some(line)) => write!(f, "line {line}: ")?,
            (None, None) => {}
        }
        match (self.table.as_str(), self.key.as_str()) {
            (_, "") => {}
            ("", key) => write!(f, "{key}: ")?,
            (table, key) => write!(f, "{table}.{key}: ")?,
        }
        f.write_str(&self.message)
    }
}
