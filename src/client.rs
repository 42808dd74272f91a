use std::sync::Arc;

use wharf_auth::Credential;
use wharf_config::{Credentials, Locations, Registries};
use wharf_content::{Error, ErrorKind, ImageConfig, Manifest, Source, SourceExt as _, Target};
use wharf_distribution::Remote;
use wharf_reference::{Reference, Tag};
use wharf_store::Layout;

use crate::{
    ClientBuilder, Image, Inspection, Selection,
    names::Names,
    overrides::WithCredentials,
    policy::Guard,
    warnings::{Warning, Warnings},
};

/// Registries as this host is configured to use them. Clones share connections and tokens.
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
}

impl Client {
    /// A client that knows no host: see [`ClientBuilder::with_locations`].
    pub fn builder() -> ClientBuilder {
        ClientBuilder::new()
    }

    /// A client configured as Podman on this host: registries.conf, auth.json, certs.d, policy.json, wherever the
    /// environment says they are, and through the proxies that it names.
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
    #[must_use]
    pub fn warnings(&self) -> Vec<Warning> {
        self.inner.warnings.all()
    }

    /// The client of the distribution protocol below, for everything that this type has no call for.
    #[must_use]
    pub fn distribution(&self) -> &wharf_distribution::Client {
        &self.inner.client
    }

    /// The tags of a repository, in the registry's order; a tag in `reference` is ignored.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Invalid`] for a malformed reference, [`ErrorKind::NotFound`] if there is no such repository,
    /// and the failures of the registry.
    pub async fn tags(&self, reference: &str) -> Result<Vec<Tag>, Error> {
        let reference = parse(reference)?;
        Ok(self
            .inner
            .client
            .remote(&reference.repository())
            .tags()
            .collect()
            .await?)
    }

    /// The manifest or index that an image's name stands for, verified.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::NotFound`] if there is none, and the failures of registry or store.
    pub async fn manifest(&self, image: &Image) -> Result<Manifest, Error> {
        let opened = self.open(image).await?;
        opened.source.manifest(&opened.target).await
    }

    /// The config of a container image; of an index, the config of the selected image.
    ///
    /// ```no_run
    /// # async fn example(client: wharf::Client) -> Result<(), wharf::Error> {
    /// use wharf::Selection;
    ///
    /// let image = "docker://quay.io/fedora/fedora:latest".parse()?;
    /// let config = client.config(&image, &Selection::default()).await?;
    /// println!("{}/{}: {:?}", config.os(), config.architecture(), config.cmd());
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// As [`Client::config_bytes`]; [`ErrorKind::Invalid`] also if it is no container image.
    pub async fn config(&self, image: &Image, selection: &Selection) -> Result<ImageConfig, Error> {
        let opened = self.open(image).await?;
        let (_, chosen) = opened.select(selection).await?;
        opened.source.config(&chosen).await
    }

    /// The bytes of a config of any type, as artifacts have them too; of an index, the config of the selected image.
    ///
    /// ```no_run
    /// # async fn example(client: wharf::Client) -> Result<(), wharf::Error> {
    /// let chart = "docker://registry.example.com/charts/app:1.0".parse()?;
    /// let config = client.config_bytes(&chart, &wharf::Selection::default()).await?;
    /// println!("{}", String::from_utf8_lossy(&config));
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// As [`Client::manifest`]; [`ErrorKind::NotFound`] also if no image of the index is selected,
    /// [`ErrorKind::TooLarge`] above 4 MiB.
    pub async fn config_bytes(&self, image: &Image, selection: &Selection) -> Result<bytes::Bytes, Error> {
        let opened = self.open(image).await?;
        let (_, chosen) = opened.select(selection).await?;
        opened.source.config_bytes(&chosen).await
    }

    /// What `skopeo inspect` says of an image.
    ///
    /// # Errors
    ///
    /// As [`Client::config`]. That the tags cannot be listed is not one: some registries forbid it.
    pub async fn inspect(&self, image: &Image, selection: &Selection) -> Result<Inspection, Error> {
        let opened = self.open(image).await?;
        let (top, chosen) = opened.select(selection).await?;
        let mut inspection = Inspection::of(&*opened.source, &chosen, top.digest().clone()).await?;
        if let Some((reference, remote)) = opened.remote {
            inspection.name = Some(reference.repository().to_string());
            inspection.repo_tags = match remote.tags().collect().await {
                Ok(tags) => tags,
                Err(error) if matches!(error.kind(), ErrorKind::Denied | ErrorKind::NotFound) => Vec::new(),
                Err(error) => return Err(error.into()),
            };
        }
        Ok(inspection)
    }

    /// Opens an image for reading.
    pub(crate) async fn open(&self, image: &Image) -> Result<OpenedImage, Error> {
        match image {
            Image::Registry(reference) => {
                let reference = parse(reference)?.or_latest();
                let remote = self.inner.client.remote(&reference.repository());
                let target = Target::of(&reference);
                Ok(OpenedImage {
                    source: Arc::new(remote.clone()),
                    target,
                    remote: Some((reference, remote)),
                })
            }
            Image::Store { directory, image } => {
                let store = Layout::open(directory).await?;
                Ok(OpenedImage {
                    target: image.target(&store).await?,
                    source: Arc::new(store),
                    remote: None,
                })
            }
        }
    }
}

/// An image that can be read, and the target to read it by.
pub(crate) struct OpenedImage {
    pub(crate) source: Arc<dyn Source>,
    pub(crate) target: Target,
    remote: Option<(Reference, Remote)>,
}

impl OpenedImage {
    /// What the target is, and the image of it that is selected.
    async fn select(&self, selection: &Selection) -> Result<(Manifest, Manifest), Error> {
        let top = self.source.manifest(&self.target).await?;
        let chosen = wharf_copy::select(&*self.source, top.clone(), selection).await?;
        Ok((top, chosen))
    }
}

pub(crate) fn parse(reference: &str) -> Result<Reference, Error> {
    Reference::parse(reference).map_err(|error| {
        let message = format!("invalid reference {reference:?}");
        Error::new(ErrorKind::Invalid, message).with_source(error)
    })
}
