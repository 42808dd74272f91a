use std::{
    fmt,
    path::{Path, PathBuf},
    sync::Arc,
};

use async_trait::async_trait;
use wharf_auth::{Credential, CredentialError, CredentialProvider};
use wharf_reference::{Registry, Repository};

use super::{
    AuthFile, AuthFormat,
    error::CredentialsError,
    key::{self, CredentialKey},
    offload::offload,
};
use crate::{ConfigError, Locations, locations::AuthFiles};

/// The credentials of a host: which sources there are, and the order in which they are asked.
///
/// Nothing is kept between look-ups, so a login by another program counts at once. Clones are cheap.
#[derive(Debug, Clone)]
pub struct Credentials {
    pub(super) sources: Arc<Sources>,
}

#[derive(Debug, Clone)]
pub(super) struct Sources {
    pub(super) files: AuthFiles,
}

impl Credentials {
    /// The files of a host (`containers-auth.json(5)`): an explicit one alone, be it set or named by
    /// `REGISTRY_AUTH_FILE`; otherwise auth.json of the runtime directory, auth.json of the user, Docker's
    /// config.json and `.dockercfg`.
    ///
    /// The first of them is written, or Docker's if `DOCKER_CONFIG` names it. Nothing is read yet. Two
    /// explicit files are an error.
    pub fn from_locations(locations: &Locations) -> Result<Self, ConfigError> {
        Ok(Self::new(locations.auth_files()?))
    }

    /// These files, in this order, and no others; the first is written.
    #[must_use]
    pub fn from_files(files: impl IntoIterator<Item = (PathBuf, AuthFormat)>) -> Self {
        let read: Vec<_> = files.into_iter().collect();
        Self::new(AuthFiles {
            write: read.first().cloned(),
            read,
            must_exist: None,
        })
    }

    fn new(files: AuthFiles) -> Self {
        Self {
            sources: Arc::new(Sources { files }),
        }
    }

    /// Finds the credential for a registry or a namespace within it, and where it comes from.
    ///
    /// The first file that has an entry for the key decides, as in [`AuthFile::credential`]; an entry without
    /// a credential passes the question on to the next file. It blocks while it reads files.
    ///
    /// Fails on the first file that cannot be read or understood; those after the one that decides are not
    /// looked at.
    pub fn lookup(&self, key: &CredentialKey) -> Result<Lookup, CredentialsError> {
        for (path, format) in &self.sources.files.read {
            let file = AuthFile::read(path, *format)?;
            if let Some(entry) = file.entry(key)
                && let Some(credential) = file.decode(entry)?
            {
                let origin = CredentialOrigin::File {
                    path: path.clone(),
                    key: entry.key().to_owned(),
                    line: entry.line(),
                };
                return Ok(Lookup {
                    found: Some((credential, origin)),
                });
            }
        }
        Ok(Lookup { found: None })
    }

    /// Stores a credential, for [`Credentials::lookup`] to find, and says where.
    pub fn store(
        &self,
        key: &CredentialKey,
        credential: &Credential,
    ) -> Result<CredentialOrigin, CredentialsError> {
        let (path, format) = self.writable()?;
        let mut edit = AuthFile::edit(path, format)?;
        edit.set(key, credential)?;
        edit.commit()?;
        let file = AuthFile::read(path, format)?;
        Ok(CredentialOrigin::File {
            path: path.to_owned(),
            key: key.to_string(),
            line: file.entry(key).map_or(1, super::AuthEntry::line),
        })
    }

    /// Removes what is stored under a key and says whether other sources still have a credential for it.
    pub fn erase(&self, key: &CredentialKey) -> Result<Erased, CredentialsError> {
        let (path, format) = self.writable()?;
        let mut edit = AuthFile::edit(path, format)?;
        let removed = !edit.remove(key).is_empty();
        edit.commit()?;
        Ok(Erased {
            removed,
            remaining: self.lookup(key)?.found.map(|(_, origin)| origin),
        })
    }

    fn writable(&self) -> Result<(&Path, AuthFormat), CredentialsError> {
        let (path, format) = self
            .sources
            .files
            .write
            .as_ref()
            .ok_or(CredentialsError::NoPlace)?;
        if let Some(dir) = &self.sources.files.must_exist {
            std::fs::metadata(dir).map_err(|error| ConfigError::writing(dir, error))?;
        }
        Ok((path, *format))
    }
}

#[async_trait]
impl CredentialProvider for Credentials {
    async fn credential(
        &self,
        registry: &Registry,
        repository: Option<&Repository>,
    ) -> Result<Option<Credential>, CredentialError> {
        let key = repository.map_or_else(|| CredentialKey::from(registry), CredentialKey::from);
        let credentials = self.clone();
        let found = offload(move || credentials.lookup(&key)).await?;
        Ok(found
            .map_err(|error| error.for_registry(registry))?
            .into_credential())
    }
}

/// What a look-up found.
#[derive(Debug)]
pub struct Lookup {
    found: Option<(Credential, CredentialOrigin)>,
}

impl Lookup {
    /// The credential; `None` to go on anonymously.
    #[must_use]
    pub fn credential(&self) -> Option<&Credential> {
        self.found.as_ref().map(|(credential, _)| credential)
    }

    /// The same, taken out.
    #[must_use]
    pub fn into_credential(self) -> Option<Credential> {
        self.found.map(|(credential, _)| credential)
    }

    /// Where the credential comes from.
    #[must_use]
    pub fn origin(&self) -> Option<&CredentialOrigin> {
        self.found.as_ref().map(|(_, origin)| origin)
    }
}

/// Where a credential is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum CredentialOrigin {
    /// In an entry of a file.
    File {
        /// The file.
        path: PathBuf,
        /// The key of the entry, as it stands in the file.
        key: String,
        /// The line of the entry, from 1.
        line: usize,
    },
}

impl fmt::Display for CredentialOrigin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File { path, key, line } => {
                write!(f, "{}:{line}: {}", path.display(), key::shown(key))
            }
        }
    }
}

/// What a logout did.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Erased {
    /// Whether anything was removed; if not, nobody was logged in there.
    pub removed: bool,
    /// A source that still has a credential for the key, such as the file of another tool.
    pub remaining: Option<CredentialOrigin>,
}
