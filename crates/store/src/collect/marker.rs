//! What is needed: reached from names and leases.

use std::collections::{HashMap, HashSet};

use serde::{Deserialize, Deserializer};
use wharf_content::{Error, ErrorKind, Hasher, MAX_MANIFEST_SIZE, MediaType};
use wharf_reference::Digest;

use crate::{
    disk::{Disk, Found, read_bounded},
    index::{self, Index},
    os::Stamp,
};

/// What a document refers to, of any type that has the fields of a manifest.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Document {
    config: Option<Link>,
    layers: Option<Vec<Link>>,
    /// Of OCI's artifact manifest. In an image the key means nothing, so anything may stand there.
    #[serde(deserialize_with = "links_or_nothing")]
    blobs: Option<Vec<Link>>,
    manifests: Option<Vec<Link>>,
    subject: Option<Link>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Link {
    digest: Digest,
    #[serde(default)]
    media_type: Option<MediaType>,
}

fn links_or_nothing<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Vec<Link>>, D::Error> {
    let value = serde_json::Value::deserialize(deserializer)?;
    Ok(Vec::deserialize(value).ok())
}

impl Document {
    /// Everything it needs; whether that may be a document in turn.
    fn children(&self) -> impl Iterator<Item = (&Digest, bool)> {
        let is_manifest = |link: &Link| link.media_type.as_ref().is_some_and(MediaType::is_manifest);
        let leaves = self
            .config
            .iter()
            .chain(self.layers.iter().flatten())
            .chain(self.blobs.iter().flatten())
            .map(move |link| (&link.digest, is_manifest(link)));
        let documents = self.manifests.iter().flatten();
        leaves.chain(documents.map(|link| (&link.digest, true)))
    }
}

/// Marks what is needed.
pub(super) struct Marker<'a> {
    disk: &'a Disk,
    live: HashSet<Digest>,
    /// Of those, the ones that have been looked into.
    walked: HashSet<Digest>,
}

impl<'a> Marker<'a> {
    pub(super) fn new(disk: &'a Disk) -> Self {
        Self {
            disk,
            live: HashSet::new(),
            walked: HashSet::new(),
        }
    }

    pub(super) fn is_live(&self, digest: &Digest) -> bool {
        self.live.contains(digest)
    }

    /// Marks what index.json names. Of an entry that cannot be read, every digest in it counts: it may protect what
    /// it names, and its author knows what that is.
    pub(super) fn roots(
        &mut self,
        index: &Index,
        stays: impl Fn(&index::Entry<'_>) -> bool,
    ) -> Result<(), Error> {
        for entry in index.entries().filter(|entry| stays(entry)) {
            let descriptor = entry.descriptor();
            let certain = descriptor.media_type().is_manifest();
            self.mark(
                descriptor.digest(),
                if certain { Kind::Manifest } else { Kind::Unknown },
            )?;
        }
        for (_, text, _) in index.unreadable() {
            for digest in digests_in(text) {
                self.mark(&digest, Kind::Unknown)?;
            }
        }
        Ok(())
    }

    /// Marks what leases pin; nobody said of what kind it is.
    pub(super) fn pins(&mut self, pins: &HashSet<Digest>) -> Result<(), Error> {
        pins.iter()
            .try_for_each(|digest| self.mark(digest, Kind::Unknown))
    }

    fn mark(&mut self, digest: &Digest, kind: Kind) -> Result<(), Error> {
        let mut waiting = vec![(digest.clone(), kind)];
        while let Some((digest, kind)) = waiting.pop() {
            self.live.insert(digest.clone());
            if kind == Kind::Leaf || !self.walked.insert(digest.clone()) {
                continue;
            }
            let document = self.document(&digest, kind)?;
            let children = document.iter().flat_map(Document::children);
            waiting.extend(children.map(|(digest, document)| {
                (digest.clone(), if document { Kind::Unknown } else { Kind::Leaf })
            }));
        }
        Ok(())
    }

    /// What a file says, if it is a document.
    fn document(&self, digest: &Digest, kind: Kind) -> Result<Option<Document>, Error> {
        if !digest.algorithm().is_supported() || !matches!(self.disk.find_blob(digest)?, Found::File(_)) {
            return Ok(None); // it protects nothing if it is not there or no file
        }
        // Any other failure ends the collection: what this needs is not known.
        let Some((file, stamp)) = self.disk.open_blob(digest)? else {
            return Ok(None);
        };
        if stamp.size > MAX_MANIFEST_SIZE && kind != Kind::Manifest {
            return Ok(None);
        }
        let path = self.disk.blob_path(digest);
        let bytes = read_bounded(&file, MAX_MANIFEST_SIZE, &path)?;
        let document: Option<Document> = serde_json::from_slice(&bytes).ok();
        let good = document.is_some() && Hasher::digest(digest.algorithm(), &bytes)? == *digest;
        if good || kind != Kind::Manifest {
            return Ok(document);
        }
        let message = format!(
            "{} is damaged, so what its image needs is not known; repair the store before collecting",
            path.display()
        );
        Err(Error::new(ErrorKind::Corrupt, message))
    }

    /// All that is marked.
    pub(super) fn into_live(self) -> HashSet<Digest> {
        self.live
    }

    /// Whether nothing is needed.
    pub(super) fn is_empty(&self) -> bool {
        self.live.is_empty()
    }

    /// What of `found` is not needed, in an order in which it can be removed: documents before what they refer
    /// to. Marks the referrers of what is needed on the way.
    pub(super) fn garbage(&mut self, found: &HashMap<Digest, Stamp>) -> Result<Vec<(Digest, Stamp)>, Error> {
        let documents = self.referrers(found)?;
        let mut heights = HashMap::new();
        let mut garbage: Vec<(u32, &Digest, &Stamp)> = found
            .iter()
            .filter(|(digest, _)| !self.is_live(digest))
            .map(|(digest, stamp)| (height(digest, &documents, &mut heights), digest, stamp))
            .collect();
        garbage.sort_by(|one, other| {
            other
                .0
                .cmp(&one.0)
                .then_with(|| one.1.as_str().cmp(other.1.as_str()))
        });
        Ok(garbage
            .into_iter()
            .map(|(_, digest, stamp)| (digest.clone(), *stamp))
            .collect())
    }

    /// Marks the referrers of what is needed; the documents among `found` that were not needed without that.
    pub(super) fn referrers<'f>(
        &mut self,
        found: &'f HashMap<Digest, Stamp>,
    ) -> Result<HashMap<&'f Digest, Document>, Error> {
        let mut documents = HashMap::new();
        for (digest, stamp) in found {
            if !self.is_live(digest)
                && stamp.size <= MAX_MANIFEST_SIZE
                && let Some(document) = self.document(digest, Kind::Unknown)?
            {
                documents.insert(digest, document);
            }
        }
        loop {
            let refers = |document: &Document| {
                let subject = document.subject.as_ref();
                subject.is_some_and(|subject| self.is_live(&subject.digest))
            };
            let referrers: Vec<&Digest> = documents
                .iter()
                .filter(|(digest, document)| !self.is_live(digest) && refers(document))
                .map(|(digest, _)| *digest)
                .collect();
            if referrers.is_empty() {
                return Ok(documents);
            }
            for referrer in referrers {
                self.mark(referrer, Kind::Unknown)?;
            }
        }
    }
}

/// Every digest that a JSON text has as a value, also one in capitals.
fn digests_in(text: &str) -> Vec<Digest> {
    let mut digests = Vec::new();
    let mut waiting: Vec<serde_json::Value> = serde_json::from_str(text).into_iter().collect();
    while let Some(value) = waiting.pop() {
        match value {
            serde_json::Value::String(text) => digests.extend(Digest::parse(&text.to_ascii_lowercase())),
            serde_json::Value::Array(values) => waiting.extend(values),
            serde_json::Value::Object(members) => waiting.extend(members.into_iter().map(|(_, value)| value)),
            _ => {}
        }
    }
    digests
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Named as one: it must be readable.
    Manifest,
    /// To be looked at.
    Unknown,
    Leaf,
}

/// How many steps down the deepest thing is that a document refers to. Without recursion: what lies in a store
/// may be nested as deep as somebody liked.
fn height<'a>(
    digest: &'a Digest,
    documents: &HashMap<&'a Digest, Document>,
    heights: &mut HashMap<Digest, u32>,
) -> u32 {
    let mut waiting = vec![digest.clone()];
    while let Some(current) = waiting.last().cloned() {
        if heights.get(&current).is_some_and(|height| *height > 0) {
            waiting.pop();
            continue;
        }
        let children = documents.get(&current).into_iter().flat_map(Document::children);
        let children: Vec<&Digest> = children.map(|(child, _)| child).collect();
        let unknown: Vec<Digest> = children
            .iter()
            .filter(|child| !heights.contains_key(**child))
            .map(|&child| child.clone())
            .collect();
        // Zero stands for one that is being looked at: only a forged document can come upon it again.
        if unknown.is_empty() || heights.contains_key(&current) {
            let below = children.iter().filter_map(|child| heights.get(*child)).max();
            let height = below.map_or(1, |below| below.saturating_add(1));
            heights.insert(current, height);
            waiting.pop();
        } else {
            heights.insert(current, 0);
            waiting.extend(unknown);
        }
    }
    heights.get(digest).copied().unwrap_or(1)
}
