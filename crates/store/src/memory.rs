use std::{
    collections::{BTreeMap, HashMap, HashSet},
    future::poll_fn,
    sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard},
};

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use wharf_content::{
    Blob, ByteStream, Descriptor, Error, ErrorKind, Hasher, Location, MAX_SIGNATURES, Manifest, MediaType,
    Name, Signature, Sink, Source, Target, Wanted,
};
use wharf_reference::{Algorithm, Digest};

use crate::{Collect, Collected, Image, Prune, referrers};

/// A store in memory, for tests and for content that is needed no longer than the process runs. Clones
/// share the content.
///
/// ```
/// use wharf_content::{ImageBuilder, ImageConfig, Name, Platform, SinkExt as _};
/// use wharf_store::Memory;
/// # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
/// let store = Memory::new();
/// let config = ImageConfig::builder(Platform::host()).build()?;
/// let image = ImageBuilder::new().with_config(config).build()?;
/// store.push_image(&image, Some(&Name::parse("app:1")?)).await?;
/// assert_eq!(store.images().await?.len(), 1);
/// # Ok::<(), wharf_content::Error>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Default)]
pub struct Memory {
    state: Arc<RwLock<State>>,
}

#[derive(Debug, Default)]
struct State {
    blobs: HashMap<Digest, Bytes>,
    manifests: HashMap<Digest, Manifest>,
    names: BTreeMap<Name, Digest>,
    /// By the manifest that they are for.
    signatures: HashMap<Digest, Vec<Signature>>,
}

#[expect(clippy::unused_async, reason = "the interface is that of `Layout`")]
impl Memory {
    /// Makes an empty store.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Lists the images that have a name, in the order of the names.
    ///
    /// # Errors
    ///
    /// None today; the interface is that of [`Layout`](crate::Layout).
    pub async fn images(&self) -> Result<Vec<Image>, Error> {
        let state = self.read();
        let named = |(position, (name, digest)): (usize, (&Name, &Digest))| {
            let manifest = state.manifests.get(digest)?;
            let descriptor = manifest.descriptor().clone();
            Some(Image::new(position, Some(name.clone()), descriptor))
        };
        Ok(state.names.iter().enumerate().filter_map(named).collect())
    }

    /// Gives a name to a manifest in the store.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::NotFound`] if the manifest is not in the store.
    pub async fn tag(&self, name: &Name, manifest: &Descriptor) -> Result<(), Error> {
        self.write().tag(name, manifest)
    }

    /// Sets, moves or removes a name, but only if it means the `expected` manifest now. `None` stands for
    /// no manifest.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Conflict`] if the name means another manifest now, [`ErrorKind::NotFound`] if the new
    /// manifest is not in the store.
    pub async fn compare_and_swap(
        &self,
        name: &Name,
        expected: Option<&Digest>,
        new: Option<&Descriptor>,
    ) -> Result<(), Error> {
        let mut state = self.write();
        if state.names.get(name) != expected {
            let message = format!("{name} has been changed meanwhile");
            return Err(Error::new(ErrorKind::Conflict, message));
        }
        if let Some(new) = new {
            return state.tag(name, new);
        }
        state.names.remove(name);
        Ok(())
    }

    /// Removes a name; `false` if there was no such name. The image stays until [`Memory::collect`] and is
    /// found by its digest.
    ///
    /// # Errors
    ///
    /// None today; the interface is that of [`Layout`](crate::Layout).
    pub async fn untag(&self, name: &Name) -> Result<bool, Error> {
        Ok(self.write().names.remove(name).is_some())
    }

    /// Removes a name, or by digest all names of an image; `false` if there was nothing to remove.
    ///
    /// # Errors
    ///
    /// None today; the interface is that of [`Layout`](crate::Layout).
    pub async fn remove(&self, target: &Target) -> Result<bool, Error> {
        let mut state = self.write();
        let before = state.names.len();
        state.names.retain(|name, digest| match target {
            Target::Name(target) => name != target,
            Target::Digest(target) => digest != target,
        });
        Ok(state.names.len() < before)
    }

    /// Removes content that no named image needs. Content is not pinned, so do not call it while something
    /// is being pushed.
    ///
    /// # Errors
    ///
    /// None today; the interface is that of [`Layout`](crate::Layout).
    pub async fn collect(&self, options: &Collect) -> Result<Collected, Error> {
        let mut state = self.write();
        let live = state.live();
        Ok(state.collect(&live, options.dry_run))
    }

    /// Removes images, those without a name or all, and the content that only they needed, as
    /// [`Layout::prune`](crate::Layout::prune) does.
    ///
    /// # Errors
    ///
    /// None today; the interface is that of [`Layout`](crate::Layout).
    pub async fn prune(&self, which: Prune, options: &Collect) -> Result<Collected, Error> {
        if which == Prune::Dangling {
            return self.collect(options).await; // here an image without a name is on no list
        }
        let mut state = self.write();
        let images = state.names.len();
        if !options.dry_run {
            state.names.clear();
        }
        let collected = state.collect(&HashSet::new(), options.dry_run);
        Ok(Collected { images, ..collected })
    }

    fn read(&self) -> RwLockReadGuard<'_, State> {
        self.state.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, State> {
        self.state.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn tag(&mut self, name: &Name, manifest: &Descriptor) -> Result<(), Error> {
        if !self.manifests.contains_key(manifest.digest()) {
            return Err(not_found(manifest.digest()));
        }
        self.names.insert(name.clone(), manifest.digest().clone());
        Ok(())
    }

    /// Removes content that is not live, or reports it in a dry run.
    fn collect(&mut self, live: &HashSet<Digest>, dry_run: bool) -> Collected {
        let dead = self
            .sizes()
            .into_iter()
            .filter(|(digest, _)| !live.contains(digest));
        let mut collected = Collected {
            blobs: dead.collect(),
            kept: live.len(),
            ..Collected::default()
        };
        collected
            .blobs
            .sort_by(|one, other| one.0.as_str().cmp(other.0.as_str()));
        if !dry_run {
            self.blobs.retain(|digest, _| live.contains(digest));
            self.manifests.retain(|digest, _| live.contains(digest));
            self.signatures.retain(|digest, _| live.contains(digest));
        }
        collected
    }

    fn sizes(&self) -> HashMap<Digest, u64> {
        let manifests = self
            .manifests
            .iter()
            .map(|(digest, manifest)| (digest, manifest.bytes()));
        let all = self.blobs.iter().chain(manifests);
        all.map(|(digest, bytes)| (digest.clone(), bytes.len() as u64))
            .collect()
    }

    /// The content that named images need, and their referrers.
    fn live(&self) -> HashSet<Digest> {
        let mut live = HashSet::new();
        let mut waiting: Vec<&Digest> = self.names.values().collect();
        loop {
            while let Some(digest) = waiting.pop() {
                if live.insert(digest.clone())
                    && let Some(manifest) = self.manifests.get(digest)
                {
                    let children = manifest.manifests().iter().chain(manifest.blobs());
                    waiting.extend(children.map(Descriptor::digest));
                }
            }
            let refers = |manifest: &Manifest| {
                let subject = manifest.subject().map(Descriptor::digest);
                subject.is_some_and(|subject| live.contains(subject))
            };
            let referrers = self
                .manifests
                .iter()
                .filter(|(digest, manifest)| !live.contains(*digest) && refers(manifest));
            waiting.extend(referrers.map(|(digest, _)| digest));
            if waiting.is_empty() {
                live.retain(|digest| self.blobs.contains_key(digest) || self.manifests.contains_key(digest));
                return live;
            }
        }
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

    async fn signatures(&self, manifest: &Digest, wanted: Wanted) -> Result<Vec<Signature>, Error> {
        let state = self.read();
        let held = state.signatures.get(manifest).into_iter().flatten();
        let held = held.filter(|signature| wanted.includes(signature.kind()));
        Ok(held.cloned().collect())
    }

    fn location(&self) -> Location {
        Location::Memory
    }
}

#[async_trait]
impl Sink for Memory {
    async fn contains(&self, descriptor: &Descriptor) -> Result<bool, Error> {
        let (state, digest) = (self.read(), descriptor.digest());
        let has_blob =
            |blob: &Descriptor| blob.is_nondistributable() || state.blobs.contains_key(blob.digest());
        Ok(if descriptor.media_type().is_manifest() {
            let manifest = state.manifests.get(digest);
            manifest.is_some_and(|manifest| manifest.blobs().all(has_blob))
        } else {
            state.blobs.contains_key(digest)
        })
    }

    async fn contains_cached(&self, descriptors: &[Descriptor]) -> Result<Vec<Option<bool>>, Error> {
        let state = self.read();
        let known = |descriptor: &Descriptor| {
            let is_blob = !descriptor.media_type().is_manifest();
            is_blob.then(|| state.blobs.contains_key(descriptor.digest()))
        };
        Ok(descriptors.iter().map(known).collect())
    }

    async fn push_blob(&self, blob: Blob) -> Result<(), Error> {
        let digest = blob.descriptor().digest().clone();
        let bytes = blob.read_to_end(u64::MAX).await?;
        self.write().blobs.insert(digest, bytes);
        Ok(())
    }

    fn can_ingest(&self) -> bool {
        true
    }

    async fn ingest(
        &self,
        media_type: MediaType,
        algorithm: Algorithm,
        mut bytes: ByteStream,
    ) -> Result<Descriptor, Error> {
        let mut hasher = Hasher::new(algorithm)?;
        let mut whole = BytesMut::new();
        while let Some(chunk) = poll_fn(|context| bytes.as_mut().poll_next(context)).await {
            let chunk = chunk?;
            hasher.update(&chunk);
            whole.extend_from_slice(&chunk);
        }
        let size = hasher.count();
        let descriptor = Descriptor::new(media_type, hasher.finish()?, size)?;
        let digest = descriptor.digest().clone();
        self.write().blobs.insert(digest, whole.freeze());
        Ok(descriptor)
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

    async fn accepts_signatures(&self, _: Wanted, _: Option<&Name>) -> Result<(), Error> {
        Ok(())
    }

    async fn push_signatures(
        &self,
        manifest: &Descriptor,
        _: Option<&Name>,
        signatures: &[Signature],
    ) -> Result<usize, Error> {
        if signatures.iter().any(|signature| signature.kind().is_nothing()) {
            let message = "a blob that is no signature is not kept";
            return Err(Error::new(ErrorKind::Unsupported, message));
        }
        let mut state = self.write();
        let held = state.signatures.entry(manifest.digest().clone()).or_default();
        let before = held.len();
        for signature in signatures.iter().cloned() {
            if held.contains(&signature) {
                continue;
            }
            let of_kind = held.iter().filter(|other| other.kind() == signature.kind());
            if of_kind.count() >= MAX_SIGNATURES {
                let message = format!(
                    "{} would have more than {MAX_SIGNATURES} signatures",
                    manifest.digest()
                );
                return Err(Error::new(ErrorKind::TooLarge, message));
            }
            held.push(signature);
        }
        Ok(held.len() - before)
    }

    async fn stored_manifest(&self, descriptor: &Descriptor) -> Result<Option<Manifest>, Error> {
        Ok(self.read().manifests.get(descriptor.digest()).cloned())
    }

    fn location(&self) -> Location {
        Location::Memory
    }
}
