use std::path::Path;

use serde_json::json;
use wharf_content::{Manifest, MediaType};

use super::Image;

/// An index over images, in memory.
#[derive(Debug, Clone)]
pub struct Index {
    manifest: Manifest,
    images: Vec<Image>,
}

impl Index {
    /// An OCI index that lists `images` in this order.
    pub fn of(images: Vec<Image>) -> Self {
        let entries: Vec<_> = images.iter().map(Image::index_entry).collect();
        let document = json!({
            "schemaVersion": 2,
            "mediaType": MediaType::OCI_INDEX,
            "manifests": entries,
        });
        let manifest = Manifest::parse(document.to_string().into(), Some(&MediaType::OCI_INDEX));
        Self {
            manifest: manifest.expect("the index is valid"),
            images,
        }
    }

    /// The index itself.
    pub const fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// The images it lists.
    pub fn images(&self) -> &[Image] {
        &self.images
    }

    /// Writes the index and its images into a new OCI layout at `directory` under the name `tag`.
    pub fn write_layout(&self, directory: &Path, tag: &str) {
        let manifests = self
            .images
            .iter()
            .map(|image| (image.manifest().digest(), image.manifest().bytes()));
        let blobs = self.images.iter().flat_map(Image::blobs);
        let blobs = blobs.map(|(descriptor, bytes)| (descriptor.digest(), bytes));
        super::write_layout(directory, &[(&self.manifest, tag)], manifests.chain(blobs));
    }
}
