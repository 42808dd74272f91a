//! Copies images from one location to another.

use std::{num::NonZeroUsize, sync::Arc};

use wharf_content::{Error, Location, Name, Sink, Source, Target};
use wharf_copy::Options;
use wharf_reference::Reference;
use wharf_store::Layout;

use crate::{
    Client, Copied, ImageLocation, IntoImageLocation, daemon, files,
    policy::Admission,
    push::{as_pinned, tagged},
    reading::OpenedImage,
    waiting::copy,
};

impl Client {
    /// Copies an image from one location to another. In a store without a name in `to`, the image is called
    /// by its full reference if it comes from a registry, and has no name otherwise. A short name is Docker
    /// Hub's, as for Skopeo. Of an index, the image for this host's platform is copied. What is written to a directory
    /// or an archive appears there when it is whole.
    ///
    /// ```no_run
    /// # async fn example(client: wharf::Client) -> Result<(), wharf::Error> {
    /// client.copy("docker://quay.io/fedora/fedora:latest", "oci:images:fedora").await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`Invalid`](wharf_content::ErrorKind::Invalid) for a malformed location, and for an image by number or digest as the
    /// destination; [`Conflict`](wharf_content::ErrorKind::Conflict) for an archive that exists, and for a directory that has something else
    /// than an image; otherwise as [`Client::pull`](Client::pull) and [`Client::push`](Client::push).
    pub async fn copy(
        &self,
        from: impl IntoImageLocation,
        to: impl IntoImageLocation,
    ) -> Result<Copied, Error> {
        self.copy_with(from, to, Options::default()).await
    }

    /// As [`Client::copy`], with options. A name in the options is ignored where the destination has one.
    ///
    /// ```no_run
    /// # async fn example(client: wharf::Client) -> Result<(), wharf::Error> {
    /// use wharf::Selection;
    ///
    /// let to = "docker://registry.example.com/fedora:latest";
    /// client.copy_with("docker://quay.io/fedora/fedora:latest", to, Selection::All).await?; // for all platforms
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// As [`Client::copy`].
    pub async fn copy_with(
        &self,
        from: impl IntoImageLocation,
        to: impl IntoImageLocation,
        options: impl Into<Options>,
    ) -> Result<Copied, Error> {
        self.copy_to_with(from, self, to, options).await
    }

    /// Copies an image, reading it with this client and writing it with another: each side has its own logins
    /// and certificates, even where both are in one registry. The trust policy is this client's.
    ///
    /// ```no_run
    /// # async fn example() -> Result<(), wharf::Error> {
    /// use wharf::{Client, config::Locations};
    ///
    /// let reader = Client::from_host()?;
    /// let writer = Locations::from_env().with_auth_file("writer.json");
    /// let writer = Client::builder().with_locations(writer).build()?;
    /// let (from, to) = ("docker://registry.example.com/staging/app:1", "docker://registry.example.com/prod/app:1");
    /// reader.copy_to(from, &writer, to).await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// As [`Client::copy`].
    pub async fn copy_to(
        &self,
        from: impl IntoImageLocation,
        destination: &Self,
        to: impl IntoImageLocation,
    ) -> Result<Copied, Error> {
        self.copy_to_with(from, destination, to, Options::default()).await
    }

    /// As [`Client::copy_to`], with options. A name in the options is ignored where the destination has one.
    ///
    /// ```no_run
    /// # async fn example(reader: wharf::Client, writer: wharf::Client) -> Result<(), wharf::Error> {
    /// use wharf::{Options, copy::Referrers};
    ///
    /// let (from, to) = ("docker://registry.example.com/staging/app:1", "docker://registry.example.com/prod/app:1");
    /// let signed = Options::default().with_referrers(Referrers::default()); // signatures, too
    /// reader.copy_to_with(from, &writer, to, signed).await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// As [`Client::copy`].
    pub async fn copy_to_with(
        &self,
        from: impl IntoImageLocation,
        destination: &Self,
        to: impl IntoImageLocation,
        options: impl Into<Options>,
    ) -> Result<Copied, Error> {
        // Boxed, because these futures are large.
        let ends = Box::pin(self.ends(from, destination, to, options.into())).await?;
        ends.copy().await
    }

    /// Copies an image into a sink of the caller's, such as an archive with settings of its own or with several images.
    /// The image has the name of the options there, and none without one. To a
    /// [`Layout`](wharf_store::Layout), a [`Remote`](wharf_distribution::Remote), a type of yours.
    ///
    #[cfg_attr(feature = "archive", doc = "```no_run")]
    #[cfg_attr(not(feature = "archive"), doc = "```ignore")]
    /// # async fn example(client: wharf::Client) -> Result<(), wharf::Error> {
    /// use std::sync::Arc;
    /// use wharf::{Name, Options, Platform, archive::{Writer, WriterOptions}};
    ///
    /// let options = WriterOptions::default().with_replace(true).with_platform(Platform::new("linux", "arm64"));
    /// let archive = Arc::new(Writer::create_with("images.tar", options).await?);
    /// for image in ["docker.io/library/alpine:3.20", "docker.io/library/busybox:1.37"] {
    ///     let options = Options::default().with_name(Name::parse(image)?);
    ///     client.copy_into(format!("docker://{image}"), &archive, options).await?;
    /// }
    /// archive.finish().await?; // docker load and podman load read both
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// As [`Client::copy`], and the failures of the sink.
    pub async fn copy_into<S>(
        &self,
        from: impl IntoImageLocation,
        sink: &S,
        options: impl Into<Options>,
    ) -> Result<Copied, Error>
    where
        S: Sink + Clone + 'static,
    {
        let ends = Box::pin(self.ends_into(from, sink, options.into())).await?;
        ends.copy().await
    }

    /// Opens both ends of a copy, of an image that the policy may admit.
    pub(crate) async fn ends(
        &self,
        from: impl IntoImageLocation,
        destination: &Self,
        to: impl IntoImageLocation,
        options: Options,
    ) -> Result<Ends, Error> {
        let (from, to) = (from.into_location()?, to.into_location()?);
        let opened = match (&from, to.directory()) {
            // The store takes the image as it comes.
            (ImageLocation::Daemon(image), Some(store)) => {
                OpenedImage::in_daemon(&self.inner.daemon, image, Some(store.to_owned()))?
            }
            _ => self.open(&from).await?,
        };
        let name = to.name_of_copy(&from)?;
        self.ends_of(opened, name, destination, to, options).await
    }

    /// Opens the other end of a copy, of an image that was opened and gets this name there.
    pub(crate) async fn ends_of(
        &self,
        opened: OpenedImage,
        named: Option<Name>,
        destination: &Self,
        to: ImageLocation,
        options: Options,
    ) -> Result<Ends, Error> {
        let Admitted {
            source,
            target,
            admission,
        } = self.admitted(opened)?;
        let with_name = |options: Options| match &named {
            Some(name) => options.with_name(name.clone()),
            None => options,
        };
        let (sink, options, written): (Arc<dyn Sink>, _, _) = match to {
            ImageLocation::Registry(reference) => {
                let reference = reference.or_latest();
                let sink = destination.inner.client.remote(&reference.repository());
                let options = tagged(options, &reference)?;
                (Arc::new(sink), options, Written::Pushed(reference))
            }
            ImageLocation::Store { directory, .. } => {
                let sink = Layout::create(directory).await?.pinned();
                (Arc::new(sink), with_name(options), Written::Stored)
            }
            ImageLocation::Directory(path) => {
                let file = files::create_directory(&path, &source.location()).await?;
                (file.sink(), options.without_name(), Written::File(file))
            }
            ImageLocation::Archive { path, form, .. } => {
                let file = files::create_archive(&path, form).await?;
                (file.sink(), with_name(options), Written::File(file))
            }
            ImageLocation::Daemon(image) => {
                let loading = daemon::create(&destination.inner.daemon, &image).await?;
                (loading.sink(), with_name(options), Written::Loaded(loading))
            }
        };
        Ok(Ends {
            source,
            target,
            admission,
            options: ordered(options, &*sink),
            sink,
            written,
        })
    }

    /// Opens the source of a copy to a sink of the caller's.
    pub(crate) async fn ends_into<S>(
        &self,
        from: impl IntoImageLocation,
        sink: &S,
        options: Options,
    ) -> Result<Ends, Error>
    where
        S: Sink + Clone + 'static,
    {
        let Admitted {
            source,
            target,
            admission,
        } = self.admitted(self.open(&from.into_location()?).await?)?;
        let sink = sink.pinned().unwrap_or_else(|| Arc::new(sink.clone()));
        Ok(Ends {
            source,
            target,
            admission,
            options: ordered(options, &*sink),
            sink,
            written: Written::Stored,
        })
    }

    /// The source of a copy, if the policy may admit it.
    fn admitted(&self, opened: OpenedImage) -> Result<Admitted, Error> {
        let OpenedImage { source, target, .. } = opened;
        let admission = self.inner.guard.admit(&source, &target)?;
        Ok(Admitted {
            source,
            target,
            admission,
        })
    }
}

/// The members of an archive, which a daemon receives too, stand in the order of the plan, however long each blob takes.
fn ordered(options: Options, sink: &dyn Sink) -> Options {
    match sink.location() {
        Location::Archive(_) | Location::DockerArchive(_) | Location::Daemon(_) => {
            options.with_concurrency(NonZeroUsize::MIN)
        }
        _ => options,
    }
}

/// The source of a copy.
struct Admitted {
    source: Arc<dyn Source>,
    target: Target,
    admission: Admission,
}

/// Both ends of a copy.
pub(crate) struct Ends {
    pub(crate) source: Arc<dyn Source>,
    pub(crate) target: Target,
    pub(crate) admission: Admission,
    pub(crate) sink: Arc<dyn Sink>,
    /// With the name of the result in the sink.
    pub(crate) options: Options,
    pub(crate) written: Written,
}

impl Ends {
    /// Copies the image as it is.
    pub(crate) async fn copy(self) -> Result<Copied, Error> {
        let copying = copy(self.source, self.sink, &self.target, self.options, self.admission);
        let copied = Box::pin(copying).await?;
        self.written.finish(copied).await
    }
}

/// The sink of a copy, and the work that ends it.
pub(crate) enum Written {
    /// A registry, under this reference.
    Pushed(Reference),
    Stored,
    /// A directory or archive, which appears at its path when it is finished.
    File(files::Created),
    /// A daemon, which has the image when it has answered.
    Loaded(daemon::Created),
}

impl Written {
    /// Ends a copy that succeeded.
    pub(crate) async fn finish(self, copied: Copied) -> Result<Copied, Error> {
        match self {
            Self::Pushed(reference) => as_pinned(copied, &reference),
            Self::Stored => Ok(copied),
            Self::File(file) => {
                file.finish().await?;
                Ok(copied)
            }
            Self::Loaded(loading) => {
                loading.finish().await?;
                Ok(copied)
            }
        }
    }
}
