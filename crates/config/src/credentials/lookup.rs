use std::path::{Path, PathBuf};

use wharf_auth::{Credential, CredentialAnswer, CredentialError};
use wharf_reference::Registry;

use super::{
    AuthFile, AuthFormat, CredentialEntry, CredentialSource, Credentials, CredentialsError, LookupOutcome,
    LookupStep, key::CredentialKey, sources::FILES,
};
use crate::ConfigWarning;

/// The result of a look-up: the credential, and each source that was asked.
#[derive(Debug, Default)]
pub struct Lookup {
    found: Option<(Credential, CredentialEntry)>,
    steps: Vec<LookupStep>,
    exposed: Vec<PathBuf>,
    unanswered: Vec<CredentialsError>,
    unread: Vec<ConfigWarning>,
}

impl Lookup {
    /// The credential; `None` if there is none and requests are anonymous.
    #[must_use]
    pub fn credential(&self) -> Option<&Credential> {
        self.found.as_ref().map(|(credential, _)| credential)
    }

    /// The credential, by value.
    #[must_use]
    pub fn into_credential(self) -> Option<Credential> {
        self.found.map(|(credential, _)| credential)
    }

    /// The entry of the source that has the credential.
    #[must_use]
    pub fn entry(&self) -> Option<&CredentialEntry> {
        self.found.as_ref().map(|(_, entry)| entry)
    }

    /// The sources that were asked, in order; the last one is where the credential was found, if it was.
    #[must_use]
    pub fn steps(&self) -> &[LookupStep] {
        &self.steps
    }

    /// Files with credentials, among those that were read, that others can read or that belong to another
    /// user. Their owner should make them private.
    #[must_use]
    pub fn exposed(&self) -> &[PathBuf] {
        &self.exposed
    }

    /// Helpers that a file's `credsStore` names and that are missing or failed. They are for no registry in
    /// particular, so the search went on without them; if there is no credential after all and the registry
    /// asks for one, they may be why.
    #[must_use]
    pub fn unanswered(&self) -> &[CredentialsError] {
        &self.unanswered
    }

    /// Parts of the files that look like credentials and are none, where a file had nothing for the key:
    /// entries outside of `auths`, keys with a slash at the end, an `auth` without a colon, fields and a
    /// `credsStore` that count in Docker's config.json only. If the registry asks for a login, they may be
    /// why.
    #[must_use]
    pub fn unread(&self) -> &[ConfigWarning] {
        &self.unread
    }

    fn step(&mut self, source: CredentialSource, outcome: LookupOutcome) {
        self.steps.push(LookupStep { source, outcome });
    }

    fn pass_over(&mut self, helper: &str, error: CredentialsError) {
        let source = CredentialSource::Helper(helper.to_owned());
        self.step(source, LookupOutcome::Failed(error.clone()));
        self.unanswered.push(error);
    }
}

impl From<Lookup> for CredentialAnswer {
    fn from(lookup: Lookup) -> Self {
        let unanswered = CredentialsError::combine(lookup.unanswered);
        Self {
            credential: lookup.found.map(|(credential, _)| credential),
            unanswered: unanswered.map(|error| CredentialError::new(error.to_string()).with_source(error)),
        }
    }
}

/// The answer of one file.
enum Answer {
    Found,
    /// The next file is asked.
    Nothing,
}

impl Credentials {
    /// Finds the credential for a registry or a namespace within it, and where it comes from.
    ///
    /// Sources are asked in the order of `credential-helpers`; helpers for the host, files as follows. In
    /// each file, a helper named for the host by `credHelpers` answers for the file, even with nothing; then
    /// `credsStore` is asked; then [`AuthFile::credential`] decides. After a file without a credential the
    /// next source is asked.
    ///
    /// A file that fails, or a helper of its `credHelpers`, ends the search through the files. Helpers of
    /// registries.conf that fail are passed over; if no source has a credential, their failure is the error,
    /// because there may be one (docs/threats.md, N15). `credsStore` names a helper for no registry in
    /// particular: if that fails, the search goes on, and it is no error ([`Lookup::unanswered`]).
    ///
    /// # Errors
    ///
    /// A file that cannot be read or understood, a helper of its `credHelpers` that fails; a helper of
    /// registries.conf that fails, if no other source has a credential.
    pub fn lookup(&self, key: &CredentialKey) -> Result<Lookup, CredentialsError> {
        let mut lookup = Lookup::default();
        let mut errors = Vec::new();
        for name in &self.sources.order {
            let result = if name == FILES {
                self.ask_files(key, &mut lookup)
            } else {
                self.ask_helper(name, key.registry(), None, &mut lookup)
            };
            match result {
                Ok(Answer::Found) => return Ok(lookup),
                Ok(Answer::Nothing) => {}
                Err(error) => {
                    let source = match &error {
                        CredentialsError::File(error) => {
                            error.file().map(|file| CredentialSource::File(file.into()))
                        }
                        _ => Some(CredentialSource::Helper(name.clone())).filter(|_| name != FILES),
                    };
                    if let Some(source) = source {
                        lookup.step(source, LookupOutcome::Failed(error.clone()));
                    }
                    errors.push(error);
                }
            }
        }
        CredentialsError::combine(errors).map_or(Ok(lookup), Err)
    }

    fn ask_files(&self, key: &CredentialKey, lookup: &mut Lookup) -> Result<Answer, CredentialsError> {
        for (path, format) in &self.sources.files.read {
            if let Answer::Found = self.ask_file(path, *format, key, lookup)? {
                return Ok(Answer::Found);
            }
        }
        Ok(Answer::Nothing)
    }

    fn ask_file(
        &self,
        path: &Path,
        format: AuthFormat,
        key: &CredentialKey,
        lookup: &mut Lookup,
    ) -> Result<Answer, CredentialsError> {
        let source = CredentialSource::File(path.to_owned());
        let Some(file) = AuthFile::read_optional(path, format)? else {
            lookup.step(source, LookupOutcome::NoFile);
            return Ok(Answer::Nothing);
        };
        if let Some(error) = file.exposure() {
            if self.sources.private_only {
                return Err(error.into());
            }
            lookup.exposed.push(path.to_owned());
        }
        let own = file.helper(key.registry());
        if let Some(name) = own.or(file.credentials_store()).filter(|name| !name.is_empty()) {
            lookup.step(source.clone(), LookupOutcome::Delegates);
            match self.ask_helper(name, key.registry(), Some((path, format)), lookup) {
                Err(error) if own.is_none() => lookup.pass_over(name, error),
                answer if own.is_some() => return answer,
                Ok(Answer::Found) => return Ok(Answer::Found),
                _ => {}
            }
        }
        let Some(entry) = file.entry(key) else {
            lookup.unread.extend(file.unread(key));
            lookup.step(source, LookupOutcome::Nothing);
            return Ok(Answer::Nothing);
        };
        let (entry_key, line) = (entry.key().to_owned(), entry.line());
        let Some(credential) = file.decode(entry)? else {
            lookup.unread.extend(file.unread(key));
            let outcome = LookupOutcome::EmptyEntry { key: entry_key, line };
            lookup.step(source, outcome);
            return Ok(Answer::Nothing);
        };
        let entry = CredentialEntry::File {
            path: path.to_owned(),
            key: entry_key,
            line,
        };
        lookup.step(source, LookupOutcome::Found(entry.clone()));
        lookup.found = Some((credential, entry));
        Ok(Answer::Found)
    }

    fn ask_helper(
        &self,
        name: &str,
        registry: &Registry,
        named_by: Option<(&Path, AuthFormat)>,
        lookup: &mut Lookup,
    ) -> Result<Answer, CredentialsError> {
        let delegate = self.sources.delegate(name, named_by)?;
        let Some((credential, entry)) = delegate.find(registry)? else {
            lookup.step(delegate.source(), LookupOutcome::Nothing);
            return Ok(Answer::Nothing);
        };
        lookup.step(delegate.source(), LookupOutcome::Found(entry.clone()));
        lookup.found = Some((credential, entry));
        Ok(Answer::Found)
    }
}
