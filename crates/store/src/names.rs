//! Names: listed, given, moved, taken away.

use wharf_content::{Descriptor, Error, ErrorKind, Name, Target};
use wharf_reference::Digest;

use crate::{Image, Layout, index::Entry};

impl Layout {
    /// The images that index.json lists, in its order: one for each name, and those that have lost theirs.
    pub async fn images(&self) -> Result<Vec<Image>, Error> {
        self.blocking(|layout| {
            let index = layout.shared.disk.index()?;
            Ok(index.entries().map(image).collect())
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
            layout
                .shared
                .disk
                .update_index(|index| index.tag(&name, &manifest))
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
                let current = index.named(&name)?.map(Descriptor::digest);
                if current != expected.as_ref() {
                    let current = current.map_or_else(|| "nothing".to_owned(), ToString::to_string);
                    let message = format!("{name} has been changed meanwhile: it is {current}");
                    return Err(Error::new(ErrorKind::Conflict, message));
                }
                match &new {
                    Some(new) => index.tag(&name, new),
                    None => index.untag(&name).map(drop),
                }
            })
        })
        .await
    }

    /// Takes a name away. The image stays: under its other names, or without any. `false` if there was no
    /// such name.
    pub async fn untag(&self, name: &Name) -> Result<bool, Error> {
        let name = name.clone();
        self.blocking(move |layout| layout.shared.disk.update_index(|index| index.untag(&name)))
            .await
    }

    /// Removes an image from index.json, as `podman image rm` does: by name that name, and the image when it
    /// was its last; by digest all its names. `false` if there was nothing to remove.
    ///
    /// What it consists of stays on the disk until [`Layout::collect`].
    pub async fn remove(&self, target: &Target) -> Result<bool, Error> {
        let target = target.clone();
        self.blocking(move |layout| {
            layout.shared.disk.update_index(|index| {
                let removed = index.remove(|entry| match &target {
                    Target::Name(name) => entry.name() == Some(name.as_str()),
                    Target::Digest(digest) => entry.descriptor().digest() == digest,
                });
                Ok(removed > 0)
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
        if !self.shared.vouch(manifest)? {
            return Err(disk.no_blob(digest));
        }
        disk.sync_blobs()
    }
}

fn image(entry: &Entry) -> Image {
    Image::new(
        entry.name().and_then(|name| Name::parse(name).ok()),
        entry.descriptor().clone(),
    )
}
