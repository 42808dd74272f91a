use std::collections::BTreeSet;

use super::{AuthFile, CredentialKey, Credentials, CredentialsError, Lookup, sources::FILES};

/// A key that some file or helper lists.
#[derive(Debug)]
#[non_exhaustive]
pub struct ListedCredential {
    /// The key.
    pub key: CredentialKey,
    /// The result of a look-up for this key.
    pub lookup: Result<Lookup, CredentialsError>,
}

impl Credentials {
    /// Every key that a file or a helper lists, in sorted order, each with the result of looking it up.
    ///
    /// Keys that are no registry or namespace are left out, and so is a helper of registries.conf whose
    /// program is not there and a `credsStore` that fails.
    ///
    /// # Deviation
    ///
    /// Upstream fails if any one key cannot be looked up; here that is the result for this key.
    ///
    /// # Errors
    ///
    /// A file that cannot be understood; a helper, other than those, that cannot list its keys.
    pub fn all(&self) -> Result<Vec<ListedCredential>, CredentialsError> {
        let mut keys = BTreeSet::new();
        for name in &self.sources.order {
            if name == FILES {
                self.keys_of_files(&mut keys)?;
            } else {
                keys.extend(parse_all(&self.sources.delegate(name, None)?.list()?));
            }
        }
        let look_up = |key: CredentialKey| ListedCredential {
            lookup: self.lookup(&key),
            key,
        };
        Ok(keys.into_iter().map(look_up).collect())
    }

    fn keys_of_files(&self, keys: &mut BTreeSet<CredentialKey>) -> Result<(), CredentialsError> {
        for (path, format) in &self.sources.files.read {
            let file = AuthFile::read(path, *format)?;
            keys.extend(file.entries().filter_map(|entry| parse(entry.key())));
            keys.extend(file.helpers().filter_map(|(host, _)| parse(host)));
            if let Some(name) = file.credentials_store() {
                // The look-ups report a store that fails, as a source that need not have answered.
                let delegate = self.sources.delegate(name, Some((path, *format)));
                if let Ok(listed) = delegate.and_then(|delegate| delegate.list()) {
                    keys.extend(parse_all(&listed));
                }
            }
        }
        Ok(())
    }
}

fn parse_all(servers: &[String]) -> impl Iterator<Item = CredentialKey> {
    servers.iter().filter_map(|server| parse(server))
}

fn parse(key: &str) -> Option<CredentialKey> {
    CredentialKey::parse_argument(key).ok()
}
