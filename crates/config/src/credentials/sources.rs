use std::{
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use wharf_auth::{Credential, CredentialAnswer, CredentialError, CredentialProvider};
use wharf_reference::{Registry, Repository};

use super::{
    AuthFormat, CredentialHelper, CredentialKey, HelperEnvironment, HelperError, Lookup, offload::offload,
};
use crate::{ConfigError, Locations, locations::AuthFiles};

/// The name of the files among the `credential-helpers` of registries.conf.
pub(super) const FILES: &str = "containers-auth.json";

/// The credentials of a host: which files and helpers there are, and the order in which they are asked.
///
/// Nothing is cached between look-ups, so a login by another program counts at once. Clones are cheap. The
/// methods block while they read files and wait for helpers; as a [`CredentialProvider`] it does so on a
/// thread of its own and needs no runtime.
///
/// ```
/// use wharf_config::{CredentialKey, Credentials, Locations, Registries};
///
/// let host = Locations::rooted("/nonexistent"); // or Locations::from_env()
/// let registries = Registries::load(&host)?;
/// let credentials = Credentials::from_locations(&host)?.with_helpers(registries.credential_helpers());
/// let found = credentials.lookup(&CredentialKey::parse("example.com/team")?)?;
/// assert!(found.credential().is_none());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Deviation
///
/// A source that must be asked and fails is an error, as upstream, but sources that could not answer for the
/// registry cannot fail it. `credsStore` of Docker's config.json is honoured where its helper answers;
/// upstream does not know it. Docker Hub is looked for under the names that Docker and the container tools
/// give it, in helpers as well.
#[derive(Debug, Clone)]
pub struct Credentials {
    pub(super) sources: Arc<Sources>,
}

#[derive(Debug, Clone)]
pub(super) struct Sources {
    pub(super) files: AuthFiles,
    /// The order of `credential-helpers`, with [`FILES`] for the files.
    pub(super) order: Vec<String>,
    pub(super) environment: HelperEnvironment,
    timeout: Option<Duration>,
    /// True if nobody waits for the look-up any more.
    cancelled: Option<Arc<AtomicBool>>,
    pub(super) private_only: bool,
}

impl Sources {
    pub(super) fn helper(&self, name: &str) -> Result<CredentialHelper, HelperError> {
        let helper = CredentialHelper::new(name, &self.environment)?;
        let helper = match self.timeout {
            Some(timeout) => helper.with_timeout(timeout),
            None => helper,
        };
        Ok(helper.cancelled_by(self.cancelled.clone()))
    }
}

impl Credentials {
    /// The files of a host (`containers-auth.json(5)`): an explicit one alone, set here or named by
    /// `REGISTRY_AUTH_FILE`; otherwise auth.json of the runtime directory, auth.json of the user, Docker's
    /// config.json and `.dockercfg`.
    ///
    /// The first of them is written, or Docker's if `DOCKER_CONFIG` names it. Nothing is read yet. Add the
    /// helpers of registries.conf with [`Credentials::with_helpers`].
    ///
    /// # Deviation
    ///
    /// If `DOCKER_CONFIG` is set, Podman reads Docker's file alone. Here, as with Skopeo, the others count as
    /// well; a login that one of them hides is reported ([`super::Stored::hidden_by`]).
    ///
    /// # Errors
    ///
    /// Two explicit files: one set as auth.json and one in Docker's form.
    pub fn from_locations(locations: &Locations) -> Result<Self, ConfigError> {
        Ok(Self::new(locations.auth_files()?, locations.helper_environment()))
    }

    /// These files, in this order, and no others; the first is written. Helpers that they name are not found
    /// before [`Credentials::with_helper_environment`] says where.
    #[must_use]
    pub fn from_files(files: impl IntoIterator<Item = (PathBuf, AuthFormat)>) -> Self {
        let read: Vec<_> = files.into_iter().collect();
        let files = AuthFiles {
            write: read.first().cloned(),
            read,
            must_exist: None,
        };
        Self::new(files, HelperEnvironment::default())
    }

    fn new(files: AuthFiles, environment: HelperEnvironment) -> Self {
        Self {
            sources: Arc::new(Sources {
                files,
                order: vec![FILES.to_owned()],
                environment,
                timeout: None,
                cancelled: None,
                private_only: false,
            }),
        }
    }

    /// The sources in the order of `credential-helpers` in registries.conf, where `containers-auth.json`
    /// stands for the files. Without it the files are not used. An empty list means the files alone.
    #[must_use]
    pub fn with_helpers<N: Into<String>>(mut self, names: impl IntoIterator<Item = N>) -> Self {
        let mut order: Vec<String> = names.into_iter().map(Into::into).collect();
        if order.is_empty() {
            order.push(FILES.to_owned());
        }
        Arc::make_mut(&mut self.sources).order = order;
        self
    }

    /// Sets the search path and environment of helpers.
    #[must_use]
    pub fn with_helper_environment(mut self, environment: HelperEnvironment) -> Self {
        Arc::make_mut(&mut self.sources).environment = environment;
        self
    }

    /// Allows each call of a helper this long instead of 30 seconds; at most a day.
    #[must_use]
    pub fn with_helper_timeout(mut self, timeout: Duration) -> Self {
        Arc::make_mut(&mut self.sources).timeout = Some(timeout);
        self
    }

    /// Sets whether files with credentials that others can read, or that belong to another user, are refused.
    /// Default: `false`, they are reported in [`Lookup::exposed`].
    #[must_use]
    pub fn with_private_files_only(mut self, private_only: bool) -> Self {
        Arc::make_mut(&mut self.sources).private_only = private_only;
        self
    }
}

impl Credentials {
    /// Runs [`Credentials::lookup`] on a thread of its own, under any runtime.
    /// [`CredentialProvider`](wharf_auth::CredentialProvider) answers from it. If its future is dropped, the helper that
    /// runs is killed, with its process group.
    ///
    /// # Errors
    ///
    /// As [`Credentials::lookup`].
    pub async fn find(
        &self,
        registry: &Registry,
        repository: Option<&Repository>,
    ) -> Result<Lookup, CredentialError> {
        let key = CredentialKey::of(registry, repository);
        let given_up = CancelOnDrop::default();
        let mut credentials = self.clone();
        Arc::make_mut(&mut credentials.sources).cancelled = Some(Arc::clone(&given_up.0));
        let found = offload(move || credentials.lookup(&key)).await?;
        found.map_err(|error| error.for_registry(registry))
    }
}

/// Cancels what runs for a future that is dropped.
#[derive(Default)]
struct CancelOnDrop(Arc<AtomicBool>);

impl Drop for CancelOnDrop {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[async_trait]
impl CredentialProvider for Credentials {
    async fn credential(
        &self,
        registry: &Registry,
        repository: Option<&Repository>,
    ) -> Result<Option<Credential>, CredentialError> {
        Ok(self.find(registry, repository).await?.into_credential())
    }

    async fn look_up(
        &self,
        registry: &Registry,
        repository: Option<&Repository>,
    ) -> Result<CredentialAnswer, CredentialError> {
        Ok(self.find(registry, repository).await?.into())
    }
}
