use std::fmt::Write as _;

use wharf_auth::{Credential, Fixed, Secret};
use wharf_config::{CredentialKey, Erased, Stored};
use wharf_content::{Error, ErrorKind};

use crate::Client;

impl Client {
    /// Checks a user name and password against a registry, then stores them where Podman and Skopeo look.
    /// `registry` may name a namespace in it (`registry.example/team`). Says where they are stored, and whether a
    /// source that is asked earlier hides them.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Unauthorized`] if the registry refuses them; then nothing is stored.
    pub async fn login(&self, registry: &str, username: &str, password: &Secret) -> Result<Stored, Error> {
        let key = key(registry)?;
        let credential = Credential::basic(username, password.clone());
        let only = Fixed::new(key.registry().clone(), credential.clone());
        self.inner
            .protocol
            .clone()
            .with_credentials(only)
            .build()?
            .check_credentials(key.registry())
            .await?;
        let credentials = self.inner.credentials.clone();
        blocking(move || credentials.store(&key, &credential)).await
    }

    /// Forgets the credentials stored for a registry or a namespace in it. Says where they were, whether another
    /// source still has some, and which did not answer.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::NotFound`] if none are stored.
    pub async fn logout(&self, registry: &str) -> Result<Erased, Error> {
        let key = key(registry)?;
        let credentials = self.inner.credentials.clone();
        let shown = key.to_string();
        let erased = blocking(move || credentials.erase(&key)).await?;
        if !erased.removed.is_empty() {
            return Ok(erased);
        }
        let mut message = match erased.remaining {
            Some(origin) => format!("not logged in to {shown}, but {origin} has credentials for it"),
            None => format!("not logged in to {shown}"),
        };
        for error in erased.unanswered {
            write!(message, "; what may have credentials did not answer: {error}").ok();
        }
        Err(Error::new(ErrorKind::NotFound, message))
    }
}

fn key(registry: &str) -> Result<CredentialKey, Error> {
    CredentialKey::parse_argument(registry).map_err(|error| {
        let message = format!("{registry:?} is not a registry, such as registry.example:5000");
        Error::new(ErrorKind::Invalid, message).with_source(error)
    })
}

async fn blocking<T, E>(work: impl FnOnce() -> Result<T, E> + Send + 'static) -> Result<T, Error>
where
    T: Send + 'static,
    E: std::error::Error + Send + Sync + 'static,
{
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|error| Error::wrap(ErrorKind::Other, error))?
        .map_err(|error| Error::wrap(ErrorKind::Storage, error))
}
