//! Helpers as sources: a helper, and the file that names it.

use std::path::Path;

use wharf_auth::Credential;
use wharf_reference::Registry;

use super::{
    AuthFormat, CredentialEntry, CredentialHelper, CredentialKey, CredentialSource, CredentialsError,
    HelperError, HelperErrorKind, key::DOCKER_HUB_URL, sources::Sources,
};

/// A helper and the file that names it; without one, registries.conf does.
pub(super) struct Delegate<'a> {
    helper: CredentialHelper,
    file: Option<(&'a Path, AuthFormat)>,
}

impl Sources {
    pub(super) fn delegate<'a>(
        &self,
        name: &str,
        file: Option<(&'a Path, AuthFormat)>,
    ) -> Result<Delegate<'a>, CredentialsError> {
        let helper = self.helper(name).map_err(|error| failed(error, file))?;
        Ok(Delegate { helper, file })
    }
}

impl Delegate<'_> {
    pub(super) fn source(&self) -> CredentialSource {
        CredentialSource::Helper(self.helper.name().to_owned())
    }

    /// The credential of a registry, and the name under which the helper has it.
    pub(super) fn find(
        &self,
        registry: &Registry,
    ) -> Result<Option<(Credential, CredentialEntry)>, CredentialsError> {
        for server in self.servers(registry) {
            if let Some(credential) = self.wrap(self.helper.get(&server))? {
                return Ok(Some((credential, self.entry(server))));
            }
        }
        Ok(None)
    }

    /// Stores the credential of a whole registry.
    pub(super) fn store(
        &self,
        key: &CredentialKey,
        credential: &Credential,
    ) -> Result<CredentialEntry, CredentialsError> {
        if key.path().is_some() {
            return Err(CredentialsError::Namespace {
                key: key.clone(),
                helper: self.helper.name().to_owned(),
            });
        }
        let server = self.servers(key.registry()).swap_remove(0);
        self.wrap(self.helper.store(&server, credential))?;
        Ok(self.entry(server))
    }

    /// Forgets the credential of a registry, under all its names. Says whether there was one.
    pub(super) fn erase(&self, registry: &Registry) -> Result<bool, CredentialsError> {
        let mut erased = false;
        for server in self.servers(registry) {
            erased |= self.erase_server(&server)?;
        }
        Ok(erased)
    }

    /// As [`Self::erase`], for a server name as it is written in a file.
    pub(super) fn erase_server(&self, server: &str) -> Result<bool, CredentialsError> {
        // Most helpers report no error when they erase a credential that they do not have, so they are asked
        // first.
        let there = self.wrap(self.helper.get(server))?.is_some();
        Ok(there && self.wrap(self.helper.erase(server))?)
    }

    /// Forgets everything. Says whether there was anything.
    pub(super) fn erase_all(&self) -> Result<bool, CredentialsError> {
        let mut erased = false;
        for server in self.list()? {
            erased |= self.wrap(self.helper.erase(&server))?;
        }
        Ok(erased)
    }

    /// The servers it has credentials for; none if its program is not there.
    pub(super) fn list(&self) -> Result<Vec<String>, CredentialsError> {
        match self.helper.list() {
            Err(error) if error.kind() == HelperErrorKind::NotFound => Ok(Vec::new()),
            listed => Ok(self.wrap(listed)?.into_iter().map(|(server, _)| server).collect()),
        }
    }

    /// The names under which it may keep the credential of a registry; the first is the one to store under.
    ///
    /// Docker Hub has two: its URL where Docker wrote it, `docker.io` where the container tools did.
    fn servers(&self, registry: &Registry) -> Vec<String> {
        let host = registry.as_str().to_owned();
        match (registry.is_docker_hub(), self.file) {
            (false, _) => vec![host],
            (true, Some((_, AuthFormat::Docker))) => vec![DOCKER_HUB_URL.to_owned(), host],
            (true, _) => vec![host, DOCKER_HUB_URL.to_owned()],
        }
    }

    fn entry(&self, server: String) -> CredentialEntry {
        CredentialEntry::Helper {
            name: self.helper.name().to_owned(),
            server,
            named_by: self.file.map(|(path, _)| path.to_owned()),
        }
    }

    fn wrap<T>(&self, result: Result<T, HelperError>) -> Result<T, CredentialsError> {
        result.map_err(|error| failed(error, self.file))
    }
}

fn failed(error: HelperError, file: Option<(&Path, AuthFormat)>) -> CredentialsError {
    CredentialsError::Helper {
        error,
        named_by: file.map(|(path, _)| path.to_owned()),
    }
}
