use std::{
    fmt,
    path::{Path, PathBuf},
};

/// A line of a configuration file. Prints as `FILE:LINE`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct SourceLine {
    file: Option<PathBuf>,
    line: usize,
}

impl SourceLine {
    pub(crate) const fn new(file: Option<PathBuf>, line: usize) -> Self {
        Self { file, line }
    }

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
}

impl fmt::Display for SourceLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.file {
            Some(file) => write!(f, "{}:{}", file.display(), self.line),
            None => write!(f, "line {}", self.line),
        }
    }
}
