//! The signatures that cosign attaches to an image: the layers of an image manifest under a name of its own.
//!
//! A registry and a layout keep them in the same form, so reading and merging them is here.

use std::collections::BTreeMap;

use bytes::Bytes;
use serde_json::{Value, json};
use wharf_reference::Digest;

use crate::{
    Descriptor, Error, ErrorKind, MAX_SIGNATURE_SIZE, MAX_SIGNATURES, MAX_SIGNATURES_SIZE, Manifest,
    MediaType, Name, Signature, Wanted,
};

/// The type of the payloads that sign an image.
const PAYLOAD: &str = "application/vnd.dev.cosign.simplesigning.v1+json";

/// The name of the attachments of a manifest, in its repository or store: `sha256-HEX.sig`.
///
/// # Errors
///
/// [`ErrorKind::Invalid`] for a digest of which no name can be made.
pub fn name(manifest: &Digest) -> Result<Name, Error> {
    Name::parse(&format!(
        "{}-{}.sig",
        manifest.algorithm_name(),
        manifest.encoded()
    ))
}

/// The digest of the manifest whose attachments have this name; `None` for any other name.
#[must_use]
pub fn subject(name: &str) -> Option<Digest> {
    let (algorithm, encoded) = name.strip_suffix(".sig")?.split_once('-')?;
    let digest = Digest::parse(&format!("{algorithm}:{encoded}")).ok()?;
    digest.algorithm().is_supported().then_some(digest)
}

/// The layers of a manifest of attachments, one for each. Docker's type is accepted as well, which cosign writes for
/// registries that take no other.
///
/// # Errors
///
/// [`ErrorKind::Invalid`] if it is no image manifest, [`ErrorKind::TooLarge`] for more than [`MAX_SIGNATURES`]
/// attachments, and for more than [`MAX_SIGNATURE_SIZE`] bytes of one or [`MAX_SIGNATURES_SIZE`] of all that are
/// `wanted`.
pub fn layers(manifest: &Manifest, wanted: Wanted) -> Result<&[Descriptor], Error> {
    if ![MediaType::OCI_MANIFEST, MediaType::DOCKER_MANIFEST].contains(manifest.media_type()) {
        let message = format!(
            "what is attached to it is no image manifest, but {}",
            manifest.media_type()
        );
        return Err(Error::new(ErrorKind::Invalid, message));
    }
    let layers = manifest.layers();
    if layers.len() > MAX_SIGNATURES {
        return Err(too_large(format!(
            "it has more than {MAX_SIGNATURES} attachments"
        )));
    }
    let mut room = MAX_SIGNATURES_SIZE;
    for layer in layers.iter().filter(|layer| is_fetched(layer, wanted)) {
        if layer.size() > MAX_SIGNATURE_SIZE {
            let digest = layer.digest();
            return Err(too_large(format!(
                "the attachment {digest} is larger than the limit of {MAX_SIGNATURE_SIZE} bytes"
            )));
        }
        room = room.checked_sub(layer.size()).ok_or_else(|| {
            too_large(format!(
                "its attachments have more than {} MiB",
                MAX_SIGNATURES_SIZE >> 20
            ))
        })?;
    }
    Ok(layers)
}

/// Whether the payload of an attachment is fetched: that of every signature, and of others if they are `wanted`.
#[must_use]
pub fn is_fetched(layer: &Descriptor, wanted: Wanted) -> bool {
    wanted.other_attachments || layer.media_type().as_str() == PAYLOAD
}

/// The attachment that a layer is, with its payload; an empty one if it was not fetched.
#[must_use]
pub fn signature(layer: &Descriptor, payload: Bytes) -> Signature {
    Signature::Attachment {
        media_type: layer.media_type().clone(),
        payload,
        annotations: layer.annotations().clone(),
    }
}

/// A manifest of attachments after some were added, and the blobs that it needs beside those of the manifest before.
#[derive(Debug, Clone)]
pub struct Merged {
    manifest: Manifest,
    blobs: Vec<(Descriptor, Bytes)>,
    added: usize,
}

impl Merged {
    /// The manifest, to be written under [`name`].
    #[must_use]
    pub const fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// The blobs that are to be written before the manifest.
    pub fn blobs(&self) -> impl Iterator<Item = (&Descriptor, &Bytes)> {
        self.blobs.iter().map(|(descriptor, bytes)| (descriptor, bytes))
    }

    /// The number of attachments that the manifest before did not have.
    #[must_use]
    pub const fn added(&self) -> usize {
        self.added
    }
}

/// Whether the config of a manifest of attachments changes when some are added, so that [`merge`] needs its bytes: it is
/// an image config.
#[must_use]
pub fn is_changed(config: &Descriptor) -> bool {
    [MediaType::OCI_CONFIG, MediaType::DOCKER_CONFIG].contains(config.media_type())
}

/// Adds attachments to the manifest that is there, with its config ([`is_changed`]); signatures of other kinds are passed
/// over. `None`
/// if the manifest has them all: a layer of the same type, digest, size and annotations is the same attachment.
///
/// An image config lists each layer in `rootfs.diff_ids`, because some registries refuse a manifest whose config does
/// not. A config of another type stays as it is.
///
/// # Errors
///
/// As [`layers`], for the manifest that is there and for the one that it would become; [`ErrorKind::Invalid`] if its
/// config is no JSON object, and for an attachment without its payload.
pub fn merge(held: Option<(&Manifest, &[u8])>, signatures: &[Signature]) -> Result<Option<Merged>, Error> {
    let before: &[Descriptor] = match held {
        Some((manifest, _)) => layers(manifest, Wanted::ATTACHMENTS)?,
        None => &[],
    };
    let mut blobs = Vec::new();
    let mut added: Vec<Descriptor> = Vec::new();
    for signature in signatures {
        let Signature::Attachment { payload, .. } = signature else {
            continue;
        };
        let layer = layer_of(signature, payload)?;
        if before.iter().chain(&added).all(|known| !is_same(known, &layer)) {
            blobs.push((layer.clone(), payload.clone()));
            added.push(layer);
        }
    }
    if added.is_empty() {
        return Ok(None);
    }
    let (manifest, config) = documents(held, before, &added)?;
    layers(&manifest, Wanted::ATTACHMENTS)?;
    blobs.extend(config);
    Ok(Some(Merged {
        manifest,
        blobs,
        added: added.len(),
    }))
}

fn layer_of(signature: &Signature, payload: &Bytes) -> Result<Descriptor, Error> {
    let Signature::Attachment {
        media_type,
        annotations,
        ..
    } = signature
    else {
        return Err(invalid("it is no attachment"));
    };
    if payload.is_empty() {
        return Err(invalid(format!(
            "an attachment of type {media_type} has no payload"
        )));
    }
    Ok(Descriptor::of(media_type.clone(), payload).with_annotations(annotations.clone()))
}

fn is_same(one: &Descriptor, other: &Descriptor) -> bool {
    let parts = |layer: &Descriptor| -> (MediaType, Digest, u64, BTreeMap<String, String>) {
        (
            layer.media_type().clone(),
            layer.digest().clone(),
            layer.size(),
            layer.annotations().clone(),
        )
    };
    parts(one) == parts(other)
}

/// The manifest with the layers that are added, and its config unless it stays as it is.
fn documents(
    held: Option<(&Manifest, &[u8])>,
    before: &[Descriptor],
    added: &[Descriptor],
) -> Result<(Manifest, Option<(Descriptor, Bytes)>), Error> {
    let media_type = held.map_or(MediaType::OCI_MANIFEST, |(manifest, _)| {
        manifest.media_type().clone()
    });
    let held_config = held.and_then(|(manifest, _)| manifest.config());
    let mut document = match held {
        Some((manifest, _)) => object(manifest.bytes(), "the manifest")?,
        None => json!({ "schemaVersion": 2, "mediaType": media_type.as_str(), "layers": [] }),
    };
    let config = if held_config.is_none_or(is_changed) {
        let config_type = held_config.map_or(MediaType::OCI_CONFIG, |config| config.media_type().clone());
        let bytes = config_with(held.map(|(_, config)| config), before, added)?;
        let descriptor = Descriptor::of(config_type, &bytes);
        set(&mut document, "config", &descriptor)?;
        Some((descriptor, bytes))
    } else {
        None
    };
    let mut all = Vec::with_capacity(before.len() + added.len());
    all.extend_from_slice(before);
    all.extend_from_slice(added);
    set(&mut document, "layers", &all)?;
    let manifest = Manifest::parse(document.to_string().into(), Some(&media_type))?;
    Ok((manifest, config))
}

/// The config of a manifest that gets more layers. None of them is compressed, so their digests are the diff ids.
fn config_with(held: Option<&[u8]>, before: &[Descriptor], added: &[Descriptor]) -> Result<Bytes, Error> {
    let mut config = match held {
        Some(bytes) => object(bytes, "the config of its attachments")?,
        None => json!({ "architecture": "", "os": "", "config": {} }),
    };
    let digests = |layers: &[Descriptor]| -> Vec<Value> {
        let digests = layers.iter().map(|layer| layer.digest().as_str().into());
        digests.collect()
    };
    let listed = config
        .get("rootfs")
        .and_then(|rootfs| rootfs.get("diff_ids")?.as_array().cloned());
    let mut diff_ids = listed
        .filter(|listed| listed.len() == before.len())
        .unwrap_or_else(|| digests(before));
    diff_ids.extend(digests(added));
    set(
        &mut config,
        "rootfs",
        &json!({ "type": "layers", "diff_ids": diff_ids }),
    )?;
    Ok(config.to_string().into())
}

fn object(bytes: &[u8], what: &str) -> Result<Value, Error> {
    let value = serde_json::from_slice(bytes).ok().filter(Value::is_object);
    value.ok_or_else(|| invalid(format!("{what} is no JSON object")))
}

fn set(document: &mut Value, key: &str, value: &impl serde::Serialize) -> Result<(), Error> {
    let value = serde_json::to_value(value).map_err(|error| Error::wrap(ErrorKind::Other, error))?;
    if let Some(members) = document.as_object_mut() {
        members.insert(key.to_owned(), value);
    }
    Ok(())
}

fn invalid(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::Invalid, message)
}

fn too_large(message: String) -> Error {
    Error::new(ErrorKind::TooLarge, message)
}
