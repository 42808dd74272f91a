use wharf_reference::Tag;

use super::{pack_digest, unpack_digest};
use crate::RecordKey;

pub(crate) const BLOB: u8 = b'b';
pub(crate) const MANIFEST: u8 = b'm';
pub(crate) const TAG: u8 = b't';

const fn kind(key: &RecordKey) -> u8 {
    match key {
        RecordKey::Blob(_) => BLOB,
        RecordKey::Manifest(_) => MANIFEST,
        RecordKey::Tag(_) => TAG,
    }
}

pub(crate) fn pack_key(key: &RecordKey) -> Vec<u8> {
    let mut packed = Vec::with_capacity(34);
    packed.push(kind(key));
    match key {
        RecordKey::Blob(digest) | RecordKey::Manifest(digest) => pack_digest(&mut packed, digest),
        RecordKey::Tag(tag) => packed.extend_from_slice(tag.as_bytes()),
    }
    packed
}

pub(crate) fn unpack_key(packed: &[u8]) -> Option<RecordKey> {
    let (kind, name) = packed.split_first()?;
    match *kind {
        BLOB => unpack_digest(name).map(RecordKey::Blob),
        MANIFEST => unpack_digest(name).map(RecordKey::Manifest),
        TAG => Tag::parse(std::str::from_utf8(name).ok()?)
            .ok()
            .map(RecordKey::Tag),
        _ => None,
    }
}
