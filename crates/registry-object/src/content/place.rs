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
    /// The objects of the upload become content, which repositories link from now on that link other content with its digest,
    /// since some of that is in quarantine.
    Healed(Upload),
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
    /// Whether repositories link it from now on that link other content with its digest, since some of that is in quarantine.
    pub(crate) heals: bool,
}

/// The outcome of placing content.
pub(crate) enum Placed {
    /// It is the content in this row, which nobody removes before the transaction ends.
    Content(i64),
    /// It is not there any more.
    Gone,
    /// Content that was to be shared has changed meanwhile: another way has to be found.
    Stale,
}

/// Whoever ends an upload locks its row first.
const LOCK: &str = "SELECT length, cardinality(objects) FROM uploads WHERE id = $1 FOR UPDATE";
const CLAIM: &str = "DELETE FROM pending WHERE upload = $1 RETURNING object";
const DOOM: &str = "INSERT INTO doomed (object) SELECT unnest(objects) FROM uploads WHERE id = $1";
const END: &str = "DELETE FROM uploads WHERE id = $1";
const CREATE: &str = "INSERT INTO contents (digest, size, objects, sizes) SELECT $2, length, objects, sizes
     FROM uploads WHERE id = $1 RETURNING id";
/// The most repositories that one push heals. The next push of the bytes heals the next.
const MAX_HEALED: u32 = 10_000;

/// Links of other content with the digest of what was made. They are locked in the order of their repositories, so that two
/// who do this at the same time do not wait in a circle; a link that is moved meanwhile is left alone.
macro_rules! relink {
    ($table:literal, $others:literal, $most:literal) => {
        concat!(
            "linked AS (SELECT l.repository, l.digest FROM ",
            $table,
            " l JOIN contents c ON c.id = l.content WHERE c.digest = $1 AND ",
            $others,
            " ORDER BY l.repository LIMIT ",
            $most,
            " FOR UPDATE OF l),
             relinked AS (UPDATE ",
            $table,
            " l SET content = made.id FROM made, linked
             WHERE l.repository = linked.repository AND l.digest = linked.digest)"
        )
    };
}
const HEAL: &str = concat!(
    "WITH made AS (INSERT INTO contents (digest, size, objects, sizes) SELECT $1, length, objects, sizes
         FROM uploads WHERE id = $2 RETURNING id), ",
    relink!("blobs", "c.objects IS NOT NULL AND l.size = $3", "$4"),
    " SELECT id FROM made"
);
const SHARE: &str =
    "SELECT id FROM contents WHERE id = $1 AND objects = $2 AND external_key IS NOT DISTINCT FROM $3
     AND quarantined IS NULL FOR KEY SHARE";
/// A process of the release before cannot read external objects.
const NEEDED: &str = "UPDATE schema_versions SET oldest = 2 WHERE version = 2 AND oldest < 2";
macro_rules! external {
    ($relink:expr) => {
        concat!(
            "WITH found AS (SELECT id FROM contents WHERE digest = $1 AND size = $2 AND external_key = $3
                 AND quarantined IS NULL ORDER BY id LIMIT 1 FOR KEY SHARE),
             new AS (INSERT INTO contents (digest, size, objects, external_key, sizes) SELECT $1, $2, '{}', $3, ARRAY[$2]
                 WHERE NOT EXISTS (SELECT FROM found) RETURNING id),
             made AS (SELECT id FROM found UNION ALL SELECT id FROM new)",
            $relink,
            " SELECT id FROM made"
        )
    };
}
const CREATE_EXTERNAL: &str = external!("");
const HEAL_EXTERNAL: &str = external!(concat!(
    ", ",
    relink!("blobs", "c.objects IS NOT NULL AND l.size = $2", "$4")
));
const STORED: &str = "SELECT id FROM contents WHERE id = $1 AND quarantined IS NULL FOR KEY SHARE";
const BYTES: &str = concat!(
    "WITH found AS (SELECT id FROM contents WHERE digest = $1 AND bytes = $2 AND quarantined IS NULL
         ORDER BY id LIMIT 1 FOR KEY SHARE),
     new AS (INSERT INTO contents (digest, size, bytes) SELECT $1, length($2), $2
         WHERE NOT EXISTS (SELECT FROM found) RETURNING id),
     made AS (SELECT id FROM found UNION ALL SELECT id FROM new), ",
    relink!(
        "manifests",
        "c.bytes IS NOT NULL AND c.quarantined IS NOT NULL",
        "$3"
    ),
    " SELECT id FROM made"
);

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
            Self::Healed(upload) => {
                let digest = Value::text(upload.digest.as_str());
                let heal = statement(
                    HEAL,
                    vec![
                        digest,
                        upload.id(),
                        upload.size.into(),
                        i64::from(MAX_HEALED).into(),
                    ],
                );
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
                let (digest, key) = (Value::text(external.digest.as_str()), Value::text(&external.key));
                let mut values = vec![digest, external.size.into(), key];
                let place = if external.heals {
                    values.push(i64::from(MAX_HEALED).into());
                    statement(HEAL_EXTERNAL, values)
                } else {
                    statement(CREATE_EXTERNAL, values)
                };
                let rows = run_all(transaction, &[statement(NEEDED, Vec::new()), place]).await?;
                placed(rows.last().map_or(&[], Vec::as_slice), Placed::Stale)
            }
            Self::Bytes(bytes, digest) => {
                let bytes = Value::Bytes(Some(bytes.clone()));
                let values = vec![Value::text(digest.as_str()), bytes, i64::from(MAX_HEALED).into()];
                placed(&statement(BYTES, values).run(transaction).await?, Placed::Stale)
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
