//! Tags, manifests and blobs of repositories.

use tokio_postgres::Row;
use wharf_content::Error;
use wharf_registry::{ManifestRecord, Record};

use super::{Check, FsckFinding};
use crate::{
    database::Value,
    records::row::{column, record},
};

/// The rows of a part. Those of manifests are as large as manifests are.
const PART: usize = 1000;
const PART_OF_MANIFESTS: usize = 50;

const TAGS: &str = "SELECT 2, part.name, NULL::bigint, NULL, NULL::bigint, manifest, repository,
         (SELECT r.name FROM repositories r WHERE r.id = repository),
         EXISTS (SELECT FROM manifests m WHERE m.repository = part.repository AND m.digest = part.manifest)
     FROM (SELECT * FROM tags WHERE (repository, name) > ($1, $2) ORDER BY repository, name LIMIT $3) AS part
     ORDER BY repository, part.name";

const BLOBS: &str = "SELECT 0, digest, size, user_name, content, NULL, repository,
         (SELECT r.name FROM repositories r WHERE r.id = repository),
         coalesce((SELECT quarantined IS NULL FROM contents c WHERE c.id = content), false),
         coalesce((SELECT c.digest = part.digest AND c.size = part.size FROM contents c WHERE c.id = content), true)
     FROM (SELECT * FROM blobs WHERE (repository, digest) > ($1, $2) ORDER BY repository, digest LIMIT $3) AS part
     ORDER BY repository, digest";

const MANIFESTS: &str = "SELECT 1, digest, size, user_name, content, record, repository,
         (SELECT r.name FROM repositories r WHERE r.id = repository),
         coalesce((SELECT quarantined IS NULL FROM contents c WHERE c.id = content), false),
         coalesce((SELECT c.digest = part.digest AND c.size = part.size FROM contents c WHERE c.id = content), true),
         subject, artifact_type,
         ARRAY(SELECT blob FROM needs n WHERE n.repository = part.repository AND n.manifest = part.digest ORDER BY blob),
         ARRAY(SELECT child FROM children c WHERE c.repository = part.repository AND c.manifest = part.digest ORDER BY child),
         (SELECT min(blob) FROM needs n WHERE n.repository = part.repository AND n.manifest = part.digest
             AND NOT EXISTS (SELECT FROM blobs b WHERE b.repository = n.repository AND b.digest = n.blob))
     FROM (SELECT * FROM manifests WHERE (repository, digest) > ($1, $2) ORDER BY repository, digest LIMIT $3) AS part
     ORDER BY repository, digest";

/// A row whose key can be read: the repository, its name and the name in it.
struct Key<'r> {
    repository: i64,
    path: &'r str,
    name: &'r str,
}

impl<'r> Key<'r> {
    fn of(row: &'r Row) -> Result<Self, Error> {
        Ok(Self {
            repository: column(row, 6)?,
            path: column(row, 7)?,
            name: column(row, 1)?,
        })
    }
}

impl Check<'_> {
    pub(super) async fn tags(&mut self) -> Result<(), Error> {
        self.parts(TAGS, PART, |check, row, key| {
            check.report.tags += 1;
            if let Err(error) = record(row) {
                check.damaged("tags", &format!("{}:{}", key.path, key.name), &error);
            } else if !column(row, 8)? {
                let (repository, tag) = (key.path.to_owned(), key.name.to_owned());
                check.tell(FsckFinding::DanglingTag { repository, tag });
            }
            Ok(())
        })
        .await
    }

    pub(super) async fn links(&mut self) -> Result<(), Error> {
        self.parts(BLOBS, PART, |check, row, key| {
            check.report.blobs += 1;
            check.link("blobs", row, key).map(drop)
        })
        .await?;
        self.parts(MANIFESTS, PART_OF_MANIFESTS, |check, row, key| {
            check.report.manifests += 1;
            let Some(Record::Manifest(_, record)) = check.link("manifests", row, key)? else {
                return Ok(());
            };
            if !agrees(&record, row)? {
                let reason = "its columns, or its rows in needs and children, are not those of its record";
                check.damaged("manifests", &format!("{}@{}", key.path, key.name), &reason);
            }
            if let Some(blob) = column::<Option<String>>(row, 14)? {
                check.tell(FsckFinding::Incomplete {
                    repository: key.path.to_owned(),
                    manifest: key.name.to_owned(),
                    blob,
                });
            }
            Ok(())
        })
        .await
    }

    /// Judges a link by its content, and returns its record.
    fn link(&mut self, table: &'static str, row: &Row, key: &Key<'_>) -> Result<Option<Record>, Error> {
        let (repository, digest) = (key.path.to_owned(), key.name.to_owned());
        let record = match record(row) {
            Ok(record) => record,
            Err(error) => {
                self.damaged(table, &format!("{repository}@{digest}"), &error);
                return Ok(None);
            }
        };
        if !column(row, 8)? {
            self.tell(FsckFinding::Unstored { repository, digest });
        } else if !column(row, 9)? {
            self.tell(FsckFinding::OtherContent { repository, digest });
        }
        Ok(Some(record))
    }

    /// Goes through a table in the order of its key.
    async fn parts(
        &mut self,
        sql: &'static str,
        limit: usize,
        mut check: impl FnMut(&mut Self, &Row, &Key<'_>) -> Result<(), Error> + Send,
    ) -> Result<(), Error> {
        let (mut repository, mut name) = (i64::MIN, String::new());
        loop {
            let most = i64::try_from(limit).unwrap_or(i64::MAX);
            let values = [Value::from(repository), Value::text(&name), most.into()];
            let rows = self.rows(sql, values).await?;
            for row in &rows {
                let key = Key::of(row)?;
                check(self, row, &key)?;
                repository = key.repository;
                key.name.clone_into(&mut name);
            }
            if rows.is_empty() {
                return Ok(());
            }
        }
    }
}

/// Whether what was derived from a manifest's record is still what the record says.
fn agrees(record: &ManifestRecord, row: &Row) -> Result<bool, Error> {
    let sorted = |mut names: Vec<String>| {
        names.sort_unstable();
        names.dedup();
        names
    };
    let blobs = record.blobs.iter().map(|(blob, _)| blob.to_string());
    let children = record.manifests.iter().map(ToString::to_string);
    let subject = record.subject.as_ref().map(ToString::to_string);
    let artifact_type = record.artifact_type.as_ref().map(ToString::to_string);
    Ok(subject == column::<Option<String>>(row, 10)?
        && artifact_type == column::<Option<String>>(row, 11)?
        && sorted(blobs.collect()) == column::<Vec<String>>(row, 12)?
        && sorted(children.collect()) == column::<Vec<String>>(row, 13)?)
}
