//! Repositories, and the bytes that count against quotas.

use wharf_content::Error;
use wharf_registry::RepositoryPath;

use super::{Check, FsckFinding};
use crate::records::row::column;

const REPOSITORIES: &str = "SELECT id, name FROM repositories WHERE id > $1 ORDER BY id LIMIT 1000";

/// Sums that pass what a column holds are told as the largest that it holds. One statement that reads each table once, since the server may read a whole table for each repository.
const SUMS: &str = "WITH sums AS (SELECT repository, least(sum(size), 9223372036854775807)::bigint AS bytes FROM
         (SELECT repository, size FROM blobs UNION ALL SELECT repository, size FROM manifests) AS links GROUP BY repository)
     SELECT name, counted.bytes, coalesce(sums.bytes, 0) FROM repositories
         LEFT JOIN repository_usage AS counted ON counted.repository = id LEFT JOIN sums ON sums.repository = id
     WHERE counted.bytes IS DISTINCT FROM coalesce(sums.bytes, 0) ORDER BY name LIMIT 10000";

/// One statement, since commits in several repositories count for one user.
const USERS: &str = "WITH sums AS (SELECT user_name AS name, least(sum(size), 9223372036854775807)::bigint AS bytes FROM
         (SELECT user_name, size FROM blobs WHERE user_name IS NOT NULL
          UNION ALL SELECT user_name, size FROM manifests WHERE user_name IS NOT NULL) AS links GROUP BY user_name)
     SELECT name, user_usage.bytes, coalesce(sums.bytes, 0) FROM user_usage FULL JOIN sums USING (name)
     WHERE coalesce(user_usage.bytes, 0) <> coalesce(sums.bytes, 0) ORDER BY name LIMIT 10000";

impl Check<'_> {
    pub(super) async fn usage(&mut self) -> Result<(), Error> {
        let mut last = i64::MIN;
        loop {
            let rows = self.rows(REPOSITORIES, [last.into()]).await?;
            for row in &rows {
                last = column(row, 0)?;
                let name: &str = column(row, 1)?;
                if let Err(error) = RepositoryPath::parse(name) {
                    self.damaged("repositories", name, &error);
                }
                self.report.repositories += 1;
            }
            if rows.is_empty() {
                break;
            }
        }
        self.sums("repository", "add up the bytes of repositories", SUMS)
            .await?;
        self.sums("user", "add up the bytes of users", USERS).await
    }

    /// Tells of each name whose bytes are counted wrongly.
    async fn sums(&mut self, of: &str, doing: &'static str, sql: &'static str) -> Result<(), Error> {
        for row in &self.long(doing, sql).await? {
            self.tell(FsckFinding::WrongUsage {
                of: format!("{of} {}", column::<&str>(row, 0)?),
                counted: column(row, 1)?,
                sum: column(row, 2)?,
            });
        }
        Ok(())
    }
}
