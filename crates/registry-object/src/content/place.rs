//! The part of a commit that makes bytes content.

use tokio_postgres::Row;
use wharf_content::{Error, ErrorKind};
use wharf_reference::Digest;

use super::pieces::Pieces;
use crate::{
    database::{Statement, Transaction, Value, run_all},
    records::row::column,
    uploads::missing,
};

/// A way in which bytes become content within a transaction.
#[derive(Debug)]
pub(crate) enum Placing {
    /// The objects of the upload become content.
    New(Upload),
    /// The objects of the upload replace those of this content, which is in quarantine.
    Healed(Upload, i64),
    /// This content, which has these objects, is linked in the place of the upload.
    Shared(Upload, i64, Pieces),
    /// The object of another registry becomes content.
    External(External),
    /// The bytes become content, or content that has them is linked.
    Bytes(Vec<u8>, Digest),
    /// This content is linked.
    Stored(i64),
}

/// An upload that becomes content.
#[derive(Debug)]
pub(crate) struct Upload {
    pub(crate) id: String,
    pub(crate) digest: Digest,
    pub(crate) size: i64,
}

/// An object of another registry that becomes content.
#[derive(Debug)]
pub(crate) struct External {
    pub(crate) key: String,
    pub(crate) digest: Digest,
    pub(crate) size: i64,
    /// The content, in quarantine, whose objects it replaces.
    pub(crate) healed: Option<i64>,
}

/// The outcome of placing content.
pub(crate) enum Placed {
    /// It is the content in this row, which nobody removes before the transaction ends.
    Content(i64),
    /// It is not there any more.
    Gone,
    /// Content that was to be shared or healed has changed meanwhile: another way has to be found.
    Stale,
}

/// Whoever ends an upload locks its row first.
const LOCK: &str = "SELECT length, cardinality(objects) FROM uploads WHERE id = $1 FOR UPDATE";
const CLAIM: &str = "DELETE FROM pending WHERE upload = $1 RETURNING object";
const DOOM: &str = "INSERT INTO doomed (object) SELECT unnest(objects) FROM uploads WHERE id = $1";
const END: &str = "DELETE FROM uploads WHERE id = $1";
const CREATE: &str = "INSERT INTO contents (digest, size, objects, sizes) SELECT $2, length, objects, sizes
     FROM uploads WHERE id = $1 RETURNING id";
const HEAL: &str =
    "WITH old AS (SELECT id, objects FROM contents WHERE id = $2 AND quarantined IS NOT NULL FOR UPDATE),
     doomed AS (INSERT INTO doomed (object) SELECT object FROM old, unnest(objects) AS object
         WHERE object IS NOT NULL ON CONFLICT DO NOTHING)
     UPDATE contents SET objects = new.objects, external_key = NULL, sizes = new.sizes, quarantined = NULL
     FROM old, uploads AS new
     WHERE new.id = $1 AND contents.id = old.id RETURNING contents.id";
const SHARE: &str =
    "SELECT id FROM contents WHERE id = $1 AND objects = $2 AND external_key IS NOT DISTINCT FROM $3
     AND quarantined IS NULL FOR KEY SHARE";
/// A process of the release before cannot read external objects.
const NEEDED: &str = "UPDATE schema_versions SET oldest = 2 WHERE version = 2 AND oldest < 2";
const CREATE_EXTERNAL: &str = "WITH found AS (SELECT id FROM contents WHERE digest = $1 AND size = $2 AND external_key = $3
         AND quarantined IS NULL ORDER BY id LIMIT 1 FOR KEY SHARE),
     made AS (INSERT INTO contents (digest, size, objects, external_key, sizes) SELECT $1, $2, '{}', $3, ARRAY[$2]
         WHERE NOT EXISTS (SELECT FROM found) RETURNING id)
     SELECT id FROM found UNION ALL SELECT id FROM made";
const HEAL_EXTERNAL: &str =
    "WITH old AS (SELECT id, objects FROM contents WHERE id = $3 AND quarantined IS NOT NULL FOR UPDATE),
     doomed AS (INSERT INTO doomed (object) SELECT object FROM old, unnest(objects) AS object
         WHERE object IS NOT NULL ON CONFLICT DO NOTHING)
     UPDATE contents SET objects = '{}', external_key = $2, sizes = ARRAY[$1], quarantined = NULL
     FROM old WHERE contents.id = old.id AND contents.size = $1 RETURNING contents.id";
const STORED: &str = "SELECT id FROM contents WHERE id = $1 AND quarantined IS NULL FOR KEY SHARE";
const HEAL_BYTES: &str = "UPDATE contents SET bytes = $2, quarantined = NULL
     WHERE digest = $1 AND bytes IS NOT NULL AND quarantined IS NOT NULL";
const BYTES: &str =
    "WITH found AS (SELECT id FROM contents WHERE digest = $1 AND bytes = $2 AND quarantined IS NULL
         ORDER BY id LIMIT 1 FOR KEY SHARE),
     made AS (INSERT INTO contents (digest, size, bytes) SELECT $1, length($2), $2
         WHERE NOT EXISTS (SELECT FROM found) RETURNING id)
     SELECT id FROM found UNION ALL SELECT id FROM made";

const DOING: &str = "make bytes content";

impl Placing {
    /// Places the content. The caller holds the lock of the repository.
    pub(crate) async fn place(&self, transaction: &Transaction<'_>) -> Result<Placed, Error> {
        let statement = |sql, values: Vec<Value>| Statement::new(DOING, sql, values);
        match self {
            Self::New(upload) => {
                let create = statement(CREATE, vec![upload.id(), Value::text(upload.digest.as_str())]);
                let rows = upload.end(transaction, vec![create]).await?;
                placed(&rows, Placed::Stale)
            }
            Self::Healed(upload, content) => {
                let heal = statement(HEAL, vec![upload.id(), (*content).into()]);
                let rows = upload.end(transaction, vec![heal]).await?;
                placed(&rows, Placed::Stale)
            }
            Self::Shared(upload, content, pieces) => {
                let external = Value::Text(pieces.external.clone());
                let values = vec![(*content).into(), Value::Texts(pieces.objects.clone()), external];
                let share = statement(SHARE, values);
                let doom = statement(DOOM, vec![upload.id()]);
                let rows = upload.end(transaction, vec![share, doom]).await?;
                placed(&rows, Placed::Stale)
            }
            Self::External(external) => {
                let (key, size) = (Value::text(&external.key), Value::from(external.size));
                let place = if let Some(content) = external.healed {
                    statement(HEAL_EXTERNAL, vec![size, key, content.into()])
                } else {
                    let digest = Value::text(external.digest.as_str());
                    statement(CREATE_EXTERNAL, vec![digest, size, key])
                };
                let rows = run_all(transaction, &[statement(NEEDED, Vec::new()), place]).await?;
                placed(rows.last().map_or(&[], Vec::as_slice), Placed::Stale)
            }
            Self::Bytes(bytes, digest) => {
                let values = || vec![Value::text(digest.as_str()), Value::Bytes(Some(bytes.clone()))];
                let statements = [statement(HEAL_BYTES, values()), statement(BYTES, values())];
                let rows = run_all(transaction, &statements).await?;
                placed(rows.last().map_or(&[], Vec::as_slice), Placed::Stale)
            }
            Self::Stored(content) => {
                let stored = statement(STORED, vec![(*content).into()]);
                placed(&stored.run(transaction).await?, Placed::Gone)
            }
        }
    }
}

impl Upload {
    fn id(&self) -> Value {
        Value::text(&self.id)
    }

    /// Ends the upload, with these statements while its row is locked, and returns the rows of the first of them.
    async fn end(&self, transaction: &Transaction<'_>, within: Vec<Statement>) -> Result<Vec<Row>, Error> {
        let statement = |sql| Statement::new(DOING, sql, [self.id()]);
        let mut statements = vec![statement(LOCK), statement(CLAIM)];
        statements.extend(within);
        statements.push(statement(END));
        let mut rows = run_all(transaction, &statements).await?.into_iter();
        let (locked, claimed) = (rows.next().unwrap_or_default(), rows.next().unwrap_or_default());
        let locked = locked.first().ok_or_else(missing)?;
        let length: i64 = column(locked, 0)?;
        if length != self.size {
            let message = format!("the upload has {length} bytes, and {} were verified", self.size);
            return Err(Error::new(ErrorKind::Mismatch, message));
        }
        // An object without its row may be deleted at any time.
        if i32::try_from(claimed.len()).ok() != Some(column::<i32>(locked, 1)?) {
            return Err(missing());
        }
        Ok(rows.next().unwrap_or_default())
    }
}

fn placed(rows: &[Row], otherwise: Placed) -> Result<Placed, Error> {
    match rows.first() {
        Some(row) => Ok(Placed::Content(column(row, 0)?)),
        None => Ok(otherwise),
    }
}
