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

/// A table of registries.conf, or an entry of its version 1: a registry, or a mirror of one. Prints as
/// `FILE:LINE ([[registry]] PREFIX)`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct SourceTable {
    line: SourceLine,
    header: &'static str,
    name: String,
}

impl SourceTable {
    /// The table `[[registry]]` with this prefix.
    pub(crate) const fn registry(line: SourceLine, prefix: String) -> Self {
        Self {
            line,
            header: "[[registry]]",
            name: prefix,
        }
    }

    /// The table `[[registry.mirror]]` with this location.
    pub(crate) const fn mirror(line: SourceLine, location: String) -> Self {
        Self {
            line,
            header: "[[registry.mirror]]",
            name: location,
        }
    }

    /// The line of its header.
    #[must_use]
    pub const fn line(&self) -> &SourceLine {
        &self.line
    }

    /// Its header: `[[registry]]` or `[[registry.mirror]]`.
    #[must_use]
    pub const fn header(&self) -> &str {
        self.header
    }

    /// Its `prefix`; of a mirror, its `location`.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }
}

impl fmt::Display for SourceTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({} {})", self.line, self.header, self.name)
    }
}
