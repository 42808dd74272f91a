//! Referrers. A layout has no list of them, so all small blobs are searched.

use wharf_content::{Descriptor, Error, ErrorKind, MAX_MANIFEST_SIZE, Manifest};
use wharf_reference::Digest;

use crate::{Layout, disk::Entry, read::whole};

/// The entries for the manifests whose subject is this one, in the order of their digests.
pub(crate) fn of(layout: &Layout, subject: &Digest) -> Result<Vec<Descriptor>, Error> {
    Ok(manifests(layout, subject)?.iter().map(describe).collect())
}

/// Finds the manifests whose subject is this one, in the order of their digests. Corrupt blobs are skipped.
pub(crate) fn manifests(layout: &Layout, subject: &Digest) -> Result<Vec<Manifest>, Error> {
    let disk = &layout.shared.disk;
    let mut found = Vec::new();
    for entry in disk.list_blobs()? {
        let Entry::Blob(digest, stamp) = entry else {
            continue;
        };
        if stamp.size > MAX_MANIFEST_SIZE {
            continue;
        }
        let bytes = match whole(disk, &digest, MAX_MANIFEST_SIZE) {
            Ok(Some(bytes)) => bytes,
            Ok(None) => continue,
            Err(error) if error.kind() == ErrorKind::Corrupt => continue,
            Err(error) => return Err(error),
        };
        let mentions = |bytes: &[u8]| {
            let wanted = subject.encoded().as_bytes();
            bytes.first() == Some(&b'{') && bytes.windows(wanted.len()).any(|window| window == wanted)
        };
        if !mentions(&bytes) {
            continue;
        }
        if let Ok(manifest) = Manifest::parse_pinned(bytes, None, &digest)
            && manifest.subject().is_some_and(|is| is.digest() == subject)
        {
            layout.lease.pin_to_read(&digest)?;
            found.push(manifest);
        }
    }
    found.sort_by(|one, other| one.digest().as_str().cmp(other.digest().as_str()));
    Ok(found)
}

/// The entry for a referrer in a list, with its artifact type and annotations (distribution-spec, *Listing
/// Referrers*).
pub(crate) fn describe(manifest: &Manifest) -> Descriptor {
    let descriptor = manifest.descriptor().clone();
    let descriptor = descriptor.with_annotations(manifest.annotations().clone());
    match (manifest.artifact_type(), manifest.config()) {
        (None, Some(config)) => descriptor.with_artifact_type(config.media_type().clone()),
        _ => descriptor,
    }
}
