//! Compares the root file systems of images.

use std::sync::Arc;

use wharf_content::{Error, ErrorKind, Manifest, Source};
use wharf_copy::Selection;
use wharf_image::merge;
use wharf_layer::{Difference, Merged};

use crate::{Client, ImageLocation, IntoImageLocation};

impl Client {
    /// The names in which the root file systems of two images differ, as `podman diff` lists them: what was added, changed
    /// or deleted from the one to the other, in the order of a walk. Of an index, the image for this host's platform. A
    /// registry's image needs no `docker://`.
    ///
    /// ```no_run
    /// # async fn example(client: wharf::Client) -> Result<(), wharf::Error> {
    /// for difference in client.differences("oci:images:app", "quay.io/team/app:2").await? {
    ///     println!("{:?} {}", difference.kind, String::from_utf8_lossy(&difference.name));
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// Files are compared by kind, content, owner, permissions, time and extended attributes, and without a file system; memory
    /// grows with the number of files. The trust policy judges both images before a layer is read.
    ///
    /// # Errors
    ///
    /// As [`Client::image_manifest`] and [`merge`].
    pub async fn differences(
        &self,
        before: impl IntoImageLocation,
        after: impl IntoImageLocation,
    ) -> Result<Vec<Difference>, Error> {
        self.differences_with(before, after, Selection::default()).await
    }

    /// As [`Client::differences`], of indexes the images that are selected.
    ///
    /// ```no_run
    /// # async fn example(client: wharf::Client) -> Result<(), wharf::Error> {
    /// let arm = wharf::Platform::new("linux", "arm64");
    /// let differences = client.differences_with("quay.io/team/app:1", "quay.io/team/app:2", arm).await?;
    /// println!("{} names differ", differences.len());
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// As [`Client::differences`].
    pub async fn differences_with(
        &self,
        before: impl IntoImageLocation,
        after: impl IntoImageLocation,
        selection: impl Into<Selection>,
    ) -> Result<Vec<Difference>, Error> {
        let selection = selection.into();
        let before = self.chosen(before.into_image()?, &selection).await?;
        let before = before.merged(None).await?;
        let after = self.chosen(after.into_image()?, &selection).await?;
        let after = after.merged(None).await?;
        Ok(after.differences_from(&before).collect())
    }

    /// The names in which the root file system of an image differs from that of the layers below its top one, as
    /// `podman diff` lists them for one image.
    ///
    /// ```no_run
    /// # async fn example(client: wharf::Client) -> Result<(), wharf::Error> {
    /// let differences = client.top_layer_differences("oci:images:app", wharf::Selection::default()).await?;
    /// println!("the last step of its build touched {} names", differences.len());
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// As [`Client::differences`]; [`ErrorKind::NotFound`] for an image without layers.
    pub async fn top_layer_differences(
        &self,
        image: impl IntoImageLocation,
        selection: impl Into<Selection>,
    ) -> Result<Vec<Difference>, Error> {
        let chosen = self.chosen(image.into_image()?, &selection.into()).await?;
        let Some(below) = chosen.image.layers().len().checked_sub(1) else {
            let message = format!("{} has no layers", chosen.image.digest());
            return Err(Error::new(ErrorKind::NotFound, message));
        };
        let before = chosen.merged(Some(below)).await?;
        let after = chosen.merged(None).await?;
        Ok(after.differences_from(&before).collect())
    }

    /// Opens an image, which the trust policy judges before a layer is read.
    pub(crate) async fn chosen(
        &self,
        image: ImageLocation,
        selection: &Selection,
    ) -> Result<ChosenImage, Error> {
        let opened = self.open(&image).await?;
        let admission = self.inner.guard.admit(&opened.source, &opened.target)?;
        let options = admission.apply_before_change(wharf_image::Options::default());
        let (_, image) = opened.select(selection).await?;
        Ok(ChosenImage {
            source: admission.source(opened.source),
            image,
            options,
        })
    }
}

/// One image, whose layers are read with these options.
pub(crate) struct ChosenImage {
    pub(crate) source: Arc<dyn Source>,
    pub(crate) image: Manifest,
    pub(crate) options: wharf_image::Options,
}

impl ChosenImage {
    /// The root file system of the lowest layers, or of all.
    async fn merged(&self, layers: Option<usize>) -> Result<Merged, Error> {
        let target = self.image.digest().clone().into();
        merge(Arc::clone(&self.source), &target, layers, &self.options).await
    }
}
