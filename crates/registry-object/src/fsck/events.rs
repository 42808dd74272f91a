//! Events that wait for their subscribers.

use wharf_content::Error;
use wharf_registry::Event;

use super::{Check, FsckFinding};
use crate::{database::Statement, records::row::column};

const EVENTS: &str =
    "SELECT e.repository, e.number, r.name, e.event FROM events e JOIN repositories r ON r.id = e.repository
     WHERE (e.repository, e.number) > ($1, $2) ORDER BY e.repository, e.number LIMIT 1000";

/// One statement, since commits and senders go on: at one moment, each event that a subscriber has not accepted is there.
const GAPS: &str = "SELECT s.name, r.name, p.last - p.accepted, count(e.number)
     FROM event_positions p JOIN subscribers s ON s.id = p.subscriber JOIN repositories r ON r.id = p.repository
         LEFT JOIN events e ON e.repository = p.repository AND e.number > p.accepted AND e.number <= p.last
     WHERE p.accepted < p.last GROUP BY p.subscriber, p.repository, s.name, r.name
     HAVING count(e.number) <> p.last - p.accepted ORDER BY 1, 2 LIMIT 10000";

/// Numbers that were given to events and would be given again.
const NUMBERS: &str = "SELECT r.name, counted.events, drawn.last
     FROM (SELECT repository, max(last) AS last FROM (SELECT repository, number AS last FROM events
             UNION ALL SELECT repository, greatest(accepted, last) FROM event_positions) AS told GROUP BY repository) AS drawn
         JOIN repositories r ON r.id = drawn.repository LEFT JOIN repository_usage AS counted ON counted.repository = r.id
     WHERE drawn.last > coalesce(counted.events, 0) ORDER BY 1 LIMIT 10000";

const UNSUBSCRIBED: &str =
    "SELECT s.name, count(*) FROM event_positions p JOIN subscribers s ON s.id = p.subscriber
     WHERE s.unsubscribed GROUP BY s.name ORDER BY 1";

impl Check<'_> {
    pub(super) async fn events(&mut self) -> Result<(), Error> {
        let (mut repository, mut number) = (i64::MIN, i64::MIN);
        loop {
            let rows = self.rows(EVENTS, [repository.into(), number.into()]).await?;
            for row in &rows {
                (repository, number) = (column(row, 0)?, column(row, 1)?);
                if let Err(error) = serde_json::from_str::<Event>(column(row, 3)?) {
                    let key = format!("{} {number}", column::<&str>(row, 2)?);
                    self.damaged("events", &key, &error);
                }
            }
            if rows.is_empty() {
                break;
            }
        }
        for row in &self.long("look for events that are lost", GAPS).await? {
            self.tell(FsckFinding::LostEvents {
                subscriber: column(row, 0)?,
                repository: column(row, 1)?,
                waiting: column(row, 2)?,
                found: column(row, 3)?,
            });
        }
        for row in &self.long("compare the numbers of events", NUMBERS).await? {
            self.tell(FsckFinding::RepeatedNumbers {
                repository: column(row, 0)?,
                counted: column(row, 1)?,
                last: column(row, 2)?,
            });
        }
        for row in &self
            .long("look for events of removed subscribers", UNSUBSCRIBED)
            .await?
        {
            self.tell(FsckFinding::Unsubscribed {
                subscriber: column(row, 0)?,
                rows: column(row, 1)?,
            });
        }
        Ok(())
    }

    /// Runs a statement that may read whole tables.
    pub(super) async fn long(
        &self,
        doing: &'static str,
        sql: &'static str,
    ) -> Result<Vec<tokio_postgres::Row>, Error> {
        let statement = Statement::new(doing, sql, []);
        self.backend.database().run_long(&statement).await
    }
}
