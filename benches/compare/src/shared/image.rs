//! Images of random bytes, made in memory.

use std::sync::Arc;

use serde_json::json;
use wharf_content::Hasher;
use wharf_reference::Algorithm;
use wharf_testkit::Random;

/// The media type of its manifest.
pub const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";

/// Bytes with their digest.
#[derive(Debug, Clone)]
pub struct Blob {
    pub digest: String,
    pub bytes: Arc<[u8]>,
}

/// An image that no other seed makes.
#[derive(Debug, Clone)]
pub struct Image {
    /// The config and the layers.
    pub blobs: Vec<Blob>,
    pub manifest: Blob,
}

/// The size of images.
#[derive(Debug, Clone, Copy)]
pub struct Size {
    pub layers: usize,
    /// Bytes of each layer.
    pub layer: usize,
}

impl Blob {
    pub fn new(bytes: Vec<u8>) -> Self {
        let digest = Hasher::digest(Algorithm::Sha256, &bytes).expect("SHA-256 is there");
        Self {
            digest: digest.to_string(),
            bytes: bytes.into(),
        }
    }
}

impl Image {
    pub fn new(seed: u64, size: Size) -> Self {
        let mut random = Random::new(seed);
        let config =
            json!({ "architecture": "amd64", "os": "linux", "config": {}, "author": seed.to_string() });
        let config = Blob::new(config.to_string().into_bytes());
        let layers: Vec<Blob> = (0..size.layers)
            .map(|_| {
                let words = (0..size.layer.div_ceil(8)).flat_map(|_| random.number().to_ne_bytes());
                Blob::new(words.take(size.layer).collect())
            })
            .collect();
        let entry = |blob: &Blob, kind: &str| {
            let media_type = format!("application/vnd.oci.image.{kind}");
            json!({ "mediaType": media_type, "digest": blob.digest, "size": blob.bytes.len() })
        };
        let manifest = json!({
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": entry(&config, "config.v1+json"),
            "layers": layers.iter().map(|layer| entry(layer, "layer.v1.tar")).collect::<Vec<_>>(),
        });
        let manifest = Blob::new(manifest.to_string().into_bytes());
        Self {
            blobs: std::iter::once(config).chain(layers).collect(),
            manifest,
        }
    }
}
