//! Marks live content: all that is reached from names and leases.

use std::collections::{HashMap, HashSet};

use serde::{Deserialize, Deserializer};
use wharf_content::{Error, ErrorKind, Hasher, MAX_MANIFEST_SIZE, MediaType};
use wharf_fs::Stamp;
use wharf_reference::{Algorithm, Digest};

use crate::{
    disk::{Disk, Found, read_bounded},
    index::{self, Index},
};

/// The links of a document of any type that has the members of a manifest.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Document {
    config: Option<Link>,
    layers: Option<Vec<Link>>,
    /// The blobs of OCI's artifact manifest. In other documents the key has no meaning and may have any
    /// value.
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
    /// The digests that the document lists, and whether each may be a document.
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

/// The set of live content.
pub(super) struct Marker<'a> {
    disk: &'a Disk,
    live: HashSet<Digest>,
    /// The live blobs whose links have been marked.
    walked: HashSet<Digest>,
    /// Manifests of attachments, each with the manifest that it is attached to.
    attached: HashMap<Digest, Digest>,
    /// True if something with another digest than sha256 is live.
    has_other_digests: bool,
}

impl<'a> Marker<'a> {
    pub(super) fn new(disk: &'a Disk) -> Self {
        Self {
            disk,
            live: HashSet::new(),
            walked: HashSet::new(),
            attached: HashMap::new(),
            has_other_digests: false,
        }
    }

    pub(super) fn is_live(&self, digest: &Digest) -> bool {
        self.live.contains(digest)
    }

    /// True if a manifest is live, or may be: signatures are of its sha256 digest, and a live image of another algorithm
    /// may be the one that they sign.
    fn may_be_live(&self, subject: &Digest) -> bool {
        self.is_live(subject) || self.has_other_digests
    }

    /// Marks the content of index.json. Every digest in an entry that cannot be read counts too, because
    /// the entry may protect that content. Attachments are live as long as the manifest is that they are attached to.
    pub(super) fn roots(
        &mut self,
        index: &Index,
        stays: impl Fn(&index::Entry<'_>) -> bool,
    ) -> Result<(), Error> {
        self.attached.clear();
        for entry in index.entries().filter(|entry| stays(entry)) {
            let descriptor = entry.descriptor();
            if let Some(subject) = entry.attached_to() {
                self.attached.insert(descriptor.digest().clone(), subject);
                continue;
            }
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
        self.attachments().map(drop)
    }

    /// Marks attachments of live manifests, and returns whether there were any that were not live.
    fn attachments(&mut self) -> Result<bool, Error> {
        let attached = self.attached.iter();
        let new: Vec<Digest> = attached
            .filter(|(digest, subject)| !self.is_live(digest) && self.may_be_live(subject))
            .map(|(digest, _)| digest.clone())
            .collect();
        for digest in &new {
            self.mark(digest, Kind::Manifest)?;
        }
        Ok(!new.is_empty())
    }

    /// Marks the content that leases pin, whose kind is not known.
    pub(super) fn pins(&mut self, pins: &HashSet<Digest>) -> Result<(), Error> {
        pins.iter()
            .try_for_each(|digest| self.mark(digest, Kind::Unknown))
    }

    fn mark(&mut self, digest: &Digest, kind: Kind) -> Result<(), Error> {
        let mut waiting = vec![(digest.clone(), kind)];
        while let Some((digest, kind)) = waiting.pop() {
            self.live.insert(digest.clone());
            self.has_other_digests |= digest.algorithm() != Algorithm::Sha256;
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

    /// Parses a blob, if it is a document.
    fn document(&self, digest: &Digest, kind: Kind) -> Result<Option<Document>, Error> {
        if !digest.algorithm().is_supported() || !matches!(self.disk.find_blob(digest)?, Found::File(_)) {
            return Ok(None); // it protects nothing if it is not there or no file
        }
        // Any other error ends the collection, because the blob's links are not known.
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
            "{} is corrupt, so the content that its image needs is not known; repair the layout before collecting",
            path.display()
        );
        Err(Error::new(ErrorKind::Corrupt, message))
    }

    /// All live digests.
    pub(super) fn into_live(self) -> HashSet<Digest> {
        self.live
    }

    /// True if nothing is live.
    pub(super) fn is_empty(&self) -> bool {
        self.live.is_empty()
    }

    /// Returns the blobs of `found` that are not live, in an order in which they can be removed: documents
    /// before the content that they list. Marks referrers of live manifests first.
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

    /// Marks the referrers and the attachments of live manifests. Returns the documents in `found` that were not live before.
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
            for referrer in &referrers {
                self.mark(referrer, Kind::Unknown)?;
            }
            if !self.attachments()? && referrers.is_empty() {
                return Ok(documents);
            }
        }
    }
}

/// All digests that are values in a JSON text, also in capitals.
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
    /// Named as a manifest: it must be readable.
    Manifest,
    /// It may be a document.
    Unknown,
    Leaf,
}

/// The number of levels below a document. It is computed without recursion, because documents in a layout
/// may be nested to any depth.
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
        // Zero marks a document in progress, which only a forged document can reach again.
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
