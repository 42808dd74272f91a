use std::fmt::Write as _;

use wharf_auth::{Credential, Fixed, Secret};
use wharf_config::{Erased, Stored};
use wharf_content::{Error, ErrorKind};

use crate::{Client, IntoCredentialKey, concurrency::blocking};

impl Client {
    /// Checks a user name and password against a registry, then stores them where Podman and Skopeo look
    /// (containers-auth.json(5)). `registry` may name a namespace in it (`registry.example.com/team`).
    /// Returns where they are stored, and whether a source that is asked earlier hides them.
    ///
    /// ```no_run
    /// # async fn example(client: wharf::Client) -> Result<(), wharf::Error> {
    /// let stored = client.login("registry.example.com", "ada", "password").await?;
    /// println!("stored in {}", stored.entry);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Invalid`] for a malformed registry; [`ErrorKind::Unauthorized`] if the registry refuses
    /// them, and then nothing is stored; [`ErrorKind::Storage`] if they cannot be stored.
    pub async fn login(
        &self,
        registry: impl IntoCredentialKey,
        username: &str,
        password: impl Into<Secret>,
    ) -> Result<Stored, Error> {
        let key = registry.into_key()?;
        let credential = Credential::basic(username, password);
        let only = Fixed::new(key.registry().clone(), credential.clone());
        self.inner
            .protocol
            .clone()
            .with_credentials(only)
            .build()?
            .check_credentials(key.registry())
            .await?;
        let credentials = self.inner.credentials.clone();
        let stored = blocking(move || credentials.store(&key, &credential)).await?;
        stored.map_err(|error| Error::wrap(ErrorKind::Storage, error))
    }

    /// Erases the credentials stored for a registry or a namespace in it. Returns where they were, whether
    /// another source still has some, and which sources did not answer.
    ///
    /// ```no_run
    /// # async fn example(client: wharf::Client) -> Result<(), wharf::Error> {
    /// client.logout("registry.example.com").await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Invalid`] for a malformed registry, [`ErrorKind::NotFound`] if no credentials are stored,
    /// [`ErrorKind::Storage`] if they cannot be erased.
    pub async fn logout(&self, registry: impl IntoCredentialKey) -> Result<Erased, Error> {
        let key = registry.into_key()?;
        let credentials = self.inner.credentials.clone();
        let shown = key.to_string();
        let erased = blocking(move || credentials.erase(&key)).await?;
        let erased = erased.map_err(|error| Error::wrap(ErrorKind::Storage, error))?;
        if !erased.removed.is_empty() {
            return Ok(erased);
        }
        let mut message = match erased.remaining {
            Some(entry) => format!("not logged in to {shown}, but {entry} has credentials for it"),
            None => format!("not logged in to {shown}"),
        };
        for error in erased.unanswered {
            write!(
                message,
                "; a source that may have credentials did not answer: {error}"
            )
            .ok();
        }
        Err(Error::new(ErrorKind::NotFound, message))
    }
}
