//! The entry for a referrer in a list.

use wharf_content::{Descriptor, Manifest};

/// The entry with artifact type and annotations (distribution-spec, *Listing Referrers*).
pub(crate) fn describe(manifest: &Manifest) -> Descriptor {
    let descriptor = manifest.descriptor().clone();
    let descriptor = descriptor.with_annotations(manifest.annotations().clone());
    match (manifest.artifact_type(), manifest.config()) {
        (None, Some(config)) => descriptor.with_artifact_type(config.media_type().clone()),
        _ => descriptor,
    }
}
