//! A source and sink in memory that keeps a log.

use std::{
    collections::{HashMap, HashSet},
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use async_trait::async_trait;
use bytes::Bytes;
use serde_json::{Value, json};
use wharf_content::{
    Blob, Descriptor, Error, ErrorKind, Hasher, Location, Manifest, MediaType, Name, Sink, Source, Target,
};
use wharf_reference::{Algorithm, Digest};

/// What was done to a place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Done {
    Asked(Digest),
    Read(Digest),
    Adopted(Digest),
    Blob(Digest),
    Manifest(Digest, Option<String>),
}

#[derive(Default)]
pub(crate) struct Place {
    blobs: Mutex<HashMap<Digest, Bytes>>,
    manifests: Mutex<HashMap<Digest, Manifest>>,
    names: Mutex<HashMap<String, Digest>>,
    log: Mutex<Vec<Done>>,
    /// Blobs that this place takes from anywhere by itself.
    pub(crate) adopts: HashSet<Digest>,
    /// Reading this blob fails.
    pub(crate) broken: Option<Digest>,
    in_flight: AtomicUsize,
    pub(crate) most_in_flight: AtomicUsize,
}

impl Place {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// Keeps a blob and describes it.
    pub(crate) fn add(&self, media_type: MediaType, content: &[u8]) -> Descriptor {
        let digest = Hasher::digest(Algorithm::Sha256, content).unwrap();
        self.blobs
            .lock()
            .unwrap()
            .insert(digest.clone(), Bytes::copy_from_slice(content));
        Descriptor::new(media_type, digest, content.len() as u64).unwrap()
    }

    /// Keeps an image whose layers have these contents.
    pub(crate) fn image(&self, seed: &str, layers: &[&str]) -> Manifest {
        let config = self.add(MediaType::OCI_CONFIG, format!("{{\"seed\":{seed:?}}}").as_bytes());
        let layers: Vec<Descriptor> = layers
            .iter()
            .map(|layer| self.add(MediaType::OCI_LAYER, layer.as_bytes()))
            .collect();
        self.manifest_of(&json!({
            "schemaVersion": 2, "mediaType": MediaType::OCI_MANIFEST, "config": config, "layers": layers,
        }))
    }

    /// Keeps an index of these descriptors.
    pub(crate) fn index(&self, manifests: &[Descriptor]) -> Manifest {
        self.manifest_of(&json!({
            "schemaVersion": 2, "mediaType": MediaType::OCI_INDEX, "manifests": manifests,
        }))
    }

    fn manifest_of(&self, document: &Value) -> Manifest {
        let manifest = Manifest::parse(serde_json::to_vec(document).unwrap().into(), None).unwrap();
        self.manifests
            .lock()
            .unwrap()
            .insert(manifest.digest().clone(), manifest.clone());
        manifest
    }

    pub(crate) fn name(&self, name: &str, manifest: &Manifest) {
        self.names
            .lock()
            .unwrap()
            .insert(name.to_owned(), manifest.digest().clone());
    }

    pub(crate) fn named(&self, name: &str) -> Option<Digest> {
        self.names.lock().unwrap().get(name).cloned()
    }

    pub(crate) fn log(&self) -> Vec<Done> {
        self.log.lock().unwrap().clone()
    }

    /// How many things of this kind were done.
    pub(crate) fn count(&self, kind: fn(&Done) -> bool) -> usize {
        self.log().iter().filter(|done| kind(done)).count()
    }

    pub(crate) fn forget(&self) {
        self.log.lock().unwrap().clear();
    }

    fn write_down(&self, done: Done) {
        self.log.lock().unwrap().push(done);
    }
}

#[async_trait]
impl Source for Place {
    async fn resolve(&self, target: &Target) -> Result<Descriptor, Error> {
        Ok(self.manifest(target).await?.descriptor().clone())
    }

    async fn manifest(&self, target: &Target) -> Result<Manifest, Error> {
        let digest = match target {
            Target::Name(name) => self.named(name.as_str()),
            Target::Digest(digest) => Some(digest.clone()),
        };
        let manifest = digest.and_then(|digest| self.manifests.lock().unwrap().get(&digest).cloned());
        let manifest = manifest.ok_or_else(|| Error::new(ErrorKind::NotFound, format!("no {target}")))?;
        self.write_down(Done::Read(manifest.digest().clone()));
        Ok(manifest)
    }

    async fn blob(&self, descriptor: &Descriptor) -> Result<Blob, Error> {
        if self.broken.as_ref() == Some(descriptor.digest()) {
            return Err(Error::new(ErrorKind::Network, "cut"));
        }
        let bytes = self.blobs.lock().unwrap().get(descriptor.digest()).cloned();
        let bytes = bytes.ok_or_else(|| Error::new(ErrorKind::NotFound, "no such blob"))?;
        self.write_down(Done::Read(descriptor.digest().clone()));
        Blob::from_bytes(descriptor.clone(), bytes)
    }

    fn location(&self) -> Location {
        Location::Memory
    }
}

#[async_trait]
impl Sink for Place {
    async fn contains(&self, descriptor: &Descriptor) -> Result<bool, Error> {
        self.write_down(Done::Asked(descriptor.digest().clone()));
        let digest = descriptor.digest();
        Ok(self.blobs.lock().unwrap().contains_key(digest)
            || self.manifests.lock().unwrap().contains_key(digest))
    }

    async fn push_blob(&self, blob: Blob) -> Result<(), Error> {
        let now = self.in_flight.fetch_add(1, Ordering::SeqCst) + 1;
        self.most_in_flight.fetch_max(now, Ordering::SeqCst);
        tokio::task::yield_now().await;
        let descriptor = blob.descriptor().clone();
        let bytes = blob.read_to_end(1 << 20).await;
        self.in_flight.fetch_sub(1, Ordering::SeqCst);
        self.blobs
            .lock()
            .unwrap()
            .insert(descriptor.digest().clone(), bytes?);
        self.write_down(Done::Blob(descriptor.digest().clone()));
        Ok(())
    }

    async fn push_manifest(&self, manifest: &Manifest, name: Option<&Name>) -> Result<(), Error> {
        for child in manifest.blobs().chain(manifest.manifests()) {
            let known = self.blobs.lock().unwrap().contains_key(child.digest())
                || self.manifests.lock().unwrap().contains_key(child.digest());
            if !known && !manifest.is_index() {
                return Err(Error::new(
                    ErrorKind::Invalid,
                    format!("{} before its child", manifest.digest()),
                ));
            }
        }
        self.manifests
            .lock()
            .unwrap()
            .insert(manifest.digest().clone(), manifest.clone());
        if let Some(name) = name {
            self.name(name.as_str(), manifest);
        }
        let name = name.map(|name| name.as_str().to_owned());
        self.write_down(Done::Manifest(manifest.digest().clone(), name));
        Ok(())
    }

    async fn adopt(&self, descriptor: &Descriptor, _: &Location) -> Result<bool, Error> {
        let adopts = self.adopts.contains(descriptor.digest());
        if adopts {
            self.blobs
                .lock()
                .unwrap()
                .insert(descriptor.digest().clone(), Bytes::new());
            self.write_down(Done::Adopted(descriptor.digest().clone()));
        }
        Ok(adopts)
    }

    fn location(&self) -> Location {
        Location::Memory
    }
}

pub(crate) fn target(name: &str) -> Target {
    Name::parse(name).unwrap().into()
}

pub(crate) fn pair() -> (Arc<Place>, Arc<Place>) {
    (Arc::new(Place::new()), Arc::new(Place::new()))
}
