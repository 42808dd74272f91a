use std::path::Path;

use wharf_auth::Credential;

use super::{
    AuthFile, AuthFormat, CredentialEntry, CredentialKey, CredentialSource, Credentials, CredentialsError,
    HelperErrorKind, sources::FILES,
};
use crate::ConfigError;

/// The result of storing a credential.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stored {
    /// The entry that has the credential now.
    pub entry: CredentialEntry,
    /// An entry of a source that is asked earlier and that has another credential for the key, which hides
    /// the one that was stored.
    pub hidden_by: Option<CredentialEntry>,
}

/// The result of erasing credentials.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Erased {
    /// The sources that something was removed from; empty if no credential was stored. Helpers are listed
    /// only if they had one.
    pub removed: Vec<CredentialSource>,
    /// A source that still has a credential for the key, such as the file of another tool.
    pub remaining: Option<CredentialEntry>,
    /// Sources that did not answer, so that they may still have a credential: helpers that `credsStore`
    /// names, and what keeps the look-up from ending.
    pub unanswered: Vec<CredentialsError>,
}

/// The sources from which a logout has removed a credential, the sources that did not answer, and the errors
/// that make the logout fail.
#[derive(Default)]
struct Removal {
    removed: Vec<CredentialSource>,
    unanswered: Vec<CredentialsError>,
    errors: Vec<CredentialsError>,
}

impl Removal {
    /// Adds the answer of a source that must be asked.
    fn take(&mut self, source: CredentialSource, answer: Result<bool, CredentialsError>) {
        match answer {
            Ok(had_something) => {
                if had_something && !self.removed.contains(&source) {
                    self.removed.push(source);
                }
            }
            Err(error) => self.errors.push(error),
        }
    }

    /// Adds the answer of a store that may fail without failing the whole.
    fn take_store(&mut self, source: CredentialSource, answer: Result<bool, CredentialsError>) {
        match answer {
            Err(error) => self.unanswered.push(error),
            answer => self.take(source, answer),
        }
    }
}

impl Credentials {
    /// Stores a credential for [`Credentials::lookup`] to find, and returns the source that has it now.
    ///
    /// The sources of `credential-helpers` are tried in order until one succeeds; a file in Docker's form is
    /// used without them. A file that names a helper for the registry stores it there. Helpers refuse keys
    /// that are namespaces.
    ///
    /// # Errors
    ///
    /// No source takes the credential: the file cannot be written, each helper fails, or this host has no
    /// file for credentials.
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
                Ok(entry) => return Ok(self.stored(key, credential, entry)),
                Err(error) => errors.push(error),
            }
        }
        Err(CredentialsError::combine(errors).unwrap_or(CredentialsError::NoFile))
    }

    fn stored(&self, key: &CredentialKey, credential: &Credential, entry: CredentialEntry) -> Stored {
        // A source that cannot be read is reported by the look-up that needs it; the login is done.
        let hidden_by = self.lookup(key).ok().and_then(|seen| {
            let hidden = seen.credential() != Some(credential);
            seen.entry().filter(|_| hidden).cloned()
        });
        Stored { entry, hidden_by }
    }

    /// Removes the credentials under a key from every source that [`Credentials::store`] may use, and
    /// returns whether other sources still have a credential for it.
    ///
    /// All of them are tried before the first failure is reported. A helper that `credsStore` names and that
    /// is missing or fails is no failure ([`Erased::unanswered`]).
    ///
    /// # Errors
    ///
    /// The first failure of a source that must be asked: a file that cannot be read or written, a helper that
    /// fails.
    pub fn erase(&self, key: &CredentialKey) -> Result<Erased, CredentialsError> {
        let mut removal = Removal::default();
        for name in self.written_sources() {
            if name == FILES {
                let erased = self.erase_from_file(key, &mut removal);
                removal.errors.extend(erased.err());
            } else if key.path().is_none() {
                // Helpers have no namespaces.
                let erased = self.sources.delegate(name, None);
                let erased = erased.and_then(|delegate| delegate.erase(key.registry()));
                removal.take(CredentialSource::Helper(name.to_owned()), erased);
            }
        }
        let Removal {
            removed,
            mut unanswered,
            errors,
        } = removal;
        if let Some(error) = CredentialsError::combine(errors) {
            return Err(error);
        }
        let remaining = match self.lookup(key) {
            Ok(lookup) => {
                let known: Vec<String> = unanswered.iter().map(ToString::to_string).collect();
                let more = lookup.unanswered().iter();
                unanswered.extend(more.filter(|error| !known.contains(&error.to_string())).cloned());
                lookup.entry().cloned()
            }
            Err(error) => {
                unanswered.push(error);
                None
            }
        };
        Ok(Erased {
            removed,
            remaining,
            unanswered,
        })
    }

    /// Removes everything: the entries of the file that is written, what its helpers have for the registries
    /// it names them for, and all that its `credsStore` and the helpers of registries.conf list. All of them
    /// are tried before the first failure is reported. Helpers whose program is not there are passed over,
    /// and so is a `credsStore` that fails.
    ///
    /// # Deviation
    ///
    /// Upstream also removes `credHelpers` from the file. It is configuration, not a credential, so it stays.
    ///
    /// # Errors
    ///
    /// As [`Credentials::erase`].
    pub fn erase_all(&self) -> Result<Vec<CredentialSource>, CredentialsError> {
        let mut removal = Removal::default();
        for name in self.written_sources() {
            if name == FILES {
                let emptied = self.empty_file(&mut removal);
                removal.errors.extend(emptied.err());
            } else {
                let erased = self.sources.delegate(name, None);
                let erased = erased.and_then(|delegate| delegate.erase_all());
                removal.take(CredentialSource::Helper(name.to_owned()), erased);
            }
        }
        CredentialsError::combine(removal.errors).map_or(Ok(removal.removed), Err)
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
            .ok_or(CredentialsError::NoFile)?;
        if let Some(dir) = &self.sources.files.must_exist {
            std::fs::metadata(dir).map_err(|error| ConfigError::writing(dir, error))?;
        }
        Ok((path, *format))
    }

    fn store_in_file(
        &self,
        key: &CredentialKey,
        credential: &Credential,
    ) -> Result<CredentialEntry, CredentialsError> {
        let (path, format) = self.written_file()?;
        let file = AuthFile::read(path, format)?;
        let own = file.helper(key.registry());
        if let Some(name) = own.or(file.credentials_store()).filter(|name| !name.is_empty()) {
            let entry = self
                .sources
                .delegate(name, Some((path, format)))?
                .store(key, credential)?;
            if own.is_none() {
                let mut edit = AuthFile::edit(path, format)?;
                edit.mark(key)?; // Docker lists the registries that its store has credentials for
                edit.commit()?;
            }
            return Ok(entry);
        }
        let mut edit = AuthFile::edit(path, format)?;
        edit.set(key, credential)?;
        edit.commit()?;
        let file = AuthFile::read(path, format)?;
        let entry = file.entry(key);
        Ok(CredentialEntry::File {
            path: path.to_owned(),
            key: entry.map_or_else(|| key.to_string(), |entry| entry.key().to_owned()),
            line: entry.map_or(1, super::AuthEntry::line),
        })
    }

    fn erase_from_file(&self, key: &CredentialKey, removal: &mut Removal) -> Result<(), CredentialsError> {
        let (path, format) = self.written_file()?;
        let Some(file) = AuthFile::read_optional(path, format)? else {
            return Ok(());
        };
        if file.entries().next().is_some() {
            let mut edit = AuthFile::edit(path, format)?;
            if !edit.remove(key).is_empty() {
                edit.commit()?;
                removal.take(CredentialSource::File(path.to_owned()), Ok(true));
            }
        }
        let own = file.helper(key.registry());
        let helper = own.or(file.credentials_store());
        let Some(name) = helper.filter(|name| !name.is_empty() && key.path().is_none()) else {
            return Ok(());
        };
        let delegate = self.sources.delegate(name, Some((path, format)));
        let erased = delegate.and_then(|delegate| delegate.erase(key.registry()));
        let source = CredentialSource::Helper(name.to_owned());
        if own.is_some() {
            removal.take(source, erased);
        } else {
            removal.take_store(source, erased);
        }
        Ok(())
    }

    fn empty_file(&self, removal: &mut Removal) -> Result<(), CredentialsError> {
        let (path, format) = self.written_file()?;
        let Some(file) = AuthFile::read_optional(path, format)? else {
            return Ok(());
        };
        let delegate = |name| self.sources.delegate(name, Some((path, format)));
        for (host, name) in file.helpers().filter(|(_, name)| !name.is_empty()) {
            let erased = delegate(name).and_then(|delegate| delegate.erase_server(host));
            removal.take(CredentialSource::Helper(name.to_owned()), or_not_there(erased));
        }
        if let Some(name) = file.credentials_store() {
            let erased = delegate(name).and_then(|delegate| delegate.erase_all());
            removal.take_store(CredentialSource::Helper(name.to_owned()), erased);
        }
        let mut edit = AuthFile::edit(path, format)?;
        if !edit.remove_all().is_empty() {
            edit.commit()?;
            removal.take(CredentialSource::File(path.to_owned()), Ok(true));
        }
        Ok(())
    }
}

/// A program that is not there has nothing to erase.
fn or_not_there(erased: Result<bool, CredentialsError>) -> Result<bool, CredentialsError> {
    match erased {
        Err(CredentialsError::Helper { error, .. }) if error.kind() == HelperErrorKind::NotFound => Ok(false),
        erased => erased,
    }
}
