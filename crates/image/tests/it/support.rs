//! Images in a store in memory, made of raw documents.

use std::sync::Arc;

use bytes::Bytes;
use serde_json::{Value, json};
use wharf_content::{
    Blob, Descriptor, Error, Hasher, Manifest, MediaType, Sink as _, SinkExt as _, Source as _,
    SourceExt as _, Target,
};
use wharf_image::{Depth, Options, Prepared, Recipe, prepare, validate};
use wharf_reference::Algorithm;
use wharf_store::Memory;
use wharf_testkit::{Image, Index};

/// A source with documents that are written as they are given.
#[derive(Clone, Default)]
pub(crate) struct Store(pub(crate) Arc<Memory>);

impl Store {
    pub(crate) async fn with_image(image: &Image) -> Self {
        let store = Self::default();
        store.add_image(image).await;
        store
    }

    pub(crate) async fn with_index(index: &Index) -> Self {
        let store = Self::default();
        for image in index.images() {
            store.add_image(image).await;
        }
        store.0.push_manifest(index.manifest(), None).await.unwrap();
        store
    }

    pub(crate) async fn add_image(&self, image: &Image) {
        for (descriptor, bytes) in image.blobs() {
            let blob = Blob::from_bytes(descriptor.clone(), bytes.clone()).unwrap();
            self.0.push_blob(blob).await.unwrap();
        }
        self.0.push_manifest(image.manifest(), None).await.unwrap();
    }

    /// Adds a blob and returns its descriptor as JSON.
    pub(crate) async fn blob(&self, media_type: &str, bytes: impl Into<Bytes> + Send) -> Value {
        let media_type = MediaType::from_document(media_type);
        let descriptor = self.0.push_bytes(media_type, bytes).await.unwrap();
        json!({
            "mediaType": descriptor.media_type(),
            "digest": descriptor.digest(),
            "size": descriptor.size(),
        })
    }

    pub(crate) async fn manifest(&self, document: &Value) -> Manifest {
        self.text(&document.to_string()).await
    }

    pub(crate) async fn text(&self, document: &str) -> Manifest {
        let manifest = Manifest::parse(Bytes::from(document.to_owned()), None).unwrap();
        self.0.push_manifest(&manifest, None).await.unwrap();
        manifest
    }

    /// Adds an image of one small layer of this type with a fitting config.
    pub(crate) async fn image(&self, manifest: &str, config: &str, layer: &str) -> Manifest {
        let document = self.image_document(manifest, config, layer).await;
        self.manifest(&document).await
    }

    pub(crate) async fn image_document(&self, manifest: &str, config: &str, layer: &str) -> Value {
        let content = format!("layer of type {layer}");
        let document = json!({
            "architecture": "amd64",
            "os": "linux",
            "rootfs": { "type": "layers", "diff_ids": [Hasher::sha256(content.as_bytes())] },
        });
        let layer = self.blob(layer, content).await;
        let config = self.blob(config, document.to_string()).await;
        json!({ "schemaVersion": 2, "mediaType": manifest, "config": config, "layers": [layer] })
    }

    pub(crate) async fn prepare(&self, root: &Manifest, recipe: &Recipe) -> Result<Prepared, Error> {
        self.prepare_with(root, recipe, &Options::default()).await
    }

    pub(crate) async fn prepare_with(
        &self,
        root: &Manifest,
        recipe: &Recipe,
        options: &Options,
    ) -> Result<Prepared, Error> {
        let target = Target::from(root.digest());
        prepare(self.0.clone(), Arc::new(Memory::new()), &target, recipe, options).await
    }
}

pub(crate) fn document(manifest: &Manifest) -> Value {
    serde_json::from_slice(manifest.bytes()).unwrap()
}

/// The config of a prepared image.
pub(crate) async fn config_of(prepared: &Prepared) -> Value {
    let bytes = prepared.config_bytes(prepared.root()).await.unwrap();
    serde_json::from_slice(&bytes).unwrap()
}

/// Checks the whole of a prepared image, its layers too.
pub(crate) async fn assert_valid(prepared: &Prepared) {
    let (target, options) = (prepared.target(), Options::default());
    let findings = validate(Arc::new(prepared.clone()), &target, Depth::Blobs, &options).await;
    assert_eq!(findings.unwrap(), []);
}

/// The image without a history.
pub(crate) async fn without_history(store: &Store, image: &Image) -> Manifest {
    let (_, config) = &image.blobs()[0];
    let mut config: Value = serde_json::from_slice(config).unwrap();
    config.as_object_mut().unwrap().remove("history");
    let mut manifest = document(image.manifest());
    manifest["config"] = store.blob(OCI_CONFIG, config.to_string()).await;
    store.manifest(&manifest).await
}

/// The manifest of an entry of an index of a prepared image.
pub(crate) async fn child(prepared: &Prepared, entry: &Descriptor) -> Manifest {
    let manifest = prepared.manifest(&entry.digest().into()).await.unwrap();
    manifest.described_as(entry).unwrap()
}

pub(crate) fn digest_of(bytes: &[u8]) -> String {
    Hasher::digest(Algorithm::Sha256, bytes).unwrap().to_string()
}

pub(crate) const OCI_MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
pub(crate) const OCI_INDEX: &str = "application/vnd.oci.image.index.v1+json";
pub(crate) const OCI_CONFIG: &str = "application/vnd.oci.image.config.v1+json";
pub(crate) const OCI_GZIP: &str = "application/vnd.oci.image.layer.v1.tar+gzip";
pub(crate) const DOCKER_MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";
pub(crate) const DOCKER_LIST: &str = "application/vnd.docker.distribution.manifest.list.v2+json";
pub(crate) const DOCKER_CONFIG: &str = "application/vnd.docker.container.image.v1+json";
pub(crate) const DOCKER_GZIP: &str = "application/vnd.docker.image.rootfs.diff.tar.gzip";
