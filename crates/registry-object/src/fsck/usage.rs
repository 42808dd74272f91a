//! Repositories, and the bytes that count against quotas.

use wharf_content::Error;
use wharf_registry::RepositoryPath;

use super::{Check, FsckFinding};
use crate::{
    database::{Statement, Value},
    records::row::column,
};

/// Each adds up all that a repository has, which takes long for one that has much.
const REPOSITORIES: &str = "SELECT id, name, (SELECT bytes FROM repository_usage WHERE repository = id),
         (coalesce((SELECT sum(size) FROM blobs WHERE repository = id), 0)
             + coalesce((SELECT sum(size) FROM manifests WHERE repository = id), 0))::bigint
     FROM repositories WHERE id > $1 ORDER BY id LIMIT 100";

/// One statement, since commits in several repositories count for one user.
const USERS: &str = "WITH sums AS (SELECT user_name AS name, sum(size)::bigint AS bytes FROM
         (SELECT user_name, size FROM blobs WHERE user_name IS NOT NULL
          UNION ALL SELECT user_name, size FROM manifests WHERE user_name IS NOT NULL) AS links GROUP BY user_name)
     SELECT name, user_usage.bytes, coalesce(sums.bytes, 0) FROM user_usage FULL JOIN sums USING (name)
     WHERE coalesce(user_usage.bytes, 0) <> coalesce(sums.bytes, 0) ORDER BY name LIMIT 10000";

impl Check<'_> {
    pub(super) async fn usage(&mut self) -> Result<(), Error> {
        let mut last = i64::MIN;
        loop {
            let sums = Statement::new("add up the bytes of repositories", REPOSITORIES, [last.into()]);
            let rows = self.backend.database().run_long(&sums).await?;
            for row in &rows {
                last = column(row, 0)?;
                let name: &str = column(row, 1)?;
                if let Err(error) = RepositoryPath::parse(name) {
                    self.damaged("repositories", name, &error);
                }
                let (counted, sum) = (column(row, 2)?, column(row, 3)?);
                if counted != Some(sum) {
                    let of = format!("repository {name}");
                    self.tell(FsckFinding::WrongUsage { of, counted, sum });
                }
                self.report.repositories += 1;
            }
            if rows.is_empty() {
                break;
            }
        }
        let users = Statement::new("add up the bytes of users", USERS, [] as [Value; 0]);
        for row in &self.backend.database().run_long(&users).await? {
            self.tell(FsckFinding::WrongUsage {
                of: format!("user {}", column::<&str>(row, 0)?),
                counted: column(row, 1)?,
                sum: column(row, 2)?,
            });
        }
        Ok(())
    }
}
