//! What the programs that change images share: the image, the destination, and the clients for both.

use clap::Args;
use wharf::{
    Client, Error, ErrorKind, ImageBuilder, ImageLocation, Options, Platform, Selection, StoreImage,
    image::Recipe,
};

use crate::common::{archives, building};

/// The image to change, and the destination of the result.
#[derive(Args)]
pub(crate) struct Changed {
    /// The image: `docker://REF`, `oci:DIR:NAME`, `dir:DIR`, `oci-archive:FILE:NAME`, `docker-archive:FILE:REF` or
    /// `docker-daemon:NAME:TAG`
    #[arg(value_name = "SRC", value_parser = crate::common::location)]
    pub(crate) image: ImageLocation,
    /// Where the result goes. Without it the tag or name of SRC gets the result, and of an index all images are changed, or
    /// the one for --platform, and the others stay
    #[arg(value_name = "DST", value_parser = building::destination)]
    destination: Option<ImageLocation>,
    /// Where the result goes, as crane takes it
    #[arg(short, long, value_name = "DST", value_parser = building::destination, conflicts_with = "destination")]
    tag: Option<ImageLocation>,
}

/// How to reach both ends, and which images to change.
#[derive(Args)]
pub(crate) struct Ends {
    #[command(flatten)]
    pub(crate) connection: crate::common::Connection,
    #[command(flatten)]
    sides: crate::common::sides::Sides,
    #[command(flatten)]
    daemons: crate::common::daemon::TwoDaemons,
    #[command(flatten)]
    transfer: crate::common::Transfer,
}

impl Changed {
    /// The destination, and whether it is the image itself.
    fn destination(&self) -> Result<(ImageLocation, bool), Error> {
        if let Some(destination) = self.destination.as_ref().or(self.tag.as_ref()) {
            return Ok((destination.clone(), false));
        }
        let has_name = match &self.image {
            ImageLocation::Registry(reference) => !reference.has_digest(),
            ImageLocation::Store { image, .. } => matches!(image, StoreImage::Name(_)),
            _ => false,
        };
        if !has_name {
            let message = format!("{} is not changed in place: name a destination", self.image);
            return Err(Error::new(ErrorKind::Invalid, message));
        }
        Ok((self.image.clone(), true))
    }

    /// Works a recipe off, and prints the digest of the result. The recipe may need the client that reads.
    pub(crate) async fn change(
        &self,
        ends: &Ends,
        recipe: impl AsyncFnOnce(&Client) -> Result<Recipe, Error>,
    ) -> Result<(), Error> {
        let (to, in_place) = self.destination()?;
        let (source, destination) = ends.clients(Some(&self.image), &to)?;
        let mut options = ends.transfer.options(&to);
        let mut recipe = recipe(&source).await?;
        if in_place {
            if let Selection::Platform(platform) = ends.transfer.selection()
                && ends.transfer.has_platform()
            {
                recipe = recipe.only([platform]);
            }
            options = options.with_selection(Selection::All);
        }
        let from = archives::read_from(self.image.clone());
        let copied = source
            .convert_to_with(&from, &destination, &to, &recipe, options)
            .await?;
        building::finish(&copied, ends.transfer.is_quiet())
    }
}

impl Ends {
    /// Clients for the source and the destination.
    fn clients(&self, from: Option<&ImageLocation>, to: &ImageLocation) -> Result<(Client, Client), Error> {
        let to_daemon = matches!(to, ImageLocation::Daemon(_));
        let from = from.and_then(crate::common::registry_of);
        let builders =
            self.sides
                .builders(&self.connection, from, crate::common::registry_of(to), to_daemon)?;
        let source = crate::common::build(self.daemons.apply_source(builders.source)?)?;
        let destination = match builders.destination {
            Some(builder) => crate::common::build(self.daemons.apply_destination(builder)?)?,
            None => source.clone(),
        };
        Ok((source, destination))
    }

    /// Works a recipe off on an image, or on one without layers.
    pub(crate) async fn build(
        &self,
        base: Option<&ImageLocation>,
        to: &ImageLocation,
        recipe: &Recipe,
    ) -> Result<(), Error> {
        let (source, destination) = self.clients(base, to)?;
        let copied = if let Some(base) = base {
            let from = archives::read_from(base.clone());
            let options = self.transfer.options(to);
            source
                .convert_to_with(&from, &destination, to, recipe, options)
                .await?
        } else {
            let platform = match self.transfer.selection() {
                Selection::Platform(platform) => platform,
                _ => Platform::host(),
            };
            let scratch = ImageBuilder::for_platform(platform).build()?;
            let options: Options = self.transfer.options(to).with_selection(Selection::All);
            destination
                .convert_from(&scratch, scratch.digest(), to, recipe, options)
                .await?
        };
        building::finish(&copied, self.transfer.is_quiet())
    }
}
