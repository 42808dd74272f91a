//! Images in memory, of which no two have a layer in common.

use wharf_content::Hasher;
use wharf_reference::{Algorithm, Digest};

pub const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
pub const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
const LAYER: &str = "application/vnd.oci.image.layer.v1.tar";

/// A blob: a number of its own, and the beginning of bytes that all share.
pub struct Blob {
    number: [u8; 16],
    size: usize,
    pub digest: Digest,
}

impl Blob {
    fn new(number: u128, size: usize, noise: &[u8]) -> anyhow::Result<Self> {
        let number = number.to_be_bytes();
        let mut hasher = Hasher::new(Algorithm::Sha256)?;
        hasher.update(&number);
        hasher.update(&noise[..size - number.len()]);
        let digest = hasher.finish()?;
        Ok(Self { number, size, digest })
    }

    /// Its bytes.
    pub fn parts<'a>(&'a self, noise: &'a [u8]) -> [&'a [u8]; 2] {
        [&self.number, &noise[..self.size - self.number.len()]]
    }

    pub const fn size(&self) -> usize {
        self.size
    }
}

/// An image with a config and layers.
pub struct Image {
    pub blobs: Vec<Blob>,
    pub manifest: String,
}

impl Image {
    /// An image with a number of its own, of so many layers of so many bytes.
    pub fn new(number: u64, layers: usize, size: usize, noise: &[u8]) -> anyhow::Result<Self> {
        const CONFIG_SIZE: usize = 1000;
        let sizes = std::iter::once(CONFIG_SIZE).chain(std::iter::repeat_n(size, layers));
        let blobs = sizes
            .enumerate()
            .map(|(part, size)| Blob::new((u128::from(number) << 32) | part as u128, size, noise));
        let blobs = blobs.collect::<anyhow::Result<Vec<_>>>()?;
        let described = |blob: &Blob, media_type: &str| serde_json::json!({ "mediaType": media_type, "digest": blob.digest.as_str(), "size": blob.size });
        let manifest = serde_json::json!({
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": described(&blobs[0], CONFIG),
            "layers": blobs[1..].iter().map(|blob| described(blob, LAYER)).collect::<Vec<_>>(),
        });
        Ok(Self {
            blobs,
            manifest: manifest.to_string(),
        })
    }

    pub fn size(&self) -> usize {
        self.blobs.iter().map(Blob::size).sum()
    }
}
