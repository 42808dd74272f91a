use std::path::Path;

use wharf_auth::Credential;

use super::{
    AuthFile, AuthFormat, CredentialKey, CredentialOrigin, CredentialSource, Credentials, CredentialsError,
    sources::FILES,
};
use crate::ConfigError;

/// What a login did.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stored {
    /// Where the credential is now.
    pub origin: CredentialOrigin,
    /// A source that is asked earlier and has another credential for the key, which hides the one that was
    /// stored.
    pub hidden_by: Option<CredentialOrigin>,
}

/// What a logout did.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Erased {
    /// Where something was removed; if nowhere, nobody was logged in. Helpers are listed only if they had
    /// something.
    pub removed: Vec<CredentialSource>,
    /// A source that still has a credential for the key, such as the file of another tool.
    pub remaining: Option<CredentialOrigin>,
}

impl Credentials {
    /// Stores a credential for [`Credentials::lookup`] to find, and says where it is.
    ///
    /// The sources of `credential-helpers` are tried in order until one succeeds; a file in Docker's form is
    /// used without them. A file that names a helper for the registry stores it there. Helpers refuse keys
    /// that are namespaces.
    pub fn store(&self, key: &CredentialKey, credential: &Credential) -> Result<Stored, CredentialsError> {
        let mut errors = Vec::new();
        for name in self.written_sources() {
            let result = if name == FILES {
                self.store_in_file(key, credential)
            } else {
                self.sources
                    .delegate(name, None)
                    .and_then(|delegate| delegate.store(key, credential))
            };
            match result {
                Ok(origin) => return Ok(self.stored(key, credential, origin)),
                Err(error) => errors.push(error),
            }
        }
        Err(CredentialsError::combine(errors).unwrap_or(CredentialsError::NoPlace))
    }

    fn stored(&self, key: &CredentialKey, credential: &Credential, origin: CredentialOrigin) -> Stored {
        // A source that cannot be read is reported by the look-up that needs it; the login is done.
        let hidden_by = self.lookup(key).ok().and_then(|seen| {
            let hidden = seen.credential() != Some(credential);
            seen.origin().filter(|_| hidden).cloned()
        });
        Stored { origin, hidden_by }
    }

    /// Removes what is stored under a key from every source that [`Credentials::store`] may use, and says
    /// whether other sources still have a credential for it.
    ///
    /// All of them are tried before the first failure is reported.
    pub fn erase(&self, key: &CredentialKey) -> Result<Erased, CredentialsError> {
        let mut removed = Vec::new();
        let mut errors = Vec::new();
        for name in self.written_sources() {
            let result = if name == FILES {
                self.erase_from_file(key, &mut removed)
            } else if key.path().is_some() {
                Ok(()) // helpers have no namespaces
            } else {
                let delegate = self.sources.delegate(name, None);
                delegate.and_then(|delegate| {
                    note_if(delegate.erase(key.registry())?, delegate.source(), &mut removed);
                    Ok(())
                })
            };
            errors.extend(result.err());
        }
        match CredentialsError::combine(errors) {
            Some(error) => Err(error),
            None => Ok(Erased {
                removed,
                remaining: self.lookup(key)?.origin().cloned(),
            }),
        }
    }

    /// Removes everything: the entries of the file that is written, what its helpers have for the registries
    /// it names them for, and all that the helpers of registries.conf list. Helpers whose program is not
    /// there are passed over.
    ///
    /// # Deviation
    ///
    /// Upstream also removes `credHelpers` from the file. It is configuration, not a credential, so it stays.
    pub fn erase_all(&self) -> Result<Vec<CredentialSource>, CredentialsError> {
        let mut removed = Vec::new();
        let mut errors = Vec::new();
        for name in self.written_sources() {
            let result = if name == FILES {
                self.empty_file(&mut removed)
            } else {
                let delegate = self.sources.delegate(name, None);
                delegate.and_then(|delegate| {
                    note_if(delegate.erase_all()?, delegate.source(), &mut removed);
                    Ok(())
                })
            };
            errors.extend(result.err());
        }
        CredentialsError::combine(errors).map_or(Ok(removed), Err)
    }

    /// The order of `credential-helpers`; a file in Docker's form stands alone.
    fn written_sources(&self) -> Vec<&str> {
        match &self.sources.files.write {
            Some((_, AuthFormat::Docker)) => vec![FILES],
            _ => self.sources.order.iter().map(String::as_str).collect(),
        }
    }

    fn written_file(&self) -> Result<(&Path, AuthFormat), CredentialsError> {
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

    fn store_in_file(
        &self,
        key: &CredentialKey,
        credential: &Credential,
    ) -> Result<CredentialOrigin, CredentialsError> {
        let (path, format) = self.written_file()?;
        let file = AuthFile::read(path, format)?;
        let own = file.helper(key.registry());
        if let Some(name) = own.or(file.credentials_store()).filter(|name| !name.is_empty()) {
            let origin = self
                .sources
                .delegate(name, Some((path, format)))?
                .store(key, credential)?;
            if own.is_none() {
                let mut edit = AuthFile::edit(path, format)?;
                edit.mark(key)?; // Docker lists the registries that its store has credentials for
                edit.commit()?;
            }
            return Ok(origin);
        }
        let mut edit = AuthFile::edit(path, format)?;
        edit.set(key, credential)?;
        edit.commit()?;
        let file = AuthFile::read(path, format)?;
        let entry = file.entry(key);
        Ok(CredentialOrigin::File {
            path: path.to_owned(),
            key: entry.map_or_else(|| key.to_string(), |entry| entry.key().to_owned()),
            line: entry.map_or(1, super::AuthEntry::line),
        })
    }

    fn erase_from_file(
        &self,
        key: &CredentialKey,
        removed: &mut Vec<CredentialSource>,
    ) -> Result<(), CredentialsError> {
        let (path, format) = self.written_file()?;
        let Some(file) = AuthFile::read_optional(path, format)? else {
            return Ok(());
        };
        if file.entries().next().is_some() {
            let mut edit = AuthFile::edit(path, format)?;
            if !edit.remove(key).is_empty() {
                edit.commit()?;
                removed.push(CredentialSource::File(path.to_owned()));
            }
        }
        let helper = file.helper(key.registry()).or(file.credentials_store());
        if let Some(name) = helper.filter(|name| !name.is_empty() && key.path().is_none()) {
            let delegate = self.sources.delegate(name, Some((path, format)))?;
            note_if(delegate.erase(key.registry())?, delegate.source(), removed);
        }
        Ok(())
    }

    fn empty_file(&self, removed: &mut Vec<CredentialSource>) -> Result<(), CredentialsError> {
        let (path, format) = self.written_file()?;
        let Some(file) = AuthFile::read_optional(path, format)? else {
            return Ok(());
        };
        for (host, name) in file.helpers().filter(|(_, name)| !name.is_empty()) {
            let delegate = self.sources.delegate(name, Some((path, format)))?;
            note_if(delegate.erase_server(host)?, delegate.source(), removed);
        }
        if let Some(name) = file.credentials_store() {
            let delegate = self.sources.delegate(name, Some((path, format)))?;
            note_if(delegate.erase_all()?, delegate.source(), removed);
        }
        let mut edit = AuthFile::edit(path, format)?;
        if !edit.remove_all().is_empty() {
            edit.commit()?;
            removed.push(CredentialSource::File(path.to_owned()));
        }
        Ok(())
    }
}

/// Adds a source that had something, once.
fn note_if(had_something: bool, source: CredentialSource, removed: &mut Vec<CredentialSource>) {
    if had_something && !removed.contains(&source) {
        removed.push(source);
    }
}
