//! Edits of the tree of a manifest.

use std::collections::BTreeMap;

use wharf_content::{Descriptor, Error, ErrorKind, Manifest, MediaType};
use wharf_reference::Digest;

use super::ATTESTS;
use crate::json::{Json, Object};

pub(crate) fn parse(manifest: &Manifest) -> Result<Object, Error> {
    match Json::parse(manifest.bytes())? {
        Json::Object(object) => Ok(object),
        _ => Err(Error::new(ErrorKind::Invalid, "a manifest is no object")),
    }
}

/// Sets annotations of a document; true if one changed.
pub(crate) fn annotate(document: &mut Object, annotations: &[(&str, &str)]) -> bool {
    if document.set_member("annotations").is_none() {
        document.set("annotations", Json::Object(Object::default()));
    }
    let Some(object) = document.get_mut("annotations").and_then(Json::as_object_mut) else {
        return false; // the manifest was parsed, so it is an object
    };
    let mut changed = false;
    for (key, value) in annotations {
        if object.text(key).as_deref() != Some(*value) {
            object.set(key, Json::string(value));
            changed = true;
        }
    }
    changed
}

/// The annotations of a layer that point into its compressed bytes: tables of zstd:chunked and eStargz.
const POSITIONS: [&str; 8] = [
    "io.github.containers.zstd-chunked.manifest-checksum",
    "io.github.containers.zstd-chunked.manifest-position",
    "io.github.containers.zstd-chunked.tarsplit-position",
    "io.containers.zstd-chunked.manifest-checksum",
    "io.containers.zstd-chunked.manifest-position",
    "io.containers.zstd-chunked.tarsplit-position",
    "containerd.io/snapshot/stargz/toc.digest",
    "io.containers.estargz.uncompressed-size",
];

/// True for an annotation that is about the compressed bytes of a layer.
pub(crate) fn is_position(key: &str) -> bool {
    POSITIONS.contains(&key)
}

/// Removes the annotations of a layer that point into its compressed bytes.
pub(crate) fn drop_positions(layer: &mut Object) {
    let Some(annotations) = layer.get_mut("annotations").and_then(Json::as_object_mut) else {
        return;
    };
    let mut dropped = false;
    for key in POSITIONS {
        dropped |= annotations.remove(key);
    }
    if dropped && annotations.is_empty() {
        layer.remove("annotations");
    }
}

/// Points a descriptor in a document at other content. What was stated about the bytes goes: where they can be
/// downloaded, and the bytes themselves.
pub(crate) fn replace(item: &mut Object, new: &Descriptor) {
    item.set("mediaType", Json::string(new.media_type().as_str()));
    item.set("digest", Json::string(new.digest().as_str()));
    item.set("size", Json::number(new.size()));
    item.remove("data");
    item.remove("urls");
}

pub(super) fn set_type(item: &mut Object, old: &MediaType, new: &MediaType) -> bool {
    if old == new {
        return false;
    }
    item.set("mediaType", Json::string(new.as_str()));
    true
}

/// The image that an entry of its index attests to.
pub(super) fn attested(entry: &Object) -> Option<Digest> {
    let annotations = entry.get("annotations").and_then(Json::as_object)?;
    Digest::parse(&annotations.text(ATTESTS)?).ok()
}

/// Makes an entry that attests to an image which was renamed attest to its new digest.
pub(super) fn rename_attested(entry: &mut Object, renamed: &BTreeMap<Digest, Digest>) {
    let new = attested(entry).and_then(|digest| renamed.get(&digest));
    let annotations = entry.get_mut("annotations").and_then(Json::as_object_mut);
    if let (Some(new), Some(annotations)) = (new, annotations) {
        annotations.set(ATTESTS, Json::string(new.as_str()));
    }
}
