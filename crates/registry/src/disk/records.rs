//! Records as entries of the journal.
//!
//! | key | value |
//! |---|---|
//! | `b/<repository>/<digest>` | a [`BlobRecord`](crate::BlobRecord) as JSON |
//! | `m/<repository>/<digest>` | a [`ManifestRecord`](crate::ManifestRecord) as JSON |
//! | `t/<repository>/<tag>` | the digest, as a JSON string |

use std::sync::Arc;

use serde::{Serialize, de::DeserializeOwned};
use wharf_content::{Error, ErrorKind};
use wharf_reference::{Digest, Tag};

use super::journal::Entry;
use crate::{Change, Record, RecordKey, RepositoryPath};

/// The entry for a change of a repository.
pub(super) fn encode(path: &RepositoryPath, change: &Change) -> Result<Entry, Error> {
    match change {
        Change::Put(record) => Ok(Entry {
            key: encode_key(path, &record.key()),
            value: Some(encode_value(record)?),
        }),
        Change::Remove(key) => Ok(Entry {
            key: encode_key(path, key),
            value: None,
        }),
    }
}

fn encode_key(path: &RepositoryPath, key: &RecordKey) -> String {
    match key {
        RecordKey::Blob(digest) => format!("b/{path}/{digest}"),
        RecordKey::Manifest(digest) => format!("m/{path}/{digest}"),
        RecordKey::Tag(tag) => format!("t/{path}/{tag}"),
    }
}

fn encode_value(record: &Record) -> Result<String, Error> {
    match record {
        Record::Blob(_, blob) => json(blob),
        Record::Manifest(_, manifest) => json(manifest.as_ref()),
        Record::Tag(_, digest) => json(&digest.as_str()),
    }
}

fn json(value: &impl Serialize) -> Result<String, Error> {
    serde_json::to_string(value).map_err(|error| Error::wrap(ErrorKind::Other, error))
}

/// The repository and record of an entry.
pub(super) fn decode(key: &str, value: &str) -> Result<(RepositoryPath, Record), Error> {
    let corrupt = || {
        let message = format!("the registry's record {key:?} is corrupt");
        Error::new(ErrorKind::Corrupt, message)
    };
    let (kind, rest) = key.split_once('/').ok_or_else(corrupt)?;
    let (path, last) = rest.rsplit_once('/').ok_or_else(corrupt)?;
    let path = RepositoryPath::parse(path).map_err(|_| corrupt())?;
    let digest = |text: &str| Digest::parse(text).map_err(|_| corrupt());
    let record = match kind {
        "b" => Record::Blob(digest(last)?, read(value).ok_or_else(corrupt)?),
        "m" => Record::Manifest(digest(last)?, Arc::new(read(value).ok_or_else(corrupt)?)),
        "t" => {
            let tag = Tag::parse(last).map_err(|_| corrupt())?;
            let target: String = read(value).ok_or_else(corrupt)?;
            Record::Tag(tag, digest(&target)?)
        }
        _ => return Err(corrupt()),
    };
    Ok((path, record))
}

fn read<T: DeserializeOwned>(value: &str) -> Option<T> {
    serde_json::from_str(value).ok()
}
