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
                let tls = Tls::from_pem(&bytes(chain)?, &bytes(key)?)
                    .with_context(|| format!("{} and {}", chain.display(), key.display()))?;
                Some((chain.clone(), key.clone(), tls))
            }
            _ => None,
        };
        Ok(Self { htpasswd, keys, tls })
    }

    pub(crate) fn reload(&self) -> anyhow::Result<()> {
        if let Some((path, users)) = &self.htpasswd {
            users
                .replace(&text(path)?)
                .with_context(|| path.display().to_string())?;
        }
        if let Some((path, keys)) = &self.keys {
            keys.replace(&bytes(path)?)
                .with_context(|| path.display().to_string())?;
        }
        if let Some((chain, key, tls)) = &self.tls {
            tls.replace(&bytes(chain)?, &bytes(key)?)
                .with_context(|| format!("{} and {}", chain.display(), key.display()))?;
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
        if arguments.anonymous_pull {
            registry = registry.with_anonymous();
        }
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

fn text(path: &Path) -> anyhow::Result<String> {
    fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))
}

fn bytes(path: &Path) -> anyhow::Result<Vec<u8>> {
    fs::read(path).with_context(|| format!("cannot read {}", path.display()))
}
