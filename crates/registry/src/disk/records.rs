//! Records as entries of the journal. A key is the path of the repository, a zero byte, and the key of the record as
//! [`packed`] has it, a value the packed value: so the journal has the records of a repository side by side.
//!
//! Journals of older forms have text instead:
//!
//! | key | value |
//! |---|---|
//! | `b/<repository>/<digest>` | a [`BlobRecord`](crate::BlobRecord) as JSON |
//! | `m/<repository>/<digest>` | a [`ManifestRecord`](crate::ManifestRecord) as JSON |
//! | `t/<repository>/<tag>` | the digest, as a JSON string |

use std::sync::Arc;

use serde::de::DeserializeOwned;
use wharf_content::{Error, ErrorKind};
use wharf_reference::{Digest, Tag};

use super::journal::Entry;
use crate::{Change, Record, RecordKey, RepositoryPath, packed};

/// The entry for a change of a repository.
pub(super) fn encode(path: &RepositoryPath, change: &Change) -> Entry {
    match change {
        Change::Put(record) => Entry {
            key: encode_key(path, &record.key()),
            value: Some(packed::pack_value(record)),
        },
        Change::Remove(key) => Entry {
            key: encode_key(path, key),
            value: None,
        },
    }
}

fn encode_key(path: &RepositoryPath, key: &RecordKey) -> Vec<u8> {
    [path.as_str().as_bytes(), &[0], &packed::pack_key(key)].concat()
}

/// The path of the repository, and the packed key of the record.
pub(super) fn split(key: &[u8]) -> Option<(&str, &[u8])> {
    let end = key.iter().position(|byte| *byte == 0)?;
    Some((std::str::from_utf8(key.get(..end)?).ok()?, key.get(end + 1..)?))
}

/// The repository and record of an entry.
pub(super) fn decode(key: &[u8], value: &[u8]) -> Result<(RepositoryPath, Record), Error> {
    let decode = || {
        let (path, own) = split(key)?;
        Some((RepositoryPath::parse(path).ok()?, packed::unpack(own, value)?))
    };
    decode().ok_or_else(|| corrupt(key))
}

/// The entry for a change in a journal of an older form: its key and value.
pub(super) fn from_text(key: &str, value: Option<&str>) -> Result<(Vec<u8>, Option<Vec<u8>>), Error> {
    let entry = || {
        let (kind, rest) = key.split_once('/')?;
        let (path, name) = rest.rsplit_once('/')?;
        let path = RepositoryPath::parse(path).ok()?;
        let record_key = match kind {
            "b" => RecordKey::Blob(Digest::parse(name).ok()?),
            "m" => RecordKey::Manifest(Digest::parse(name).ok()?),
            "t" => RecordKey::Tag(Tag::parse(name).ok()?),
            _ => return None,
        };
        let key = encode_key(&path, &record_key);
        let Some(value) = value else {
            return Some((key, None));
        };
        let record = match record_key {
            RecordKey::Blob(digest) => Record::Blob(digest, read(value)?),
            RecordKey::Manifest(digest) => Record::Manifest(digest, Arc::new(read(value)?)),
            RecordKey::Tag(tag) => Record::Tag(tag, Digest::parse(&read::<String>(value)?).ok()?),
        };
        Some((key, Some(packed::pack_value(&record))))
    };
    entry().ok_or_else(|| corrupt(key.as_bytes()))
}

fn read<T: DeserializeOwned>(value: &str) -> Option<T> {
    serde_json::from_str(value).ok()
}

/// The error for an entry that is no record.
pub(super) fn corrupt(key: &[u8]) -> Error {
    let message = format!("the registry's record \"{}\" is corrupt", key.escape_ascii());
    Error::new(ErrorKind::Corrupt, message)
}
