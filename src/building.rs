//! Builds images on others or on none, and writes their root file systems.

use std::{io::Write, sync::Arc};

use wharf_content::{Error, Manifest, Source, Target};
use wharf_copy::{Options, Selection};
use wharf_image::{Base, Recipe};

use crate::{Client, Copied, IntoImageLocation, reading::OpenedImage};

impl Client {
    /// Writes the root file system of an image as one tar, without whiteouts, and returns the manifest of the image. Of an
    /// index, the image for this host's platform. A registry's image needs no `docker://`.
    ///
    /// ```no_run
    /// # async fn example(client: wharf::Client) -> Result<(), Box<dyn std::error::Error>> {
    /// let image = client.export("quay.io/fedora/fedora:latest", std::fs::File::create("rootfs.tar")?).await?;
    /// println!("the files of {}", image.digest());
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// The trust policy judges the image before a layer is read.
    ///
    /// # Errors
    ///
    /// As [`Client::image_manifest`] and [`export`](wharf_image::export).
    pub async fn export(
        &self,
        image: impl IntoImageLocation,
        writer: impl Write + Send + 'static,
    ) -> Result<Manifest, Error> {
        self.export_with(image, writer, Selection::default()).await
    }

    /// As [`Client::export`], of an index the image that is selected.
    ///
    /// ```no_run
    /// # async fn example(client: wharf::Client) -> Result<(), Box<dyn std::error::Error>> {
    /// let (arm, file) = (wharf::Platform::new("linux", "arm64"), std::fs::File::create("rootfs.tar")?);
    /// client.export_with("quay.io/fedora/fedora:latest", file, arm).await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// As [`Client::export`].
    pub async fn export_with(
        &self,
        image: impl IntoImageLocation,
        writer: impl Write + Send + 'static,
        selection: impl Into<Selection>,
    ) -> Result<Manifest, Error> {
        let chosen = self.chosen(image.into_image()?, &selection.into()).await?;
        let target = chosen.image.digest().clone().into();
        wharf_image::export(chosen.source, &target, writer, &chosen.options).await?;
        Ok(chosen.image)
    }

    /// Copies an image of a source of the caller's to a location, and changes it on the way. So an image is made on one
    /// without layers, which is in memory.
    ///
    /// ```no_run
    /// # async fn example(client: wharf::Client) -> Result<(), wharf::Error> {
    /// use wharf::{ImageBuilder, Platform, Selection, content::History, image::{NewLayer, Recipe}};
    ///
    /// let scratch = ImageBuilder::for_platform(Platform::new("linux", "amd64")).with_cmd(["/app"]).build()?;
    /// let layer = NewLayer::from_reader(std::io::stdin());
    /// let recipe = Recipe::new().append(layer, History::default().with_created_by("COPY . /"));
    /// let to = "docker://registry.example.com/team/app:1.0";
    /// client.convert_from(&scratch, scratch.digest(), to, &recipe, Selection::All).await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// As [`Client::convert_to_with`].
    pub async fn convert_from<S>(
        &self,
        source: &S,
        image: impl Into<Target>,
        to: impl IntoImageLocation,
        recipe: &Recipe,
        options: impl Into<Options>,
    ) -> Result<Copied, Error>
    where
        S: Source + Clone + 'static,
    {
        let options = crate::converting::checked(recipe, options.into())?;
        let to = to.into_location()?;
        let opened = OpenedImage::of_source(Arc::new(source.clone()), image.into());
        let name = to.name_of_new()?;
        let ends = Box::pin(self.ends_of(opened, name, self, to, options)).await?;
        ends.convert(recipe).await
    }

    /// An image that others are made on, for [`Recipe::rebase`]. The trust policy judges it before its layers are used.
    ///
    /// ```no_run
    /// # async fn example(client: wharf::Client) -> Result<(), wharf::Error> {
    /// use wharf::image::Recipe;
    ///
    /// let old = client.base("docker.io/library/debian:12").await?;
    /// let new = client.base("docker.io/library/debian:13").await?.with_name("docker.io/library/debian:13");
    /// let to = "docker://registry.example.com/team/app:2";
    /// client.convert("docker://registry.example.com/team/app:1", to, &Recipe::new().rebase(old, new)).await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// As [`Client::manifest`]; that there is no such image is found when the recipe is worked off.
    pub async fn base(&self, image: impl IntoImageLocation) -> Result<Base, Error> {
        let opened = self.open(&image.into_image()?).await?;
        let admission = self.inner.guard.admit(&opened.source, &opened.target)?;
        let base = Base::new(admission.source(opened.source), opened.target);
        Ok(admission.apply_to_base(base))
    }
}
