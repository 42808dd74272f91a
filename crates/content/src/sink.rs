use std::{future::Future, sync::Arc};

use async_trait::async_trait;
use bytes::Bytes;
use wharf_reference::Algorithm;

use crate::{
    Blob, BuiltImage, ByteStream, Descriptor, Error, ErrorKind, Location, Manifest, MediaType, Name,
    Signature, Wanted,
};

/// A repository of a registry, or a store, that images are written to. [`SinkExt`] has
/// calls for users.
///
/// The caller pushes blobs and child manifests before their parents. Every call is idempotent: to push
/// content that is there already is a success.
///
/// ```
/// use std::{collections::HashMap, sync::Mutex};
/// use async_trait::async_trait;
/// use bytes::Bytes;
/// use wharf_content::{Blob, Descriptor, Error, Location, Manifest, Name, Sink};
/// use wharf_reference::Digest;
///
/// /// Content in memory, without names.
/// #[derive(Default)]
/// struct Pool(Mutex<HashMap<Digest, Bytes>>);
///
/// #[async_trait]
/// impl Sink for Pool {
///     async fn contains(&self, descriptor: &Descriptor) -> Result<bool, Error> {
///         Ok(self.0.lock().unwrap().contains_key(descriptor.digest()))
///     }
///
///     async fn push_blob(&self, blob: Blob) -> Result<(), Error> {
///         let digest = blob.descriptor().digest().clone();
///         let bytes = blob.read_to_end(1 << 30).await?; // verified
///         self.0.lock().unwrap().insert(digest, bytes);
///         Ok(())
///     }
///
///     async fn push_manifest(&self, manifest: &Manifest, _: Option<&Name>) -> Result<(), Error> {
///         let (digest, bytes) = (manifest.digest().clone(), manifest.bytes().clone());
///         self.0.lock().unwrap().insert(digest, bytes);
///         Ok(())
///     }
///
///     fn location(&self) -> Location {
///         Location::Memory
///     }
/// }
/// ```
#[async_trait]
pub trait Sink: Send + Sync {
    /// True if the blob or manifest is there and complete, so that it need not be pushed. An image manifest
    /// is complete with its blobs; an index counts without its images, because a sink may have some of them
    /// only.
    async fn contains(&self, descriptor: &Descriptor) -> Result<bool, Error>;

    /// Batch form of [`Sink::contains`] that does no I/O per item. One answer per descriptor, in the same
    /// order: `Some(present)`, or `None` if only `contains` can tell.
    async fn contains_cached(&self, descriptors: &[Descriptor]) -> Result<Vec<Option<bool>>, Error> {
        Ok(vec![None; descriptors.len()])
    }

    /// Writes a blob. When this returns `Ok`, the blob is there and verified.
    ///
    /// It does not check first whether the blob is there: the caller does, by [`Sink::contains`].
    async fn push_blob(&self, blob: Blob) -> Result<(), Error>;

    /// Writes a manifest, whose children are there, and gives it the name if one is passed.
    async fn push_manifest(&self, manifest: &Manifest, name: Option<&Name>) -> Result<(), Error>;

    /// Lists a manifest that was pushed as an image without a name, in a sink that has a list of images: an OCI image
    /// layout then shows it in `index.json`, and no collector removes it. A manifest that is listed, with or without a
    /// name, stays as it is listed. A copy calls this for its root if that gets no name.
    ///
    /// By default it does nothing, as in a registry: there the manifest is found by its digest.
    ///
    /// # Errors
    ///
    /// The errors of the sink.
    async fn list_unnamed(&self, manifest: &Descriptor) -> Result<(), Error> {
        let _ = manifest;
        Ok(())
    }

    /// Takes the blob from another location without its bytes passing through the caller: by a
    /// cross-repository mount at a registry (distribution-spec, *Mounting a blob from another repository*),
    /// by blocks that two files share at a store. `false` if that cannot be done; the caller then pushes
    /// the bytes.
    #[doc(alias = "reflink")]
    async fn mount(&self, descriptor: &Descriptor, from: &Location) -> Result<bool, Error> {
        let _ = (descriptor, from);
        Ok(false)
    }

    /// True if [`Sink::mount`] may succeed for content at that location, so that it is worth a call. Does
    /// no I/O.
    fn can_mount(&self, from: &Location) -> bool {
        match (self.location(), from) {
            (Location::Repository(here), Location::Repository(there)) => here.registry() == there.registry(),
            (Location::Directory(_), Location::Directory(_)) => true,
            _ => false,
        }
    }

    /// True if [`Sink::ingest`] is supported. Otherwise only blobs of known digest can be written. Does no
    /// I/O.
    fn can_ingest(&self) -> bool {
        false
    }

    /// Writes a blob whose digest and size are known only at its end, such as a layer that is compressed as
    /// it is sent, and returns its descriptor. When this returns `Ok`, the blob is there; if the stream
    /// fails or the future is dropped, the sink has nothing of it. The stream is read once, so that a sink can repeat
    /// no more than it keeps.
    ///
    /// ```
    /// use wharf_content::{ByteStream, Descriptor, Error, MediaType, Sink};
    /// use wharf_reference::Algorithm;
    ///
    /// # async fn example(sink: &dyn Sink, compressed: ByteStream) -> Result<(), Error> {
    /// let layer: Descriptor = sink.ingest(MediaType::OCI_LAYER_GZIP, Algorithm::Sha256, compressed).await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// The error of the stream unchanged; [`ErrorKind::Unsupported`] for an algorithm other than sha256 and
    /// sha512, and if [`Sink::can_ingest`] is false; the errors of the sink.
    async fn ingest(
        &self,
        media_type: MediaType,
        algorithm: Algorithm,
        bytes: ByteStream,
    ) -> Result<Descriptor, Error> {
        let _ = (media_type, algorithm, bytes);
        let message = format!("{} takes no blob of unknown digest", self.location());
        Err(Error::new(ErrorKind::Unsupported, message))
    }

    /// Checks that the sink can store content of this type and digest algorithm with every byte unchanged.
    /// Does no I/O; a copy calls it before anything is written.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Unsupported`] if it cannot.
    fn accepts(&self, descriptor: &Descriptor) -> Result<(), Error> {
        let _ = descriptor;
        Ok(())
    }

    /// Reads a manifest that the sink has, if that needs no round trip; it saves reading the manifest from
    /// a remote source. `None` if the sink does not have it, or reading needs a round trip.
    async fn stored_manifest(&self, descriptor: &Descriptor) -> Result<Option<Manifest>, Error> {
        let _ = descriptor;
        Ok(None)
    }

    /// Checks that signatures of these kinds can be written for an image of this name. A caller asks before it moves
    /// anything, so that a copy is not left without the signatures that it should have.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Unsupported`] if the sink, or the configuration of this host, has no room for one of the kinds; the
    /// default, for every kind. Any other error if the sink could not be asked.
    async fn accepts_signatures(&self, kinds: Wanted, name: Option<&Name>) -> Result<(), Error> {
        let _ = name;
        if kinds.is_nothing() {
            return Ok(());
        }
        Err(no_signatures(&self.location(), kinds))
    }

    /// Adds signatures of a manifest to those that are there, and returns how many were added: one that is there
    /// already is not written again. They are written in their order, after those that are there.
    ///
    /// `manifest` has the sha256 digest of the manifest's bytes. `name` is the name of the image in the sink, if it has
    /// one: the configuration of a host may keep the signatures of one tag in another place than those of the others.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Unsupported`] as [`Sink::accepts_signatures`], and for [`Signature::Unknown`];
    /// [`ErrorKind::TooLarge`] if there would be more than may be read; the errors of the sink. Some of the signatures
    /// may have been written then: the same call writes the others.
    async fn push_signatures(
        &self,
        manifest: &Descriptor,
        name: Option<&Name>,
        signatures: &[Signature],
    ) -> Result<usize, Error> {
        let _ = (manifest, name);
        let kinds = signatures
            .iter()
            .fold(Wanted::NOTHING, |kinds, one| kinds.or(one.kind()));
        if signatures.is_empty() {
            return Ok(0);
        }
        Err(no_signatures(&self.location(), kinds))
    }

    /// A pinning handle for one operation: the content that the operation relies on is not collected until the handle
    /// is dropped. For sinks with garbage collection; `None` if the sink has none.
    fn pinned(&self) -> Option<Arc<dyn Sink>> {
        None
    }

    /// The location of the sink.
    fn location(&self) -> Location;
}

#[async_trait]
impl<S: Sink + ?Sized> Sink for Arc<S> {
    async fn contains(&self, descriptor: &Descriptor) -> Result<bool, Error> {
        (**self).contains(descriptor).await
    }

    async fn contains_cached(&self, descriptors: &[Descriptor]) -> Result<Vec<Option<bool>>, Error> {
        (**self).contains_cached(descriptors).await
    }

    async fn push_blob(&self, blob: Blob) -> Result<(), Error> {
        (**self).push_blob(blob).await
    }

    async fn push_manifest(&self, manifest: &Manifest, name: Option<&Name>) -> Result<(), Error> {
        (**self).push_manifest(manifest, name).await
    }

    async fn list_unnamed(&self, manifest: &Descriptor) -> Result<(), Error> {
        (**self).list_unnamed(manifest).await
    }

    async fn mount(&self, descriptor: &Descriptor, from: &Location) -> Result<bool, Error> {
        (**self).mount(descriptor, from).await
    }

    fn can_mount(&self, from: &Location) -> bool {
        (**self).can_mount(from)
    }

    fn can_ingest(&self) -> bool {
        (**self).can_ingest()
    }

    async fn ingest(
        &self,
        media_type: MediaType,
        algorithm: Algorithm,
        bytes: ByteStream,
    ) -> Result<Descriptor, Error> {
        (**self).ingest(media_type, algorithm, bytes).await
    }

    fn accepts(&self, descriptor: &Descriptor) -> Result<(), Error> {
        (**self).accepts(descriptor)
    }

    async fn stored_manifest(&self, descriptor: &Descriptor) -> Result<Option<Manifest>, Error> {
        (**self).stored_manifest(descriptor).await
    }

    async fn accepts_signatures(&self, kinds: Wanted, name: Option<&Name>) -> Result<(), Error> {
        (**self).accepts_signatures(kinds, name).await
    }

    async fn push_signatures(
        &self,
        manifest: &Descriptor,
        name: Option<&Name>,
        signatures: &[Signature],
    ) -> Result<usize, Error> {
        (**self).push_signatures(manifest, name, signatures).await
    }

    fn pinned(&self) -> Option<Arc<dyn Sink>> {
        (**self).pinned()
    }

    fn location(&self) -> Location {
        (**self).location()
    }
}

fn no_signatures(location: &Location, kinds: Wanted) -> Error {
    let message = format!("{location} keeps no signatures ({kinds})");
    Error::new(ErrorKind::Unsupported, message)
}

/// Calls for users of any [`Sink`].
///
/// ```
/// use wharf_content::{Error, ImageBuilder, ImageConfig, MediaType, Name, Platform, Sink, SinkExt as _};
///
/// # async fn example(sink: &dyn Sink) -> Result<(), Error> {
/// let layer = sink.push_bytes(MediaType::OCI_LAYER_GZIP, "a tar, compressed").await?;
/// let config = ImageConfig::builder(Platform::host()).build()?;
/// let image = ImageBuilder::new().with_config(config).with_layer(layer).build()?;
/// sink.push_image(&image, Some(&Name::parse("latest")?)).await?;
/// # Ok(())
/// # }
/// ```
pub trait SinkExt: Sink {
    /// Writes a blob of these bytes and returns its descriptor, with the sha256 digest.
    ///
    /// # Errors
    ///
    /// The failures of the sink.
    fn push_bytes(
        &self,
        media_type: MediaType,
        bytes: impl Into<Bytes> + Send,
    ) -> impl Future<Output = Result<Descriptor, Error>> + Send {
        let blob = Blob::of(media_type, bytes);
        async move {
            let descriptor = blob.descriptor().clone();
            self.push_blob(blob).await?;
            Ok(descriptor)
        }
    }

    /// Writes a built image: the blobs that are not there yet, then the manifests, the root with its name
    /// last; without a name, the root is listed without one ([`Sink::list_unnamed`]), unless it is a referrer, which
    /// its subject leads to. The calls are sequential; a copy from the image, which is a [`Source`](crate::Source), writes
    /// blobs concurrently and reports progress.
    ///
    /// # Errors
    ///
    /// The errors of the sink; content that was complete before stays there, without a name.
    fn push_image(
        &self,
        image: &BuiltImage,
        name: Option<&Name>,
    ) -> impl Future<Output = Result<(), Error>> + Send {
        async move {
            for (descriptor, bytes) in image.blobs() {
                if !self.contains(descriptor).await? {
                    self.push_blob(Blob::from_bytes(descriptor.clone(), bytes.clone())?)
                        .await?;
                }
            }
            for manifest in image.manifests() {
                self.push_manifest(manifest, None).await?;
            }
            self.push_manifest(image.root(), name).await?;
            match (name, image.root().subject()) {
                (None, None) => self.list_unnamed(image.root().descriptor()).await,
                _ => Ok(()),
            }
        }
    }
}

impl<S: Sink + ?Sized> SinkExt for S {}
