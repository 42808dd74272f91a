use async_trait::async_trait;
use wharf_content::{
    Blob, Descriptor, Error, ErrorKind, Location, Manifest, Signature, Source, Target, Wanted,
};
use wharf_reference::Digest;

use super::known::Known;

/// An index and its images, as a source. Its manifests have no names and are found by digest.
#[derive(Debug, Clone)]
pub struct BuiltIndex {
    pub(super) root: Manifest,
    pub(super) content: Known,
}

impl BuiltIndex {
    /// The index.
    #[must_use]
    pub const fn root(&self) -> &Manifest {
        &self.root
    }

    /// The digest of the index, to be copied from this source.
    #[must_use]
    pub fn target(&self) -> Target {
        self.root.digest().into()
    }
}

#[async_trait]
impl Source for BuiltIndex {
    async fn resolve(&self, target: &Target) -> Result<Descriptor, Error> {
        Ok(self.manifest(target).await?.descriptor().clone())
    }

    async fn manifest(&self, target: &Target) -> Result<Manifest, Error> {
        match target {
            Target::Digest(digest) if digest == self.root.digest() => Ok(self.root.clone()),
            Target::Digest(digest) => self.content.of(digest)?.manifest(target).await,
            Target::Name(_) => {
                let message = format!("{target} is no digest; the index is {}", self.root.digest());
                Err(Error::new(ErrorKind::NotFound, message))
            }
        }
    }

    async fn blob(&self, descriptor: &Descriptor) -> Result<Blob, Error> {
        self.content.of(descriptor.digest())?.blob(descriptor).await
    }

    async fn referrers(&self, subject: &Digest) -> Result<Vec<Descriptor>, Error> {
        match self.content.0.get(subject) {
            Some(source) => source.referrers(subject).await,
            None => Ok(Vec::new()),
        }
    }

    async fn signatures(&self, manifest: &Digest, wanted: Wanted) -> Result<Vec<Signature>, Error> {
        match self.content.0.get(manifest) {
            Some(source) => source.signatures(manifest, wanted).await,
            None => Ok(Vec::new()),
        }
    }

    fn location(&self) -> Location {
        Location::Memory
    }

    fn location_of(&self, descriptor: &Descriptor) -> Location {
        let source = self.content.0.get(descriptor.digest());
        source.map_or(Location::Memory, |source| source.location_of(descriptor))
    }
}
