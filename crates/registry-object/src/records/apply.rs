//! Changes as statements.

use wharf_content::{Error, ErrorKind, MediaType};
use wharf_reference::Digest;
use wharf_registry::{Change, ManifestRecord, Record, RecordKey};

use super::{look_up::unsupported, row::size};
use crate::database::{Statement, Value};

/// Without a content, that of the record before stays.
const PUT_BLOB: &str =
    "INSERT INTO blobs (repository, digest, size, user_name, content) VALUES ($1, $2, $3, $4, $5)
     ON CONFLICT (repository, digest) DO UPDATE SET size = excluded.size, user_name = excluded.user_name,
     content = coalesce(excluded.content, blobs.content), touched = now()";
const PUT_MANIFEST: &str = "INSERT INTO manifests (repository, digest, size, user_name, content, subject, artifact_type, record)
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
     ON CONFLICT (repository, digest) DO UPDATE SET size = excluded.size, user_name = excluded.user_name,
     content = coalesce(excluded.content, manifests.content), subject = excluded.subject, artifact_type = excluded.artifact_type, record = excluded.record, touched = now()";
const FORGET_NEEDS: &str = "WITH children AS (DELETE FROM children WHERE repository = $1 AND manifest = $2)
     DELETE FROM needs WHERE repository = $1 AND manifest = $2";
const PUT_NEEDS: &str =
    "WITH children AS (INSERT INTO children (repository, manifest, child) SELECT DISTINCT $1, $2, unnest($4))
     INSERT INTO needs (repository, manifest, blob) SELECT DISTINCT $1, $2, unnest($3)";
const PUT_TAG: &str = "INSERT INTO tags (repository, name, manifest) VALUES ($1, $2, $3)
     ON CONFLICT (repository, name) DO UPDATE SET manifest = excluded.manifest";
const REMOVE_BLOB: &str = "DELETE FROM blobs WHERE repository = $1 AND digest = $2";
/// Its rows in `needs` and `children` go with it.
const REMOVE_MANIFEST: &str = "WITH tags AS (DELETE FROM tags WHERE repository = $1 AND manifest = $2)
     DELETE FROM manifests WHERE repository = $1 AND digest = $2";
const REMOVE_TAG: &str = "DELETE FROM tags WHERE repository = $1 AND name = $2";

/// The statements that make changes, in order. Records that are put for the digest get its content.
pub(super) fn statements(
    repository: i64,
    changes: &[Change],
    content: Option<(&Digest, i64)>,
) -> Result<Vec<Statement>, Error> {
    let mut statements = Vec::with_capacity(changes.len());
    for change in changes {
        match change {
            Change::Put(record) => put(repository, record, content, &mut statements)?,
            Change::Remove(key) => statements.push(remove(repository, key)?),
        }
    }
    Ok(statements)
}

/// The key of the record that a change is about.
pub(super) fn key_of(change: &Change) -> RecordKey {
    match change {
        Change::Put(record) => record.key(),
        Change::Remove(key) => key.clone(),
    }
}

fn put(
    repository: i64,
    record: &Record,
    content: Option<(&Digest, i64)>,
    statements: &mut Vec<Statement>,
) -> Result<(), Error> {
    let content_of = |digest: &Digest| {
        let linked = content.filter(|(linked, _)| *linked == digest);
        Value::Integer(linked.map(|(_, id)| id))
    };
    let optional = |text: Option<&str>| Value::Text(text.map(str::to_owned));
    let here = || Value::from(repository);
    match record {
        Record::Blob(digest, blob) => {
            let values = [
                here(),
                Value::text(digest.as_str()),
                size(blob.size)?.into(),
                optional(blob.user.as_deref()),
                content_of(digest),
            ];
            statements.push(Statement::new("record a blob", PUT_BLOB, values));
        }
        Record::Manifest(digest, manifest) => {
            let unwritable = |error| Error::wrap(ErrorKind::Other, error);
            let name = || Value::text(digest.as_str());
            let values = [
                here(),
                name(),
                size(manifest.size)?.into(),
                optional(manifest.user.as_deref()),
                content_of(digest),
                optional(manifest.subject.as_ref().map(Digest::as_str)),
                optional(artifact_type(manifest)),
                Value::Text(Some(serde_json::to_string(&**manifest).map_err(unwritable)?)),
            ];
            statements.push(Statement::new("record a manifest", PUT_MANIFEST, values));
            statements.push(Statement::new(
                "record a manifest",
                FORGET_NEEDS,
                [here(), name()],
            ));
            let needs = manifest.blobs.iter().map(|(blob, _)| blob.as_str().to_owned());
            let children = manifest.manifests.iter().map(|child| child.as_str().to_owned());
            let values = [
                here(),
                name(),
                Value::Texts(needs.collect()),
                Value::Texts(children.collect()),
            ];
            statements.push(Statement::new("record what a manifest needs", PUT_NEEDS, values));
        }
        Record::Tag(tag, manifest) => {
            let values = [here(), Value::text(tag.as_str()), Value::text(manifest.as_str())];
            statements.push(Statement::new("record a tag", PUT_TAG, values));
        }
        _ => return Err(unsupported("a record")),
    }
    Ok(())
}

/// The artifact type by which a manifest is found; none for a text that is no media type, and that no column holds.
fn artifact_type(manifest: &ManifestRecord) -> Option<&str> {
    let text = manifest.artifact_type.as_ref().map(MediaType::as_str);
    text.filter(|text| !text.contains('\0'))
}

fn remove(repository: i64, key: &RecordKey) -> Result<Statement, Error> {
    let (sql, name) = match key {
        RecordKey::Blob(digest) => (REMOVE_BLOB, digest.as_str()),
        RecordKey::Manifest(digest) => (REMOVE_MANIFEST, digest.as_str()),
        RecordKey::Tag(tag) => (REMOVE_TAG, tag.as_str()),
        _ => return Err(unsupported("a record")),
    };
    Ok(Statement::new(
        "remove a record",
        sql,
        [repository.into(), Value::text(name)],
    ))
}
