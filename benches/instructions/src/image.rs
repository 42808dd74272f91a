//! The image that is pulled.

use bytes::Bytes;
use serde_json::json;
use wharf::{
    Digest, MediaType,
    content::{Blob, Manifest},
};

/// The layers; with the config, a hundred blobs.
const LAYERS: u64 = 99;
/// The bytes of each layer.
const LAYER: usize = 2 * 1024;

/// An image of small layers.
#[derive(Debug)]
pub(crate) struct Image {
    pub(crate) manifest: Manifest,
    pub(crate) blobs: Vec<(Digest, Bytes)>,
}

impl Image {
    pub(crate) fn new() -> anyhow::Result<Self> {
        let mut blobs = vec![Bytes::from_static(b"{}")];
        blobs.extend((0..LAYERS).map(|seed| Bytes::from(seed.to_le_bytes().repeat(LAYER / 8))));
        let mut described = Vec::new();
        let mut image = Vec::new();
        for bytes in blobs {
            let media_type = match described.is_empty() {
                true => MediaType::OCI_CONFIG,
                false => MediaType::OCI_LAYER,
            };
            let blob = Blob::of(media_type.clone(), bytes.clone());
            let digest = blob.descriptor().digest().clone();
            described.push(
                json!({"mediaType": media_type.as_str(), "digest": digest.to_string(), "size": bytes.len()}),
            );
            image.push((digest, bytes));
        }
        let layers = described.split_off(1);
        let manifest = json!({
            "schemaVersion": 2,
            "mediaType": MediaType::OCI_MANIFEST.as_str(),
            "config": described.first(),
            "layers": layers,
        });
        let bytes = Bytes::from(manifest.to_string());
        let manifest = Manifest::parse(bytes, Some(&MediaType::OCI_MANIFEST))?;
        Ok(Self {
            manifest,
            blobs: image,
        })
    }
}
