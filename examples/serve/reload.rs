//! What SIGHUP reads again: users, keys and certificates.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::Context as _;
use wharf_registry::{Htpasswd, Registry, Tls, TokenKeys};

use crate::arguments::Arguments;

pub(crate) struct Reloadable {
    htpasswd: Option<(PathBuf, Htpasswd)>,
    keys: Option<(PathBuf, TokenKeys)>,
    tls: Option<(PathBuf, PathBuf, Tls)>,
}

impl Reloadable {
    pub(crate) fn load(arguments: &Arguments) -> anyhow::Result<Self> {
        let htpasswd = match &arguments.htpasswd {
            Some(path) => {
                let users = Htpasswd::parse(&text(path)?).with_context(|| path.display().to_string())?;
                Some((path.clone(), users))
            }
            None => None,
        };
        let keys = match &arguments.token_keys {
            Some(path) => {
                let keys = TokenKeys::from_jwks(&bytes(path)?).with_context(|| path.display().to_string())?;
                Some((path.clone(), keys))
            }
            None => None,
        };
        let tls = match (&arguments.tls_cert, &arguments.tls_key) {
            (Some(chain), Some(key)) => {
                let tls = Tls::from_pem(&bytes(chain)?, &bytes(key)?).with_context(|| pair(chain, key))?;
                Some((chain.clone(), key.clone(), tls))
            }
            _ => None,
        };
        Ok(Self { htpasswd, keys, tls })
    }

    /// Reads everything again; if anything is wrong, everything stays as it was.
    pub(crate) fn reload(&self) -> anyhow::Result<()> {
        let mut users = None;
        if let Some((path, current)) = &self.htpasswd {
            let new = text(path)?;
            Htpasswd::parse(&new).with_context(|| path.display().to_string())?;
            users = Some((current, new));
        }
        let mut keys = None;
        if let Some((path, current)) = &self.keys {
            let new = bytes(path)?;
            TokenKeys::from_jwks(&new).with_context(|| path.display().to_string())?;
            keys = Some((current, new));
        }
        if let Some((chain, key, current)) = &self.tls {
            let replaced = current.replace(&bytes(chain)?, &bytes(key)?);
            replaced.with_context(|| pair(chain, key))?;
        }
        // Nothing of this fails any more.
        if let Some((current, new)) = users {
            current.replace(&new)?;
        }
        if let Some((current, new)) = keys {
            current.replace(&new)?;
        }
        Ok(())
    }

    pub(crate) fn tls(&self) -> Option<&Tls> {
        self.tls.as_ref().map(|(_, _, tls)| tls)
    }

    /// The registry with these users and keys.
    pub(crate) fn authenticate(&self, mut registry: Registry, arguments: &Arguments) -> Registry {
        if let Some((_, users)) = &self.htpasswd {
            registry = registry.with_htpasswd(users);
        }
        if arguments.tokens {
            registry = registry.with_tokens();
        }
        registry = registry.with_anonymous(arguments.anonymous_pull);
        if let (Some((_, keys)), Some(realm), Some(issuer), Some(service)) = (
            &self.keys,
            &arguments.token_realm,
            &arguments.token_issuer,
            &arguments.token_service,
        ) {
            registry = registry.with_token_keys(realm, issuer, service, keys);
        }
        registry
    }
}

fn pair(chain: &Path, key: &Path) -> String {
    format!("{} and {}", chain.display(), key.display())
}

fn text(path: &Path) -> anyhow::Result<String> {
    fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))
}

fn bytes(path: &Path) -> anyhow::Result<Vec<u8>> {
    fs::read(path).with_context(|| format!("cannot read {}", path.display()))
}
