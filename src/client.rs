use std::sync::Arc;

use wharf_auth::Credential;
use wharf_config::{Credentials, Locations, Registries};
use wharf_content::Error;
use wharf_reference::{Registry, Tag};

use crate::{
    ClientBuilder, IntoReference,
    daemon::Daemon,
    files::Streams,
    names::Names,
    overrides::WithCredentials,
    policy::Guard,
    warnings::{Warning, Warnings},
};

/// A client for registries, configured by the program and, if asked, by this host's files. Clones share
/// connections, tokens and warnings.
///
/// | task | methods |
/// |---|---|
/// | move images | [`pull`](Self::pull), [`push`](Self::push), [`push_image`](Self::push_image), [`copy`](Self::copy), [`copy_to`](Self::copy_to), [`copy_into`](Self::copy_into) |
/// | read an image | [`manifest`](Self::manifest), [`image_manifest`](Self::image_manifest), [`config`](Self::config), [`config_bytes`](Self::config_bytes), [`blob`](Self::blob), [`layer`](Self::layer), [`inspect`](Self::inspect) |
/// | verify and sign an image | `verify`, [`sign`](Self::sign), [`sign_as`](Self::sign_as) |
/// | move artifacts (feature `images`) | `push_artifact`, `pull_artifact`, `attach`, `referrers` |
/// | read a repository, a store or an archive | [`tags`](Self::tags), [`list`](Self::list) |
/// | log in and out | [`login`](Self::login), [`logout`](Self::logout) |
/// | everything else | [`distribution`](Self::distribution) |
///
/// A method whose name ends in `_with` takes options, where a [`Selection`](crate::Selection) or a
/// [`Platform`](crate::Platform) is enough; the method without the ending uses the defaults. Names are text
/// or parsed types ([`IntoReference`], [`IntoImageLocation`](crate::IntoImageLocation)):
///
/// | method | `quay.io/app:1` | `docker://quay.io/app:1` | `oci:DIRECTORY[:NAME]` | `app:1` means |
/// |---|---|---|---|---|
/// | `pull` | yes | yes | no | as the host's configuration says |
/// | `push`, `push_image`, `sign`, `tags` | yes | yes | no | Docker Hub's |
/// | `manifest`, `image_manifest`, `config`, `config_bytes`, `blob`, `layer`, `inspect`, `list` | yes | yes | yes | Docker Hub's |
/// | `copy`, `copy_to`, `copy_into` | no, as for Skopeo | yes | yes | an error |
///
/// A name that begins as a transport does, such as `docker:24`, needs `docker://` where a transport is
/// possible.
#[derive(Debug, Clone)]
pub struct Client {
    pub(crate) inner: Arc<Inner>,
}

#[derive(Debug)]
pub(crate) struct Inner {
    pub(crate) client: wharf_distribution::Client,
    /// Makes the client again, for other credentials.
    pub(crate) protocol: wharf_distribution::ClientBuilder,
    pub(crate) credentials_provider: WithCredentials,
    pub(crate) short_name_credential: Option<Credential>,
    pub(crate) warnings: Arc<Warnings>,
    pub(crate) registries: Arc<Registries>,
    pub(crate) credentials: Credentials,
    pub(crate) names: Names,
    pub(crate) guard: Guard,
    pub(crate) daemon: Daemon,
    pub(crate) streams: Streams,
    #[cfg(feature = "sync")]
    pub(crate) resolver: Arc<crate::overrides::WithTls>,
    #[cfg(feature = "sync")]
    pub(crate) certificates: Arc<crate::certificates::HostCertificates>,
}

impl Client {
    /// A builder. Without [`ClientBuilder::with_locations`] the client reads no file of the host: it contacts
    /// every registry anonymously, under its own name, over verified https.
    ///
    /// ```
    /// let client = wharf::Client::builder().with_docker_hub_names(true).build()?;
    /// # Ok::<(), wharf::Error>(())
    /// ```
    pub fn builder() -> ClientBuilder {
        ClientBuilder::new()
    }

    /// A client configured as Podman on this host: by registries.conf, auth.json, certs.d and policy.json,
    /// from the directories that the environment names, and through the proxies that it names.
    ///
    /// ```no_run
    /// let client = wharf::Client::from_host()?;
    /// # Ok::<(), wharf::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// As [`ClientBuilder::build`].
    pub fn from_host() -> Result<Self, Error> {
        Self::builder().with_locations(Locations::from_env()).build()
    }

    /// The warnings so far: things that the user should know and that are no failures. When the client is
    /// made, these are the oddities in the configuration, with file and line. Later ones are about files of
    /// certs.d that are ignored and files with credentials that others can read, for example, or come from
    /// registries. The listener of [`ClientBuilder::with_warnings`] is told each warning once, at the moment
    /// it arises.
    ///
    /// ```no_run
    /// # let client = wharf::Client::from_host()?;
    /// for warning in client.warnings() {
    ///     match warning {
    ///         wharf::Warning::Configuration(warning) => println!("configuration: {warning}"),
    ///         other => println!("{other}"),
    ///     }
    /// }
    /// # Ok::<(), wharf::Error>(())
    /// ```
    #[must_use]
    pub fn warnings(&self) -> Vec<Warning> {
        self.inner.warnings.all()
    }

    /// The client of the distribution protocol, for everything that this type has no method for: referrers,
    /// the catalog, deletion.
    ///
    /// ```no_run
    /// # async fn example(client: wharf::Client) -> Result<(), wharf::Error> {
    /// let repository = wharf::Repository::parse("registry.example.com/team/app")?;
    /// client.distribution().remote(&repository).delete_tag(&wharf::Tag::parse("old")?).await?;
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn distribution(&self) -> &wharf_distribution::Client {
        &self.inner.client
    }

    /// The registries that the host's configuration searches for short names, in its order.
    ///
    /// ```
    /// let client = wharf::Client::builder().build()?;
    /// assert!(client.search_registries().is_empty()); // it reads no file of the host
    /// # Ok::<(), wharf::Error>(())
    /// ```
    #[must_use]
    pub fn search_registries(&self) -> &[Registry] {
        self.inner.registries.search_registries()
    }

    /// The tags of a repository, in the registry's order; a tag in `reference` is ignored. A short name is
    /// Docker Hub's, as for `skopeo list-tags`.
    ///
    /// ```no_run
    /// # async fn example(client: wharf::Client) -> Result<(), wharf::Error> {
    /// for tag in client.tags("quay.io/fedora/fedora").await? {
    ///     println!("{tag}");
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`Invalid`](wharf_content::ErrorKind::Invalid) for a malformed reference,
    /// [`NotFound`](wharf_content::ErrorKind::NotFound) if there is no such repository, and the failures of
    /// the registry.
    pub async fn tags(&self, reference: impl IntoReference) -> Result<Vec<Tag>, Error> {
        let repository = reference.into_reference()?.repository();
        Ok(self.inner.client.remote(&repository).tags().collect().await?)
    }
}
