//! Rows as records. What a row holds is parsed as anything foreign: a damaged one is an error.

use std::{collections::HashMap, fmt::Display, sync::Arc};

use tokio_postgres::{Row, types::FromSql};
use wharf_content::{Error, ErrorKind};
use wharf_reference::{Digest, Tag};
use wharf_registry::{BlobRecord, ContentId, ManifestRecord, Record, RecordKey, RepositoryPath};

/// The columns that [`record`] reads, of blobs, manifests and tags: kind, name, size, user, content, target or record, stale.
pub(super) const BLOB: &str = "0, digest, size, user_name, content, NULL";
pub(super) const MANIFEST: &str = "1, digest, size, user_name, content, record";
pub(super) const TAG: &str = "2, name, NULL::bigint, NULL, NULL::bigint, manifest";

/// The record in a row with the columns above.
pub(crate) fn record(row: &Row) -> Result<Record, Error> {
    let name: &str = column(row, 1)?;
    let user = || Ok::<_, Error>(column::<Option<&str>>(row, 3)?.map(Box::from));
    let content = || Ok::<_, Error>(column::<Option<i64>>(row, 4)?.map(|id| ContentId::new(id.to_string())));
    Ok(match column::<i32>(row, 0)? {
        0 => {
            let mut record = BlobRecord::new(bytes(column(row, 2)?)?);
            record.user = user()?;
            record.content = content()?;
            Record::Blob(digest(name)?, record)
        }
        1 => {
            let json: &str = column(row, 5)?;
            let mut record: ManifestRecord =
                serde_json::from_str(json).map_err(|error| damaged("a manifest's record", &error))?;
            record.size = bytes(column(row, 2)?)?;
            record.user = user()?;
            record.content = content()?;
            Record::Manifest(digest(name)?, Arc::new(record))
        }
        _ => {
            let tag = Tag::parse(name).map_err(|error| damaged("a tag", &error))?;
            Record::Tag(tag, digest(column(row, 5)?)?)
        }
    })
}

pub(crate) fn repository(row: &Row) -> Result<RepositoryPath, Error> {
    let name: &str = column(row, 0)?;
    RepositoryPath::parse(name).map_err(|error| damaged("a repository's name", &error))
}

pub(crate) fn bytes(column: i64) -> Result<u64, Error> {
    u64::try_from(column).map_err(|error| damaged("a number of bytes", &error))
}

/// A number of bytes as a column.
pub(crate) fn size(bytes: u64) -> Result<i64, Error> {
    let message = "a blob or a manifest of more than 2^63 - 1 bytes cannot be recorded";
    i64::try_from(bytes).map_err(|_| Error::new(ErrorKind::TooLarge, message))
}

fn digest(text: &str) -> Result<Digest, Error> {
    Digest::parse(text).map_err(|error| damaged("a digest", &error))
}

pub(crate) fn column<'r, T: FromSql<'r>>(row: &'r Row, index: usize) -> Result<T, Error> {
    row.try_get(index).map_err(|error| damaged("a column", &error))
}

pub(crate) fn damaged(what: &str, error: &dyn Display) -> Error {
    let message = format!("the database holds {what} that cannot be read: {error}");
    Error::new(ErrorKind::Corrupt, message)
}

/// Records that were looked up by their keys.
#[derive(Default)]
pub(super) struct Found {
    records: HashMap<RecordKey, Record>,
    pub(super) stale: Vec<RecordKey>,
}

impl Found {
    pub(super) fn insert(&mut self, record: Record, is_stale: bool) {
        let key = record.key();
        if is_stale {
            self.stale.push(key.clone());
        }
        self.records.insert(key, record);
    }

    pub(super) fn value(&self, key: &RecordKey) -> Option<&Record> {
        self.records.get(key)
    }

    pub(super) fn in_order_of(&self, keys: &[RecordKey]) -> Vec<Option<Record>> {
        keys.iter().map(|key| self.value(key).cloned()).collect()
    }
}

/// Keys as the names of blobs, of manifests and of tags.
#[derive(Default)]
pub(super) struct Names {
    pub(super) blobs: Vec<String>,
    pub(super) manifests: Vec<String>,
    pub(super) tags: Vec<String>,
}

impl<'k> FromIterator<&'k RecordKey> for Names {
    fn from_iter<I: IntoIterator<Item = &'k RecordKey>>(keys: I) -> Self {
        let mut names = Self::default();
        for key in keys {
            match key {
                RecordKey::Blob(digest) => names.blobs.push(digest.as_str().to_owned()),
                RecordKey::Manifest(digest) => names.manifests.push(digest.as_str().to_owned()),
                RecordKey::Tag(tag) => names.tags.push(tag.as_str().to_owned()),
                _ => {} // of a later release: there is none
            }
        }
        names
    }
}
