use async_trait::async_trait;
use wharf_reference::Digest;

use crate::{Blob, Descriptor, Error, Location, Manifest, Name, Target};

/// A place that images are read from: a repository of a registry, a local store.
#[async_trait]
pub trait Source: Send + Sync {
    /// What a target is now: type, digest and size of its manifest.
    ///
    /// From a registry this is a claim until the manifest itself has been read and verified.
    async fn resolve(&self, target: &Target) -> Result<Descriptor, Error>;

    /// The manifest, verified against the digest if the target is one.
    async fn manifest(&self, target: &Target) -> Result<Manifest, Error>;

    /// A blob. It may be lazy: the bytes, and some errors, come when it is read.
    async fn blob(&self, descriptor: &Descriptor) -> Result<Blob, Error>;

    /// The manifests that refer to this one, by what the place says; each must be read and checked before it is
    /// believed (threat row I10). Empty where a place keeps no referrers.
    async fn referrers(&self, subject: &Digest) -> Result<Vec<Descriptor>, Error> {
        let _ = subject;
        Ok(Vec::new())
    }

    /// Where this is.
    fn location(&self) -> Location;
}

/// A place that images are written to.
///
/// The caller pushes children before parents. Every call is idempotent: content that is there already is
/// success.
#[async_trait]
pub trait Sink: Send + Sync {
    /// Whether the blob or manifest is there and complete, so that it need not be sent. An image manifest is
    /// complete with its blobs; an index stands for itself alone, for it may be kept with some of its images.
    async fn contains(&self, descriptor: &Descriptor) -> Result<bool, Error>;

    /// What is known of these without a question for each, in their order: whether it is there and complete, as
    /// [`Sink::contains`] would say; `None` where only that can tell.
    async fn glance(&self, descriptors: &[Descriptor]) -> Result<Vec<Option<bool>>, Error> {
        Ok(vec![None; descriptors.len()])
    }

    /// Takes in a blob. It is there, whole and verified, when this returns `Ok`.
    ///
    /// Does not ask first whether it is there: that is the caller's choice, by [`Sink::contains`].
    async fn push_blob(&self, blob: Blob) -> Result<(), Error>;

    /// Takes in a manifest, whose children are there, and gives it a name if one is passed.
    async fn push_manifest(&self, manifest: &Manifest, name: Option<&Name>) -> Result<(), Error>;

    /// Takes the blob from a place this sink can reach by itself, without the bytes passing through the
    /// caller: a mount from another repository of the same registry, blocks of a file that are shared. `false` if it cannot.
    async fn adopt(&self, descriptor: &Descriptor, from: &Location) -> Result<bool, Error> {
        let _ = (descriptor, from);
        Ok(false)
    }

    /// Whether [`Sink::adopt`] may succeed for content of that place, so that it is worth a call. Answered
    /// without asking anyone.
    fn can_adopt(&self, from: &Location) -> bool {
        match (self.location(), from) {
            (Location::Repository(here), Location::Repository(there)) => here.registry() == there.registry(),
            (Location::Directory(_), Location::Directory(_)) => true,
            _ => false,
        }
    }

    /// Whether content of this type and digest algorithm can be kept here with every byte as it is. Answered
    /// without asking anyone, before anything is sent.
    ///
    /// Fails with [`ErrorKind::Unsupported`](crate::ErrorKind::Unsupported) if it cannot.
    fn accepts(&self, descriptor: &Descriptor) -> Result<(), Error> {
        let _ = descriptor;
        Ok(())
    }

    /// A manifest that is here, for a sink that reads its own content without a round trip; it saves reading
    /// the manifest from a source far away. `None` if it is not here, or this sink cannot read.
    async fn stored_manifest(&self, descriptor: &Descriptor) -> Result<Option<Manifest>, Error> {
        let _ = descriptor;
        Ok(None)
    }

    /// Where this is.
    fn location(&self) -> Location;
}
