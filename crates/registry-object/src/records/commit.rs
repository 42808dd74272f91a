//! Commits. The locks are taken in the order that the crate's documentation gives.

use futures_util::future::{try_join, try_join_all, try_join3};
use tokio::time::timeout_at;
use tokio_postgres::types::Type;
use wharf_content::{Error, ErrorKind};
use wharf_reference::Digest;
use wharf_registry::{Commit, Guard, Outcome, Record, RecordKey, Refusal, RepositoryPath, Usage};

use super::{
    apply,
    look_up::{bytes_of, look_up, unsupported},
    row::{self, Found},
    usage::Added,
};
use crate::{
    Database,
    content::{Placed, Placing},
    database::{Attempts, Parameters, Query as _, Transaction, late, run_all},
    events,
};

const LOCK: &str = "SELECT id FROM repositories WHERE name = $1 FOR UPDATE";
const CREATE: &str = "INSERT INTO repositories (name) VALUES ($1) ON CONFLICT DO NOTHING";
const CREATE_USAGE: &str = "INSERT INTO repository_usage (repository) VALUES ($1) ON CONFLICT DO NOTHING";
/// Waits for another attempt of the same commit, and returns nothing if that was made.
const BEGIN_ONCE: &str = "INSERT INTO commits (id) VALUES ($1) ON CONFLICT DO NOTHING RETURNING 1";

/// Ids that no repetition asks for any more.
const FORGET: &str =
    "DELETE FROM commits WHERE id IN (SELECT id FROM commits WHERE committed < now() - interval '1 day'
     LIMIT 500 FOR UPDATE SKIP LOCKED)";

/// One commit in so many removes old ids, several times as many.
const FORGET_EVERY: u64 = 100;

const DOING: &str = "commit changes of records";

/// The end of a commit that may link content.
pub(crate) enum Made {
    Outcome(Outcome),
    /// Nothing was changed: the content has to be placed in another way.
    Stale,
}

/// Content that a commit links, and its digest.
pub(crate) type Linked<'c> = Option<(&'c Digest, &'c Placing)>;

impl Database {
    /// Makes a commit, and repeats it until it is known to be made or refused, or the request's time is over.
    pub(crate) async fn make(
        &self,
        repository: &RepositoryPath,
        commit: &Commit,
        content: Linked<'_>,
    ) -> Result<Made, Error> {
        let mut attempts = self.attempts();
        let permit = timeout_at(attempts.deadline, self.limiter().acquire(repository)).await;
        let _permit =
            permit.map_err(|_| late("begin a commit, since others of the repository are under way"))?;
        loop {
            // A COMMIT that failed may have been carried out: the next attempt finds the id then.
            match self.attempt(&attempts, repository, commit, content).await {
                Ok(made) => {
                    if !commit.events.is_empty() {
                        self.event_signal().notify();
                    }
                    if self.count_commit().is_multiple_of(FORGET_EVERY) {
                        // Ids that stay are removed another time.
                        let _ = self.query("forget old commits", FORGET, &[]).await;
                    }
                    return Ok(made);
                }
                Err(failure) => {
                    attempts.again(failure).await?;
                    self.count_repetition();
                }
            }
        }
    }

    async fn attempt(
        &self,
        attempts: &Attempts,
        repository: &RepositoryPath,
        commit: &Commit,
        content: Linked<'_>,
    ) -> Result<Made, Error> {
        let transaction = self.begin(attempts.deadline).await?;
        let made = if let Some(locked) = Locked::take(&transaction, repository, commit).await? {
            locked.make(&transaction, commit, content).await?
        } else {
            self.count_lost_answer();
            Made::Outcome(Outcome::Committed)
        };
        match made {
            Made::Outcome(Outcome::Committed) => transaction.commit(DOING).await?,
            Made::Outcome(Outcome::Refused(_)) | Made::Stale => transaction.roll_back(DOING).await?,
        }
        Ok(made)
    }
}

/// A repository that is locked, with what a commit has to know of it.
struct Locked {
    repository: i64,
    found: Found,
    /// The sums for each guard that is a quota.
    sums: Vec<Usage>,
}

impl Locked {
    /// Locks the repository, which is made if it is new. Returns nothing if the commit was made already.
    async fn take(
        transaction: &Transaction<'_>,
        repository: &RepositoryPath,
        commit: &Commit,
    ) -> Result<Option<Self>, Error> {
        let name = [(&repository.as_str() as _, Type::TEXT)];
        let id = commit.id.to_bits().to_be_bytes();
        let id = [(&id.as_slice() as _, Type::BYTEA)];
        let keys = keys_of(commit);
        let look_up = || {
            try_join(
                look_up(transaction, repository, &keys, None),
                sums(transaction, repository, commit),
            )
        };
        // Sent together and made one after the other: what comes after the lock sees what its last holder has committed.
        let lock = transaction.query(DOING, LOCK, &name);
        let begin_once = transaction.query(DOING, BEGIN_ONCE, &id);
        let (here, begun, (found, sums)) = try_join3(lock, begin_once, look_up()).await?;
        if begun.is_empty() {
            return Ok(None);
        }
        if let Some(row) = here.first() {
            let repository = row::column(row, 0)?;
            return Ok(Some(Self {
                repository,
                found,
                sums,
            }));
        }
        let repository = create(transaction, &name).await?;
        let (found, sums) = look_up().await?; // another process may have been faster
        Ok(Some(Self {
            repository,
            found,
            sums,
        }))
    }

    /// Places the content and makes the changes, unless a guard does not hold.
    async fn make(
        &self,
        transaction: &Transaction<'_>,
        commit: &Commit,
        content: Linked<'_>,
    ) -> Result<Made, Error> {
        let added = Added::by(&commit.changes, &self.found)?;
        if let Some(refusal) = self.judge(commit, &added)? {
            return Ok(Made::Outcome(Outcome::Refused(refusal)));
        }
        let content = match content {
            None => None,
            Some((digest, placing)) => match placing.place(transaction).await? {
                Placed::Content(id) => Some((digest, id)),
                Placed::Gone => return Ok(Made::Outcome(Outcome::Refused(Refusal::Content))),
                Placed::Stale => return Ok(Made::Stale),
            },
        };
        let mut statements = apply::statements(self.repository, &commit.changes, content)?;
        statements.extend(events::statement(self.repository, &commit.events)?);
        let changes = statements.len();
        let counting = added.statements(self.repository, &commit.guards);
        let (counts, quotas): (Vec<_>, Vec<_>) = counting
            .into_iter()
            .map(|counting| (counting.statement, counting.quota))
            .unzip();
        statements.extend(counts);
        let rows = run_all(transaction, &statements).await?;
        let mut refusing = Vec::new();
        for (quota, rows) in quotas.iter().zip(rows.iter().skip(changes)) {
            match quota {
                Some(quota) if rows.is_empty() => refusing.push(quota.guard.ok_or_else(uncounted)?),
                _ => {}
            }
        }
        let refused = refusing.into_iter().min().map(Refusal::Guard);
        Ok(Made::Outcome(
            refused.map_or(Outcome::Committed, Outcome::Refused),
        ))
    }

    /// The first guard that does not hold. Sums are not locked: those of quotas are judged again when the bytes are counted.
    fn judge(&self, commit: &Commit, added: &Added) -> Result<Option<Refusal>, Error> {
        let mut sums = self.sums.iter().copied();
        for (index, guard) in commit.guards.iter().enumerate() {
            let value = |key: RecordKey| self.found.value(&key);
            let holds = match guard {
                Guard::Present(key) => value(key.clone()).is_some(),
                Guard::Absent(key) => value(key.clone()).is_none(),
                Guard::Tag(tag, target) => match value(RecordKey::Tag(tag.clone())) {
                    Some(Record::Tag(_, manifest)) => target.as_ref() == Some(manifest),
                    _ => target.is_none(),
                },
                Guard::MediaType(digest, media_type) => match value(RecordKey::Manifest(digest.clone())) {
                    Some(Record::Manifest(_, record)) => record.media_type == *media_type,
                    _ => true,
                },
                Guard::RepositoryQuota(limit) => {
                    added.fits(sums.next().unwrap_or_default().repository, None, *limit)
                }
                Guard::UserQuota(user, limit) => {
                    added.fits(sums.next().unwrap_or_default().user, Some(user), *limit)
                }
                _ => return Err(unsupported("a guard")),
            };
            if !holds {
                return Ok(Some(Refusal::Guard(index)));
            }
        }
        Ok(None)
    }
}

fn uncounted() -> Error {
    let message = "the database has no row with the bytes of a repository or a user";
    Error::new(ErrorKind::Corrupt, message)
}

/// Makes a repository, unless another process is faster, locks it, and returns its number.
async fn create(transaction: &Transaction<'_>, name: Parameters<'_>) -> Result<i64, Error> {
    loop {
        let (_, here) = try_join(
            transaction.query(DOING, CREATE, name),
            transaction.query(DOING, LOCK, name),
        )
        .await?;
        if let Some(row) = here.first() {
            let here: i64 = row::column(row, 0)?;
            transaction
                .query(DOING, CREATE_USAGE, &[(&here as _, Type::INT8)])
                .await?;
            return Ok(here);
        }
    }
}

/// The sums for each guard that is a quota.
async fn sums(
    transaction: &Transaction<'_>,
    repository: &RepositoryPath,
    commit: &Commit,
) -> Result<Vec<Usage>, Error> {
    let quotas = commit.guards.iter().filter_map(|guard| match guard {
        Guard::RepositoryQuota(_) => Some(None),
        Guard::UserQuota(user, _) => Some(Some(&**user)),
        _ => None,
    });
    try_join_all(quotas.map(|user| bytes_of(transaction, repository, user))).await
}

/// The keys of the records that guards and changes are about.
fn keys_of(commit: &Commit) -> Vec<RecordKey> {
    let guarded = commit.guards.iter().filter_map(|guard| match guard {
        Guard::Present(key) | Guard::Absent(key) => Some(key.clone()),
        Guard::Tag(tag, _) => Some(RecordKey::Tag(tag.clone())),
        Guard::MediaType(digest, _) => Some(RecordKey::Manifest(digest.clone())),
        _ => None,
    });
    guarded.chain(commit.changes.iter().map(apply::key_of)).collect()
}
