//! Signatures in a layout: attachments and bundles, as the manifests that they are in a registry.

use bytes::Bytes;
use wharf_content::{
    Descriptor, Error, ErrorKind, MAX_CONFIG_SIZE, MAX_MANIFEST_SIZE, MAX_SIGNATURE_SIZE, MAX_SIGNATURES,
    Manifest, Name, Signature, Wanted, attachments, bundles,
};
use wharf_reference::Digest;

use crate::{Layout, index::Changes, read::whole, referrers};

/// The most times that a manifest of attachments is made while other processes change it.
const MAX_ROUNDS: usize = 50;

/// Checks that a layout has a form for signatures of these kinds.
pub(crate) fn check(layout: &Layout, kinds: Wanted) -> Result<(), Error> {
    if !kinds.simple {
        return Ok(());
    }
    let message = format!(
        "{} is an OCI image layout, which has no form for simple signatures",
        layout.path().display()
    );
    Err(Error::new(ErrorKind::Unsupported, message))
}

/// Reads the signatures of a manifest.
pub(crate) fn read(layout: &Layout, manifest: &Digest, wanted: Wanted) -> Result<Vec<Signature>, Error> {
    let mut signatures = Vec::new();
    if wanted.attachments
        && let Some(attached) = attached(layout, &attachments::name(manifest)?)?
    {
        for layer in attachments::layers(&attached, wanted)? {
            let payload = if attachments::is_fetched(layer, wanted) {
                blob(layout, layer, MAX_SIGNATURE_SIZE)?
            } else {
                Bytes::new()
            };
            signatures.push(attachments::signature(layer, payload));
        }
    }
    if wanted.bundles {
        signatures.extend(bundles_of(layout, manifest)?);
    }
    Ok(signatures)
}

fn bundles_of(layout: &Layout, manifest: &Digest) -> Result<Vec<Signature>, Error> {
    let mut found = Vec::new();
    for referrer in referrers::manifests(layout, manifest)? {
        let Some(layer) = bundles::layer(referrer.descriptor(), &referrer) else {
            continue;
        };
        if found.len() == MAX_SIGNATURES {
            let message = format!("{manifest} has more than {MAX_SIGNATURES} bundles");
            return Err(Error::new(ErrorKind::TooLarge, message));
        }
        found.push(Signature::Bundle(blob(layout, layer, MAX_SIGNATURE_SIZE)?));
    }
    Ok(found)
}

/// The manifest of attachments that has this name; `None` if there is none.
fn attached(layout: &Layout, name: &Name) -> Result<Option<Manifest>, Error> {
    let disk = &layout.shared.disk;
    let Some(descriptor) = disk.index()?.named(name)? else {
        return Ok(None);
    };
    let digest = descriptor.digest();
    layout.lease.pin_to_read(digest)?;
    let bytes = whole(disk, digest, MAX_MANIFEST_SIZE)?.ok_or_else(|| disk.no_manifest(digest))?;
    Manifest::parse_pinned(bytes, Some(descriptor.media_type()), digest).map(Some)
}

/// The bytes of a blob, which must have the size of its descriptor.
fn blob(layout: &Layout, descriptor: &Descriptor, limit: u64) -> Result<Bytes, Error> {
    let (disk, digest) = (&layout.shared.disk, descriptor.digest());
    layout.lease.pin_to_read(digest)?;
    let bytes = whole(disk, digest, limit)?.ok_or_else(|| disk.no_blob(digest))?;
    if bytes.len() as u64 == descriptor.size() {
        return Ok(bytes);
    }
    let message = format!(
        "{digest} has {} bytes, and {} are stated of it",
        bytes.len(),
        descriptor.size()
    );
    Err(Error::new(ErrorKind::Mismatch, message))
}

/// Adds signatures of a manifest, and returns the number of those that were not there. They survive a power failure when
/// this returns.
pub(crate) fn push(layout: &Layout, manifest: &Descriptor, signatures: &[Signature]) -> Result<usize, Error> {
    let mut kinds = Wanted::NOTHING;
    for signature in signatures {
        if signature.kind().is_nothing() {
            let message = "a blob that is no signature is not kept";
            return Err(Error::new(ErrorKind::Unsupported, message));
        }
        kinds = kinds.or(signature.kind());
    }
    check(layout, kinds)?;
    let mut added = 0;
    if kinds.attachments {
        added += push_attachments(layout, manifest.digest(), signatures)?;
    }
    if kinds.bundles {
        added += push_bundles(layout, manifest, signatures)?;
    }
    Ok(added)
}

/// Merges attachments with those that are there, and replaces their manifest if it is still the one that was read.
fn push_attachments(layout: &Layout, manifest: &Digest, signatures: &[Signature]) -> Result<usize, Error> {
    let name = attachments::name(manifest)?;
    for _ in 0..MAX_ROUNDS {
        let held = match attached(layout, &name)? {
            Some(attached) => {
                layout.lease.pin([attached.digest()])?;
                let config = match attached.config() {
                    Some(config) if attachments::is_changed(config) => blob(layout, config, MAX_CONFIG_SIZE)?,
                    _ => Bytes::new(),
                };
                Some((attached, config))
            }
            None => None,
        };
        let before = held.as_ref().map(|(attached, _)| attached.digest());
        let merged = attachments::merge(
            held.as_ref().map(|(attached, config)| (attached, &**config)),
            signatures,
        )?;
        let Some(merged) = merged else {
            return Ok(0);
        };
        for (descriptor, bytes) in merged.blobs() {
            layout.write_whole(descriptor, bytes)?;
        }
        let after = merged.manifest();
        layout.write_whole(after.descriptor(), after.bytes())?;
        let disk = &layout.shared.disk;
        disk.sync_blobs()?;
        let is_written = disk.update_index(|index| {
            let now = index.named(&name)?;
            if now.as_ref().map(Descriptor::digest) != before {
                return Ok((Changes::default(), false));
            }
            Ok((index.tag(&name, after.descriptor())?, true))
        })?;
        if is_written {
            return Ok(merged.added());
        }
    }
    let message = format!("the attachments of {manifest} change faster than they can be written");
    Err(Error::new(ErrorKind::Conflict, message))
}

fn push_bundles(layout: &Layout, manifest: &Descriptor, signatures: &[Signature]) -> Result<usize, Error> {
    let mut held = bundles_of(layout, manifest.digest())?;
    let before = held.len();
    for signature in signatures {
        let Signature::Bundle(bundle) = signature else {
            continue;
        };
        if held.contains(signature) {
            continue;
        }
        if held.len() >= MAX_SIGNATURES {
            let message = format!(
                "{} would have more than {MAX_SIGNATURES} bundles",
                manifest.digest()
            );
            return Err(Error::new(ErrorKind::TooLarge, message));
        }
        let artifact = bundles::artifact(bundle, manifest)?;
        for (descriptor, bytes) in artifact.blobs() {
            layout.write_whole(descriptor, bytes)?;
        }
        let root = artifact.root();
        layout.write_whole(root.descriptor(), root.bytes())?;
        held.push(signature.clone());
    }
    layout.shared.disk.sync_blobs()?;
    Ok(held.len() - before)
}
