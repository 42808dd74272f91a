//! Reads images where they are.

use std::{path::PathBuf, sync::Arc};

use wharf_content::{
    Blob, Descriptor, Error, ErrorKind, ImageConfig, Manifest, Source, SourceExt as _, Target,
};
use wharf_distribution::Remote;
use wharf_reference::Reference;
use wharf_store::Layout;

use crate::{
    Client, DaemonImage, ImageLocation, Inspection, IntoDigest, IntoImageLocation, Selection,
    daemon::{self, Daemon},
    files,
};

impl Client {
    /// The manifest or index that an image's location names, verified against its digest. A registry's image
    /// needs no `docker://`. A short name is Docker Hub's, as for Skopeo.
    ///
    /// ```no_run
    /// # async fn example(client: wharf::Client) -> Result<(), wharf::Error> {
    /// let manifest = client.manifest("quay.io/fedora/fedora:latest").await?;
    /// println!("{} is {}", manifest.digest(), if manifest.is_index() { "an index" } else { "an image" });
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Invalid`] for a malformed location, [`ErrorKind::NotFound`] if there is no such image,
    /// and the failures of registry or store.
    pub async fn manifest(&self, image: impl IntoImageLocation) -> Result<Manifest, Error> {
        let opened = self.open(&image.into_image()?).await?;
        opened.source.manifest(&opened.target).await
    }

    /// The manifest of one image: of an index, the image for this host's platform.
    ///
    /// ```no_run
    /// # async fn example(client: wharf::Client) -> Result<(), wharf::Error> {
    /// let manifest = client.image_manifest("quay.io/fedora/fedora:latest").await?;
    /// println!("{} layers", manifest.layers().len());
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// As [`Client::manifest`]; [`ErrorKind::NotFound`] also if the index has no image for the platform.
    pub async fn image_manifest(&self, image: impl IntoImageLocation) -> Result<Manifest, Error> {
        self.image_manifest_with(image, Selection::default()).await
    }

    /// As [`Client::image_manifest`], of an index the image that is selected.
    ///
    /// ```no_run
    /// # async fn example(client: wharf::Client) -> Result<(), wharf::Error> {
    /// let arm = wharf::Platform::new("linux", "arm64");
    /// let manifest = client.image_manifest_with("quay.io/fedora/fedora:latest", arm).await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// As [`Client::image_manifest`].
    pub async fn image_manifest_with(
        &self,
        image: impl IntoImageLocation,
        selection: impl Into<Selection>,
    ) -> Result<Manifest, Error> {
        let (image, selection) = (image.into_image()?, selection.into());
        let opened = self.open(&image).await?;
        opened.select(&selection).await.map(|(_, chosen)| chosen)
    }

    /// A blob of an image, such as a layer. It is verified as it is read: the stream ends without an error if
    /// size and digest are right. The bytes are not kept; a read that is cut resumes.
    ///
    /// ```no_run
    /// # async fn example(client: wharf::Client) -> Result<(), wharf::Error> {
    /// let image = "quay.io/fedora/fedora:latest";
    /// let manifest = client.image_manifest(image).await?;
    /// for layer in manifest.layers() {
    ///     let bytes = client.blob(image, layer).await?.read_to_end(1 << 30).await?; // at most 1 GiB
    ///     println!("{}: {} bytes", layer.digest(), bytes.len());
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Invalid`] for a malformed location, [`ErrorKind::NotFound`] if there is no such blob, and
    /// the failures of registry or store; some come when the blob is read.
    pub async fn blob(&self, image: impl IntoImageLocation, descriptor: &Descriptor) -> Result<Blob, Error> {
        match image.into_image()? {
            ImageLocation::Registry(reference) => {
                let remote = self.inner.client.remote(&reference.repository());
                Source::blob(&remote, descriptor).await
            }
            ImageLocation::Store { directory, .. } => {
                Source::blob(&Layout::open(directory).await?, descriptor).await
            }
            other => self.open(&other).await?.source.blob(descriptor).await,
        }
    }

    /// A blob that an image lists, by its digest: a layer, or the config. Of an index, a blob of the image
    /// for this host's platform. It is read as by [`Client::blob`].
    ///
    /// ```no_run
    /// # async fn example(client: wharf::Client) -> Result<(), wharf::Error> {
    /// let image = "quay.io/fedora/fedora:latest";
    /// for layer in client.inspect(image).await?.layers {
    ///     let bytes = client.layer(image, &layer).await?.read_to_end(1 << 30).await?; // at most 1 GiB
    ///     println!("{layer}: {} bytes", bytes.len());
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// As [`Client::image_manifest`] and [`Client::blob`]; [`ErrorKind::NotFound`] also if the image lists no
    /// such blob.
    pub async fn layer(&self, image: impl IntoImageLocation, digest: impl IntoDigest) -> Result<Blob, Error> {
        self.layer_with(image, digest, Selection::default()).await
    }

    /// As [`Client::layer`], of an index a blob of the image that is selected.
    ///
    /// ```no_run
    /// # async fn example(client: wharf::Client) -> Result<(), wharf::Error> {
    /// let digest = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
    /// let arm = wharf::Platform::new("linux", "arm64");
    /// let blob = client.layer_with("quay.io/fedora/fedora:latest", digest, arm).await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// As [`Client::layer`].
    pub async fn layer_with(
        &self,
        image: impl IntoImageLocation,
        digest: impl IntoDigest,
        selection: impl Into<Selection>,
    ) -> Result<Blob, Error> {
        let (location, selection) = (image.into_image()?, selection.into());
        let digest = digest.into_digest()?;
        let opened = self.open(&location).await?;
        let (_, chosen) = opened.select(&selection).await?;
        let layer = chosen.blob_of(&digest).ok_or_else(|| {
            let message = format!(
                "the image {} of {location} lists no blob {digest}",
                chosen.digest()
            );
            Error::new(ErrorKind::NotFound, message)
        })?;
        opened.source.blob(layer).await
    }

    /// The config of a container image; of an index, that of the image for this host's platform.
    ///
    /// ```no_run
    /// # async fn example(client: wharf::Client) -> Result<(), wharf::Error> {
    /// let config = client.config("quay.io/fedora/fedora:latest").await?;
    /// println!("{}/{}: {:?}", config.os(), config.architecture(), config.cmd());
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// As [`Client::config_bytes`]; [`ErrorKind::Invalid`] also if it is no container image.
    pub async fn config(&self, image: impl IntoImageLocation) -> Result<ImageConfig, Error> {
        self.config_with(image, Selection::default()).await
    }

    /// As [`Client::config`], of an index that of the image that is selected.
    ///
    /// ```no_run
    /// # async fn example(client: wharf::Client) -> Result<(), wharf::Error> {
    /// let arm = wharf::Platform::new("linux", "arm64");
    /// let config = client.config_with("quay.io/fedora/fedora:latest", arm).await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// As [`Client::config`].
    pub async fn config_with(
        &self,
        image: impl IntoImageLocation,
        selection: impl Into<Selection>,
    ) -> Result<ImageConfig, Error> {
        let (image, selection) = (image.into_image()?, selection.into());
        let opened = self.open(&image).await?;
        let (_, chosen) = opened.select(&selection).await?;
        opened.source.config(&chosen).await
    }

    /// The bytes of a config of any type, as artifacts have them too; of an index, those of the config of the
    /// image for this host's platform.
    ///
    /// ```no_run
    /// # async fn example(client: wharf::Client) -> Result<(), wharf::Error> {
    /// let config = client.config_bytes("registry.example.com/charts/app:1.0").await?;
    /// println!("{}", String::from_utf8_lossy(&config));
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// As [`Client::image_manifest`]; [`ErrorKind::TooLarge`] above 4 MiB.
    pub async fn config_bytes(&self, image: impl IntoImageLocation) -> Result<bytes::Bytes, Error> {
        self.config_bytes_with(image, Selection::default()).await
    }

    /// As [`Client::config_bytes`], of an index those of the config of the image that is selected.
    ///
    /// ```no_run
    /// # async fn example(client: wharf::Client) -> Result<(), wharf::Error> {
    /// let arm = wharf::Platform::new("linux", "arm64");
    /// let config = client.config_bytes_with("oci:images:app", arm).await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// As [`Client::config_bytes`].
    pub async fn config_bytes_with(
        &self,
        image: impl IntoImageLocation,
        selection: impl Into<Selection>,
    ) -> Result<bytes::Bytes, Error> {
        let (image, selection) = (image.into_image()?, selection.into());
        let opened = self.open(&image).await?;
        let (_, chosen) = opened.select(&selection).await?;
        opened.source.config_bytes(&chosen).await
    }

    /// Describes an image as `skopeo inspect` does: config, layers and the tags of the repository. Of an
    /// index, the image for this host's platform. A short name is Docker Hub's, as for Skopeo.
    ///
    /// ```no_run
    /// # async fn example(client: wharf::Client) -> Result<(), wharf::Error> {
    /// let inspection = client.inspect("quay.io/fedora/fedora:latest").await?;
    /// println!("{} made {:?}", inspection.digest, inspection.created);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// As [`Client::config`]. Tags that the registry denies are no error: the list is empty then.
    pub async fn inspect(&self, image: impl IntoImageLocation) -> Result<Inspection, Error> {
        self.inspect_with(image, Selection::default()).await
    }

    /// As [`Client::inspect`], of an index the image that is selected.
    ///
    /// ```no_run
    /// # async fn example(client: wharf::Client) -> Result<(), wharf::Error> {
    /// let arm = wharf::Platform::new("linux", "arm64");
    /// let inspection = client.inspect_with("quay.io/fedora/fedora:latest", arm).await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// As [`Client::inspect`].
    pub async fn inspect_with(
        &self,
        image: impl IntoImageLocation,
        selection: impl Into<Selection>,
    ) -> Result<Inspection, Error> {
        let (mut inspection, remote) = self.inspected(image.into_image()?, &selection.into()).await?;
        if let Some(remote) = remote {
            inspection.repo_tags = match remote.tags().collect().await {
                Ok(tags) => tags,
                Err(error) if matches!(error.kind(), ErrorKind::Denied | ErrorKind::NotFound) => Vec::new(),
                Err(error) => return Err(error.into()),
            };
        }
        Ok(inspection)
    }

    /// As [`Client::inspect_with`], but the tags of the repository are not asked for, and the list is empty.
    ///
    /// ```no_run
    /// # async fn example(client: wharf::Client) -> Result<(), wharf::Error> {
    /// use wharf::Selection;
    ///
    /// let inspection = client.inspect_without_tags("quay.io/fedora/fedora:latest", Selection::default()).await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// As [`Client::config`].
    pub async fn inspect_without_tags(
        &self,
        image: impl IntoImageLocation,
        selection: impl Into<Selection>,
    ) -> Result<Inspection, Error> {
        let inspected = self.inspected(image.into_image()?, &selection.into()).await?;
        Ok(inspected.0)
    }

    /// The description of an image without the tags, and the repository that it is in.
    async fn inspected(
        &self,
        image: ImageLocation,
        selection: &Selection,
    ) -> Result<(Inspection, Option<Remote>), Error> {
        let opened = self.open(&image).await?;
        let (top, chosen) = opened.select(selection).await?;
        let mut inspection = Inspection::of(&*opened.source, &chosen, top.digest().clone()).await?;
        let Some((reference, remote)) = opened.remote else {
            return Ok((inspection, None));
        };
        inspection.name = Some(reference.repository().to_string());
        Ok((inspection, Some(remote)))
    }

    /// Opens an image for reading.
    pub(crate) async fn open(&self, image: &ImageLocation) -> Result<OpenedImage, Error> {
        self.open_with(&self.inner.client, image).await
    }

    /// Opens an image for reading, one of a registry with another client of the protocol.
    pub(crate) async fn open_with(
        &self,
        registries: &wharf_distribution::Client,
        image: &ImageLocation,
    ) -> Result<OpenedImage, Error> {
        match image {
            ImageLocation::Registry(reference) => {
                let reference = reference.clone().or_latest();
                let remote = registries.remote(&reference.repository());
                Ok(OpenedImage {
                    source: Arc::new(remote.clone()),
                    target: Target::of(&reference),
                    remote: Some((reference, remote)),
                })
            }
            ImageLocation::Store { directory, image } => {
                let store = Layout::open(directory).await?;
                Ok(OpenedImage {
                    target: image.target(&store).await?,
                    source: Arc::new(store),
                    remote: None,
                })
            }
            ImageLocation::Directory(path) => {
                let (source, target) = files::open_directory(path).await?;
                let remote = None;
                Ok(OpenedImage {
                    source,
                    target,
                    remote,
                })
            }
            ImageLocation::Archive { path, form, image } => {
                let (source, target) = files::open_archive(&self.inner.streams, path, *form, image).await?;
                let remote = None;
                Ok(OpenedImage {
                    source,
                    target,
                    remote,
                })
            }
            ImageLocation::Daemon(image) => OpenedImage::in_daemon(&self.inner.daemon, image, None),
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
    /// An image of a daemon, which is read into a store: into this one, or into one that is removed afterwards.
    pub(crate) fn in_daemon(
        daemon: &Daemon,
        image: &DaemonImage,
        store: Option<PathBuf>,
    ) -> Result<Self, Error> {
        let (source, target) = daemon::open(daemon, image, store)?;
        let remote = None;
        Ok(Self {
            source,
            target,
            remote,
        })
    }

    /// An image of a source of the caller's.
    #[cfg(feature = "images")]
    pub(crate) fn of_source(source: Arc<dyn Source>, target: Target) -> Self {
        let remote = None;
        Self {
            source,
            target,
            remote,
        }
    }

    /// The manifest or index that the target names, and the manifest of the image that is selected.
    pub(crate) async fn select(&self, selection: &Selection) -> Result<(Manifest, Manifest), Error> {
        let top = self.source.manifest(&self.target).await?;
        let chosen = wharf_copy::select(&*self.source, top.clone(), selection).await?;
        Ok((top, chosen))
    }
}
