use std::sync::Arc;

use wharf_content::{BuiltImage, Error, ErrorKind, Source, Target};
use wharf_copy::{Options, Selection};
use wharf_reference::Reference;

use crate::{Client, Copied, IntoReference, waiting::copy};

impl Client {
    /// Pushes an image that a store has under a name or digest; [`Client::push_image`] pushes one that was
    /// just built. Without a tag or digest in `reference` it gets the tag `latest`; with a digest it gets
    /// none, and must have that digest. A short name is Docker Hub's, as for Podman and Skopeo. Of an index,
    /// the image for this host's platform is pushed.
    ///
    /// The store is any [`Source`]: a [`Layout`](wharf_store::Layout), a [`BuiltImage`](crate::BuiltImage), a
    /// type of yours.
    ///
    /// ```no_run
    /// # async fn example(client: wharf::Client) -> Result<(), wharf::Error> {
    /// use wharf::{Name, store::Layout};
    ///
    /// let store = Layout::open("images").await?;
    /// client.push(&store, Name::parse("app")?, "registry.example.com/team/app:1.0").await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`ErrorKind::NotFound`] if the store has no such image, [`ErrorKind::Invalid`] for a malformed
    /// reference and one with tag and digest, [`ErrorKind::Rejected`] if the host's trust policy does not
    /// accept the image, [`ErrorKind::Mismatch`] if the image does not have the digest, and the failures of
    /// registry and store. The tag is set last, when everything is there.
    pub async fn push<S>(
        &self,
        store: &S,
        image: impl Into<Target>,
        reference: impl IntoReference,
    ) -> Result<Copied, Error>
    where
        S: Source + Clone + 'static,
    {
        self.push_with(store, image, reference, Options::default()).await
    }

    /// Pushes an image that was built; of an index, all its images. The tag is as for [`Client::push`].
    ///
    /// ```no_run
    /// # async fn example(client: wharf::Client) -> Result<(), Box<dyn std::error::Error>> {
    /// use wharf::{ImageBuilder, Platform};
    ///
    /// let image = ImageBuilder::for_platform(Platform::new("linux", "amd64"))
    ///     .with_tar(std::fs::read("layer.tar")?)
    ///     .with_cmd(["/srv/hello"])
    ///     .build()?;
    /// client.push_image(&image, "registry.example.com/team/hello:1.0").await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// As [`Client::push`]; [`ErrorKind::NotFound`] if the registry lacks a layer that the image has by its
    /// descriptor alone.
    pub async fn push_image(
        &self,
        image: &BuiltImage,
        reference: impl IntoReference,
    ) -> Result<Copied, Error> {
        self.push_with(image, image.digest(), reference, Selection::All)
            .await
    }

    /// As [`Client::push`], with options. A name in the options is ignored.
    ///
    /// ```no_run
    /// # async fn example(client: wharf::Client) -> Result<(), wharf::Error> {
    /// use wharf::{Name, Selection, store::Layout};
    ///
    /// let store = Layout::open("images").await?;
    /// let (app, to) = (Name::parse("app")?, "registry.example.com/team/app:1.0");
    /// client.push_with(&store, app, to, Selection::All).await?; // the images for all platforms
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// As [`Client::push`].
    pub async fn push_with<S>(
        &self,
        store: &S,
        image: impl Into<Target>,
        reference: impl IntoReference,
        options: impl Into<Options>,
    ) -> Result<Copied, Error>
    where
        S: Source + Clone + 'static,
    {
        let reference = reference.into_reference()?.or_latest();
        let sink = self.inner.client.remote(&reference.repository());
        let target = image.into();
        let source: Arc<dyn Source> = Arc::new(store.clone());
        let admission = self.inner.guard.admit(&source, &target)?;
        let options = tagged(options.into(), &reference)?;
        let copied = copy(source, Arc::new(sink), &target, options, admission).await?;
        as_pinned(copied, &reference)
    }
}

/// Options for a push: the tag of the reference, if it has one. A tag and a digest together would promise
/// that the tag means that digest, which only the registry decides.
pub(crate) fn tagged(options: Options, reference: &Reference) -> Result<Options, Error> {
    match (reference.tag(), reference.has_digest()) {
        (Some(_), true) => {
            let message = format!("cannot push to {reference}: leave out either the tag or the digest");
            Err(Error::new(ErrorKind::Invalid, message))
        }
        (Some(tag), false) => Ok(options.with_name(tag.into())),
        (None, _) => Ok(options.without_name()),
    }
}

///
/// # Errors
///
/// [`ErrorKind::Mismatch`] if the reference has a digest and something else was pushed.
pub(crate) fn as_pinned(copied: Copied, reference: &Reference) -> Result<Copied, Error> {
    match reference.digest() {
        Some(digest) if digest != *copied.digest() => {
            let message = format!("pushed {}, which is not {reference}", copied.digest());
            Err(Error::new(ErrorKind::Mismatch, message))
        }
        _ => Ok(copied),
    }
}
