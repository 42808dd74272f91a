//! Uploads: rows of a table, and objects that hold their bytes one after the other.

mod renewal;
mod row;
mod segment;
mod write;
mod writers;

use std::{sync::LazyLock, time::Duration};

use async_trait::async_trait;
use wharf_content::{ByteStream, Error, ErrorKind};
use wharf_registry::{
    Incoming, OpenUpload, Upload, UploadLimits, UploadSession, Uploads, UploadsOf, Written,
};

use self::row::{STATE, owner_text};
pub(crate) use self::{
    row::{State, user_text},
    writers::Writers,
};
use crate::{
    ObjectBackend,
    content::pieces::{self, Pieces},
    database::{RELAXED, Statement, Value},
    objects::Objects,
    records::row::column,
};

/// The most uploads that are dropped in one transaction.
const DROPPED_AT_ONCE: usize = 100;

/// Made twice, it changes nothing the second time.
const BEGIN: &str = "INSERT INTO uploads (id, repository, owner, algorithm) VALUES ($1, $2, $3, $4)
     ON CONFLICT DO NOTHING";

/// Whoever begins an upload within limits holds these until the end of the transaction, so that the next one counts it. No row is
/// locked while they are waited for, and who has them waits for nobody.
const LOCK_REPOSITORY: &str = "SELECT pg_advisory_xact_lock(1466327877, hashtext($1))";
const LOCK_OWNER: &str = "SELECT pg_advisory_xact_lock(1466327878, hashtext($1))";
/// As above. The upload itself is there if the answer to an attempt was lost.
const BEGIN_WITHIN: &str = "INSERT INTO uploads (id, repository, owner, algorithm) SELECT $1, $2, $3, $4
     WHERE (SELECT count(*) FROM (SELECT FROM uploads WHERE repository = $2 AND id <> $1 LIMIT $5) AS open) < $5
     AND ($6::bigint IS NULL OR (SELECT count(*) FROM (SELECT FROM uploads WHERE owner = $3 AND id <> $1 LIMIT $6) AS open) < $6)
     ON CONFLICT DO NOTHING";
const HAS_BEGUN: &str = "SELECT FROM uploads WHERE id = $1";

/// The commit waits for no disk: what a request acknowledges is in a commit of its own, which waits for its disk and for
/// everything before it. If the server fails within a second, the upload counts as used at the request before.
static RESUME: LazyLock<String> = LazyLock::new(|| {
    format!(
        "WITH before AS (SELECT used AS last, {RELAXED} FROM uploads WHERE id = $1)
         UPDATE uploads SET used = now() FROM before WHERE id = $1 AND repository IS NOT NULL
         RETURNING {STATE}, extract(epoch FROM now() - last)::float8"
    )
});

const OBJECTS: &str = "SELECT objects, sizes FROM uploads WHERE id = $1";

/// A transaction that has locked the row of an upload may end the upload.
const LOCK: &str = "SELECT FROM uploads WHERE id = $1 FOR UPDATE";
/// Idle sessions, and uploads that a process has left which is gone for a day.
const LOCK_IDLE: &str =
    "SELECT id FROM uploads WHERE (repository IS NOT NULL AND used <= now() - make_interval(secs => $1)
     OR repository IS NULL AND used < now() - interval '1 day') AND NOT id = ANY ($2)
     LIMIT $3 FOR UPDATE SKIP LOCKED";
const DOOM_OBJECTS: &str = "WITH gone AS (DELETE FROM pending WHERE upload = ANY ($1) RETURNING object)
     INSERT INTO doomed (object) SELECT object FROM gone";
const DELETE: &str = "DELETE FROM uploads WHERE id = ANY ($1)";

const OPEN_OF_REPOSITORY: &str =
    "SELECT id, owner, extract(epoch FROM now() - used)::float8 FROM uploads WHERE repository = $1";
const OPEN_OF_OWNER: &str =
    "SELECT id, owner, extract(epoch FROM now() - used)::float8 FROM uploads WHERE owner = $1";

pub(crate) fn missing() -> Error {
    Error::new(ErrorKind::NotFound, "there is no such upload")
}

#[async_trait]
impl Uploads for ObjectBackend {
    async fn begin(&self, id: &str, session: Option<&UploadSession>) -> Result<(), Error> {
        let statement = Statement::new("begin an upload", BEGIN, columns(id, session));
        self.database().transact(&[statement]).await.map(drop)
    }

    async fn begin_within(
        &self,
        id: &str,
        session: &UploadSession,
        limits: UploadLimits,
    ) -> Result<bool, Error> {
        let limit = |limit: usize| i64::try_from(limit).unwrap_or(i64::MAX);
        let statement = |sql, values: Vec<Value>| Statement::new("begin an upload", sql, values);
        let mut statements = vec![statement(
            LOCK_REPOSITORY,
            vec![Value::text(session.repository.as_str())],
        )];
        if limits.owner.is_some() {
            let owner = Value::Text(Some(owner_text(&session.owner)));
            statements.push(statement(LOCK_OWNER, vec![owner]));
        }
        let mut values = Vec::from(columns(id, Some(session)));
        values.push(limit(limits.repository).into());
        values.push(Value::Integer(limits.owner.map(limit)));
        statements.push(statement(BEGIN_WITHIN, values));
        statements.push(statement(HAS_BEGUN, vec![Value::text(id)]));
        let rows = self.database().transact(&statements).await?;
        Ok(rows.last().is_some_and(|found| !found.is_empty()))
    }

    async fn resume(&self, id: &str) -> Result<Option<Upload>, Error> {
        if !Objects::is_name(id) {
            return Ok(None); // just any text that a client has sent
        }
        let statement = Statement::new("look an upload up", &RESUME, [Value::text(id)]);
        let rows = statement.run(&**self.database()).await?;
        match rows.first() {
            Some(row) => Ok(State::of(row)?.resumed(column(row, 6)?)),
            None => Ok(None),
        }
    }

    async fn write(&self, id: &str, offset: u64, incoming: Incoming) -> Result<Written, Error> {
        self.write_upload(id, offset, incoming).await
    }

    async fn read_upload(&self, id: &str) -> Result<ByteStream, Error> {
        let pieces = self.objects_of(id).await?.ok_or_else(missing)?;
        let whole = 0..pieces.size();
        Ok(pieces::read(self.objects().clone(), pieces.within(whole)))
    }

    async fn discard(&self, id: &str) -> Result<(), Error> {
        let lock = Statement::new("drop an upload", LOCK, [Value::text(id)]);
        let [doom, delete] = drop_uploads(vec![id.to_owned()]);
        self.database().transact(&[lock, doom, delete]).await.map(drop)
    }

    async fn open(&self, of: UploadsOf<'_>) -> Result<Vec<OpenUpload>, Error> {
        let (sql, value) = match of {
            UploadsOf::Repository(path) => (OPEN_OF_REPOSITORY, Value::text(path.as_str())),
            UploadsOf::Owner(owner) => (OPEN_OF_OWNER, Value::Text(Some(owner_text(owner)))),
        };
        let rows = Statement::new("list uploads", sql, [value])
            .run(&**self.database())
            .await?;
        rows.iter().map(row::listed).collect()
    }

    async fn expire(&self, idle: Duration) -> Result<(), Error> {
        while self.drop_idle(idle).await? == DROPPED_AT_ONCE {}
        Ok(())
    }
}

impl ObjectBackend {
    /// The objects of an upload, if it is there.
    async fn objects_of(&self, id: &str) -> Result<Option<Pieces>, Error> {
        let statement = Statement::new("look an upload up", OBJECTS, [Value::text(id)]);
        let rows = statement.run(&**self.database()).await?;
        let pieces = |row| Pieces::of(column(row, 0)?, None, column(row, 1)?);
        rows.first().map(pieces).transpose()
    }

    /// Whether the store still has the objects of an upload, as far as that is known without asking for each: the store has
    /// lately been the registry's. A directory is asked: a file system that is not mounted
    /// has an empty directory in its place, which takes what is written, and hides it when the file system is back.
    pub(crate) async fn is_kept(&self, id: &str) -> Result<bool, Error> {
        if self.options().reclamation.directory.is_none() {
            self.objects().check_lately().await?;
            return Ok(true);
        }
        self.objects().check_presence().await?;
        match self.objects_of(id).await? {
            Some(pieces) => self.objects().are_there(&pieces).await,
            None => Ok(true), // the transaction tells
        }
    }

    /// Drops some idle uploads, and returns how many.
    async fn drop_idle(&self, idle: Duration) -> Result<usize, Error> {
        let values = [
            Value::Seconds(idle.as_secs_f64()),
            Value::Texts(self.writers().uploads()),
            Value::from(i64::try_from(DROPPED_AT_ONCE).unwrap_or(i64::MAX)),
        ];
        let lock = Statement::new("look for idle uploads", LOCK_IDLE, values);
        let mut attempts = self.database().attempts();
        loop {
            match self.try_drop_idle(&lock, attempts.deadline).await {
                Ok(dropped) => return Ok(dropped),
                Err(failure) => attempts.again(failure).await?,
            }
        }
    }

    async fn try_drop_idle(&self, lock: &Statement, deadline: tokio::time::Instant) -> Result<usize, Error> {
        const DOING: &str = "drop idle uploads";
        let transaction = self.database().begin(deadline).await?;
        let rows = lock.run(&transaction).await?;
        let ids: Result<Vec<String>, _> = rows.iter().map(|row| column(row, 0)).collect();
        let ids = ids?;
        let count = ids.len();
        if count > 0 {
            crate::database::run_all(&transaction, &drop_uploads(ids)).await?;
        }
        transaction.commit(DOING).await?;
        Ok(count)
    }
}

/// The columns of an upload that begins.
fn columns(id: &str, session: Option<&UploadSession>) -> [Value; 4] {
    let repository = session.map(|session| session.repository.as_str().to_owned());
    let owner = session.map(|session| owner_text(&session.owner));
    let algorithm = session.and_then(|session| session.algorithm.name());
    [
        Value::text(id),
        Value::Text(repository),
        Value::Text(owner),
        Value::Text(algorithm.map(str::to_owned)),
    ]
}

/// The statements that drop uploads whose rows are locked, and doom their objects.
fn drop_uploads(ids: Vec<String>) -> [Statement; 2] {
    let doing = "drop uploads";
    [
        Statement::new(doing, DOOM_OBJECTS, [Value::Texts(ids.clone())]),
        Statement::new(doing, DELETE, [Value::Texts(ids)]),
    ]
}
