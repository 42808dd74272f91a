//! The changes of links, and of the sums and relations over all repositories with them.

use std::sync::atomic::Ordering;

use super::{Link, Links, REFERRER, TAGGED};
use crate::{
    Change,
    engine::aggregates::{Aggregates, Touched, step},
    packed::{self, BLOB, Counted, MANIFEST, PackedDigest, PackedManifest, TAG},
};

impl Links {
    /// Applies a change that has been recorded.
    pub(in crate::engine) fn apply(&mut self, change: &Change) {
        match change {
            Change::Put(record) => self.put(&packed::pack_key(&record.key()), &packed::pack_value(record)),
            Change::Remove(key) => self.remove(&packed::pack_key(key)),
        }
    }

    /// Stores a packed record.
    pub(in crate::engine) fn put(&mut self, key: &[u8], value: &[u8]) {
        let was_empty = self.is_empty();
        match key.split_first() {
            Some((&TAG, tag)) => {
                if let Some(before) = self.entries.get(key) {
                    let before = tagged(before, tag);
                    self.entries.remove(&before);
                } else {
                    step(&self.aggregates.totals.tags, true);
                }
                self.entries.insert(key, value);
                self.entries.insert(&tagged(value, tag), &[]);
            }
            Some((kind, digest)) => {
                self.unlink(key);
                let touched = Touched::at(self.now()).to_bytes();
                self.entries.insert(key, &[&touched, value].concat());
                if let Some(subject) = subject(*kind, value) {
                    self.entries.insert(&[&[REFERRER], subject, digest].concat(), &[]);
                }
                self.held += 1;
                self.count(*kind, value, true);
                self.aggregates.link(PackedDigest::of(digest), self.path.clone());
            }
            None => {}
        }
        self.count_repository(was_empty);
    }

    /// Removes the record with this packed key.
    pub(in crate::engine) fn remove(&mut self, key: &[u8]) {
        let was_empty = self.is_empty();
        match key.split_first() {
            Some((&TAG, tag)) => {
                if let Some(before) = self.entries.get(key) {
                    let before = tagged(before, tag);
                    self.entries.remove(&before);
                    self.entries.remove(key);
                    step(&self.aggregates.totals.tags, false);
                }
            }
            Some((kind, digest)) => {
                let removed = self.unlink(key);
                let other = if *kind == BLOB { MANIFEST } else { BLOB };
                if removed && self.link(other, digest).is_none() {
                    self.aggregates.unlink(&PackedDigest::of(digest), &self.path);
                }
            }
            None => {}
        }
        self.count_repository(was_empty);
    }

    /// Removes a blob or a manifest, but not from the holders of its digest. False if it is not there.
    fn unlink(&mut self, key: &[u8]) -> bool {
        let stored = self.entries.get(key).and_then(Link::of);
        let (Some(Link { value, .. }), Some((kind, digest))) = (stored, key.split_first()) else {
            return false;
        };
        let value = value.to_vec();
        self.entries.remove(key);
        if let Some(subject) = subject(*kind, &value) {
            self.entries.remove(&[&[REFERRER], subject, digest].concat());
        }
        self.held -= 1;
        self.count(*kind, &value, false);
        true
    }

    /// Counts a blob or a manifest that comes or goes.
    fn count(&mut self, kind: u8, value: &[u8], comes: bool) {
        let Aggregates { totals, usage, .. } = &*self.aggregates;
        step(
            if kind == BLOB {
                &totals.blobs
            } else {
                &totals.manifests
            },
            comes,
        );
        let Some(Counted { size, user }) = Counted::of(value) else {
            return;
        };
        if comes {
            self.bytes = self.bytes.saturating_add(size);
            totals.bytes.fetch_add(size, Ordering::Relaxed);
            usage.add(user, size);
        } else {
            self.bytes = self.bytes.saturating_sub(size);
            totals.bytes.fetch_sub(size, Ordering::Relaxed);
            usage.subtract(user, size);
        }
    }

    fn count_repository(&self, was_empty: bool) {
        if was_empty != self.is_empty() {
            step(&self.aggregates.totals.repositories, was_empty);
        }
    }
}

fn tagged(target: &[u8], tag: &[u8]) -> Vec<u8> {
    [&[TAGGED], target, tag].concat()
}

/// The packed subject of a packed manifest.
fn subject(kind: u8, value: &[u8]) -> Option<&[u8]> {
    PackedManifest::parse(value).filter(|_| kind == MANIFEST)?.subject
}
