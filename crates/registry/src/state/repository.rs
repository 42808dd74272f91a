use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard},
};

use tokio::{sync, time::Instant};
use wharf_reference::{Digest, Tag};

use super::{BlobRecord, ManifestRecord, Usage};

/// What one repository holds. Content is shared between repositories, sight of it is not: only what is linked
/// here can be read here.
pub(crate) struct Repository {
    /// Held while manifests and tags change, so that checks and changes are one step; shared while blobs are
    /// linked.
    pub(crate) gate: sync::RwLock<()>,
    content: RwLock<Content>,
}

#[derive(Default)]
pub(crate) struct Content {
    pub(crate) blobs: HashMap<Digest, BlobLink>,
    pub(crate) manifests: HashMap<Digest, ManifestLink>,
    /// In the order that listings need: by byte.
    pub(crate) tags: BTreeMap<Tag, Digest>,
    /// By subject.
    pub(crate) referrers: HashMap<Digest, BTreeSet<Digest>>,
    /// Bytes of all manifests and blobs.
    pub(crate) bytes: u64,
    /// The same by user, of all repositories.
    usage: Usage,
}

pub(crate) struct BlobLink {
    pub(crate) record: BlobRecord,
    /// When a client last learned that the blob is here; a manifest may rely on that for a while.
    pub(crate) touched: Instant,
}

pub(crate) struct ManifestLink {
    pub(crate) record: Arc<ManifestRecord>,
    /// When a client last pushed it or asked for it.
    pub(crate) touched: Instant,
}

impl Repository {
    pub(crate) fn new(usage: Usage) -> Self {
        let content = Content {
            usage,
            ..Content::default()
        };
        Self {
            gate: sync::RwLock::default(),
            content: RwLock::new(content),
        }
    }

    pub(crate) fn content(&self) -> RwLockReadGuard<'_, Content> {
        self.content.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn content_mut(&self) -> RwLockWriteGuard<'_, Content> {
        self.content.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// The size of a blob, if it is here.
    pub(crate) fn blob(&self, digest: &Digest) -> Option<u64> {
        self.content().blobs.get(digest).map(BlobLink::size)
    }

    /// The size of a blob, if it is here; garbage collection leaves it alone for a while.
    pub(crate) fn touch_blob(&self, digest: &Digest) -> Option<u64> {
        let mut content = self.content_mut();
        let link = content.blobs.get_mut(digest)?;
        link.touched = Instant::now();
        Some(link.size())
    }

    /// What is known of a manifest, if it is here; garbage collection leaves it alone for a while.
    pub(crate) fn manifest(&self, digest: &Digest) -> Option<Arc<ManifestRecord>> {
        let mut content = self.content_mut();
        let link = content.manifests.get_mut(digest)?;
        link.touched = Instant::now();
        Some(Arc::clone(&link.record))
    }
}

impl BlobLink {
    pub(crate) const fn size(&self) -> u64 {
        self.record.size
    }
}

impl Content {
    pub(crate) fn is_empty(&self) -> bool {
        self.blobs.is_empty() && self.manifests.is_empty()
    }

    pub(crate) fn insert_blob(&mut self, digest: Digest, record: BlobRecord) {
        self.account(record.user.as_deref(), record.size);
        let touched = Instant::now();
        if let Some(before) = self.blobs.insert(digest, BlobLink { record, touched }) {
            self.discount(before.record.user.as_deref(), before.record.size);
        }
    }

    pub(crate) fn insert_manifest(&mut self, digest: Digest, record: Arc<ManifestRecord>) {
        if let Some(subject) = &record.subject {
            let referrers = self.referrers.entry(subject.clone()).or_default();
            referrers.insert(digest.clone());
        }
        self.account(record.user.as_deref(), record.size);
        let touched = Instant::now();
        if let Some(before) = self.manifests.insert(digest, ManifestLink { record, touched }) {
            self.discount(before.record.user.as_deref(), before.record.size);
        }
    }

    fn account(&mut self, user: Option<&str>, size: u64) {
        self.bytes = self.bytes.saturating_add(size);
        self.usage.add(user, size);
    }

    fn discount(&mut self, user: Option<&str>, size: u64) {
        self.bytes = self.bytes.saturating_sub(size);
        self.usage.subtract(user, size);
    }

    pub(crate) fn remove_blob(&mut self, digest: &Digest) {
        if let Some(link) = self.blobs.remove(digest) {
            self.discount(link.record.user.as_deref(), link.record.size);
        }
    }

    pub(crate) fn insert_tag(&mut self, tag: Tag, digest: Digest) {
        self.tags.insert(tag, digest);
    }

    pub(crate) fn remove_manifest(&mut self, digest: &Digest) {
        let Some(link) = self.manifests.remove(digest) else {
            return;
        };
        self.discount(link.record.user.as_deref(), link.record.size);
        self.tags.retain(|_, target| target != digest);
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

    /// The tags of a manifest.
    pub(crate) fn tags_of(&self, digest: &Digest) -> Vec<Tag> {
        let tags = self.tags.iter().filter(|(_, target)| *target == digest);
        tags.map(|(tag, _)| tag.clone()).collect()
    }
}
