//! Rows, made by the database from those of images that were pushed.

use anyhow::{Context as _, ensure};
use serde_json::json;
use wharf_testkit::PostgreSql;

use super::Size;
use crate::{
    http::{Connection, OCTETS},
    shared::image::{Blob, MANIFEST},
};

/// The largest repository.
pub const LARGEST: &str = "many";
/// The manifests that refer to one.
pub const REFERRERS: u64 = 10_000;
/// The number in the manifest that is copied; the copies have others, of as many digits.
const NUMBER: &str = "00000000";

/// A registry that was filled.
pub struct Filled {
    pub size: Size,
    pub config: Blob,
    pub layer: Blob,
    /// The digest of the manifest that has referrers.
    pub subject: String,
}

impl Filled {
    /// A tag by its place in the order of bytes, from 1.
    pub fn tag(number: u64) -> String {
        format!("t{number:08}")
    }

    /// The manifest of a tag.
    pub fn manifest(&self, number: u64) -> Blob {
        Blob::new(manifest(&self.config, &self.layer, &format!("{number:08}"), None))
    }

    /// A repository by its place, from 1, before the largest.
    pub fn repository(number: u64) -> String {
        format!("app/{number:08}")
    }
}

/// A manifest; with a number it is another one.
fn manifest(config: &Blob, layer: &Blob, number: &str, subject: Option<&Blob>) -> Vec<u8> {
    let entry = |blob: &Blob, media_type: &str| json!({ "mediaType": media_type, "digest": blob.digest, "size": blob.bytes.len() });
    let mut document = json!({
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": entry(config, "application/vnd.oci.image.config.v1+json"),
        "layers": [entry(layer, "application/vnd.oci.image.layer.v1.tar")],
        "annotations": { "number": number },
    });
    if let Some(subject) = subject {
        document["subject"] = entry(subject, MANIFEST);
    }
    document.to_string().into_bytes()
}

/// Pushes an image and a referrer, and lets the database copy their rows.
pub fn fill(
    connection: &mut Connection,
    database: &PostgreSql,
    name: &str,
    size: Size,
) -> anyhow::Result<Filled> {
    let config = Blob::new(
        json!({ "architecture": "amd64", "os": "linux" })
            .to_string()
            .into_bytes(),
    );
    let layer = Blob::new(b"a layer".repeat(1000));
    for blob in [&config, &layer] {
        let target = format!("/v2/{LARGEST}/blobs/uploads/?digest={}", blob.digest);
        connection.expect(201, "POST", &target, Some(OCTETS), &[&blob.bytes])?;
    }
    let mut push = |tag: &str, bytes: Vec<u8>| {
        let pushed = Blob::new(bytes);
        let target = format!("/v2/{LARGEST}/manifests/{tag}");
        connection.expect(201, "PUT", &target, Some(MANIFEST), &[&pushed.bytes])?;
        anyhow::Ok(pushed)
    };
    // Both sort after the tags that are made.
    let copied = push("x-copied", manifest(&config, &layer, NUMBER, None))?;
    let referrer = push("x-referrer", manifest(&config, &layer, NUMBER, Some(&copied)))?;
    eprintln!("manifests");
    database.query(name, &copies(&copied, size.tags, true)?);
    eprintln!("referrers");
    database.query(name, &copies(&referrer, REFERRERS, false)?);
    eprintln!("repositories");
    database.query(name, &repositories(&config, size.repositories));
    // As the server does by itself some time later.
    database.query(name, "VACUUM ANALYZE");
    Ok(Filled {
        size,
        config,
        layer,
        subject: copied.digest,
    })
}

/// The SQL that copies a manifest with the numbers from 1, each with a tag or none.
fn copies(manifest: &Blob, count: u64, tagged: bool) -> anyhow::Result<String> {
    let (digest, text) = (&manifest.digest, std::str::from_utf8(&manifest.bytes)?);
    ensure!(!text.contains('\''), "the manifest can be written as text of SQL");
    let (before, after) = text.split_once(NUMBER).context("the manifest has a number")?;
    let tags = if tagged {
        "INSERT INTO tags (repository, name, manifest) SELECT repository, 't' || lpad(n::text, 8, '0'), new FROM made;"
    } else {
        ""
    };
    Ok(format!(
        "SET session_replication_role = replica; -- the rows that are referred to are made too
         SET work_mem = '256MB';
         CREATE TEMP TABLE made AS
             SELECT n, content, repository, 'sha256:' || encode(sha256(content), 'hex') COLLATE \"C\" AS new,
                 (SELECT max(id) FROM contents) + n AS id
             FROM generate_series(1, {count}) AS n,
             LATERAL (SELECT convert_to('{before}' || lpad(n::text, 8, '0') || '{after}', 'UTF8') AS content) AS text,
             (SELECT repository FROM manifests WHERE digest = '{digest}') AS here;
         INSERT INTO contents (id, digest, size, bytes) OVERRIDING SYSTEM VALUE
             SELECT id, new, length(content), content FROM made;
         SELECT setval(pg_get_serial_sequence('contents', 'id'), (SELECT max(id) FROM contents));
         INSERT INTO manifests (repository, digest, size, user_name, content, subject, artifact_type, record)
             SELECT old.repository, new, old.size, old.user_name, made.id, old.subject, old.artifact_type,
                 replace(old.record, '{NUMBER}', lpad(n::text, 8, '0'))
             FROM made, manifests AS old WHERE old.digest = '{digest}';
         INSERT INTO needs (repository, blob, manifest)
             SELECT old.repository, old.blob, new FROM made, needs AS old WHERE old.manifest = '{digest}';
         {tags}
         UPDATE repository_usage SET bytes = bytes + (SELECT sum(length(content)) FROM made)
             WHERE repository = (SELECT repository FROM made LIMIT 1)"
    ))
}

/// The SQL that makes repositories which have a blob.
fn repositories(blob: &Blob, count: u64) -> String {
    let digest = &blob.digest;
    format!(
        "SET session_replication_role = replica;
         INSERT INTO repositories (name) SELECT 'app/' || lpad(n::text, 8, '0') FROM generate_series(1, {count}) AS n;
         INSERT INTO blobs (repository, digest, size, content)
             SELECT id, digest, size, content FROM repositories, (SELECT * FROM blobs WHERE digest = '{digest}') AS old
             WHERE name LIKE 'app/%';
         INSERT INTO repository_usage (repository, bytes)
             SELECT id, {} FROM repositories WHERE name LIKE 'app/%'",
        blob.bytes.len()
    )
}
