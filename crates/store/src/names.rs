//! Names: listed, given, moved, taken away.

use wharf_content::{Descriptor, Error, ErrorKind, Name, Target};
use wharf_reference::Digest;

use crate::{
    Image, Layout,
    index::{Changes, Entry, Index},
};

impl Layout {
    /// The images that index.json lists, in its order: one for each name, and those that have lost theirs.
    pub async fn images(&self) -> Result<Vec<Image>, Error> {
        self.blocking(|layout| {
            let index = layout.shared.disk.index()?;
            Ok(index.entries().flat_map(|entry| images_of(&entry)).collect())
        })
        .await
    }

    /// The image at this position in index.json, from zero, as Skopeo's `oci:DIRECTORY:@N` counts: for images whose
    /// name is missing, not unique, or none that [`Name::parse`] takes.
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

    /// Gives a manifest that is in the store a name. An image that had the name stays, without it.
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

    /// Moves a name from one manifest to another, or gives, or takes it away: only if it points where the
    /// caller believes. `None` stands for no image.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Conflict`] if the name points elsewhere by now, [`ErrorKind::NotFound`] if the new
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

    /// Takes a name away. The image stays: under its other names, or without any. `false` if there was no
    /// such name.
    pub async fn untag(&self, name: &Name) -> Result<bool, Error> {
        let name = name.clone();
        self.change_index(move |index| index.untag(&name)).await
    }

    /// Removes an image from index.json, as `podman image rm` does: by name that name, and the image when it
    /// was its last; by digest all its names. `false` if there was nothing to remove.
    ///
    /// What it consists of stays on the disk until [`Layout::collect`].
    pub async fn remove(&self, target: &Target) -> Result<bool, Error> {
        let target = target.clone();
        self.change_index(move |index| index.remove(&target)).await
    }

    /// Changes index.json; whether there was anything to change.
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

    /// Pins a manifest that must be in the store, and makes it durable.
    fn require(&self, manifest: &Descriptor) -> Result<(), Error> {
        if !manifest.media_type().is_manifest() {
            let message = format!("cannot name {}: it is no image manifest", manifest.media_type());
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

/// An image for each name of an entry; one without a name if it has none, or none that can be one here.
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
