use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    ops::Bound,
    sync::{Arc, RwLock, RwLockReadGuard, RwLockWriteGuard, atomic::Ordering},
};

use tokio::sync;
use wharf_content::MediaType;
use wharf_reference::{Digest, Tag};

use super::{Aggregates, Relation, aggregates::Touched, aggregates::step};
use crate::{
    BlobRecord, Change, ManifestRecord, Record, RecordKey, RecordRange, RepositoryPath, sync::RwLockExt as _,
};

/// A repository. Content is shared between repositories, but only content that a repository links can be read
/// in it.
pub(crate) struct Repository {
    pub(crate) path: RepositoryPath,
    /// Locked exclusively while manifests and tags change, so that checks and changes are one step; locked
    /// shared while blobs are linked.
    pub(crate) commit_lock: Arc<sync::RwLock<()>>,
    content: RwLock<Links>,
}

/// The links of a repository. Only [`Links::apply`] changes them.
pub(crate) struct Links {
    path: RepositoryPath,
    aggregates: Arc<Aggregates>,
    pub(crate) blobs: HashMap<Digest, BlobLink>,
    pub(crate) manifests: HashMap<Digest, ManifestLink>,
    /// In the order of listings: by byte.
    pub(crate) tags: BTreeMap<Tag, Digest>,
    /// The tags of each manifest.
    tagged: Relation<Digest, Tag>,
    /// The referrers of each subject.
    pub(crate) referrers: HashMap<Digest, BTreeSet<Digest>>,
    /// Bytes of all manifests and blobs.
    pub(crate) bytes: u64,
}

pub(crate) struct BlobLink {
    pub(crate) record: BlobRecord,
    /// When a client last learned that the blob is here; the collector lets the client rely on that for a
    /// while.
    pub(crate) touched: Touched,
}

pub(crate) struct ManifestLink {
    pub(crate) record: Arc<ManifestRecord>,
    /// When a client last pushed it or asked for it.
    pub(crate) touched: Touched,
}

impl Repository {
    pub(crate) fn new(path: RepositoryPath, aggregates: Arc<Aggregates>) -> Self {
        let content = Links {
            path: path.clone(),
            aggregates,
            blobs: HashMap::new(),
            manifests: HashMap::new(),
            tags: BTreeMap::new(),
            tagged: Relation::default(),
            referrers: HashMap::new(),
            bytes: 0,
        };
        Self {
            path,
            commit_lock: Arc::default(),
            content: RwLock::new(content),
        }
    }

    pub(crate) fn content(&self) -> RwLockReadGuard<'_, Links> {
        self.content.read_locked()
    }

    pub(super) fn content_mut(&self) -> RwLockWriteGuard<'_, Links> {
        self.content.write_locked()
    }
}

impl Links {
    pub(crate) fn is_empty(&self) -> bool {
        self.blobs.is_empty() && self.manifests.is_empty()
    }

    /// The tags of a manifest.
    pub(crate) fn tags_of(&self, digest: &Digest) -> impl Iterator<Item = &Tag> {
        self.tagged.of(digest)
    }

    /// The record with this key.
    pub(crate) fn value(&self, key: &RecordKey) -> Option<Record> {
        match key {
            RecordKey::Blob(digest) => {
                let link = self.blobs.get(digest)?;
                Some(Record::Blob(digest.clone(), link.record.clone()))
            }
            RecordKey::Manifest(digest) => {
                let link = self.manifests.get(digest)?;
                Some(Record::Manifest(digest.clone(), Arc::clone(&link.record)))
            }
            RecordKey::Tag(tag) => Some(Record::Tag(tag.clone(), self.tags.get(tag)?.clone())),
        }
    }

    /// Whether there is a record with this key.
    pub(crate) fn has(&self, key: &RecordKey) -> bool {
        match key {
            RecordKey::Blob(digest) => self.blobs.contains_key(digest),
            RecordKey::Manifest(digest) => self.manifests.contains_key(digest),
            RecordKey::Tag(tag) => self.tags.contains_key(tag),
        }
    }

    /// Counts the blob or manifest with this key as used now.
    pub(crate) fn touch(&self, key: &RecordKey) {
        let touched = match key {
            RecordKey::Blob(digest) => self.blobs.get(digest).map(|link| &link.touched),
            RecordKey::Manifest(digest) => self.manifests.get(digest).map(|link| &link.touched),
            RecordKey::Tag(_) => None,
        };
        if let Some(touched) = touched {
            touched.touch(self.aggregates.now());
        }
    }

    /// The first `limit` records of a range after a name.
    pub(crate) fn range(&self, range: &RecordRange, after: &str, limit: usize) -> Vec<Record> {
        let bounds = (Bound::Excluded(after), Bound::Unbounded);
        match range {
            RecordRange::Tags => {
                let tags = self.tags.range::<str, _>(bounds).take(limit);
                tags.map(|(tag, digest)| Record::Tag(tag.clone(), digest.clone()))
                    .collect()
            }
            RecordRange::Referrers(subject, artifact_type) => {
                let referrers = self.referrers.get(subject).into_iter();
                let referrers = referrers.flat_map(|referrers| referrers.range::<str, _>(bounds));
                let shown = referrers.filter_map(|digest| {
                    let record = &self.manifests.get(digest)?.record;
                    let own = record.artifact_type.as_ref().map(MediaType::as_str);
                    let wanted = artifact_type.as_deref();
                    (wanted.is_none() || wanted == own)
                        .then(|| Record::Manifest(digest.clone(), Arc::clone(record)))
                });
                shown.take(limit).collect()
            }
            RecordRange::Needing(blob) => {
                let needs = |record: &ManifestRecord| record.blobs.iter().any(|(needed, _)| needed == blob);
                let found = self
                    .manifests
                    .iter()
                    .filter(|(digest, link)| digest.as_str() > after && needs(&link.record));
                let mut found = found.collect::<Vec<_>>();
                found.sort_unstable_by_key(|(digest, _)| *digest);
                found
                    .into_iter()
                    .take(limit)
                    .map(|(digest, link)| Record::Manifest(digest.clone(), Arc::clone(&link.record)))
                    .collect()
            }
        }
    }

    /// The current time, for [`Touched`].
    pub(crate) fn now(&self) -> u64 {
        self.aggregates.now()
    }

    /// Applies a change that has been recorded.
    pub(super) fn apply(&mut self, change: Change) {
        let was_empty = self.is_empty();
        match change {
            Change::Put(Record::Blob(digest, record)) => self.insert_blob(digest, record),
            Change::Put(Record::Manifest(digest, record)) => self.insert_manifest(digest, record),
            Change::Put(Record::Tag(tag, digest)) => self.insert_tag(tag, digest),
            Change::Remove(RecordKey::Blob(digest)) => self.remove_blob(&digest),
            Change::Remove(RecordKey::Manifest(digest)) => self.remove_manifest(&digest),
            Change::Remove(RecordKey::Tag(tag)) => self.remove_tag(&tag),
        }
        if was_empty != self.is_empty() {
            step(&self.aggregates.totals.repositories, was_empty);
        }
    }

    fn insert_blob(&mut self, digest: Digest, record: BlobRecord) {
        self.account(record.user.as_deref(), record.size);
        self.aggregates.link(digest.clone(), self.path.clone());
        let touched = Touched::at(self.aggregates.now());
        match self.blobs.insert(digest, BlobLink { record, touched }) {
            Some(before) => self.discount(before.record.user.as_deref(), before.record.size),
            None => step(&self.aggregates.totals.blobs, true),
        }
    }

    fn insert_manifest(&mut self, digest: Digest, record: Arc<ManifestRecord>) {
        if let Some(subject) = &record.subject {
            let referrers = self.referrers.entry(subject.clone()).or_default();
            referrers.insert(digest.clone());
        }
        self.account(record.user.as_deref(), record.size);
        self.aggregates.link(digest.clone(), self.path.clone());
        let touched = Touched::at(self.aggregates.now());
        match self.manifests.insert(digest, ManifestLink { record, touched }) {
            Some(before) => self.discount(before.record.user.as_deref(), before.record.size),
            None => step(&self.aggregates.totals.manifests, true),
        }
    }

    fn insert_tag(&mut self, tag: Tag, digest: Digest) {
        match self.tags.insert(tag.clone(), digest.clone()) {
            Some(before) if before != digest => self.tagged.remove(&before, &tag),
            Some(_) => {}
            None => step(&self.aggregates.totals.tags, true),
        }
        self.tagged.insert(digest, tag);
    }

    fn remove_blob(&mut self, digest: &Digest) {
        let Some(link) = self.blobs.remove(digest) else {
            return;
        };
        self.discount(link.record.user.as_deref(), link.record.size);
        step(&self.aggregates.totals.blobs, false);
        if !self.manifests.contains_key(digest) {
            self.aggregates.unlink(digest, &self.path);
        }
    }

    fn remove_manifest(&mut self, digest: &Digest) {
        let Some(link) = self.manifests.remove(digest) else {
            return;
        };
        self.discount(link.record.user.as_deref(), link.record.size);
        step(&self.aggregates.totals.manifests, false);
        if !self.blobs.contains_key(digest) {
            self.aggregates.unlink(digest, &self.path);
        }
        let Some(subject) = &link.record.subject else {
            return;
        };
        if let Some(referrers) = self.referrers.get_mut(subject) {
            referrers.remove(digest);
            if referrers.is_empty() {
                self.referrers.remove(subject);
            }
        }
    }

    fn remove_tag(&mut self, tag: &Tag) {
        if let Some(digest) = self.tags.remove(tag) {
            self.tagged.remove(&digest, tag);
            step(&self.aggregates.totals.tags, false);
        }
    }

    fn account(&mut self, user: Option<&str>, size: u64) {
        self.bytes = self.bytes.saturating_add(size);
        self.aggregates.totals.bytes.fetch_add(size, Ordering::Relaxed);
        self.aggregates.usage.add(user, size);
    }

    fn discount(&mut self, user: Option<&str>, size: u64) {
        self.bytes = self.bytes.saturating_sub(size);
        self.aggregates.totals.bytes.fetch_sub(size, Ordering::Relaxed);
        self.aggregates.usage.subtract(user, size);
    }
}
