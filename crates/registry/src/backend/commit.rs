//! Changes of a repository, and the conditions under which they are made.

use std::fmt;

use wharf_content::{Error, MediaType};
use wharf_reference::{Digest, Tag};

use super::{Record, RecordKey};
use crate::{Event, random};

/// The id of a commit: 128 random bits. An engine makes the changes of one id once, however often it is asked
/// to.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct CommitId(u128);

impl CommitId {
    /// A new id.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Other`](wharf_content::ErrorKind::Other) if the operating system has no random bytes.
    pub fn random() -> Result<Self, Error> {
        random::bits().map(Self)
    }

    /// The id as a number, for a column of a database.
    #[must_use]
    pub const fn to_bits(self) -> u128 {
        self.0
    }
}

impl fmt::Debug for CommitId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CommitId({:032x})", self.0)
    }
}

/// Changes of one repository that are made together, if all guards hold.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Commit {
    /// The id, for a repetition after an error.
    pub id: CommitId,
    /// The conditions.
    pub guards: Vec<Guard>,
    /// The changes, in order.
    pub changes: Vec<Change>,
    /// The events, in order. An engine with an [`Outbox`](crate::Outbox) records them in the same step as the
    /// changes, and with their numbers; another one ignores them.
    pub events: Vec<Event>,
}

impl Commit {
    /// A commit with a new id and without guards.
    ///
    /// # Errors
    ///
    /// As [`CommitId::random`].
    pub fn new(changes: Vec<Change>) -> Result<Self, Error> {
        Ok(Self {
            id: CommitId::random()?,
            guards: Vec::new(),
            changes,
            events: Vec::new(),
        })
    }

    /// Adds a guard.
    #[must_use]
    pub fn with_guard(mut self, guard: Guard) -> Self {
        self.guards.push(guard);
        self
    }

    /// Adds events.
    #[must_use]
    pub fn with_events(mut self, events: impl IntoIterator<Item = Event>) -> Self {
        self.events.extend(events);
        self
    }

    /// Adds guards.
    #[must_use]
    pub fn with_guards(mut self, guards: impl IntoIterator<Item = Guard>) -> Self {
        self.guards.extend(guards);
        self
    }
}

/// A change of a repository's records.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// Stores a record, in the place of the one with its key.
    Put(Record),
    /// Removes the record with this key; without such a record nothing changes. A manifest is removed with
    /// the tags that point at it.
    Remove(RecordKey),
}

/// A condition of a commit, for the repository as it is just before the commit.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Guard {
    /// There is a record with this key.
    Present(RecordKey),
    /// There is no record with this key.
    Absent(RecordKey),
    /// The tag points at this manifest; `None`: there is no such tag.
    Tag(Tag, Option<Digest>),
    /// The manifest is not there, or has this media type.
    MediaType(Digest, MediaType),
    /// The commit adds no bytes to the repository's blobs and manifests, or they have at most so many bytes
    /// after it.
    RepositoryQuota(u64),
    /// The commit adds no bytes to the blobs and manifests that count for this user, in all repositories, or
    /// they have at most so many bytes after it.
    UserQuota(Box<str>, u64),
}

/// The outcome of a commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Outcome {
    /// All changes were made, now or by an earlier call with this id; its events are recorded once. They survive a crash.
    Committed,
    /// Nothing was changed.
    Refused(Refusal),
}

/// The reason why a commit was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Refusal {
    /// The guard with this index does not hold; of several, the first.
    Guard(usize),
    /// The content that was to be linked is not there any more.
    Content,
}

/// The commits that an engine has repeated since it was opened.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct RepeatedCommits {
    /// Attempts after the first: others were in the way, or the connection broke.
    pub repeated: u64,
    /// Commits whose answer was lost: a later attempt found them made.
    pub lost: u64,
}

impl RepeatedCommits {
    /// These numbers.
    #[must_use]
    pub const fn new(repeated: u64, lost: u64) -> Self {
        Self { repeated, lost }
    }
}
