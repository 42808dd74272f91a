//! Events of a commit, in its transaction.

use wharf_content::{Error, ErrorKind};
use wharf_registry::Event;

use crate::database::{Statement, Value};

/// Draws the numbers under the lock of the repository, so that they follow its commits; records the events, and that
/// each subscriber has to be told of them. Without a subscriber nothing is recorded.
const RECORD: &str = "WITH drawn AS (
         UPDATE repository_usage SET events = events + cardinality($2) WHERE repository = $1
             AND EXISTS (SELECT 1 FROM subscribers WHERE NOT unsubscribed)
         RETURNING events - cardinality($2) AS before, events AS last),
     told AS (
         INSERT INTO event_positions (subscriber, repository, accepted, last)
         SELECT s.id, $1, d.before, d.last FROM drawn d, subscribers s WHERE NOT s.unsubscribed ORDER BY s.id
         ON CONFLICT (subscriber, repository) DO UPDATE SET last = excluded.last)
     INSERT INTO events (repository, number, event)
     SELECT $1, d.before + e.position, e.event FROM drawn d, unnest($2) WITH ORDINALITY AS e (event, position)";

/// The statement that records events, if there are any.
pub(crate) fn statement(repository: i64, events: &[Event]) -> Result<Option<Statement>, Error> {
    if events.is_empty() {
        return Ok(None);
    }
    let written = events.iter().map(serde_json::to_string).collect::<Result<_, _>>();
    let written = written.map_err(|error| Error::wrap(ErrorKind::Other, error))?;
    let values = [repository.into(), Value::Texts(written)];
    Ok(Some(Statement::new("record events", RECORD, values)))
}
