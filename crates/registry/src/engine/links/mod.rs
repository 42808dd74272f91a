mod change;

use std::sync::Arc;

use wharf_content::MediaType;
use wharf_reference::{Digest, Tag};

use super::{Aggregates, aggregates::Touched, leaves::Leaves};
use crate::{
    Record, RecordKey, RecordRange, RepositoryPath,
    packed::{self, MANIFEST, PackedManifest, TAG},
};

/// The links of a repository. Only `change.rs` changes them.
///
/// | key | value |
/// |---|---|
/// | a blob's or a manifest's, [packed](packed) | when a client last learned that it is there ([`Touched`]); its packed value |
/// | a tag's, packed | its packed value |
/// | `g`, digest, tag | nothing: a tag of a manifest |
/// | `r`, subject, digest | nothing: a referrer of a subject |
pub(crate) struct Links {
    path: RepositoryPath,
    aggregates: Arc<Aggregates>,
    entries: Leaves,
    /// The number of manifests and blobs.
    held: usize,
    /// Bytes of all manifests and blobs.
    pub(crate) bytes: u64,
}

const TAGGED: u8 = b'g';
const REFERRER: u8 = b'r';

/// The link of a blob or a manifest.
#[derive(Clone, Copy)]
pub(super) struct Link<'a> {
    pub(super) touched: Touched,
    /// Its packed value.
    pub(super) value: &'a [u8],
}

impl<'a> Link<'a> {
    pub(super) fn of(stored: &'a [u8]) -> Option<Self> {
        let (touched, value) = stored.split_first_chunk()?;
        Some(Self {
            touched: Touched::from_bytes(*touched),
            value,
        })
    }

    pub(super) fn manifest(self) -> Option<PackedManifest<'a>> {
        PackedManifest::parse(self.value)
    }
}

impl Links {
    pub(super) fn new(path: RepositoryPath, aggregates: Arc<Aggregates>) -> Self {
        Self {
            path,
            aggregates,
            entries: Leaves::default(),
            held: 0,
            bytes: 0,
        }
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.held == 0
    }

    /// The number of manifests and blobs.
    pub(super) const fn held(&self) -> usize {
        self.held
    }

    /// The entries from `start` on whose keys begin with `prefix`.
    pub(super) fn entries_of<'a>(
        &'a self,
        start: &[u8],
        prefix: &[u8],
    ) -> impl Iterator<Item = (&'a [u8], &'a [u8])> + use<'a> {
        let (from, prefix) = (self.entries.from(start), prefix.to_vec());
        from.take_while(move |(key, _)| key.starts_with(&prefix))
    }

    /// The rests of the keys that begin so.
    fn rests<'a>(&'a self, prefix: &[u8]) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        let length = prefix.len();
        let entries = self.entries_of(prefix, prefix);
        entries.filter_map(move |(key, _)| key.get(length..))
    }

    fn link(&self, kind: u8, digest: &[u8]) -> Option<Link<'_>> {
        Link::of(self.entries.get(&[&[kind], digest].concat())?)
    }

    /// The manifest with this packed digest.
    pub(super) fn manifest(&self, digest: &[u8]) -> Option<PackedManifest<'_>> {
        self.link(MANIFEST, digest)?.manifest()
    }

    /// The media type of a manifest.
    pub(super) fn media_type(&self, digest: &Digest) -> Option<MediaType> {
        self.manifest(&packed_digest(digest))?.media_type()
    }

    /// The manifest that a tag points at.
    pub(super) fn tag(&self, tag: &Tag) -> Option<Digest> {
        let key = packed::pack_key(&RecordKey::Tag(tag.clone()));
        packed::unpack_digest(self.entries.get(&key)?)
    }

    /// The packed digests of the manifests that tags point at.
    pub(super) fn targets(&self) -> impl Iterator<Item = &[u8]> {
        self.entries_of(&[TAG], &[TAG]).map(|(_, target)| target)
    }

    /// The tags of a manifest.
    pub(super) fn tags_of(&self, digest: &Digest) -> Vec<Tag> {
        let tags = self.rests(&[&[TAGGED][..], &packed_digest(digest)].concat());
        let tags = tags.filter_map(|tag| Tag::parse(std::str::from_utf8(tag).ok()?).ok());
        tags.collect()
    }

    /// The packed digests of the referrers of a subject, which is packed, too.
    pub(super) fn referrers<'a>(&'a self, subject: &[u8]) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        self.rests(&[&[REFERRER], subject].concat())
    }

    /// The record with this key.
    pub(crate) fn value(&self, key: &RecordKey) -> Option<Record> {
        let key = packed::pack_key(key);
        record(&key, self.entries.get(&key)?)
    }

    /// Whether there is a record with this key.
    pub(crate) fn has(&self, key: &RecordKey) -> bool {
        self.entries.get(&packed::pack_key(key)).is_some()
    }

    /// Counts the blob or manifest with this key as used now.
    pub(super) fn touch(&mut self, key: &RecordKey) {
        let now = self.now();
        if let RecordKey::Blob(_) | RecordKey::Manifest(_) = key
            && let Some(stored) = self.entries.get_mut(&packed::pack_key(key))
            && let Some(touched) = stored.first_chunk_mut()
        {
            *touched = Touched::from_bytes(*touched).max(Touched::at(now)).to_bytes();
        }
    }

    /// The first `limit` records of a range after a name.
    pub(crate) fn range(&self, range: &RecordRange, after: &str, limit: usize) -> Vec<Record> {
        match range {
            RecordRange::Tags => {
                let start = [&[TAG], after.as_bytes()].concat();
                let tags = self.entries_of(&start, &[TAG]);
                let tags = tags.skip_while(|(key, _)| *key == start);
                tags.filter_map(|(key, value)| record(key, value))
                    .take(limit)
                    .collect()
            }
            RecordRange::Referrers(subject, artifact_type) => {
                let prefix = [&[REFERRER][..], &packed_digest(subject)].concat();
                let start = [&*prefix, &packed_after(after)].concat();
                let referrers = self.entries_of(&start, &prefix);
                let referrers = referrers.filter_map(|(key, _)| key.get(prefix.len()..));
                let shown = referrers.filter(|digest| {
                    let own = || self.manifest(digest)?.artifact_type();
                    let wanted = artifact_type.as_deref();
                    wanted.is_none() || wanted == own().as_ref().map(MediaType::as_str)
                });
                self.manifests(shown, after, limit)
            }
            RecordRange::Needing(blob) => {
                let blob = packed_digest(blob);
                let start = [&[MANIFEST][..], &packed_after(after)].concat();
                let needing = self.entries_of(&start, &[MANIFEST]).filter_map(|(key, value)| {
                    let manifest = Link::of(value)?.manifest()?;
                    let needs = manifest.blobs().any(|(needed, _)| *needed == *blob);
                    needs.then(|| key.get(1..))?
                });
                self.manifests(needing, after, limit)
            }
        }
    }

    /// The first `limit` records of the manifests with these packed digests that come after a name.
    fn manifests<'a>(
        &self,
        digests: impl Iterator<Item = &'a [u8]>,
        after: &str,
        limit: usize,
    ) -> Vec<Record> {
        let digests = digests.filter_map(packed::unpack_digest);
        let keys = digests
            .filter(|digest| digest.as_str() > after)
            .map(RecordKey::Manifest);
        keys.filter_map(|key| self.value(&key)).take(limit).collect()
    }

    /// The current time, for [`Touched`].
    pub(crate) fn now(&self) -> u64 {
        self.aggregates.now()
    }
}

/// The record of an entry.
fn record(key: &[u8], stored: &[u8]) -> Option<Record> {
    match key.first() {
        Some(&TAG) => packed::unpack(key, stored),
        _ => packed::unpack(key, Link::of(stored)?.value),
    }
}

fn packed_digest(digest: &Digest) -> Vec<u8> {
    let mut packed = Vec::with_capacity(33);
    packed::pack_digest(&mut packed, digest);
    packed
}

/// A packed digest that comes before all digests after this name.
fn packed_after(name: &str) -> Vec<u8> {
    Digest::parse(name).map_or_else(|_| Vec::new(), |digest| packed_digest(&digest))
}
