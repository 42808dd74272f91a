//! Contents that no repository links.

use wharf_content::Error;
use wharf_registry::GcReport;

use super::{
    Collector,
    step::{DOING, make},
};
use crate::{
    database::{Statement, Value},
    records::row::{bytes, column},
};

/// Whether nothing links the content `c`: the first link from its number on is that of another one. An index answers that for each
/// row, however many there are; for `NOT EXISTS` the server may read all links, for each part of a table again.
macro_rules! unlinked {
    () => {
        "(SELECT b.content FROM blobs b WHERE b.content >= c.id ORDER BY b.content LIMIT 1) IS DISTINCT FROM c.id
         AND (SELECT m.content FROM manifests m WHERE m.content >= c.id ORDER BY m.content LIMIT 1) IS DISTINCT FROM c.id"
    };
}
pub(crate) use unlinked;

/// A part of the contents: the last one of it, and those without a link.
const UNLINKED: &str = concat!(
    "SELECT max(id), coalesce(sum(size) FILTER (WHERE is_unlinked), 0)::bigint, array_agg(id) FILTER (WHERE is_unlinked)
     FROM (SELECT id, size, ",
    unlinked!(),
    " AS is_unlinked FROM contents c WHERE id > $1 ORDER BY id LIMIT 1000) AS part"
);

/// Content that is being linked is locked by the foreign key of the link, and left alone. One that was linked since the
/// statement began is refused by that key: the statement is repeated then, and sees the link.
const REMOVE: &str = concat!(
    "WITH found AS (SELECT id FROM contents c WHERE id = ANY ($1) AND ",
    unlinked!(),
    " FOR UPDATE SKIP LOCKED),
     removed AS (DELETE FROM contents c USING found WHERE c.id = found.id RETURNING c.size, c.objects),
     doomed AS (INSERT INTO doomed (object) SELECT object FROM removed, unnest(objects) AS object
         WHERE object IS NOT NULL ON CONFLICT DO NOTHING)
     SELECT count(*), coalesce(sum(size), 0)::bigint FROM removed"
);

impl Collector<'_> {
    /// Removes contents, and dooms their objects in the same transaction.
    pub(super) async fn remove_unlinked(&self, report: &mut GcReport) -> Result<(), Error> {
        let mut last = i64::MIN;
        loop {
            let look = Statement::new("look for contents without links", UNLINKED, [last.into()]);
            let rows = look.run(self.database).await?;
            let Some(row) = rows.first() else {
                return Ok(());
            };
            let Some(end) = column::<Option<i64>>(row, 0)? else {
                return Ok(());
            };
            last = end;
            let ids: Vec<i64> = column::<Option<_>>(row, 2)?.unwrap_or_default();
            if ids.is_empty() {
                continue;
            }
            let (count, size) = if self.options.dry_run {
                (ids.len() as u64, bytes(column(row, 1)?)?)
            } else {
                self.remove_contents(ids).await?
            };
            report.content += count;
            report.bytes += size;
        }
    }

    /// Removes those of the contents that still have no link, and returns how many and how large they are.
    async fn remove_contents(&self, ids: Vec<i64>) -> Result<(u64, u64), Error> {
        let remove = [Statement::new(DOING, REMOVE, [Value::Integers(ids)])];
        let rows = make(self.database, &remove[..]).await?;
        match rows.iter().flatten().next() {
            Some(row) => Ok((bytes(column(row, 0)?)?, bytes(column(row, 1)?)?)),
            None => Ok((0, 0)),
        }
    }
}
