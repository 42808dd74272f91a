//! Objects that no content needs any more.
//!
//! Names are never used again, so that a deletion is right however late it comes and however often it is made. The row
//! goes last: a collector that stops in between has forgotten nothing.

use wharf_content::Error;

use super::{
    Collector,
    step::{DOING, make},
};
use crate::{
    database::{Statement, Value},
    records::row::column,
};

/// Objects that are to be deleted for the first time, or the second.
const DUE: &str = "SELECT object FROM doomed WHERE object > $1
     AND (swept IS NULL AND doomed <= now() - make_interval(secs => $2) OR swept <= now() - make_interval(secs => $3))
     ORDER BY object LIMIT 1000";

const GONE: &str =
    "DELETE FROM doomed WHERE object = ANY ($1) AND swept <= now() - make_interval(secs => $2)";
const DELETED: &str = "UPDATE doomed SET swept = now() WHERE object = ANY ($1) AND swept IS NULL";

impl Collector<'_> {
    /// Deletes objects that have been doomed for long enough, and returns how many could not be deleted.
    pub(super) async fn delete_doomed(&self) -> Result<u64, Error> {
        let (mut last, mut failed) = (String::new(), 0);
        loop {
            let values = [
                Value::text(&last),
                Value::Seconds(self.times.hold.as_secs_f64()),
                Value::Seconds(self.times.again.as_secs_f64()),
            ];
            let look = Statement::new("look for objects to delete", DUE, values);
            let rows = look.run(self.database).await?;
            let due = rows
                .iter()
                .map(|row| column(row, 0))
                .collect::<Result<Vec<String>, Error>>()?;
            let Some(end) = due.last() else {
                return Ok(failed);
            };
            last.clone_from(end);
            let count = due.len();
            // In a store that is not the registry's any more, all objects would seem to be deleted.
            self.objects.check_presence().await?;
            let (deleted, failure) = self.objects.delete(due).await;
            self.objects.check_presence().await?;
            failed += (count - deleted.len()) as u64;
            match failure {
                Some(failure) if deleted.is_empty() => return Err(failure),
                _ => self.note_deletion(deleted).await?,
            }
        }
    }

    /// Forgets those of the objects that were deleted for the second time, and notes when the others were.
    async fn note_deletion(&self, deleted: Vec<String>) -> Result<(), Error> {
        let again = Value::Seconds(self.times.again.as_secs_f64());
        let gone = Statement::new(DOING, GONE, [Value::Texts(deleted.clone()), again]);
        let noted = Statement::new(DOING, DELETED, [Value::Texts(deleted)]);
        make(self.database, &[gone, noted][..]).await.map(drop)
    }
}
