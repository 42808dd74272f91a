use std::{fs, path::Path};

use bytes::Bytes;
use serde_json::json;
use wharf_content::{Descriptor, Manifest};
use wharf_reference::Digest;

/// The annotation that names a manifest in a layout (image-spec, *Pre-Defined Annotation Keys*).
const REF_NAME: &str = "org.opencontainers.image.ref.name";

/// Writes a new OCI layout (image-spec, *Image Layout*) without any code of the crates under test: the named
/// manifests, their tags, and the blobs.
pub fn write_layout<'a>(
    directory: &Path,
    tagged: &[(&Manifest, &str)],
    blobs: impl Iterator<Item = (&'a Digest, &'a Bytes)>,
) {
    let store = |digest: &Digest, bytes: &[u8]| {
        let folder = directory.join("blobs").join(digest.algorithm_name());
        fs::create_dir_all(&folder).expect("a folder for blobs");
        fs::write(folder.join(digest.encoded()), bytes).expect("a blob on disk");
    };
    for (digest, bytes) in blobs {
        store(digest, bytes);
    }
    let mut entries = Vec::new();
    for (manifest, tag) in tagged {
        store(manifest.digest(), manifest.bytes());
        entries.push(manifest.descriptor().clone().with_annotation(REF_NAME, *tag));
    }
    finish_layout(directory, &entries);
}

/// Writes the two files at the top of a layout whose blobs are in place.
pub(super) fn finish_layout(directory: &Path, entries: &[Descriptor]) {
    let index = json!({ "schemaVersion": 2, "manifests": entries });
    fs::create_dir_all(directory).expect("a layout's folder");
    fs::write(directory.join("index.json"), index.to_string()).expect("index.json");
    let version = json!({ "imageLayoutVersion": "1.0.0" });
    fs::write(directory.join("oci-layout"), version.to_string()).expect("oci-layout");
}

/// The descriptor as the layout's index names it.
pub(super) fn named(manifest: &Manifest, tag: &str) -> Descriptor {
    manifest.descriptor().clone().with_annotation(REF_NAME, tag)
}
