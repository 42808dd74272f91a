//! A source and sink in memory with a log, a delay of each call, and calls that fail.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use serde_json::{Value, json};
use wharf_content::{
    Blob, BuiltImage, Descriptor, Error, ErrorKind, Hasher, ImageBuilder, Location, Manifest, MediaType,
    Name, Signature, Sink, Source, Target, Wanted,
};
use wharf_reference::{Algorithm, Digest};

/// A call that a store has served.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Done {
    Asked(Digest),
    Read(Digest),
    Listed(Digest),
    Mounted(Digest),
    Blob(Digest),
    Manifest(Digest, Option<String>),
    ReadSignatures(Digest),
    Signed(Digest),
}

#[derive(Default)]
pub(crate) struct TestStore {
    pub(crate) content: Mutex<Content>,
    pub(crate) log: Mutex<Vec<Done>>,
    /// Its location; memory if `None`.
    pub(crate) location: Option<Location>,
    /// The store that it mounts blobs from, and if set, the only blob that it mounts.
    pub(crate) mounts_from: Option<Arc<Self>>,
    pub(crate) mounts_only: Option<Digest>,
    /// The location that it mounts from, if set.
    pub(crate) mounts_at: Option<Location>,
    /// Blobs at another location than the rest.
    pub(crate) elsewhere: HashMap<Digest, Location>,
    /// Reading this blob fails.
    pub(crate) broken: Option<Digest>,
    /// The calls, counted from 0, that fail, and whether after they had their effect.
    pub(crate) failures: HashMap<usize, bool>,
    /// Refuses digests of this algorithm.
    pub(crate) refuses: Option<Algorithm>,
    /// Returns its manifests as a sink.
    pub(crate) reads_itself: bool,
    /// Answers `contains_cached` for blobs of an even number of bytes.
    pub(crate) answers_from_cache: bool,
    /// How long a round trip takes; pushing a blob takes two.
    pub(crate) round_trip: Duration,
    /// The kinds of signatures that it keeps.
    pub(crate) keeps: Wanted,
    pub(crate) calls: AtomicUsize,
    pub(crate) in_flight: AtomicUsize,
    pub(crate) pushing: AtomicUsize,
    pub(crate) most_pushing: AtomicUsize,
}

/// The content of a store.
#[derive(Default, Clone)]
pub(crate) struct Content {
    pub(crate) blobs: HashMap<Digest, Bytes>,
    pub(crate) manifests: HashMap<Digest, Manifest>,
    pub(crate) names: HashMap<String, Digest>,
    pub(crate) referrers: HashMap<Digest, Vec<Descriptor>>,
    pub(crate) signatures: HashMap<Digest, Vec<Signature>>,
}

impl Content {
    fn has(&self, descriptor: &Descriptor) -> bool {
        let digest = descriptor.digest();
        if !descriptor.media_type().is_manifest() {
            return self.blobs.contains_key(digest);
        }
        self.manifests.get(digest).is_some_and(|manifest| {
            manifest
                .blobs()
                .all(|blob| self.blobs.contains_key(blob.digest()))
        })
    }

    /// True if it has a manifest and everything below it.
    pub(crate) fn is_whole(&self, digest: &Digest) -> bool {
        let Some(manifest) = self.manifests.get(digest) else {
            return false;
        };
        manifest
            .blobs()
            .all(|blob| self.blobs.contains_key(blob.digest()))
            && manifest.manifests().iter().all(|child| {
                if child.media_type().is_manifest() {
                    self.is_whole(child.digest())
                } else {
                    self.blobs.contains_key(child.digest())
                }
            })
    }
}

impl TestStore {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// A store with the location of a repository.
    pub(crate) fn repository(name: &str) -> Self {
        let reference = wharf_reference::Reference::parse(name).unwrap();
        Self {
            location: Some(Location::Repository(reference.repository())),
            ..Self::default()
        }
    }

    /// Adds a blob and returns its descriptor.
    pub(crate) fn add(&self, media_type: MediaType, content: &[u8]) -> Descriptor {
        self.add_as(Algorithm::Sha256, media_type, content)
    }

    pub(crate) fn add_as(&self, algorithm: Algorithm, media_type: MediaType, content: &[u8]) -> Descriptor {
        let digest = Hasher::digest(algorithm, content).unwrap();
        let bytes = Bytes::copy_from_slice(content);
        self.content.lock().unwrap().blobs.insert(digest.clone(), bytes);
        Descriptor::new(media_type, digest, content.len() as u64).unwrap()
    }

    /// Adds an image whose layers have these contents.
    pub(crate) fn image(&self, seed: &str, layers: &[&str]) -> Manifest {
        let builder =
            ImageBuilder::new().with_config_bytes(MediaType::OCI_CONFIG, format!("{{\"seed\":{seed:?}}}"));
        let builder = layers.iter().fold(builder, |builder, layer| {
            builder.with_layer_bytes(MediaType::OCI_LAYER, layer.as_bytes().to_vec())
        });
        self.add_built(&builder.build().unwrap())
    }

    /// Adds an index of these descriptors.
    pub(crate) fn index(&self, manifests: &[Descriptor]) -> Manifest {
        self.manifest_of(&json!({
            "schemaVersion": 2, "mediaType": MediaType::OCI_INDEX, "manifests": manifests,
        }))
    }

    /// Adds an artifact that refers to a manifest, and lists it.
    pub(crate) fn referrer(&self, subject: &Manifest, artifact_type: &str, content: &str) -> Manifest {
        let manifest = self.artifact(Some(subject.descriptor()), artifact_type, content);
        self.list(subject.digest(), manifest.descriptor().clone());
        manifest
    }

    /// Adds an artifact.
    pub(crate) fn artifact(
        &self,
        subject: Option<&Descriptor>,
        artifact_type: &str,
        content: &str,
    ) -> Manifest {
        let mut builder = ImageBuilder::new()
            .with_artifact_type(MediaType::from_document(artifact_type))
            .with_layer_bytes(MediaType::OCTET_STREAM, content.as_bytes().to_vec());
        if let Some(subject) = subject {
            builder = builder.with_subject(subject.clone());
        }
        self.add_built(&builder.build().unwrap())
    }

    /// Adds a built image.
    fn add_built(&self, image: &BuiltImage) -> Manifest {
        let mut content = self.content.lock().unwrap();
        for (descriptor, bytes) in image.blobs() {
            content.blobs.insert(descriptor.digest().clone(), bytes.clone());
        }
        let manifest = image.root().clone();
        content
            .manifests
            .insert(manifest.digest().clone(), manifest.clone());
        manifest
    }

    /// Lists something as a referrer.
    pub(crate) fn list(&self, subject: &Digest, referrer: Descriptor) {
        let mut content = self.content.lock().unwrap();
        content
            .referrers
            .entry(subject.clone())
            .or_default()
            .push(referrer);
    }

    pub(crate) fn manifest_of(&self, document: &Value) -> Manifest {
        let manifest = Manifest::parse(serde_json::to_vec(document).unwrap().into(), None).unwrap();
        let mut content = self.content.lock().unwrap();
        content
            .manifests
            .insert(manifest.digest().clone(), manifest.clone());
        manifest
    }

    pub(crate) fn name(&self, name: &str, manifest: &Manifest) {
        let mut content = self.content.lock().unwrap();
        content.names.insert(name.to_owned(), manifest.digest().clone());
    }

    pub(crate) fn named(&self, name: &str) -> Option<Digest> {
        self.content.lock().unwrap().names.get(name).cloned()
    }

    /// Adds signatures of a manifest.
    pub(crate) fn sign(&self, manifest: &Manifest, signatures: &[Signature]) {
        let mut content = self.content.lock().unwrap();
        let held = content.signatures.entry(manifest.digest().clone()).or_default();
        held.extend_from_slice(signatures);
    }

    pub(crate) fn signatures_of(&self, manifest: &Digest) -> Vec<Signature> {
        let content = self.content.lock().unwrap();
        content.signatures.get(manifest).cloned().unwrap_or_default()
    }

    /// True if it has everything of a manifest.
    pub(crate) fn is_whole(&self, manifest: &Manifest) -> bool {
        self.content.lock().unwrap().is_whole(manifest.digest())
    }

    pub(crate) fn log(&self) -> Vec<Done> {
        self.log.lock().unwrap().clone()
    }

    /// The number of calls of this kind.
    pub(crate) fn count(&self, kind: fn(&Done) -> bool) -> usize {
        self.log().iter().filter(|done| kind(done)).count()
    }

    pub(crate) fn forget(&self) {
        self.log.lock().unwrap().clear();
    }

    pub(crate) fn now_in_flight(&self) -> usize {
        self.in_flight.load(Ordering::SeqCst)
    }

    fn write_down(&self, done: Done) {
        self.log.lock().unwrap().push(done);
    }

    /// A call begins; it is under way until the guard is dropped, by its end or by being given up.
    async fn call(&self, round_trips: u32) -> Result<Call<'_>, Error> {
        let number = self.calls.fetch_add(1, Ordering::SeqCst);
        self.in_flight.fetch_add(1, Ordering::SeqCst);
        let call = Call {
            store: self,
            fails_after: self.failures.get(&number) == Some(&true),
        };
        tokio::task::yield_now().await;
        if !self.round_trip.is_zero() {
            tokio::time::sleep(self.round_trip * round_trips).await;
        }
        if self.failures.get(&number) == Some(&false) {
            return Err(Error::new(ErrorKind::Network, "cut"));
        }
        Ok(call)
    }
}

struct Call<'a> {
    store: &'a TestStore,
    fails_after: bool,
}

impl Call<'_> {
    async fn end<T>(self, value: T) -> Result<T, Error> {
        tokio::task::yield_now().await;
        if self.fails_after {
            return Err(Error::new(ErrorKind::Network, "the answer was lost"));
        }
        Ok(value)
    }
}

impl Drop for Call<'_> {
    fn drop(&mut self) {
        self.store.in_flight.fetch_sub(1, Ordering::SeqCst);
    }
}

#[async_trait]
impl Source for TestStore {
    async fn resolve(&self, target: &Target) -> Result<Descriptor, Error> {
        Ok(self.manifest(target).await?.descriptor().clone())
    }

    async fn manifest(&self, target: &Target) -> Result<Manifest, Error> {
        let call = self.call(1).await?;
        let digest = match target {
            Target::Name(name) => self.named(name.as_str()),
            Target::Digest(digest) => Some(digest.clone()),
        };
        let manifest = digest.and_then(|digest| self.content.lock().unwrap().manifests.get(&digest).cloned());
        let manifest = manifest.ok_or_else(|| Error::new(ErrorKind::NotFound, format!("no {target}")))?;
        self.write_down(Done::Read(manifest.digest().clone()));
        call.end(manifest).await
    }

    async fn blob(&self, descriptor: &Descriptor) -> Result<Blob, Error> {
        if self.broken.as_ref() == Some(descriptor.digest()) {
            return Err(Error::new(ErrorKind::Network, "cut"));
        }
        let call = self.call(1).await?;
        let bytes = self
            .content
            .lock()
            .unwrap()
            .blobs
            .get(descriptor.digest())
            .cloned();
        let bytes = bytes.ok_or_else(|| Error::new(ErrorKind::NotFound, "no such blob"))?;
        self.write_down(Done::Read(descriptor.digest().clone()));
        call.end(Blob::from_bytes(descriptor.clone(), bytes)?).await
    }

    async fn referrers(&self, subject: &Digest) -> Result<Vec<Descriptor>, Error> {
        let call = self.call(1).await?;
        self.write_down(Done::Listed(subject.clone()));
        let list = self.content.lock().unwrap().referrers.get(subject).cloned();
        call.end(list.unwrap_or_default()).await
    }

    async fn signatures(&self, manifest: &Digest, wanted: Wanted) -> Result<Vec<Signature>, Error> {
        assert_eq!(wanted, Wanted::EVERYTHING);
        let call = self.call(1).await?;
        self.write_down(Done::ReadSignatures(manifest.clone()));
        call.end(self.signatures_of(manifest)).await
    }

    fn location(&self) -> Location {
        self.location.clone().unwrap_or(Location::Memory)
    }

    fn location_of(&self, descriptor: &Descriptor) -> Location {
        let elsewhere = self.elsewhere.get(descriptor.digest()).cloned();
        elsewhere.unwrap_or_else(|| Source::location(self))
    }
}

#[async_trait]
impl Sink for TestStore {
    async fn contains(&self, descriptor: &Descriptor) -> Result<bool, Error> {
        let call = self.call(1).await?;
        self.write_down(Done::Asked(descriptor.digest().clone()));
        let present = self.content.lock().unwrap().has(descriptor);
        call.end(present).await
    }

    async fn contains_cached(&self, descriptors: &[Descriptor]) -> Result<Vec<Option<bool>>, Error> {
        let call = self.call(0).await?;
        let content = self.content.lock().unwrap().clone();
        let known = |descriptor: &Descriptor| {
            let knows = self.answers_from_cache && descriptor.size().is_multiple_of(2);
            knows.then(|| content.has(descriptor))
        };
        call.end(descriptors.iter().map(known).collect()).await
    }

    async fn push_blob(&self, blob: Blob) -> Result<(), Error> {
        let now = self.pushing.fetch_add(1, Ordering::SeqCst) + 1;
        self.most_pushing.fetch_max(now, Ordering::SeqCst);
        let call = self.call(2).await;
        self.pushing.fetch_sub(1, Ordering::SeqCst);
        let call = call?;
        let descriptor = blob.descriptor().clone();
        let bytes = blob.read_to_end(1 << 20).await?;
        let digest = descriptor.digest().clone();
        self.content.lock().unwrap().blobs.insert(digest.clone(), bytes);
        self.write_down(Done::Blob(digest));
        call.end(()).await
    }

    async fn push_manifest(&self, manifest: &Manifest, name: Option<&Name>) -> Result<(), Error> {
        let call = self.call(1).await?;
        {
            let mut content = self.content.lock().unwrap();
            for child in manifest.blobs().filter(|blob| blob.urls().is_empty()) {
                if !content.blobs.contains_key(child.digest()) {
                    let message = format!("{} before its child", manifest.digest());
                    return Err(Error::new(ErrorKind::Invalid, message));
                }
            }
            let digest = manifest.digest();
            content.manifests.insert(digest.clone(), manifest.clone());
            if let Some(name) = name {
                content.names.insert(name.as_str().to_owned(), digest.clone());
            }
        }
        let name = name.map(|name| name.as_str().to_owned());
        self.write_down(Done::Manifest(manifest.digest().clone(), name));
        call.end(()).await
    }

    async fn mount(&self, descriptor: &Descriptor, from: &Location) -> Result<bool, Error> {
        if self.mounts_at.as_ref().is_some_and(|at| at != from) {
            let message = format!("{} cannot be taken from {from}", descriptor.digest());
            return Err(Error::new(ErrorKind::Invalid, message));
        }
        let call = self.call(1).await?;
        let digest = descriptor.digest();
        let allowed = self.mounts_only.as_ref().is_none_or(|only| only == digest);
        let from = self.mounts_from.as_ref().filter(|_| allowed);
        let bytes = from.and_then(|from| from.content.lock().unwrap().blobs.get(digest).cloned());
        let mounted = bytes.is_some();
        if let Some(bytes) = bytes {
            self.content.lock().unwrap().blobs.insert(digest.clone(), bytes);
            self.write_down(Done::Mounted(digest.clone()));
        }
        call.end(mounted).await
    }

    fn can_mount(&self, from: &Location) -> bool {
        self.mounts_from.is_some() && self.mounts_at.as_ref().is_none_or(|at| at == from)
    }

    fn accepts(&self, descriptor: &Descriptor) -> Result<(), Error> {
        if self.refuses == Some(descriptor.digest().algorithm()) {
            let message = format!("{} cannot be kept here", descriptor.digest());
            return Err(Error::new(ErrorKind::Unsupported, message));
        }
        Ok(())
    }

    async fn accepts_signatures(&self, kinds: Wanted, _: Option<&Name>) -> Result<(), Error> {
        let call = self.call(0).await?;
        if self.keeps.includes(kinds) {
            return call.end(()).await;
        }
        Err(Error::new(
            ErrorKind::Unsupported,
            format!("{kinds} are not kept"),
        ))
    }

    async fn push_signatures(
        &self,
        manifest: &Descriptor,
        _: Option<&Name>,
        signatures: &[Signature],
    ) -> Result<usize, Error> {
        let call = self.call(1).await?;
        let mut added = 0;
        {
            let mut content = self.content.lock().unwrap();
            let held = content.signatures.entry(manifest.digest().clone()).or_default();
            for signature in signatures {
                assert!(self.keeps.includes(signature.kind()), "{signature:?}");
                if !held.contains(signature) {
                    held.push(signature.clone());
                    added += 1;
                }
            }
        }
        self.write_down(Done::Signed(manifest.digest().clone()));
        call.end(added).await
    }

    async fn stored_manifest(&self, descriptor: &Descriptor) -> Result<Option<Manifest>, Error> {
        if !self.reads_itself {
            return Ok(None);
        }
        Ok(self
            .content
            .lock()
            .unwrap()
            .manifests
            .get(descriptor.digest())
            .cloned())
    }

    fn location(&self) -> Location {
        self.location.clone().unwrap_or(Location::Memory)
    }
}

pub(crate) fn target(name: &str) -> Target {
    Name::parse(name).unwrap().into()
}

pub(crate) fn pair() -> (Arc<TestStore>, Arc<TestStore>) {
    (Arc::new(TestStore::new()), Arc::new(TestStore::new()))
}
