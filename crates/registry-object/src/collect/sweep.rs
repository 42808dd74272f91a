//! Uploads that nobody goes on with, and objects that became no content.

use wharf_content::Error;

use super::{
    Collector,
    step::{DOING, make},
};
use crate::database::{Statement, Value};

/// With an upload its objects go. What is being written to it is refused afterwards, since the upload is gone.
const UPLOADS: &str = "WITH old AS (SELECT id FROM uploads WHERE used <= now() - make_interval(secs => $1)
         LIMIT 1000 FOR UPDATE SKIP LOCKED),
     gone AS (DELETE FROM uploads u USING old WHERE u.id = old.id RETURNING u.id),
     objects AS (DELETE FROM pending p USING gone WHERE p.upload = gone.id RETURNING p.object),
     doomed AS (INSERT INTO doomed (object) SELECT object FROM objects ON CONFLICT DO NOTHING)
     SELECT 1 FROM gone";

/// The condition is judged when the row is locked, after whoever renewed it.
const PENDING: &str = "WITH old AS (SELECT object FROM pending p WHERE upload IS NULL
         AND renewed <= now() - make_interval(secs => $1) LIMIT 1000 FOR UPDATE SKIP LOCKED),
     gone AS (DELETE FROM pending p USING old WHERE p.object = old.object RETURNING p.object),
     doomed AS (INSERT INTO doomed (object) SELECT object FROM gone ON CONFLICT DO NOTHING)
     SELECT 1 FROM gone";

const COMMITS: &str =
    "WITH old AS (SELECT id FROM commits WHERE committed <= now() - make_interval(secs => $1)
         LIMIT 1000 FOR UPDATE SKIP LOCKED)
     DELETE FROM commits c USING old WHERE c.id = old.id RETURNING 1";

impl Collector<'_> {
    /// Removes uploads, and dooms their objects.
    pub(super) async fn sweep_uploads(&self) -> Result<(), Error> {
        self.sweep(UPLOADS, self.times.uploads.as_secs_f64()).await
    }

    /// Dooms objects of which nobody has said for long that he writes them.
    pub(super) async fn sweep_pending(&self) -> Result<(), Error> {
        self.sweep(PENDING, self.times.pending.as_secs_f64()).await
    }

    /// Forgets the ids of commits that nobody repeats any more.
    pub(super) async fn forget_commits(&self) -> Result<(), Error> {
        self.sweep(COMMITS, self.times.commits.as_secs_f64()).await
    }

    /// Repeats a statement until it finds nothing.
    async fn sweep(&self, sql: &'static str, age: f64) -> Result<(), Error> {
        let sweep = [Statement::new(DOING, sql, [Value::Seconds(age)])];
        while make(self.database, &sweep[..])
            .await?
            .iter()
            .any(|rows| !rows.is_empty())
        {}
        Ok(())
    }
}
