use std::{error, fmt, sync::Arc};

use async_trait::async_trait;
use wharf_reference::{Registry, Repository};

use crate::Secret;

/// What proves to a registry who is asking.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Credential {
    /// User name and password, or an access token in the password's place.
    Basic {
        /// The user name; it may not contain a colon.
        username: String,
        /// The password.
        password: Secret,
    },
    /// A refresh token, exchanged at the token server for access tokens (Docker's identity token).
    Identity(Secret),
    /// A ready-made bearer token, sent to the registry as it is.
    Bearer(Secret),
}

impl Credential {
    /// User name and password.
    pub fn basic(username: impl Into<String>, password: impl Into<Secret>) -> Self {
        Self::Basic {
            username: username.into(),
            password: password.into(),
        }
    }
}

/// Finds the credential for a registry: a fixed one, those in a file, a helper program.
#[async_trait]
pub trait CredentialProvider: Send + Sync + fmt::Debug {
    /// The credential for this registry, narrowed to the repository if one is known; `None` to go on
    /// anonymously.
    ///
    /// The registry is the one that will be contacted: of a mirror, the mirror.
    ///
    /// # Errors
    ///
    /// A failure means that there may be a credential that could not be read. It never means anonymity (N15).
    async fn credential(
        &self,
        registry: &Registry,
        repository: Option<&Repository>,
    ) -> Result<Option<Credential>, CredentialError>;

    /// As [`CredentialProvider::credential`], with what did not answer and need not have. That becomes the cause
    /// of the error if there is no credential and the registry then asks for one. The default knows of nothing.
    ///
    /// # Errors
    ///
    /// As [`CredentialProvider::credential`].
    async fn look_up(
        &self,
        registry: &Registry,
        repository: Option<&Repository>,
    ) -> Result<CredentialAnswer, CredentialError> {
        let credential = self.credential(registry, repository).await?;
        Ok(CredentialAnswer {
            credential,
            unanswered: None,
        })
    }
}

#[async_trait]
impl<P: CredentialProvider + ?Sized> CredentialProvider for Arc<P> {
    async fn credential(
        &self,
        registry: &Registry,
        repository: Option<&Repository>,
    ) -> Result<Option<Credential>, CredentialError> {
        (**self).credential(registry, repository).await
    }

    async fn look_up(
        &self,
        registry: &Registry,
        repository: Option<&Repository>,
    ) -> Result<CredentialAnswer, CredentialError> {
        (**self).look_up(registry, repository).await
    }
}

/// The result of a look-up by a [`CredentialProvider`].
#[derive(Debug, Default)]
pub struct CredentialAnswer {
    /// The credential; `None` to go on anonymously.
    pub credential: Option<Credential>,
    /// A source that may have one and did not answer, though it is for no registry in particular.
    pub unanswered: Option<CredentialError>,
}

/// No credentials at all.
#[derive(Debug, Clone, Copy, Default)]
pub struct Anonymous;

#[async_trait]
impl CredentialProvider for Anonymous {
    async fn credential(
        &self,
        _: &Registry,
        _: Option<&Repository>,
    ) -> Result<Option<Credential>, CredentialError> {
        Ok(None)
    }
}

/// One credential for one registry; every other registry gets none.
#[derive(Debug, Clone)]
pub struct Fixed {
    registry: Registry,
    credential: Credential,
}

impl Fixed {
    /// The credential for this registry.
    #[must_use]
    pub const fn new(registry: Registry, credential: Credential) -> Self {
        Self { registry, credential }
    }
}

#[async_trait]
impl CredentialProvider for Fixed {
    async fn credential(
        &self,
        registry: &Registry,
        _: Option<&Repository>,
    ) -> Result<Option<Credential>, CredentialError> {
        Ok((*registry == self.registry).then(|| self.credential.clone()))
    }
}

/// Why a credential could not be read. It never contains one.
#[derive(Debug)]
pub struct CredentialError {
    message: String,
    source: Option<Box<dyn error::Error + Send + Sync>>,
}

impl CredentialError {
    /// An error in words: which file or helper, and what is wrong with it.
    pub fn new(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            source: None,
        }
    }

    /// The same with what caused it.
    #[must_use]
    pub fn with_source(mut self, source: impl Into<Box<dyn error::Error + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }
}

impl fmt::Display for CredentialError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl error::Error for CredentialError {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        self.source.as_deref().map(|source| source as _)
    }
}
