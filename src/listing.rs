//! Lists the images of a location.

use std::sync::Arc;

use serde::Serialize;
use tokio::task::JoinSet;
use wharf_content::{
    Descriptor, Error, ErrorKind, Manifest, MediaType, Platform, Source, SourceExt as _, Target,
};
use wharf_reference::Digest;
use wharf_store::Layout;

use crate::{Client, ImageLocation, IntoImageLocation, files};

/// The most manifests of a list that are read concurrently.
const CONCURRENT: usize = 8;

/// An image that a location lists, returned by [`Client::list`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
#[non_exhaustive]
pub struct ListedImage {
    /// Its names: tags in a registry, names in a store or an archive; empty if it has none.
    pub names: Vec<String>,
    /// The number of images before it, by which `oci:DIRECTORY:@N` and its like name it.
    pub position: usize,
    /// The digest of the manifest or index.
    pub digest: Digest,
    /// The platforms: one of an image, several of an index, none of an artifact.
    pub platforms: Vec<String>,
}

/// An image before its platforms are known.
pub(crate) struct Entry {
    pub(crate) names: Vec<String>,
    pub(crate) position: usize,
    pub(crate) target: Target,
}

impl Client {
    /// The images of a location with their digests and platforms: of a registry's repository those that have a tag,
    /// of a store or an archive all that it lists, of a directory its image. An image in `location` is ignored.
    ///
    /// Each manifest is read, and of an image that no index describes the config, too.
    ///
    /// ```no_run
    /// # async fn example(client: wharf::Client) -> Result<(), wharf::Error> {
    /// for image in client.list("oci:images").await? {
    ///     println!("{:?} @{} {} {:?}", image.names, image.position, image.digest, image.platforms);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Invalid`] for a malformed location, [`ErrorKind::NotFound`] if there is nothing,
    /// [`ErrorKind::Unsupported`] for a daemon, whose images `skopeo list-tags` does not list either, and the failures of
    /// registry, store or archive.
    pub async fn list(&self, location: impl IntoImageLocation) -> Result<Vec<ListedImage>, Error> {
        let (source, entries) = self.entries(location.into_image()?).await?;
        let mut listed = Vec::with_capacity(entries.len());
        let mut reading = JoinSet::new();
        for entry in entries {
            if reading.len() == CONCURRENT {
                listed.extend(next(&mut reading).await?);
            }
            reading.spawn(describe(Arc::clone(&source), entry));
        }
        while let Some(image) = next(&mut reading).await? {
            listed.push(image);
        }
        listed.sort_by_key(|image: &ListedImage| image.position);
        Ok(listed)
    }

    async fn entries(&self, location: ImageLocation) -> Result<(Arc<dyn Source>, Vec<Entry>), Error> {
        match location {
            ImageLocation::Registry(reference) => {
                let remote = self.inner.client.remote(&reference.repository());
                let tags = remote.tags().collect().await?.into_iter().enumerate();
                let entries = tags.map(|(position, tag)| Entry {
                    names: vec![tag.to_string()],
                    position,
                    target: Target::Name(tag.into()),
                });
                let entries = entries.collect();
                Ok((Arc::new(remote), entries))
            }
            ImageLocation::Store { directory, .. } => {
                let store = Layout::open(directory).await?;
                let images = store.images().await?;
                let images = images
                    .iter()
                    .filter(|image| image.descriptor().media_type().is_manifest());
                let entries = images.map(|image| Entry {
                    names: image.name().map(ToString::to_string).into_iter().collect(),
                    position: image.position(),
                    target: Target::from(image.descriptor().digest()),
                });
                let entries = entries.collect();
                Ok((Arc::new(store), entries))
            }
            ImageLocation::Directory(path) => {
                let (source, target) = files::open_directory(&path).await?;
                let entry = Entry {
                    names: Vec::new(),
                    position: 0,
                    target,
                };
                Ok((source, vec![entry]))
            }
            ImageLocation::Archive { path, form, .. } => {
                files::list_archive_or_stream(&self.inner.streams, &path, form).await
            }
            location @ ImageLocation::Daemon(_) => {
                let message = format!(
                    "{location}: the images of a daemon are not listed here; its own program lists them, such as \
                     docker images or podman images"
                );
                Err(Error::new(ErrorKind::Unsupported, message))
            }
        }
    }
}

/// The next image that is described; `None` if there is none.
async fn next(reading: &mut JoinSet<Result<ListedImage, Error>>) -> Result<Option<ListedImage>, Error> {
    match reading.join_next().await {
        None => Ok(None),
        Some(joined) => joined
            .map_err(|error| Error::wrap(ErrorKind::Other, error))?
            .map(Some),
    }
}

async fn describe(source: Arc<dyn Source>, entry: Entry) -> Result<ListedImage, Error> {
    let manifest = match (source.manifest(&entry.target).await, &entry.target) {
        (Ok(manifest), _) => Some(manifest),
        // A store may list what is elsewhere.
        (Err(error), Target::Digest(_)) if error.kind() == ErrorKind::NotFound => None,
        (Err(error), _) => return Err(error),
    };
    let digest = match (&manifest, &entry.target) {
        (Some(manifest), _) => manifest.digest().clone(),
        (None, Target::Digest(digest)) => digest.clone(),
        (None, Target::Name(name)) => {
            let message = format!("{} has no image {name}", source.location());
            return Err(Error::new(ErrorKind::NotFound, message));
        }
    };
    Ok(ListedImage {
        names: entry.names,
        position: entry.position,
        digest,
        platforms: match &manifest {
            Some(manifest) => platforms(&*source, manifest).await?,
            None => Vec::new(),
        },
    })
}

/// The platforms of an image, or of the images of an index.
async fn platforms(source: &dyn Source, manifest: &Manifest) -> Result<Vec<String>, Error> {
    if manifest.is_index() {
        let stated = manifest.manifests().iter().filter_map(Descriptor::platform);
        let mut platforms: Vec<String> = Vec::new();
        // Attestations are listed for the platform unknown/unknown.
        for platform in stated
            .map(Platform::bounded)
            .filter(|text| text != "unknown/unknown")
        {
            if !platforms.contains(&platform) {
                platforms.push(platform);
            }
        }
        return Ok(platforms);
    }
    let has_config = manifest.config().is_some_and(|config| {
        let media_type = config.media_type();
        *media_type == MediaType::OCI_CONFIG || *media_type == MediaType::DOCKER_CONFIG
    });
    if !has_config {
        return Ok(Vec::new());
    }
    let config = source.config(manifest).await?;
    Ok(config.platform().map(Platform::bounded).into_iter().collect())
}
