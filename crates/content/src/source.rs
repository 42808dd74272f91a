use std::{future::Future, sync::Arc};

use async_trait::async_trait;
use bytes::Bytes;
use wharf_reference::Digest;

use crate::{
    Blob, Descriptor, Error, ErrorKind, ImageConfig, Location, MAX_CONFIG_SIZE, Manifest, Signature, Target,
    Wanted,
};

/// A repository of a registry, or a store, that images are read from. [`SourceExt`] has calls
/// for users.
///
/// ```
/// use async_trait::async_trait;
/// use wharf_content::{Blob, Descriptor, Error, ErrorKind, Location, Manifest, Source, Target};
///
/// /// One image without blobs of its own.
/// struct Single(Manifest);
///
/// #[async_trait]
/// impl Source for Single {
///     async fn resolve(&self, target: &Target) -> Result<Descriptor, Error> {
///         Ok(self.manifest(target).await?.descriptor().clone())
///     }
///
///     async fn manifest(&self, target: &Target) -> Result<Manifest, Error> {
///         if *target != Target::from(self.0.digest()) {
///             return Err(Error::new(ErrorKind::NotFound, format!("there is no {target}")));
///         }
///         Ok(self.0.clone())
///     }
///
///     async fn blob(&self, descriptor: &Descriptor) -> Result<Blob, Error> {
///         let message = format!("there is no {}", descriptor.digest());
///         Err(Error::new(ErrorKind::NotFound, message))
///     }
///
///     fn location(&self) -> Location {
///         Location::Memory
///     }
/// }
/// ```
#[async_trait]
pub trait Source: Send + Sync {
    /// Resolves a target to the type, digest and size of its manifest.
    ///
    /// The result of a registry is not verified until the manifest has been read.
    async fn resolve(&self, target: &Target) -> Result<Descriptor, Error>;

    /// Reads a manifest, verified against the digest if the target is one.
    async fn manifest(&self, target: &Target) -> Result<Manifest, Error>;

    /// Opens a blob. Sources may defer I/O, so that errors occur when the blob is read.
    async fn blob(&self, descriptor: &Descriptor) -> Result<Blob, Error>;

    /// Lists the manifests that refer to this one. The list is not verified: a caller reads each manifest
    /// and checks its subject (threat I10 in docs/threats.md). Empty if the source has no referrers.
    async fn referrers(&self, subject: &Digest) -> Result<Vec<Descriptor>, Error> {
        let _ = subject;
        Ok(Vec::new())
    }

    /// Announces that signatures of these kinds will be read of the manifests that are read from now on. A source may ask
    /// beside the manifest what it has to know for them.
    fn expect_signatures(&self, wanted: Wanted) {
        let _ = wanted;
    }

    /// Reads the signatures of the manifest with this digest, which is a sha256 digest, of the kinds that are wanted. They
    /// are untrusted. Empty if the source has none, or keeps no signatures; a source that cannot tell fails.
    async fn signatures(&self, manifest: &Digest, wanted: Wanted) -> Result<Vec<Signature>, Error> {
        let _ = (manifest, wanted);
        Ok(Vec::new())
    }

    /// Counts signatures of the manifest with this digest, of the kinds that are wanted, for a message to the
    /// user: a refusal mentions signatures that do not count. A source may ask with fewer requests than
    /// [`Source::signatures`] makes, and count fewer than there are, but never none where there are some.
    async fn count_signatures(&self, manifest: &Digest, wanted: Wanted) -> Result<usize, Error> {
        Ok(self.signatures(manifest, wanted).await?.len())
    }

    /// The reason why [`Source::signatures`] does not look for all signatures of this manifest that are wanted, or
    /// looks for them in a default location alone, such as a setting of the host, for a message to the user.
    fn unread_signatures(&self, manifest: &Digest, wanted: Wanted) -> Option<String> {
        let _ = (manifest, wanted);
        None
    }

    /// The location that served the manifest with this sha256 digest, if it is another one than that of the source, such
    /// as a mirror, for a message to the user.
    fn served_by(&self, manifest: &Digest) -> Option<Location> {
        let _ = manifest;
        None
    }

    /// The location of the source.
    fn location(&self) -> Location;

    /// The location of this blob's bytes, for [`Sink::mount`](crate::Sink::mount). A source that is made of
    /// several, such as a changed image over its original, returns the location of each blob. The default
    /// is the location of the source.
    fn location_of(&self, descriptor: &Descriptor) -> Location {
        let _ = descriptor;
        self.location()
    }
}

#[async_trait]
impl<S: Source + ?Sized> Source for Arc<S> {
    async fn resolve(&self, target: &Target) -> Result<Descriptor, Error> {
        (**self).resolve(target).await
    }

    async fn manifest(&self, target: &Target) -> Result<Manifest, Error> {
        (**self).manifest(target).await
    }

    async fn blob(&self, descriptor: &Descriptor) -> Result<Blob, Error> {
        (**self).blob(descriptor).await
    }

    async fn referrers(&self, subject: &Digest) -> Result<Vec<Descriptor>, Error> {
        (**self).referrers(subject).await
    }

    fn expect_signatures(&self, wanted: Wanted) {
        (**self).expect_signatures(wanted);
    }

    async fn signatures(&self, manifest: &Digest, wanted: Wanted) -> Result<Vec<Signature>, Error> {
        (**self).signatures(manifest, wanted).await
    }

    async fn count_signatures(&self, manifest: &Digest, wanted: Wanted) -> Result<usize, Error> {
        (**self).count_signatures(manifest, wanted).await
    }

    fn unread_signatures(&self, manifest: &Digest, wanted: Wanted) -> Option<String> {
        (**self).unread_signatures(manifest, wanted)
    }

    fn served_by(&self, manifest: &Digest) -> Option<Location> {
        (**self).served_by(manifest)
    }

    fn location(&self) -> Location {
        (**self).location()
    }

    fn location_of(&self, descriptor: &Descriptor) -> Location {
        (**self).location_of(descriptor)
    }
}

/// Calls for users of any [`Source`].
///
/// ```
/// use wharf_content::{BuiltImage, Error, ImageBuilder, ImageConfig, Platform, SourceExt as _};
///
/// # async fn example() -> Result<(), Error> {
/// let config = ImageConfig::builder(Platform::new("linux", "arm64")).with_user("1000").build()?;
/// let image: BuiltImage = ImageBuilder::new().with_config(config).build()?;
///
/// let config = image.config(image.root()).await?;
/// assert_eq!(config.user(), Some("1000"));
/// # Ok(())
/// # }
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(example()).unwrap();
/// ```
pub trait SourceExt: Source {
    /// Reads the manifest of a target, which must have the digest if the target is one: not every source checks
    /// it.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Mismatch`] if the source served another manifest; the errors of the source.
    fn checked_manifest(&self, target: &Target) -> impl Future<Output = Result<Manifest, Error>> + Send {
        async move {
            let manifest = self.manifest(target).await?;
            match target {
                Target::Digest(digest) if digest != manifest.digest() => {
                    let message = format!("{digest} was asked for, and {} was served", manifest.digest());
                    Err(Error::new(ErrorKind::Mismatch, message))
                }
                _ => Ok(manifest),
            }
        }
    }

    /// Reads the manifest that a descriptor describes, as an index lists it.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Mismatch`] if it does not have the type, digest and size of the descriptor; the errors of
    /// the source.
    fn manifest_of(&self, descriptor: &Descriptor) -> impl Future<Output = Result<Manifest, Error>> + Send {
        async move {
            let target = Target::Digest(descriptor.digest().clone());
            self.checked_manifest(&target).await?.described_as(descriptor)
        }
    }

    /// Reads the verified bytes of a small blob, such as a config. Data that the descriptor embeds is used
    /// without I/O.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::TooLarge`] if the descriptor states more than `limit` bytes, before anything is read;
    /// [`ErrorKind::Mismatch`] if the source has other bytes; the errors of the source.
    fn fetch(
        &self,
        descriptor: &Descriptor,
        limit: u64,
    ) -> impl Future<Output = Result<Bytes, Error>> + Send {
        async move {
            let blob = match descriptor.data() {
                Some(embedded) => Blob::from_bytes(descriptor.clone(), embedded.into())?,
                None => self.blob(descriptor).await?,
            };
            blob.read_to_end(limit).await
        }
    }

    /// Reads the bytes of a config, at most [`MAX_CONFIG_SIZE`], whatever its type: artifacts have configs
    /// of any type.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Invalid`] if the manifest is an index; and as [`SourceExt::fetch`].
    fn config_bytes(&self, image: &Manifest) -> impl Future<Output = Result<Bytes, Error>> + Send {
        async move { self.fetch(config_of(image)?, MAX_CONFIG_SIZE).await }
    }

    /// Reads the config of a container image, at most [`MAX_CONFIG_SIZE`] bytes.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Invalid`] if the manifest is an index, or its config is none of a container image, as
    /// those of most artifacts; and as [`SourceExt::fetch`].
    fn config(&self, image: &Manifest) -> impl Future<Output = Result<ImageConfig, Error>> + Send {
        async move {
            let bytes = self.config_bytes(image).await?;
            ImageConfig::parse(bytes).map_err(|error| {
                let message = format!("{} is not a container image: {error}", image.digest());
                Error::new(error.kind(), message)
            })
        }
    }
}

impl<S: Source + ?Sized> SourceExt for S {}

fn config_of(image: &Manifest) -> Result<&Descriptor, Error> {
    image.config().ok_or_else(|| {
        let what = if image.is_index() {
            "an index"
        } else {
            "an artifact manifest"
        };
        let message = format!("{} is {what}, which has no config", image.digest());
        Error::new(ErrorKind::Invalid, message)
    })
}
