use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard},
};

use async_trait::async_trait;
use bytes::Bytes;
use wharf_content::{Blob, Descriptor, Error, ErrorKind, Location, Manifest, Name, Sink, Source, Target};
use wharf_reference::Digest;

use crate::{Image, referrers};

/// A store in memory, for tests and for what lives no longer than the process. Cloning shares it.
#[derive(Debug, Clone, Default)]
pub struct Memory {
    state: Arc<RwLock<State>>,
}

#[derive(Debug, Default)]
struct State {
    blobs: HashMap<Digest, Bytes>,
    manifests: HashMap<Digest, Manifest>,
    names: BTreeMap<Name, Digest>,
}

impl Memory {
    /// An empty store.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The images that have a name, in the order of the names.
    pub fn images(&self) -> Vec<Image> {
        let state = self.read();
        let named = |(name, digest): (&Name, &Digest)| {
            let manifest = state.manifests.get(digest)?;
            Some(Image::new(Some(name.clone()), manifest.descriptor().clone()))
        };
        state.names.iter().filter_map(named).collect()
    }

    /// Gives a manifest that is in the store a name.
    ///
    /// Fails with [`ErrorKind::NotFound`] if the manifest is not in the store.
    pub fn tag(&self, name: &Name, manifest: &Descriptor) -> Result<(), Error> {
        let mut state = self.write();
        if !state.manifests.contains_key(manifest.digest()) {
            return Err(not_found(manifest.digest()));
        }
        state.names.insert(name.clone(), manifest.digest().clone());
        Ok(())
    }

    /// Takes a name away; `false` if there was no such name. The image stays and can be had by its digest.
    pub fn untag(&self, name: &Name) -> bool {
        self.write().names.remove(name).is_some()
    }

    fn read(&self) -> RwLockReadGuard<'_, State> {
        self.state.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, State> {
        self.state.write().unwrap_or_else(PoisonError::into_inner)
    }
}

fn not_found(what: &impl std::fmt::Display) -> Error {
    Error::new(ErrorKind::NotFound, format!("there is no {what} in memory"))
}

#[async_trait]
impl Source for Memory {
    async fn resolve(&self, target: &Target) -> Result<Descriptor, Error> {
        Ok(self.manifest(target).await?.descriptor().clone())
    }

    async fn manifest(&self, target: &Target) -> Result<Manifest, Error> {
        let state = self.read();
        let digest = match target {
            Target::Name(name) => state.names.get(name),
            Target::Digest(digest) => Some(digest),
        };
        digest
            .and_then(|digest| state.manifests.get(digest))
            .cloned()
            .ok_or_else(|| not_found(target))
    }

    async fn blob(&self, descriptor: &Descriptor) -> Result<Blob, Error> {
        let state = self.read();
        let bytes = state.blobs.get(descriptor.digest());
        let bytes = bytes.ok_or_else(|| not_found(descriptor.digest()))?;
        Blob::from_bytes(descriptor.clone(), bytes.clone())
    }

    async fn referrers(&self, subject: &Digest) -> Result<Vec<Descriptor>, Error> {
        let state = self.read();
        let refers = |manifest: &&Manifest| manifest.subject().is_some_and(|is| is.digest() == subject);
        let referrers = state.manifests.values().filter(refers);
        let mut referrers: Vec<Descriptor> = referrers.map(referrers::describe).collect();
        referrers.sort_by(|one, other| one.digest().as_str().cmp(other.digest().as_str()));
        Ok(referrers)
    }

    fn location(&self) -> Location {
        Location::Memory
    }
}

#[async_trait]
impl Sink for Memory {
    async fn contains(&self, descriptor: &Descriptor) -> Result<bool, Error> {
        let (state, digest) = (self.read(), descriptor.digest());
        Ok(if descriptor.media_type().is_manifest() {
            state.manifests.contains_key(digest)
        } else {
            state.blobs.contains_key(digest)
        })
    }

    async fn push_blob(&self, blob: Blob) -> Result<(), Error> {
        let digest = blob.descriptor().digest().clone();
        let bytes = blob.read_to_end(u64::MAX).await?;
        self.write().blobs.insert(digest, bytes);
        Ok(())
    }

    async fn push_manifest(&self, manifest: &Manifest, name: Option<&Name>) -> Result<(), Error> {
        let mut state = self.write();
        let digest = manifest.digest();
        state.manifests.insert(digest.clone(), manifest.clone());
        if let Some(name) = name {
            state.names.insert(name.clone(), digest.clone());
        }
        Ok(())
    }

    async fn stored_manifest(&self, descriptor: &Descriptor) -> Result<Option<Manifest>, Error> {
        Ok(self.read().manifests.get(descriptor.digest()).cloned())
    }

    fn location(&self) -> Location {
        Location::Memory
    }
}
