use std::{error, fmt, path::PathBuf};

use wharf_auth::CredentialError;
use wharf_reference::Registry;

use super::{CredentialKey, HelperError};
use crate::{ConfigError, ConfigErrorKind};

/// The failure to look up or store credentials. Its text contains no secret.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum CredentialsError {
    /// A file cannot be read, understood or written.
    File(ConfigError),
    /// A helper that must be asked did not answer.
    Helper {
        /// The failure of the helper.
        error: HelperError,
        /// The file that names the helper; `None` for one of registries.conf.
        named_by: Option<PathBuf>,
    },
    /// A helper stores credentials for whole registries, and this key is a namespace within one.
    Namespace {
        /// The key.
        key: CredentialKey,
        /// The name of the helper.
        helper: String,
    },
    /// This host has no file to store credentials in: neither a runtime directory nor a home directory is
    /// known.
    NoFile,
    /// Several sources failed and none succeeded.
    Several(Vec<Self>),
}

impl CredentialsError {
    /// The form in which [`wharf_auth::CredentialProvider`] reports it.
    pub(super) fn for_registry(self, registry: &Registry) -> CredentialError {
        CredentialError::new(format!("cannot look up the credentials for {registry}")).with_source(self)
    }

    /// One error for what went wrong; `None` if nothing did.
    pub(super) fn combine(mut errors: Vec<Self>) -> Option<Self> {
        match errors.len() {
            0 | 1 => errors.pop(),
            _ => Some(Self::Several(errors)),
        }
    }
}

impl From<ConfigError> for CredentialsError {
    fn from(error: ConfigError) -> Self {
        Self::File(error)
    }
}

impl fmt::Display for CredentialsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(error) if error.kind() == ConfigErrorKind::Unwritable => write!(
                f,
                "{error}; make it writable, or name another file for credentials (REGISTRY_AUTH_FILE)"
            ),
            Self::File(error) => error.fmt(f),
            Self::Helper { error, named_by } => {
                error.fmt(f)?;
                named_by
                    .as_ref()
                    .map_or(Ok(()), |file| write!(f, " (named by {})", file.display()))
            }
            Self::Namespace { key, helper } => write!(
                f,
                "docker-credential-{helper} stores credentials for all of {}, not for {key} alone",
                key.registry()
            ),
            Self::NoFile => f.write_str("this host has no file for credentials: neither a runtime directory nor a home directory is known; name an auth file"),
            Self::Several(errors) => {
                for (index, error) in errors.iter().enumerate() {
                    f.write_str(if index == 0 { "" } else { "; " })?;
                    error.fmt(f)?;
                }
                Ok(())
            }
        }
    }
}

impl error::Error for CredentialsError {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        match self {
            Self::File(error) => error.source(),
            Self::Helper { error, .. } => error.source(),
            Self::Namespace { .. } | Self::NoFile => None,
            Self::Several(errors) => errors.first().and_then(error::Error::source),
        }
    }
}
