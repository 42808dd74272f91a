//! A sink whose receiver has some of the blobs.

use std::{collections::HashSet, sync::Arc};

use async_trait::async_trait;
use wharf_content::{Blob, Descriptor, Error, Location, Manifest, Name, Sink};
use wharf_reference::Digest;

/// Writes to another sink, and leaves out these blobs.
pub(super) struct Except {
    sink: Arc<dyn Sink>,
    digests: Arc<HashSet<Digest>>,
}

impl Except {
    pub(super) fn wrap(sink: Arc<dyn Sink>, digests: &Arc<HashSet<Digest>>) -> Arc<dyn Sink> {
        if digests.is_empty() {
            return sink;
        }
        let digests = Arc::clone(digests);
        Arc::new(Self { sink, digests })
    }

    /// Manifests are always written: without them, nothing says what the image is.
    fn leaves_out(&self, descriptor: &Descriptor) -> bool {
        !descriptor.media_type().is_manifest() && self.digests.contains(descriptor.digest())
    }
}

#[async_trait]
impl Sink for Except {
    async fn contains(&self, descriptor: &Descriptor) -> Result<bool, Error> {
        Ok(self.leaves_out(descriptor) || self.sink.contains(descriptor).await?)
    }

    async fn contains_cached(&self, descriptors: &[Descriptor]) -> Result<Vec<Option<bool>>, Error> {
        let mut answers = self.sink.contains_cached(descriptors).await?;
        for (answer, descriptor) in answers.iter_mut().zip(descriptors) {
            if self.leaves_out(descriptor) {
                *answer = Some(true);
            }
        }
        Ok(answers)
    }

    async fn push_blob(&self, blob: Blob) -> Result<(), Error> {
        self.sink.push_blob(blob).await
    }

    async fn push_manifest(&self, manifest: &Manifest, name: Option<&Name>) -> Result<(), Error> {
        self.sink.push_manifest(manifest, name).await
    }

    async fn list_unnamed(&self, manifest: &Descriptor) -> Result<(), Error> {
        self.sink.list_unnamed(manifest).await
    }

    fn can_mount(&self, from: &Location) -> bool {
        self.sink.can_mount(from)
    }

    fn accepts(&self, descriptor: &Descriptor) -> Result<(), Error> {
        self.sink.accepts(descriptor)
    }

    async fn stored_manifest(&self, descriptor: &Descriptor) -> Result<Option<Manifest>, Error> {
        self.sink.stored_manifest(descriptor).await
    }

    fn location(&self) -> Location {
        self.sink.location()
    }
}
