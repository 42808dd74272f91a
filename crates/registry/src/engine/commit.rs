//! Commits: guards are judged, content is placed, changes are recorded in the storage and made in the index, in
//! one step.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use bytes::Bytes;
use tokio::sync::OwnedMutexGuard;
use wharf_content::{Error, ErrorKind, Verified};

use super::{
    Engine, Links, QuotaBytes, Repository, Reservation,
    gate::Gate,
    sessions::{Progress, missing},
};
use crate::{
    Change, Commit, Guard, Inventory, NewContent, Outcome, Record, RecordKey, Refusal, RepositoryPath,
    Storage, Usage, random, sync::LockExt as _,
};

impl<S: Storage + 'static> Engine<S> {
    /// Makes a commit, with or without content that it links.
    pub(super) async fn commit(
        self: &Arc<Self>,
        path: &RepositoryPath,
        content: Option<NewContent>,
        commit: Commit,
    ) -> Result<Outcome, Error> {
        let present = match content {
            Some(_) => Some(Arc::clone(&self.sweep).read_owned().await),
            None => None,
        };
        let puts = |change: &Change| matches!(change, Change::Put(_));
        let repository = if commit.changes.iter().any(puts) {
            self.index.repository(path)
        } else if let Some(repository) = self.index.existing(path.as_str()) {
            repository
        } else {
            return Ok(self.commit_nothing(path, &commit));
        };
        let gate = Gate::of(&repository, &commit).await;
        if self.recent.locked().contains(commit.id) {
            return Ok(Outcome::Committed);
        }
        let uploaded = matches!(content, Some(NewContent::Upload(..)));
        let reservation = match self.judge(&repository, &commit, uploaded) {
            Ok(reservation) => reservation,
            Err(refusal) => return Ok(Outcome::Refused(refusal)),
        };
        let upload = match content {
            Some(content) => match self.place(content).await? {
                Placed::There => None,
                Placed::Upload(id, progress) => Some((id, progress)),
                Placed::Gone => return Ok(Outcome::Refused(Refusal::Content)),
            },
            None => None,
        };
        let (upload, progress) = upload.unzip();
        let held = (gate, present, progress, reservation);
        self.record(&repository, commit, upload, held).await?;
        Ok(Outcome::Committed)
    }

    /// Makes a commit that puts nothing into a repository that does not exist: there is nothing to be recorded. A
    /// removal in the log could come after the record of a push that has just created the repository.
    fn commit_nothing(&self, path: &RepositoryPath, commit: &Commit) -> Outcome {
        if self.recent.locked().contains(commit.id) {
            return Outcome::Committed;
        }
        let empty = Repository::new(path.clone(), Arc::clone(&self.index.aggregates));
        if let Err(refusal) = self.judge(&empty, commit, false) {
            return Outcome::Refused(refusal);
        }
        self.recent.locked().insert(commit.id);
        Outcome::Committed
    }

    /// Judges the guards, and reserves the bytes that the commit adds.
    fn judge(
        &self,
        repository: &Repository,
        commit: &Commit,
        uploaded: bool,
    ) -> Result<Option<Reservation>, Refusal> {
        if commit.guards.is_empty() {
            return Ok(None);
        }
        let mut reservations = self.reservations();
        let content = repository.content();
        let mut reserved = QuotaBytes::default();
        let mut user = None;
        for (index, guard) in commit.guards.iter().enumerate() {
            let holds = match guard {
                Guard::Present(key) => content.has(key),
                Guard::Absent(key) => !content.has(key),
                Guard::Tag(tag, target) => content.tag(tag) == *target,
                Guard::MediaType(digest, media_type) => {
                    content.media_type(digest).is_none_or(|own| own == *media_type)
                }
                Guard::RepositoryQuota(limit) => {
                    reserved.repository = added(&content, &commit.changes, |_| true);
                    let others = reservations.of_repository(&repository.path, true);
                    fits(content.bytes, others, reserved.repository, *limit)
                }
                Guard::UserQuota(name, limit) => {
                    let is_own = |user: Option<&str>| user == Some(name);
                    reserved.user = added(&content, &commit.changes, is_own);
                    user = Some(name.clone());
                    let others = reservations.of_user(name, true);
                    fits(
                        self.index.aggregates.usage.of(name),
                        others,
                        reserved.user,
                        *limit,
                    )
                }
            };
            if !holds {
                return Err(Refusal::Guard(index));
            }
        }
        if reserved.repository == 0 && reserved.user == 0 {
            return Ok(None);
        }
        let path = repository.path.clone();
        Ok(Some(reservations.add(path, user, reserved, uploaded)))
    }

    /// Places content in the storage.
    async fn place(&self, content: NewContent) -> Result<Placed, Error> {
        match content {
            NewContent::Stored(content) => {
                let found = self.storage.size(&content.digest).await?;
                Ok(if found == Some(content.size) {
                    Placed::There
                } else {
                    Placed::Gone
                })
            }
            NewContent::Bytes(bytes, verified) => {
                self.place_bytes(&bytes, &verified).await?;
                Ok(Placed::There)
            }
            NewContent::Upload(id, verified) => {
                let session = self.sessions.get(&id).ok_or_else(missing)?;
                let mut progress = session.claim()?;
                self.storage.finish(&id, &verified).await?;
                progress.ended = true;
                self.mark_verified(verified.digest());
                Ok(Placed::Upload(id, progress))
            }
            NewContent::External(_) => {
                let message = "the storage of this registry cannot leave content in an object of another registry, \
                               which has to be copied";
                Err(Error::new(ErrorKind::Unsupported, message))
            }
        }
    }

    /// Writes bytes, unless this process has received or verified them before: content that may be corrupt is
    /// written again, which heals it.
    async fn place_bytes(&self, bytes: &Bytes, verified: &Verified) -> Result<(), Error> {
        let digest = verified.digest();
        let size = self.storage.size(digest).await?;
        if size == Some(bytes.len() as u64) && self.is_verified(digest) {
            return Ok(());
        }
        let id = random::id()?;
        self.storage.begin(&id, "").await?;
        let stored = async {
            self.storage.append(&id, 0, vec![bytes.clone()]).await?;
            self.storage.flush(&id).await?;
            self.storage.finish(&id, verified).await
        };
        if let Err(error) = stored.await {
            let _ = self.storage.discard(&id).await; // an upload that stays is dropped when a backend opens
            return Err(error);
        }
        self.mark_verified(digest);
        Ok(())
    }

    /// Records changes, makes them in the index and their events known, all or none, and holds `held` until then. An upload or a
    /// reservation that became content ends in the same step, so that its bytes count once.
    ///
    /// The work runs to its end although its caller has gone: no cancellation comes between the record and
    /// the index.
    pub(super) async fn record(
        self: &Arc<Self>,
        repository: &Arc<Repository>,
        commit: Commit,
        upload: Option<String>,
        held: impl Send + 'static,
    ) -> Result<(), Error> {
        let (engine, repository) = (Arc::clone(self), Arc::clone(repository));
        let Commit {
            id, changes, events, ..
        } = commit;
        let commit = async move {
            let changes = with_tags(&repository.content(), changes);
            let recorded = engine.storage.record(&repository.path, &changes).await;
            let counting = engine.reservations();
            engine.sessions.end(upload.as_deref(), || {
                if recorded.is_ok() {
                    engine.recent.locked().insert(id);
                    let mut content = repository.content_mut();
                    for change in &changes {
                        content.apply(change);
                    }
                    engine.outbox.add(&repository.path, events);
                }
                drop(held);
            });
            drop(counting);
            recorded
        };
        let interrupted = |error| Error::wrap(ErrorKind::Cancelled, error);
        tokio::spawn(commit).await.map_err(interrupted)?
    }

    /// Bytes that count against quotas.
    pub(super) fn usage(&self, path: &RepositoryPath, user: Option<&str>) -> Usage {
        let reservations = self.reservations();
        self.sessions.received(path, user, |here, own| {
            let repository = self.index.existing(path.as_str());
            let linked = repository.map_or(0, |repository| repository.content().bytes);
            let here = here.saturating_add(reservations.of_repository(path, false));
            let own = user.map_or(0, |user| {
                let own = own.saturating_add(reservations.of_user(user, false));
                own.saturating_add(self.index.aggregates.usage.of(user))
            });
            Usage {
                repository: here.saturating_add(linked),
                user: own,
            }
        })
    }

    pub(super) fn inventory(&self) -> Inventory {
        let totals = &self.index.aggregates.totals;
        let count = |counter: &AtomicUsize| counter.load(Ordering::Relaxed);
        let (uploads, uploading) = self.sessions.count();
        Inventory {
            repositories: count(&totals.repositories),
            tags: count(&totals.tags),
            manifests: count(&totals.manifests),
            blobs: count(&totals.blobs),
            bytes: totals.bytes.load(Ordering::Relaxed),
            uploads,
            uploading,
            events: self.outbox.len(),
            doomed: 0,
            verified: self.verified.locked().len(),
        }
    }
}

/// Content that is to be linked, after it was placed in the storage.
enum Placed {
    There,
    /// It was this upload, which nobody else changes any more.
    Upload(String, OwnedMutexGuard<Progress>),
    Gone,
}

/// Whether so many more bytes need no room or have some.
const fn fits(linked: u64, reserved: u64, more: u64, limit: u64) -> bool {
    more == 0 || linked.saturating_add(reserved).saturating_add(more) <= limit
}

/// The bytes by which changes raise the sum of the records that count for whoever `counts` accepts.
fn added(content: &Links, changes: &[Change], counts: impl Fn(Option<&str>) -> bool) -> u64 {
    let (mut more, mut less) = (0_u64, 0_u64);
    let counted = |size: u64, user: &Option<Box<str>>| if counts(user.as_deref()) { size } else { 0 };
    let bytes = |record: Option<Record>| match record {
        Some(Record::Blob(_, blob)) => counted(blob.size, &blob.user),
        Some(Record::Manifest(_, manifest)) => counted(manifest.size, &manifest.user),
        Some(Record::Tag(..)) | None => 0,
    };
    for change in changes {
        let key = match change {
            Change::Put(Record::Tag(..)) | Change::Remove(RecordKey::Tag(_)) => continue,
            Change::Put(record) => {
                more = more.saturating_add(bytes(Some(record.clone())));
                record.key()
            }
            Change::Remove(key) => key.clone(),
        };
        less = less.saturating_add(bytes(content.value(&key)));
    }
    more.saturating_sub(less)
}

/// Adds, before the removal of a manifest, the removal of the manifest's tags.
fn with_tags(content: &Links, changes: Vec<Change>) -> Vec<Change> {
    let removes = |change: &Change| matches!(change, Change::Remove(RecordKey::Manifest(_)));
    if !changes.iter().any(removes) {
        return changes;
    }
    let mut all = Vec::with_capacity(changes.len());
    for change in changes {
        if let Change::Remove(RecordKey::Manifest(digest)) = &change {
            let tags = content.tags_of(digest).into_iter();
            all.extend(tags.map(|tag| Change::Remove(RecordKey::Tag(tag))));
        }
        all.push(change);
    }
    all
}
