//! Rows that name objects: contents and uploads.

use tokio_postgres::Row;
use wharf_content::{Error, Hasher};
use wharf_reference::Digest;

use super::{Check, FsckFinding};
use crate::{
    collect::unlinked,
    content::pieces::Pieces,
    database::Value,
    objects::Objects,
    records::row::{bytes, column, damaged},
    uploads::State,
};

/// Contents and uploads, a part at a time, with whether an object of one may be deleted although it is in use.
const CONTENTS: &str = concat!(
    "SELECT id, digest, size, length(bytes)::bigint, objects, external_key, sizes, quarantined IS NOT NULL,
         EXISTS (SELECT FROM doomed WHERE object = ANY (objects)) OR EXISTS (SELECT FROM pending WHERE object = ANY (objects)), ",
    unlinked!(),
    " FROM contents c WHERE id > $1 ORDER BY id LIMIT 500"
);
const UPLOADS: &str = "SELECT length, hash_algorithm, hash_state, repository, owner, algorithm, id, objects, sizes,
         EXISTS (SELECT FROM doomed WHERE object = ANY (objects))
         OR (SELECT count(*) FROM pending p WHERE p.upload = u.id AND p.object = ANY (u.objects)) <> cardinality(objects)
     FROM uploads u WHERE id > $1 ORDER BY id LIMIT 500";

/// Whether a row still names an object.
const CONTENT_HAS: &str = "SELECT 1 FROM contents WHERE id = $1 AND ($2 = ANY (objects) OR external_key = $2) AND quarantined IS NULL";
const UPLOAD_HAS: &str = "SELECT 1 FROM uploads WHERE id = $1 AND $2 = ANY (objects)";

/// A content or an upload with its objects.
pub(super) struct Owner {
    pub(super) key: OwnerKey,
    /// For reports.
    pub(super) name: String,
    pub(super) pieces: Pieces,
}

pub(super) enum OwnerKey {
    Content(i64),
    Upload(String),
}

/// A content as the first pass over the table finds it.
pub(super) struct Content {
    pub(super) id: i64,
    pub(super) digest: Digest,
    /// `None` if its bytes are in the row.
    pub(super) pieces: Option<Pieces>,
}

/// The rows of a part of a table.
#[derive(Default)]
pub(super) struct Part<K> {
    /// The key of the last row; `None` after the end.
    pub(super) last: Option<K>,
    /// Contents that are not in quarantine, and uploads.
    pub(super) owners: Vec<Owner>,
    /// Objects in quarantine.
    pub(super) quarantined: Vec<String>,
    pub(super) contents: Vec<Content>,
}

impl Check<'_> {
    /// Contents after the one with this number. Their rows are judged in the first pass only.
    pub(super) async fn contents(&mut self, after: i64, is_first: bool) -> Result<Part<i64>, Error> {
        let rows = self.rows(CONTENTS, [after.into()]).await?;
        let mut part = Part::default();
        for row in &rows {
            let id: i64 = column(row, 0)?;
            part.last = Some(id);
            match self.content(row, is_first) {
                Ok((content, _)) if column(row, 7)? => {
                    let pieces = content.pieces.into_iter();
                    part.quarantined.extend(pieces.flat_map(|pieces| pieces.objects));
                }
                Ok((content, is_endangered)) => {
                    let name = format!("content {}", content.digest);
                    if is_first && is_endangered {
                        self.tell(FsckFinding::Endangered { owner: name.clone() });
                    }
                    if let Some(pieces) = content.pieces.clone() {
                        let key = OwnerKey::Content(id);
                        part.owners.push(Owner { key, name, pieces });
                    }
                    part.contents.push(content);
                }
                Err(error) if is_first => self.damaged("contents", &id.to_string(), &error),
                Err(_) => {}
            }
        }
        Ok(part)
    }

    fn content(&mut self, row: &Row, is_first: bool) -> Result<(Content, bool), Error> {
        let digest: &str = column(row, 1)?;
        let digest = Digest::parse(digest).map_err(|error| damaged("a digest", &error))?;
        Hasher::new(digest.algorithm())?; // what nobody can verify was never pushed
        let size = bytes(column(row, 2)?)?;
        let objects: Option<Vec<String>> = column(row, 4)?;
        if objects.is_none() && column::<Option<i64>>(row, 3)?.map(bytes).transpose()? != Some(size) {
            return Err(damaged("bytes", &"they are not as many as its size"));
        }
        let pieces = match objects {
            Some(objects) => Some(pieces(objects, column(row, 5)?, column(row, 6)?, size)?),
            None => None,
        };
        if is_first {
            self.report.contents += 1;
            self.report.unlinked += u64::from(column::<bool>(row, 9)?);
        }
        let id = column(row, 0)?;
        Ok((Content { id, digest, pieces }, column(row, 8)?))
    }

    /// Uploads after the one with this id.
    pub(super) async fn uploads(&mut self, after: &str, is_first: bool) -> Result<Part<String>, Error> {
        let rows = self.rows(UPLOADS, [Value::text(after)]).await?;
        let mut part = Part::default();
        for row in &rows {
            let id: String = column(row, 6)?;
            let owner = State::of(row).and_then(|state| {
                let pieces = pieces(column(row, 7)?, None, column(row, 8)?, state.length)?;
                let (key, name) = (OwnerKey::Upload(id.clone()), format!("upload {id}"));
                Ok((Owner { key, name, pieces }, column(row, 9)?))
            });
            match owner {
                Ok((owner, is_endangered)) => {
                    if is_first && is_endangered {
                        let owner = owner.name.clone();
                        self.tell(FsckFinding::Endangered { owner });
                    }
                    part.owners.push(owner);
                }
                Err(error) if is_first => self.damaged("uploads", &id, &error),
                Err(_) => {}
            }
            part.last = Some(id);
        }
        Ok(part)
    }

    /// Whether an object is still one of this content or upload.
    pub(super) async fn has(&self, owner: &Owner, object: &str) -> Result<bool, Error> {
        let rows = match &owner.key {
            OwnerKey::Content(id) => {
                self.rows(CONTENT_HAS, [(*id).into(), Value::text(object)])
                    .await?
            }
            OwnerKey::Upload(id) => {
                self.rows(UPLOAD_HAS, [Value::text(id), Value::text(object)])
                    .await?
            }
        };
        Ok(!rows.is_empty())
    }
}

/// The objects of a row, whose names are right and whose sizes add up.
fn pieces(
    objects: Vec<String>,
    external: Option<String>,
    sizes: Vec<i64>,
    size: u64,
) -> Result<Pieces, Error> {
    let pieces = Pieces::of(objects, external, sizes)?;
    if !pieces.objects.iter().all(|object| Objects::is_name(object)) {
        return Err(damaged(
            "the name of an object",
            &"it is not 32 hexadecimal digits",
        ));
    }
    if pieces.size() != size {
        return Err(damaged(
            "the sizes of objects",
            &"their sum is not the size of the whole",
        ));
    }
    Ok(pieces)
}
