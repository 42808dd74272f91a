//! Names of images: listing, tagging, moving, untagging.

use wharf_content::{Descriptor, Error, ErrorKind, Name, Target};
use wharf_reference::Digest;

use crate::{
    Image, Layout,
    index::{Changes, Entry, Index},
};

impl Layout {
    /// Lists the images of index.json in its order: one for each name, and those without a name. Manifests of attachments
    /// (`sha256-….sig`) are no images.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Corrupt`] if index.json is corrupt.
    pub async fn images(&self) -> Result<Vec<Image>, Error> {
        self.blocking(|layout| {
            let index = layout.shared.disk.index()?;
            let images = index.entries().filter(|entry| entry.attached_to().is_none());
            Ok(images.flat_map(|entry| images_of(&entry)).collect())
        })
        .await
    }

    /// Reads the image at this position in index.json, from zero, as Skopeo's `oci:DIRECTORY:@N` counts:
    /// for images whose name is missing, not unique, or not accepted by [`Name::parse`].
    ///
    /// # Errors
    ///
    /// [`ErrorKind::NotFound`] beyond the last entry, [`ErrorKind::Invalid`] if the entry cannot be read,
    /// [`ErrorKind::Unsupported`] if it is no manifest.
    pub async fn image_at(&self, position: usize) -> Result<Image, Error> {
        self.blocking(move |layout| {
            let disk = &layout.shared.disk;
            let index = disk.index()?;
            let fail = |kind, why: String| {
                let message = format!("entry @{position} of {}: {why}", disk.path().display());
                Err(Error::new(kind, message))
            };
            match index.entry(position) {
                None => {
                    let why = format!("there are {} entries, counted from @0", index.len());
                    fail(ErrorKind::NotFound, why)
                }
                Some(Err(reason)) => fail(ErrorKind::Invalid, format!("it cannot be read: {reason}")),
                Some(Ok(entry)) if !entry.is_manifest() => {
                    fail(ErrorKind::Unsupported, format!("it {}", entry.kind()))
                }
                Some(Ok(entry)) => {
                    let name = entry.names().find_map(|name| Name::parse(name).ok());
                    Ok(Image::new(position, name, entry.into_descriptor()))
                }
            }
        })
        .await
    }

    /// Gives a name to a manifest in the store. The image that had the name stays, without it.
    ///
    /// ```
    /// use wharf_content::{ImageBuilder, ImageConfig, Name, Platform, SinkExt as _};
    /// use wharf_store::Layout;
    /// # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
    /// # let directory = tempfile::tempdir()?;
    /// # let store = Layout::create(directory.path().join("images")).await?;
    /// let config = ImageConfig::builder(Platform::host()).build()?;
    /// let image = ImageBuilder::new().with_config(config).build()?;
    /// store.push_image(&image, None).await?;
    /// store.tag(&Name::parse("app:1")?, image.root().descriptor()).await?;
    /// assert!(store.untag(&Name::parse("app:1")?).await?);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// # })?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`ErrorKind::NotFound`] if the manifest is not in the store.
    pub async fn tag(&self, name: &Name, manifest: &Descriptor) -> Result<(), Error> {
        let (name, manifest) = (name.clone(), manifest.clone());
        self.blocking(move |layout| {
            layout.require(&manifest)?;
            let disk = &layout.shared.disk;
            disk.update_index(|index| Ok((index.tag(&name, &manifest)?, ())))
        })
        .await
    }

    /// Sets, moves or removes a name, but only if it means the `expected` manifest now. `None` stands for
    /// no manifest.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Conflict`] if the name means another manifest now, [`ErrorKind::NotFound`] if the new
    /// manifest is not in the store.
    pub async fn compare_and_swap(
        &self,
        name: &Name,
        expected: Option<&Digest>,
        new: Option<&Descriptor>,
    ) -> Result<(), Error> {
        let (name, expected, new) = (name.clone(), expected.cloned(), new.cloned());
        self.blocking(move |layout| {
            if let Some(new) = &new {
                layout.require(new)?;
            }
            layout.shared.disk.update_index(|index| {
                let current = index.named(&name)?;
                let current = current.as_ref().map(Descriptor::digest);
                if current != expected.as_ref() {
                    let current = current.map_or_else(|| "nothing".to_owned(), ToString::to_string);
                    let message = format!("{name} has been changed meanwhile: it is {current}");
                    return Err(Error::new(ErrorKind::Conflict, message));
                }
                let changes = match &new {
                    Some(new) => index.tag(&name, new),
                    None => index.untag(&name),
                };
                Ok((changes?, ()))
            })
        })
        .await
    }

    /// Removes a name. The image stays, under its other names or without a name. `false` if there was no
    /// such name.
    ///
    /// # Errors
    ///
    /// Those of the file system; [`ErrorKind::Corrupt`](wharf_content::ErrorKind::Corrupt) if index.json cannot be
    /// read. index.json is unchanged then.
    pub async fn untag(&self, name: &Name) -> Result<bool, Error> {
        let name = name.clone();
        self.change_index(move |index| index.untag(&name)).await
    }

    /// Removes an image from index.json, as `podman image rm` does: by name that name, and the image with
    /// its last name; by digest all its names. `false` if there was nothing to remove.
    ///
    /// Its content stays on the disk until [`Layout::collect`].
    ///
    /// # Errors
    ///
    /// Those of the file system; [`ErrorKind::Corrupt`](wharf_content::ErrorKind::Corrupt) if index.json cannot be
    /// read. index.json is unchanged then.
    pub async fn remove(&self, target: &Target) -> Result<bool, Error> {
        let target = target.clone();
        self.change_index(move |index| index.remove(&target)).await
    }

    /// Changes index.json; returns true if there was anything to change.
    async fn change_index(
        &self,
        change: impl FnOnce(&Index) -> Result<Changes, Error> + Send + 'static,
    ) -> Result<bool, Error> {
        self.blocking(move |layout| {
            layout.shared.disk.update_index(|index| {
                let changes = change(index)?;
                let any = !changes.is_empty();
                Ok((changes, any))
            })
        })
        .await
    }

    /// Pins a manifest that must be in the layout, and syncs it.
    pub(crate) fn require(&self, manifest: &Descriptor) -> Result<(), Error> {
        if !manifest.media_type().is_manifest() {
            let message = format!(
                "cannot list {} as an image: it is not an image manifest",
                manifest.media_type()
            );
            return Err(Error::new(ErrorKind::Invalid, message));
        }
        let (disk, digest) = (&self.shared.disk, manifest.digest());
        self.lease.pin([digest])?;
        if !self.shared.ensure_verified(manifest)? {
            return Err(disk.no_blob(digest));
        }
        disk.sync_blobs()
    }
}

/// One image for each name of an entry; one without a name if it has none that is valid here.
fn images_of(entry: &Entry<'_>) -> Vec<Image> {
    let image = |name| Image::new(entry.position(), name, entry.descriptor().clone());
    let names = entry.names().filter_map(|name| Name::parse(name).ok());
    let named: Vec<Image> = names.map(|name| image(Some(name))).collect();
    if named.is_empty() {
        vec![image(None)]
    } else {
        named
    }
}
