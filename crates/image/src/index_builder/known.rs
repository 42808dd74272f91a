//! The sources of the images of an index.

use std::{collections::HashMap, fmt, sync::Arc};

use wharf_content::{Descriptor, Error, ErrorKind, Source, SourceExt as _, Visits};
use wharf_reference::Digest;

/// The sources of what was added, by digest.
#[derive(Clone, Default)]
pub(super) struct Known(pub(super) HashMap<Digest, Arc<dyn Source>>);

impl Known {
    /// Remembers the source of a manifest and of all below it.
    pub(super) async fn add(&mut self, source: &Arc<dyn Source>, entry: &Descriptor) -> Result<(), Error> {
        let mut visits = Visits::new();
        let mut waiting = vec![entry.clone()];
        while let Some(entry) = waiting.pop() {
            if !visits.add(&entry)? {
                continue;
            }
            self.0.insert(entry.digest().clone(), Arc::clone(source));
            if !entry.media_type().is_manifest() {
                continue;
            }
            let manifest = source.manifest_of(&entry).await?;
            for blob in manifest.blobs() {
                self.0.insert(blob.digest().clone(), Arc::clone(source));
            }
            waiting.extend(manifest.manifests().iter().cloned());
        }
        Ok(())
    }

    pub(super) fn of(&self, digest: &Digest) -> Result<&Arc<dyn Source>, Error> {
        self.0.get(digest).ok_or_else(|| {
            let message = format!("{digest} is in no image of the index");
            Error::new(ErrorKind::NotFound, message)
        })
    }
}

impl fmt::Debug for Known {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} digests", self.0.len())
    }
}
