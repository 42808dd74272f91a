use std::path::Path;

use wharf_auth::Credential;

use super::{
    AuthFormat,
    draft::Draft,
    entry::{self, NotStorable},
    key::{self, CredentialKey, DOCKER_HUB_URL},
};
use crate::{ConfigError, ConfigErrorKind, file, replace::LockedFile};

/// An auth file that is locked to be changed: nothing happens to it until [`AuthFileEdit::commit`].
///
/// The lock holds between programs that use this crate; the other tools take none. Unknown members,
/// at the top or in an entry, stay unchanged and in their order.
///
/// # Deviation
///
/// Upstream drops unknown members, replaces a symbolic link by a file, and takes no lock.
pub struct AuthFileEdit {
    file: LockedFile,
    format: AuthFormat,
    draft: Draft,
    changed: bool,
}

impl AuthFileEdit {
    pub(super) fn open(path: &Path, format: AuthFormat) -> Result<Self, ConfigError> {
        if !format.is_written() {
            let message = "files of this form are never written; use auth.json";
            return Err(ConfigError::new(ConfigErrorKind::Unwritable, message).with_file(path));
        }
        let locked = LockedFile::open(path)?;
        let draft = match locked.contents() {
            Some(bytes) => {
                let text = zeroize::Zeroizing::new(file::text(path, bytes.to_vec())?);
                // The whole is checked, so that nothing is added to a file that no reader accepts.
                super::AuthFile::parse(&text, format).map_err(|error| error.with_file(path))?;
                Draft::parse(&text).map_err(|problem| problem.into_error(Some(path)))?
            }
            None => Draft::default(),
        };
        Ok(Self {
            file: locked,
            format,
            draft,
            changed: false,
        })
    }

    /// Stores a credential under a key; an earlier credential is replaced.
    ///
    /// In the form of Docker, Docker Hub is stored under its URL.
    ///
    /// # Errors
    ///
    /// In the form of Docker a namespace, because Docker would not find it; a [`Credential::Bearer`] or a
    /// user name with a colon, which the file has no form for.
    pub fn set(&mut self, key: &CredentialKey, credential: &Credential) -> Result<(), ConfigError> {
        let fields = entry::encode(credential).map_err(|NotStorable(message)| {
            ConfigError::new(ConfigErrorKind::Value, message).with_file(self.file.target())
        })?;
        self.put(key, &fields)
    }

    /// Writes an entry without a credential, as Docker does for a registry whose credential is in a helper.
    pub(super) fn mark(&mut self, key: &CredentialKey) -> Result<(), ConfigError> {
        self.put(key, &[])
    }

    /// Removes the credentials under a key: the key itself and, for a whole host, every other key that means
    /// the same host. Returns the keys that were removed.
    ///
    /// # Deviation
    ///
    /// Upstream removes the exact key only, and what remains may still log in.
    pub fn remove(&mut self, key: &CredentialKey) -> Vec<String> {
        let exact = key.to_string();
        let host = key.path().is_none().then(|| key::comparable_host(&exact, true));
        let removed = self.draft.remove(|known| {
            known == exact
                || host
                    .as_ref()
                    .is_some_and(|host| key::comparable_host(known, false) == *host)
        });
        self.changed |= !removed.is_empty();
        removed
    }

    /// Removes every entry and says which keys those were.
    pub fn remove_all(&mut self) -> Vec<String> {
        let removed = self.draft.remove(|_| true);
        self.changed |= !removed.is_empty();
        removed
    }

    /// Writes the file, readable by its owner only, and makes the change durable before it returns. A reader,
    /// or a crash, sees the old or the new file. Without a change nothing is written.
    ///
    /// # Errors
    ///
    /// A file or directory that cannot be written. The old file stays as it was.
    pub fn commit(self) -> Result<(), ConfigError> {
        if self.changed {
            self.file.replace(self.draft.render().as_bytes())
        } else {
            Ok(())
        }
    }

    fn put(
        &mut self,
        key: &CredentialKey,
        fields: &[(&str, zeroize::Zeroizing<String>)],
    ) -> Result<(), ConfigError> {
        let name = self.key_in_file(key)?;
        let path = self.file.target();
        self.draft
            .set(&name, fields)
            .map_err(|problem| problem.into_error(Some(path)))?;
        self.changed = true;
        Ok(())
    }

    fn key_in_file(&self, key: &CredentialKey) -> Result<String, ConfigError> {
        match (self.format, key.path()) {
            (AuthFormat::Docker, Some(_)) => {
                let message = format!("Docker stores credentials for whole registries only, not for {key}");
                Err(ConfigError::new(ConfigErrorKind::Value, message).with_file(self.file.target()))
            }
            (AuthFormat::Docker, None) if key.registry().is_docker_hub() => Ok(DOCKER_HUB_URL.to_owned()),
            _ => Ok(key.to_string()),
        }
    }
}

impl std::fmt::Debug for AuthFileEdit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AuthFileEdit")
            .field("file", &self.file.target())
            .field("format", &self.format)
            .finish_non_exhaustive()
    }
}
