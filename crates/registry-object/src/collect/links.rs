//! Links of repositories that nothing needs any more.
//!
//! Tables are looked through without locks, a part at a time. What is found is then removed repository by repository,
//! while the repository is locked, by statements that judge it once more: a push of a manifest holds the same lock, and
//! a look-up by a client renews the time that the condition is about.

use tokio_postgres::Row;
use wharf_content::Error;
use wharf_registry::GcReport;

use super::{
    Collector,
    step::{DOING, Step, make},
};
use crate::{
    database::{Statement, Transaction, Value, run_all},
    records::{Added, row::column},
};

/// The most links that are removed in one transaction.
const BATCH: usize = 1000;

const LOCK: &str = "SELECT 1 FROM repositories WHERE id = $1 FOR UPDATE";

/// A part of the blobs: those that may go, and the last one of the part. The first need from the digest on is that of another
/// blob, which an index answers for each row; for `NOT EXISTS` the server may read all needs for each part.
const LOOSE_BLOBS: &str = "WITH part AS (SELECT repository, digest, touched FROM blobs
         WHERE (repository, digest) > ($1, $2) ORDER BY repository, digest LIMIT 5000)
     SELECT repository, digest, true FROM part
         WHERE touched <= now() - make_interval(secs => $3)
         AND (SELECT n.blob FROM needs n WHERE n.repository = part.repository AND n.blob >= part.digest
             ORDER BY n.repository, n.blob LIMIT 1) IS DISTINCT FROM part.digest
         AND (SELECT c.child FROM children c WHERE c.repository = part.repository AND c.child >= part.digest
             ORDER BY c.repository, c.child LIMIT 1) IS DISTINCT FROM part.digest
     UNION ALL (SELECT repository, digest, false FROM part ORDER BY repository DESC, digest DESC LIMIT 1)";

const REMOVE_BLOBS: &str = "DELETE FROM blobs b WHERE repository = $1 AND digest = ANY ($2)
     AND touched <= now() - make_interval(secs => $3)
     AND NOT EXISTS (SELECT FROM needs n WHERE n.repository = b.repository AND n.blob = b.digest)
     AND NOT EXISTS (SELECT FROM children c WHERE c.repository = b.repository AND c.child = b.digest)
     RETURNING size, user_name";

/// A part of the manifests: those that no tag points at itself, and the last one of the part; as [`LOOSE_BLOBS`].
const UNTAGGED_MANIFESTS: &str = "WITH part AS (SELECT repository, digest, touched FROM manifests
         WHERE (repository, digest) > ($1, $2) ORDER BY repository, digest LIMIT 5000)
     SELECT repository, digest, true FROM part
         WHERE touched <= now() - make_interval(secs => $3)
         AND (SELECT t.manifest FROM tags t WHERE t.repository = part.repository AND t.manifest >= part.digest
             ORDER BY t.repository, t.manifest LIMIT 1) IS DISTINCT FROM part.digest
     UNION ALL (SELECT repository, digest, false FROM part ORDER BY repository DESC, digest DESC LIMIT 1)";

/// The manifests that lead to a manifest of the table `below`: indexes that name it, and its subject, as far as they are here.
macro_rules! leading {
    () => {
        "SELECT manifest AS digest FROM children WHERE repository = $1 AND child = below.digest
         UNION ALL SELECT s.digest FROM manifests r JOIN manifests s ON s.repository = $1 AND s.digest = r.subject
         WHERE r.repository = $1 AND r.digest = below.digest"
    };
}

/// Some manifests, and those from which they can be reached. Each is visited once, however many of them it leads to.
macro_rules! above {
    () => {
        concat!(
            "WITH RECURSIVE above (digest) AS (
                 SELECT digest FROM manifests WHERE repository = $1 AND digest = ANY ($2)
                 UNION SELECT next.digest FROM above AS below CROSS JOIN LATERAL (",
            leading!(),
            ") AS next)"
        )
    };
}

/// Of some manifests and those above them, the ones that a tag, or a manifest that was used of late, leads to. The server
/// cannot know how many they are, and guesses millions: what is asked of them is no join, which it would prepare for those.
macro_rules! kept {
    () => {
        concat!(
            above!(),
            ", steps AS MATERIALIZED (
                 SELECT below.digest AS below, next.digest AS above FROM above AS below CROSS JOIN LATERAL (",
            leading!(),
            ") AS next),
             used AS MATERIALIZED (
                 SELECT digest FROM above CROSS JOIN LATERAL (
                     (SELECT FROM tags t WHERE t.repository = $1 AND t.manifest = above.digest LIMIT 1)
                     UNION ALL SELECT FROM manifests m WHERE m.repository = $1 AND m.digest = above.digest
                         AND m.touched > now() - make_interval(secs => $3)) AS found),
             kept (digest) AS (
                 SELECT digest FROM used
                 UNION SELECT steps.below FROM kept JOIN steps ON steps.above = kept.digest)"
        )
    };
}

const UNREACHED_MANIFESTS: &str = concat!(
    kept!(),
    " SELECT asked.digest FROM unnest($2) AS asked (digest)
     WHERE asked.digest <> ALL (ARRAY(SELECT digest FROM kept WHERE digest = ANY ($2)))"
);

/// A reader that learns meanwhile that one of these is here waits, and learns afterwards what is left.
const LOCK_ABOVE: &str = concat!(
    above!(),
    " SELECT 1 FROM manifests WHERE repository = $1 AND digest = ANY (ARRAY(SELECT digest FROM above))
     ORDER BY digest FOR UPDATE"
);

/// The rows of `needs` and `children` go with it.
const REMOVE_MANIFESTS: &str = concat!(
    kept!(),
    " DELETE FROM manifests WHERE repository = $1 AND digest = ANY ($2)
     AND digest <> ALL (ARRAY(SELECT kept.digest FROM kept WHERE kept.digest = ANY ($2)))
     RETURNING size, user_name"
);

impl Collector<'_> {
    /// Removes manifests that no tag leads to.
    pub(super) async fn remove_untagged(&self, report: &mut GcReport) -> Result<(), Error> {
        let (mut parts, mut failures) = (Parts::of(UNTAGGED_MANIFESTS), Failures::default());
        while let Some(candidates) = parts.next(self).await? {
            for (repository, digests) in candidates {
                let removed = async {
                    let digests = self.unreached(repository, &digests).await?;
                    self.remove(repository, digests, true).await
                };
                report.manifests += failures.pass(removed.await)?;
            }
        }
        failures.end()
    }

    /// Removes blobs that no manifest needs.
    pub(super) async fn remove_loose(&self, report: &mut GcReport) -> Result<(), Error> {
        let (mut parts, mut failures) = (Parts::of(LOOSE_BLOBS), Failures::default());
        while let Some(candidates) = parts.next(self).await? {
            for (repository, digests) in candidates {
                report.blobs += failures.pass(self.remove(repository, digests, false).await)?;
            }
        }
        failures.end()
    }

    /// Of manifests without a tag of their own, those that nothing else leads to.
    async fn unreached(&self, repository: i64, digests: &[String]) -> Result<Vec<String>, Error> {
        let values = [
            repository.into(),
            Value::Texts(digests.to_vec()),
            Value::Seconds(self.grace()),
        ];
        let look = Statement::new(
            "look for manifests that no tag leads to",
            UNREACHED_MANIFESTS,
            values,
        );
        let rows = look.run(self.database).await?;
        rows.iter().map(|row| column(row, 0)).collect()
    }

    /// Removes those of the links that still can be, and returns how many; a dry run counts what was found.
    async fn remove(&self, repository: i64, digests: Vec<String>, are_manifests: bool) -> Result<u64, Error> {
        if self.options.dry_run || digests.is_empty() {
            return Ok(digests.len() as u64);
        }
        let removal = Removal {
            repository,
            digests,
            grace: self.grace(),
            are_manifests,
        };
        make(self.database, &removal).await
    }
}

/// The most failures with which a collection goes on.
const MAX_FAILURES: usize = 10;

/// Failures of single repositories, such as one whose lock somebody holds. They leave the others alone.
#[derive(Default)]
struct Failures {
    first: Option<Error>,
    count: usize,
}

impl Failures {
    /// The links that were removed from a repository; none if that failed.
    ///
    /// # Errors
    ///
    /// The first failure, if there were too many.
    fn pass(&mut self, removed: Result<u64, Error>) -> Result<u64, Error> {
        match removed {
            Ok(removed) => Ok(removed),
            Err(failure) => {
                self.count += 1;
                let first = self.first.take().unwrap_or(failure);
                if self.count > MAX_FAILURES {
                    return Err(first);
                }
                self.first = Some(first);
                Ok(0)
            }
        }
    }

    fn end(self) -> Result<(), Error> {
        self.first.map_or(Ok(()), Err)
    }
}

/// Links of one repository that are removed in one transaction.
struct Removal {
    repository: i64,
    digests: Vec<String>,
    grace: f64,
    are_manifests: bool,
}

impl Step for Removal {
    type Done = u64;

    async fn run(&self, transaction: &Transaction<'_>) -> Result<u64, Error> {
        let here = || Value::from(self.repository);
        let digests = || Value::Texts(self.digests.clone());
        let judged = || [here(), digests(), Value::Seconds(self.grace)];
        let mut statements = vec![Statement::new(DOING, LOCK, [here()])];
        if self.are_manifests {
            statements.push(Statement::new(DOING, LOCK_ABOVE, [here(), digests()]));
            statements.push(Statement::new(DOING, REMOVE_MANIFESTS, judged()));
        } else {
            statements.push(Statement::new(DOING, REMOVE_BLOBS, judged()));
        }
        let removed = run_all(transaction, &statements).await?.pop().unwrap_or_default();
        let gone = removed.iter().map(|row| Ok((column(row, 0)?, column(row, 1)?)));
        let counting = Added::without(gone)?.statements(self.repository, &[]);
        let counts: Vec<_> = counting.into_iter().map(|counting| counting.statement).collect();
        run_all(transaction, &counts).await?;
        Ok(removed.len() as u64)
    }
}

/// A table that is looked through part by part, in the order of its key.
struct Parts {
    sql: &'static str,
    after: Option<(i64, String)>,
}

impl Parts {
    fn of(sql: &'static str) -> Self {
        Self {
            sql,
            after: Some((i64::MIN, String::new())),
        }
    }

    /// The repositories of the next part, with at most [`BATCH`] names each. `None` after the last.
    async fn next(&mut self, collector: &Collector<'_>) -> Result<Option<Vec<(i64, Vec<String>)>>, Error> {
        let Some((repository, digest)) = self.after.take() else {
            return Ok(None);
        };
        let values = [
            repository.into(),
            Value::Text(Some(digest)),
            Value::Seconds(collector.grace()),
        ];
        let look = Statement::new("look for links that nothing needs", self.sql, values);
        let rows = look.run(collector.database).await?;
        let mut found: Vec<(i64, Vec<String>)> = Vec::new();
        for row in &rows {
            let (repository, digest, is_found) = read(row)?;
            if !is_found {
                self.after = Some((repository, digest));
                continue;
            }
            match found.last_mut() {
                Some((last, digests)) if *last == repository && digests.len() < BATCH => digests.push(digest),
                _ => found.push((repository, vec![digest])),
            }
        }
        Ok(Some(found))
    }
}

fn read(row: &Row) -> Result<(i64, String, bool), Error> {
    Ok((column(row, 0)?, column(row, 1)?, column(row, 2)?))
}
