//! The bytes that a commit adds to a repository and to users.

use std::collections::{BTreeMap, HashMap};

use wharf_content::Error;
use wharf_registry::{Change, Guard, Record, RecordKey};

use super::{
    apply,
    row::{Found, size},
};
use crate::database::{Statement, Value};

/// Nothing is returned if the sum passes the limit, if there is one.
const COUNT: &str = "UPDATE repository_usage SET bytes = bytes + $2 WHERE repository = $1
     AND ($2 <= 0 OR $3::bigint IS NULL OR bytes + $2 <= $3) RETURNING 1";
const CREATE_USER: &str = "INSERT INTO user_usage (name, bytes) VALUES ($1, 0) ON CONFLICT DO NOTHING";
const COUNT_FOR_USER: &str = "UPDATE user_usage SET bytes = bytes + $2 WHERE name = $1
     AND ($2 <= 0 OR $3::bigint IS NULL OR bytes + $2 <= $3) RETURNING 1";

const DOING: &str = "count bytes";

/// Bytes that are added, or taken away.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Added {
    repository: i64,
    /// In the byte order of the names, in which the rows of users are locked.
    users: BTreeMap<Box<str>, i64>,
}

impl Added {
    /// The bytes that changes add, one after the other, to the records that were found before them.
    pub(super) fn by(changes: &[Change], found: &Found) -> Result<Self, Error> {
        let mut added = Self::default();
        let mut now: HashMap<RecordKey, Option<&Record>> = HashMap::new();
        for change in changes {
            let key = apply::key_of(change);
            let before = now.get(&key).copied().unwrap_or_else(|| found.value(&key));
            let after = match change {
                Change::Put(record) => Some(record),
                Change::Remove(_) => None,
            };
            added.add(before, -1)?;
            added.add(after, 1)?;
            now.insert(key, after);
        }
        added.users.retain(|_, bytes| *bytes != 0);
        Ok(added)
    }

    /// The bytes that go with blobs and manifests of these sizes and users.
    pub(crate) fn without(
        gone: impl IntoIterator<Item = Result<(i64, Option<String>), Error>>,
    ) -> Result<Self, Error> {
        let mut added = Self::default();
        for link in gone {
            let (bytes, user) = link?;
            added.count(bytes.saturating_neg(), user.map(String::into_boxed_str));
        }
        Ok(added)
    }

    fn add(&mut self, record: Option<&Record>, sign: i64) -> Result<(), Error> {
        let (bytes, user) = match record {
            Some(Record::Blob(_, blob)) => (blob.size, &blob.user),
            Some(Record::Manifest(_, manifest)) => (manifest.size, &manifest.user),
            _ => return Ok(()),
        };
        self.count(size(bytes)?.saturating_mul(sign), user.clone());
        Ok(())
    }

    fn count(&mut self, bytes: i64, user: Option<Box<str>>) {
        self.repository = self.repository.saturating_add(bytes);
        if let Some(user) = user {
            let sum = self.users.entry(user).or_default();
            *sum = sum.saturating_add(bytes);
        }
    }

    /// Whether so many bytes, of the repository or of a user, are no more than the limit after this.
    pub(super) fn fits(&self, bytes: u64, user: Option<&str>, limit: u64) -> bool {
        let added = match user {
            Some(user) => self.users.get(user).copied().unwrap_or_default(),
            None => self.repository,
        };
        let added = u64::try_from(added).unwrap_or_default();
        added == 0 || bytes.saturating_add(added) <= limit
    }

    /// The statements that count the bytes, as far as quotas of these guards let them.
    pub(crate) fn statements(&self, repository: i64, guards: &[Guard]) -> Vec<Counting> {
        let mut all = Vec::new();
        if self.repository != 0 {
            let quota = Quota::of(guards, None);
            let values = [
                repository.into(),
                self.repository.into(),
                Value::Integer(quota.limit),
            ];
            all.push(Counting::counts(Statement::new(DOING, COUNT, values), quota));
        }
        for (user, bytes) in &self.users {
            all.push(Counting {
                statement: Statement::new(DOING, CREATE_USER, [Value::text(user)]),
                quota: None,
            });
            let quota = Quota::of(guards, Some(user));
            let values = [Value::text(user), (*bytes).into(), Value::Integer(quota.limit)];
            all.push(Counting::counts(
                Statement::new(DOING, COUNT_FOR_USER, values),
                quota,
            ));
        }
        all
    }
}

/// A statement that counts bytes, or prepares one.
pub(crate) struct Counting {
    pub(crate) statement: Statement,
    /// For one that counts, the quota that lets it return no row.
    pub(super) quota: Option<Quota>,
}

impl Counting {
    const fn counts(statement: Statement, quota: Quota) -> Self {
        Self {
            statement,
            quota: Some(quota),
        }
    }
}

/// The lowest limit of the repository or of a user.
pub(super) struct Quota {
    limit: Option<i64>,
    /// The guard that has the limit; `None` if no guard has one.
    pub(super) guard: Option<usize>,
}

impl Quota {
    fn of(guards: &[Guard], user: Option<&str>) -> Self {
        let limits = guards
            .iter()
            .enumerate()
            .filter_map(|(index, guard)| match guard {
                Guard::RepositoryQuota(limit) if user.is_none() => Some((*limit, index)),
                Guard::UserQuota(of, limit) if user == Some(of) => Some((*limit, index)),
                _ => None,
            });
        let lowest = limits.min();
        Self {
            limit: lowest.map(|(limit, _)| i64::try_from(limit).unwrap_or(i64::MAX)),
            guard: lowest.map(|(_, index)| index),
        }
    }
}
