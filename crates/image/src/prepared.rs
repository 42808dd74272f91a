use std::{collections::HashMap, fmt, sync::Arc};

use async_trait::async_trait;
use bytes::Bytes;
use wharf_content::{Blob, Descriptor, Error, Location, Manifest, Signature, Source, Target, Wanted};
use wharf_reference::Digest;

use crate::{
    Report,
    layers::{Job, Recoder, Reopen},
};

/// A changed image over its original: the new documents from memory, new layers from the scratch store or by running
/// their encoder again, everything else from the original source. All
/// digests are known, so that a copy plans, retries and resumes as with any source.
///
/// Copy [`Prepared::target`] with all its images: a platform was selected by the recipe.
#[derive(Clone)]
pub struct Prepared {
    pub(crate) content: Arc<Content>,
}

pub(crate) struct Content {
    pub(crate) source: Arc<dyn Source>,
    /// The target of the original, which means the new root here.
    pub(crate) asked: Target,
    pub(crate) root: Manifest,
    /// The documents that were read or made, by their digest.
    pub(crate) manifests: HashMap<Digest, Manifest>,
    /// The new manifests and configs.
    pub(crate) made: HashMap<Digest, Option<Bytes>>,
    /// The manifest that each new one stands for, both by the sha256 digest of their bytes.
    pub(crate) originals: HashMap<Digest, Digest>,
    /// The new layers.
    pub(crate) layers: HashMap<Digest, Layer>,
    /// Layers that another source than that of the original has.
    pub(crate) sources: HashMap<Digest, Arc<dyn Source>>,
    pub(crate) recoder: Recoder,
    pub(crate) report: Report,
}

/// A new layer, and where its bytes are.
pub(crate) struct Layer {
    pub(crate) job: Job,
    /// The store that has it; otherwise it is encoded when it is read.
    pub(crate) scratch: Option<Arc<dyn Source>>,
}

impl Prepared {
    /// The digest of the result, to be copied from this source.
    #[must_use]
    pub fn target(&self) -> Target {
        self.content.root.digest().into()
    }

    /// The manifest or index of the result.
    #[must_use]
    pub fn root(&self) -> &Manifest {
        &self.content.root
    }

    /// The changes and losses.
    #[must_use]
    pub fn report(&self) -> &Report {
        &self.content.report
    }

    fn is_made(&self, digest: &Digest) -> bool {
        self.content.made.contains_key(digest)
    }

    /// The source of a blob that is not new.
    fn original_of(&self, descriptor: &Descriptor) -> &Arc<dyn Source> {
        let content = &*self.content;
        content
            .sources
            .get(descriptor.digest())
            .unwrap_or(&content.source)
    }

    fn known(&self, target: &Target) -> Option<&Manifest> {
        let content = &*self.content;
        match target {
            target if *target == content.asked => Some(&content.root),
            Target::Digest(digest) => content.manifests.get(digest),
            Target::Name(_) => None,
        }
    }
}

#[async_trait]
impl Source for Prepared {
    async fn resolve(&self, target: &Target) -> Result<Descriptor, Error> {
        match self.known(target) {
            Some(manifest) => Ok(manifest.descriptor().clone()),
            None => self.content.source.resolve(target).await,
        }
    }

    async fn manifest(&self, target: &Target) -> Result<Manifest, Error> {
        match self.known(target) {
            Some(manifest) => Ok(manifest.clone()),
            None => self.content.source.manifest(target).await,
        }
    }

    async fn blob(&self, descriptor: &Descriptor) -> Result<Blob, Error> {
        let content = &*self.content;
        if let Some(Some(bytes)) = content.made.get(descriptor.digest()) {
            return Blob::from_bytes(descriptor.clone(), bytes.clone());
        }
        match content.layers.get(descriptor.digest()) {
            Some(Layer {
                scratch: Some(scratch),
                ..
            }) => scratch.blob(descriptor).await,
            Some(Layer { job, scratch: None }) => {
                let (recoder, job) = (content.recoder.clone(), job.clone());
                Blob::new(descriptor.clone(), Reopen { recoder, job })
            }
            None => self.original_of(descriptor).blob(descriptor).await,
        }
    }

    async fn referrers(&self, subject: &Digest) -> Result<Vec<Descriptor>, Error> {
        if self.is_made(subject) {
            return Ok(Vec::new());
        }
        self.content.source.referrers(subject).await
    }

    /// Of a manifest that was changed, the signatures of the original are no signatures, so that a copy which carries
    /// signatures leaves them out and counts them.
    async fn signatures(&self, manifest: &Digest, wanted: Wanted) -> Result<Vec<Signature>, Error> {
        let content = &*self.content;
        let original = content.originals.get(manifest);
        let found = content
            .source
            .signatures(original.unwrap_or(manifest), wanted)
            .await?;
        Ok(match original {
            Some(_) => found.iter().map(|_| of_the_original()).collect(),
            None => found,
        })
    }

    fn location(&self) -> Location {
        self.content.source.location()
    }

    fn location_of(&self, descriptor: &Descriptor) -> Location {
        if self.is_made(descriptor.digest()) {
            return Location::Memory;
        }
        if let Some(layer) = self.content.layers.get(descriptor.digest()) {
            let scratch = layer.scratch.as_ref();
            return scratch.map_or(Location::Memory, |scratch| scratch.location_of(descriptor));
        }
        self.original_of(descriptor).location_of(descriptor)
    }
}

/// A signature of another manifest than the one that it is read with.
fn of_the_original() -> Signature {
    Signature::Unknown {
        blob: Bytes::new(),
        reason: "the signature is of the original, which was changed".to_owned(),
    }
}

impl fmt::Debug for Prepared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Prepared")
            .field("root", self.root())
            .field("report", self.report())
            .finish_non_exhaustive()
    }
}
