//! Unpacks images to directories.

use std::{path::PathBuf, sync::Arc};

use wharf_content::{Error, Platform};
use wharf_image::{UnpackOptions, UnpackedImage, unpack};

use crate::{Client, IntoImageLocation, waiting::watched};

impl Client {
    /// Unpacks the layers of an image to a directory, which appears when it is whole: the root file system of its
    /// containers. Of an index, the image for this host's platform. A registry's image needs no `docker://`. Nothing is
    /// stored but the directory; one is there before, if it is empty.
    ///
    /// Files get the owners that the image states, which takes root, or a user namespace as of `podman unshare`;
    /// [`Client::unpack_with`] has others.
    ///
    /// ```no_run
    /// # async fn example(client: wharf::Client) -> Result<(), wharf::Error> {
    /// let unpacked = client.unpack("quay.io/fedora/fedora:latest", "rootfs").await?;
    /// println!("run {:?}", unpacked.config.cmd());
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// The trust policy judges the image before a layer is read.
    ///
    /// # Errors
    ///
    /// [`Conflict`](wharf_content::ErrorKind::Conflict) for a directory that is not empty, before the first request;
    /// otherwise as [`Client::image_manifest`] and [`unpack`].
    pub async fn unpack(
        &self,
        image: impl IntoImageLocation,
        directory: impl Into<PathBuf>,
    ) -> Result<UnpackedImage, Error> {
        self.unpack_with(image, directory, UnpackOptions::default()).await
    }

    /// As [`Client::unpack`], with options. The platform is the host's if they have none.
    ///
    /// ```no_run
    /// # async fn example(client: wharf::Client) -> Result<(), wharf::Error> {
    /// use wharf::{image::UnpackOptions, layer::{ApplyOptions, Ownership}};
    ///
    /// // For the current user. The owners of the image are recorded as umoci records them.
    /// let apply = ApplyOptions::default().with_ownership(Ownership::Record);
    /// let options = UnpackOptions::default().with_apply(apply);
    /// let unpacked = client.unpack_with("oci:images:fedora", "rootfs", options).await?;
    /// for dropped in unpacked.layers.iter().flat_map(|layer| &layer.dropped) {
    ///     eprintln!("left out: {dropped}");
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// As [`Client::unpack`].
    pub async fn unpack_with(
        &self,
        image: impl IntoImageLocation,
        directory: impl Into<PathBuf>,
        mut options: UnpackOptions,
    ) -> Result<UnpackedImage, Error> {
        let opened = self.open(&image.into_image()?).await?;
        let admission = self.inner.guard.admit(&opened.source, &opened.target)?;
        let source = admission.source(opened.source);
        let reading = admission.apply_before_change(options.reading().clone());
        options = options.with_reading(reading);
        if options.platform().is_none() {
            options = options.with_platform(Platform::host());
        }
        let (target, directory) = (opened.target, directory.into());
        watched(Arc::clone(options.progress()), async |progress| {
            unpack(source, &target, directory, &options.with_progress(progress)).await
        })
        .await
    }
}
