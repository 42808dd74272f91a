//! Changes images as they are copied.

use std::sync::Arc;

use wharf_content::{Error, ErrorKind, Sink};
use wharf_copy::{Options, Selection, Signatures};
use wharf_image::{Recipe, prepare};

use crate::{
    Client, Copied, IntoImageLocation,
    copying::{Ends, Written},
    waiting::reported,
};

impl Client {
    /// Copies an image as [`Client::copy`] does, and changes it on the way.
    ///
    /// ```no_run
    /// # async fn example(client: wharf::Client) -> Result<(), wharf::Error> {
    /// use wharf::image::{Format, Layers, Recipe};
    ///
    /// let recipe = Recipe::new().format(Format::Oci).layers(Layers::Compressed);
    /// let copied = client.convert("docker://quay.io/fedora/fedora:latest", "oci:images:fedora", &recipe).await?;
    /// for loss in copied.changes().map_or(&[][..], |changes| changes.losses()) {
    ///     println!("lost: {loss}");
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// The trust policy judges the original. Signatures and other referrers of an image that changes are not copied; with
    /// [`Signatures::CarryWhatFits`] those signatures are counted as dropped.
    ///
    /// # Errors
    ///
    /// As [`Client::copy`] and [`prepare`].
    pub async fn convert(
        &self,
        from: impl IntoImageLocation,
        to: impl IntoImageLocation,
        recipe: &Recipe,
    ) -> Result<Copied, Error> {
        self.convert_to_with(from, self, to, recipe, Options::default())
            .await
    }

    /// As [`Client::convert`], written with another client and with options, as [`Client::copy_to_with`] takes them. A
    /// platform of the options is selected before anything is changed.
    ///
    /// ```no_run
    /// # async fn example(client: wharf::Client) -> Result<(), wharf::Error> {
    /// use wharf::{Selection, image::{Format, Recipe}};
    ///
    /// let (from, to) = ("docker://quay.io/fedora/fedora:latest", "docker://registry.example.com/fedora:latest");
    /// let recipe = Recipe::new().format(Format::Docker);
    /// client.convert_to_with(from, &client, to, &recipe, Selection::All).await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// As [`Client::convert`]; [`ErrorKind::Conflict`] if the destination is given
    /// by a digest, and the recipe changes the image, and for a recipe that changes images with [`Signatures::Carry`],
    /// before the first request.
    pub async fn convert_to_with(
        &self,
        from: impl IntoImageLocation,
        destination: &Self,
        to: impl IntoImageLocation,
        recipe: &Recipe,
        options: impl Into<Options>,
    ) -> Result<Copied, Error> {
        // Boxed, because the future of a copy is large as it is.
        let ends = Box::pin(self.ends(from, destination, to, checked(recipe, options.into())?)).await?;
        ends.convert(recipe).await
    }

    /// As [`Client::convert`], into a sink of the caller's, as [`Client::copy_into`] writes it.
    ///
    /// ```no_run
    /// # async fn example(client: wharf::Client) -> Result<(), wharf::Error> {
    /// use wharf::{Name, Options, image::{Format, Recipe}, store::Layout};
    ///
    /// let store = Layout::create("images").await?;
    /// let (recipe, options) = (Recipe::new().format(Format::Oci), Options::default().with_name(Name::parse("fedora")?));
    /// client.convert_into("docker://quay.io/fedora/fedora:latest", &store, &recipe, options).await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// As [`Client::convert`], and the failures of the sink.
    pub async fn convert_into<S>(
        &self,
        from: impl IntoImageLocation,
        sink: &S,
        recipe: &Recipe,
        options: impl Into<Options>,
    ) -> Result<Copied, Error>
    where
        S: Sink + Clone + 'static,
    {
        let ends = Box::pin(self.ends_into(from, sink, checked(recipe, options.into())?)).await?;
        ends.convert(recipe).await
    }
}

/// Refuses a recipe that changes images whose signatures must all be carried: a signature is of the bytes of a manifest.
pub(crate) fn checked(recipe: &Recipe, options: Options) -> Result<Options, Error> {
    if recipe.changes() && options.signatures() == Signatures::Carry {
        let message = "the signatures of an image are not those of what it is changed to; leave signatures out, or those \
                       that do not fit";
        return Err(Error::new(ErrorKind::Conflict, message));
    }
    Ok(options)
}

impl Ends {
    /// Copies the image with changes.
    pub(crate) async fn convert(self, recipe: &Recipe) -> Result<Copied, Error> {
        let Self {
            source,
            target,
            admission,
            sink,
            mut options,
            written,
        } = self;
        if *options.selection() == Selection::IndexOnly && recipe.changes() {
            let message = "an index is changed together with its images, and only the index was selected";
            return Err(Error::new(ErrorKind::Invalid, message));
        }
        let mut recipe = recipe.clone();
        if matches!(&written, Written::Pushed(reference) if reference.has_digest()) {
            recipe = recipe.preserve(true);
        }
        if let Selection::Platform(platform) = options.selection() {
            recipe = recipe.select(platform.clone());
            options = options.with_selection(Selection::All);
        }
        let source = admission.source(source);
        let mut settings = admission.apply_before_change(wharf_image::Options::default());
        if let Some(limit) = options.max_size() {
            settings = settings.with_max_size(limit);
        }
        let (report, changes) = reported(options, async |options| {
            let settings = settings.with_progress(Arc::clone(options.progress()));
            let prepared = prepare(source, Arc::clone(&sink), &target, &recipe, &settings).await?;
            let (changes, target) = (prepared.report().clone(), prepared.target());
            let report = wharf_copy::copy(Arc::new(prepared), sink, &target, options).await?;
            Ok::<_, Error>((report, changes))
        })
        .await?;
        let copied = Copied::new(report, admission).with_changes(changes);
        written.finish(copied).await
    }
}
