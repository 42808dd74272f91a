use std::{error, fmt, sync::Arc};

use async_trait::async_trait;
use wharf_reference::{Registry, Repository};

use crate::Secret;

/// A login for a registry, in one of the forms that registries take.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Credential {
    /// A user name and a password. Many registries take an access token in place of the password.
    Basic {
        /// The user name. A colon in it is an error when the login is sent (RFC 7617).
        username: String,
        /// The password.
        password: Secret,
    },
    /// A refresh token, which is exchanged for access tokens at the token server (`identitytoken` in
    /// Docker's `config.json`).
    Identity(Secret),
    /// A ready-made bearer token, sent to the registry unchanged (`registrytoken` in Docker's
    /// `config.json`).
    Bearer(Secret),
}

impl Credential {
    /// A credential of a user name and a password.
    pub fn basic(username: impl Into<String>, password: impl Into<Secret>) -> Self {
        Self::Basic {
            username: username.into(),
            password: password.into(),
        }
    }
}

/// Finds the credential for a registry, for example in a file, in memory or through a helper program.
///
/// ```
/// use async_trait::async_trait;
/// use wharf_auth::{Credential, CredentialError, CredentialProvider};
/// use wharf_reference::{Registry, Repository};
///
/// /// Takes the token of a CI job for one registry, and no login for every other.
/// #[derive(Debug)]
/// struct JobToken {
///     registry: Registry,
/// }
///
/// #[async_trait]
/// impl CredentialProvider for JobToken {
///     async fn credential(
///         &self,
///         registry: &Registry,
///         _: Option<&Repository>,
///     ) -> Result<Option<Credential>, CredentialError> {
///         if *registry != self.registry {
///             return Ok(None);
///         }
///         let token = std::env::var("CI_JOB_TOKEN")
///             .map_err(|error| CredentialError::new("cannot read CI_JOB_TOKEN").with_source(error))?;
///         Ok(Some(Credential::basic("ci-job", token)))
///     }
/// }
/// # let registry = Registry::parse("registry.example")?;
/// # let _: std::sync::Arc<dyn CredentialProvider> = std::sync::Arc::new(JobToken { registry });
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[async_trait]
pub trait CredentialProvider: Send + Sync + fmt::Debug {
    /// The credential for this registry, or for the repository if one is given; `None` if there is none,
    /// which makes the requests anonymous.
    ///
    /// `registry` is the registry that is contacted: for a request to a mirror, the mirror.
    ///
    /// # Errors
    ///
    /// An error means that there may be a credential and it could not be read. The request then fails; it
    /// is never sent anonymously instead (docs/threats.md, N15).
    async fn credential(
        &self,
        registry: &Registry,
        repository: Option<&Repository>,
    ) -> Result<Option<Credential>, CredentialError>;

    /// Like [`CredentialProvider::credential`], and also reports a source that did not answer although it
    /// may have a credential. If no credential was found and the registry then asks for one, that report
    /// becomes the source of the error. The default implementation calls `credential` and reports nothing.
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

/// The result of [`CredentialProvider::look_up`].
#[derive(Debug, Default)]
pub struct CredentialAnswer {
    /// The credential; `None` for anonymous requests.
    pub credential: Option<Credential>,
    /// The error of a source that may have a credential and did not answer. Set this only for a source that
    /// is asked for every registry: for one that is configured for this registry, return the error instead.
    pub unanswered: Option<CredentialError>,
}

/// A provider without credentials: every request is anonymous.
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

/// A provider of one credential for one registry. Every other registry gets none, which includes the
/// mirrors of that registry.
#[derive(Debug, Clone)]
pub struct Fixed {
    registry: Registry,
    credential: Credential,
}

impl Fixed {
    /// A provider of `credential` for `registry`.
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

/// The reason why a credential could not be read. Never put a secret into it: it is printed.
#[derive(Debug)]
pub struct CredentialError {
    message: String,
    source: Option<Box<dyn error::Error + Send + Sync>>,
}

impl CredentialError {
    /// An error with this message, which should name the file or helper program and the fault.
    pub fn new(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            source: None,
        }
    }

    /// Sets the error that caused this one.
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
