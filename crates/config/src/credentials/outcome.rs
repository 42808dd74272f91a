use std::{fmt, path::PathBuf};

use super::{CredentialsError, key};

/// One source that was asked.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct LookupStep {
    /// The source.
    pub source: CredentialSource,
    /// The answer of the source.
    pub outcome: LookupOutcome,
}

/// A source of credentials.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum CredentialSource {
    /// A file.
    File(PathBuf),
    /// A helper, by its name without `docker-credential-`.
    Helper(String),
}

impl fmt::Display for CredentialSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => write!(f, "{}", path.display()),
            Self::Helper(name) => write!(f, "docker-credential-{}", key::shown(name)),
        }
    }
}

/// The answer of a source.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum LookupOutcome {
    /// The file does not exist.
    NoFile,
    /// The source has nothing for the key.
    Nothing,
    /// An entry without a credential, at this line; less specific keys of the file are not tried.
    EmptyEntry {
        /// The key as it stands in the file.
        key: String,
        /// The line of the entry, from 1.
        line: usize,
    },
    /// The file names a helper for the answer, which is the next step.
    Delegates,
    /// The source failed, and the search went on: a later source had the credential, or `credsStore` names
    /// it, which is for no registry in particular.
    Failed(CredentialsError),
    /// The credential.
    Found(CredentialEntry),
}

impl fmt::Display for LookupOutcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoFile => f.write_str("does not exist"),
            Self::Nothing => f.write_str("has nothing"),
            Self::EmptyEntry { key, line } => {
                write!(
                    f,
                    "has an entry without a credential, {} in line {line}",
                    key::shown(key)
                )
            }
            Self::Delegates => f.write_str("names a helper"),
            Self::Failed(error) => write!(f, "failed: {error}"),
            Self::Found(CredentialEntry::File { key, line, .. }) => {
                write!(f, "has it under {} in line {line}", key::shown(key))
            }
            Self::Found(CredentialEntry::Helper { server, .. }) => {
                write!(f, "has it under {}", key::shown(server))
            }
        }
    }
}

/// The entry of a file or helper that a credential comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum CredentialEntry {
    /// In an entry of a file.
    File {
        /// The file.
        path: PathBuf,
        /// The key of the entry, as it stands in the file.
        key: String,
        /// The line of the entry, from 1.
        line: usize,
    },
    /// In a helper.
    Helper {
        /// The name, without `docker-credential-`.
        name: String,
        /// The server it was asked for.
        server: String,
        /// The file that names the helper; `None` for one of registries.conf.
        named_by: Option<PathBuf>,
    },
}

impl CredentialEntry {
    /// The file or helper.
    #[must_use]
    pub fn source(&self) -> CredentialSource {
        match self {
            Self::File { path, .. } => CredentialSource::File(path.clone()),
            Self::Helper { name, .. } => CredentialSource::Helper(name.clone()),
        }
    }
}

impl fmt::Display for CredentialEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File { path, key, line } => {
                write!(f, "{}:{line}: {}", path.display(), key::shown(key))
            }
            Self::Helper { name, server, .. } => {
                write!(f, "docker-credential-{name}: {}", key::shown(server))
            }
        }
    }
}
