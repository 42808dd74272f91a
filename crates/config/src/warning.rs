use std::{
    fmt,
    path::{Path, PathBuf},
};

/// Something in a configuration file that has no effect, or not the one its author may expect. The file is
/// used all the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigWarning {
    pub(crate) file: Option<PathBuf>,
    pub(crate) line: usize,
    pub(crate) key: String,
    pub(crate) table: String,
    pub(crate) message: String,
}

impl ConfigWarning {
    /// The file; `None` for text that did not come from one.
    #[must_use]
    pub fn file(&self) -> Option<&Path> {
        self.file.as_deref()
    }

    /// The line, from 1.
    #[must_use]
    pub const fn line(&self) -> usize {
        self.line
    }

    /// The key, without its tables.
    #[must_use]
    pub fn key(&self) -> &str {
        &self.key
    }

    /// The table the key is in, such as `registry.mirror`; empty at the top level.
    #[must_use]
    pub fn table(&self) -> &str {
        &self.table
    }

    /// What is odd and what to do about it, without the place.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.message
    }
}

impl fmt::Display for ConfigWarning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.file {
            Some(file) => write!(f, "{}:{}: ", file.display(), self.line)?,
            None => write!(f, "line {}: ", self.line)?,
        }
        match self.table.as_str() {
            "" => write!(f, "{}: {}", self.key, self.message),
            table => write!(f, "{table}.{}: {}", self.key, self.message),
        }
    }
}
