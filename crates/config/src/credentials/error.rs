use std::{error, fmt};

use wharf_auth::CredentialError;
use wharf_reference::Registry;

use crate::ConfigError;

/// Why credentials cannot be looked up or stored. It never contains one.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum CredentialsError {
    /// A file that cannot be read, understood or written.
    File(ConfigError),
    /// This host has no place to store credentials: neither a runtime directory nor a home is known.
    NoPlace,
}

impl CredentialsError {
    /// The form in which [`wharf_auth::CredentialProvider`] reports it.
    pub(super) fn for_registry(self, registry: &Registry) -> CredentialError {
        CredentialError::new(format!("cannot look up the credentials for {registry}")).with_source(self)
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
            Self::File(error) => error.fmt(f),
            Self::NoPlace => f.write_str("there is no place for credentials; give an auth file"),
        }
    }
}

impl error::Error for CredentialsError {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        match self {
            Self::File(error) => error.source(),
            Self::NoPlace => None,
        }
    }
}
