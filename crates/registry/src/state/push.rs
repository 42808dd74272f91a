//! Pushes of manifests: what they need is checked, their bytes are stored, and they are linked with their
//! tags.

use std::{
    collections::{HashMap, HashSet},
    fmt, iter,
    sync::Arc,
};

use wharf_content::{Descriptor, Error, ErrorKind, Manifest};
use wharf_reference::{Digest, Tag};

use super::{
    Quota, QuotaExceeded, RegistryState,
    view::{ATTEMPTS, busy},
};
use crate::{
    Change, Commit, Event, Guard, ManifestRecord, NewContent, Outcome, Record, RecordKey, Refusal,
    RepositoryPath, StoredContent,
};

/// A manifest on its way into a repository.
pub(crate) struct ManifestPush<'a> {
    pub(crate) path: &'a RepositoryPath,
    pub(crate) manifest: &'a Manifest,
    /// The tags that are to point at it.
    pub(crate) tags: &'a [Tag],
    pub(crate) user: Option<&'a str>,
    pub(crate) needs: Needs,
    pub(crate) quota: Quota,
    pub(crate) condition: Option<Condition<'a>>,
    pub(crate) events: Vec<Event>,
}

/// A condition of a push, on what is there before it.
pub(crate) struct Condition<'a> {
    /// The tag or the manifest that the push replaces.
    pub(crate) of: RecordKey,
    /// Whether the digest that is there is right; `None`: nothing is.
    pub(crate) holds: &'a (dyn Fn(Option<&Digest>) -> bool + Sync),
}

/// The blobs and manifests that must be in the repository before a manifest that names them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Needs {
    /// All, except layers that may be fetched from elsewhere.
    All,
    /// None; but those that are here must have the stated size.
    Sizes,
    /// None, and nothing is checked: they come from upstream when they are asked for.
    Nothing,
}

/// The reason why a repository does not take a manifest or a blob.
#[derive(Debug)]
pub(crate) enum PushError {
    /// The caller's condition does not hold.
    Condition,
    /// A blob or manifest that is needed is not in the repository.
    Missing(Digest),
    /// A blob or manifest that is needed has another size than the manifest states.
    WrongSize(Digest),
    /// The manifest is here with another media type.
    OtherType,
    Quota(QuotaExceeded),
    Storage(Error),
}

impl RegistryState {
    /// Stores a manifest and points tags at it.
    pub(crate) async fn push_manifest(&self, push: ManifestPush<'_>) -> Result<(), PushError> {
        let manifest = push.manifest;
        let digest = manifest.digest();
        let record = Arc::new(ManifestRecord::of(manifest, push.user));
        for _ in 0..ATTEMPTS {
            let guards = self.judge(&push, &record).await?;
            let tags = push.tags.iter();
            let tags = tags.map(|tag| Record::Tag(tag.clone(), digest.clone()));
            let records = iter::once(Record::Manifest(digest.clone(), Arc::clone(&record))).chain(tags);
            let changes = records.map(Change::Put).collect();
            let commit = Commit::new(changes)?
                .with_guards(guards.iter().cloned())
                .with_events(push.events.iter().cloned());
            let content = NewContent::Bytes(manifest.bytes().clone(), manifest.verified());
            match self.link(push.path, content, commit).await? {
                Outcome::Committed => return Ok(()),
                Outcome::Refused(refusal) => {
                    if let Some(exceeded) = quota_exceeded(&guards, refusal) {
                        return Err(exceeded.into());
                    }
                }
            }
        }
        Err(busy().into())
    }

    /// Judges a push by what is there now. The guards for all that it relies on.
    async fn judge(&self, push: &ManifestPush<'_>, record: &ManifestRecord) -> Result<Vec<Guard>, PushError> {
        let digest = push.manifest.digest();
        let known = self.known(push).await?;
        let mut guards = Vec::new();
        if let Some(condition) = &push.condition {
            let current = known.target(&condition.of);
            if !(condition.holds)(current) {
                return Err(PushError::Condition);
            }
            guards.push(match &condition.of {
                RecordKey::Tag(tag) => Guard::Tag(tag.clone(), current.cloned()),
                key if current.is_some() => Guard::Present(key.clone()),
                key => Guard::Absent(key.clone()),
            });
        }
        let before = known.manifests.get(digest);
        if push.needs != Needs::Nothing {
            if before.is_some_and(|before| before.media_type != record.media_type) {
                return Err(PushError::OtherType);
            }
            guards.push(Guard::MediaType(digest.clone(), record.media_type.clone()));
            self.check_needs(push, &known, &mut guards).await?;
        }
        let linked = before.map(|before| (before.size, before.user.as_deref()));
        let quota = push.quota.clone().with_linked(linked);
        quota.check_room(self, record.size).await?;
        guards.extend(quota.guards());
        Ok(guards)
    }

    /// Looks up everything that a push depends on, at once.
    async fn known(&self, push: &ManifestPush<'_>) -> Result<Known, Error> {
        let manifest = push.manifest;
        let mut keys = vec![RecordKey::Manifest(manifest.digest().clone())];
        keys.extend(push.condition.as_ref().map(|condition| condition.of.clone()));
        if push.needs != Needs::Nothing {
            let blobs = manifest.blobs().map(|blob| blob.digest().clone());
            keys.extend(blobs.map(RecordKey::Blob));
            for child in manifest.manifests() {
                keys.push(RecordKey::Manifest(child.digest().clone()));
                keys.push(RecordKey::Blob(child.digest().clone()));
            }
        }
        let mut known = Known::default();
        for record in self.backend.values(push.path, &keys).await?.into_iter().flatten() {
            match record {
                Record::Blob(digest, record) => {
                    let content = record.content(&digest);
                    known.blobs.insert(digest, content);
                }
                Record::Manifest(digest, record) => {
                    known.manifests.insert(digest, record);
                }
                Record::Tag(_, digest) => known.tag = Some(digest),
            }
        }
        Ok(known)
    }

    /// Checks that everything the manifest needs is in the repository, and guards it.
    async fn check_needs(
        &self,
        push: &ManifestPush<'_>,
        known: &Known,
        guards: &mut Vec<Guard>,
    ) -> Result<(), PushError> {
        let manifest = push.manifest;
        let missing = |descriptor: &Descriptor| PushError::Missing(descriptor.digest().clone());
        let wrong_size = |descriptor: &Descriptor| PushError::WrongSize(descriptor.digest().clone());
        let lost = self.lost(known, manifest).await?;
        let sparse = push.needs == Needs::Sizes;
        for blob in manifest.blobs() {
            let there = !lost.contains(blob.digest());
            match known.blobs.get(blob.digest()).filter(|_| there) {
                Some(link) if link.size != blob.size() => return Err(wrong_size(blob)),
                Some(_) => guards.push(Guard::Present(RecordKey::Blob(blob.digest().clone()))),
                None if sparse || may_be_absent(blob) => {}
                None => return Err(missing(blob)),
            }
        }
        for child in manifest.manifests() {
            let there = !lost.contains(child.digest());
            match known.manifests.get(child.digest()).filter(|_| there) {
                Some(link) if link.size != child.size() => return Err(wrong_size(child)),
                Some(_) => guards.push(Guard::Present(RecordKey::Manifest(child.digest().clone()))),
                None if there && known.blobs.contains_key(child.digest()) => {
                    guards.push(Guard::Present(RecordKey::Blob(child.digest().clone())));
                }
                None if sparse => {}
                None => return Err(missing(child)),
            }
        }
        Ok(())
    }

    /// The digests of the blobs and manifests that this manifest names and the repository links, but whose
    /// content is gone from the backend, or has another size there.
    async fn lost(&self, known: &Known, manifest: &Manifest) -> Result<HashSet<Digest>, Error> {
        let blobs = manifest.blobs().map(Descriptor::digest);
        let linked = blobs.filter_map(|digest| known.blobs.get(digest).cloned());
        let children = manifest.manifests().iter().map(Descriptor::digest);
        let children = children.filter_map(|digest| known.content(digest));
        let linked = linked.chain(children).collect::<Vec<_>>();
        if linked.is_empty() {
            return Ok(HashSet::new());
        }
        let present = self.backend.are_present(&linked).await?;
        let lost = linked.into_iter().zip(present).filter(|(_, present)| !present);
        Ok(lost.map(|(content, _)| content.digest).collect())
    }
}

/// The records that a push depends on.
#[derive(Default)]
struct Known {
    manifests: HashMap<Digest, Arc<ManifestRecord>>,
    blobs: HashMap<Digest, StoredContent>,
    /// The target of the tag of the condition.
    tag: Option<Digest>,
}

impl Known {
    /// The digest of what is there under the key of a condition.
    fn target(&self, key: &RecordKey) -> Option<&Digest> {
        match key {
            RecordKey::Tag(_) => self.tag.as_ref(),
            RecordKey::Manifest(digest) => self.manifests.get_key_value(digest).map(|(digest, _)| digest),
            RecordKey::Blob(digest) => self.blobs.get_key_value(digest).map(|(digest, _)| digest),
        }
    }

    /// The content of a manifest, which may be linked as a blob.
    fn content(&self, digest: &Digest) -> Option<StoredContent> {
        let manifest = self.manifests.get(digest).map(|record| record.content(digest));
        manifest.or_else(|| self.blobs.get(digest).cloned())
    }
}

/// The quota for which a commit with these guards was refused, if it was a quota's guard.
pub(super) fn quota_exceeded(guards: &[Guard], refusal: Refusal) -> Option<QuotaExceeded> {
    let Refusal::Guard(index) = refusal else {
        return None;
    };
    match guards.get(index)? {
        Guard::RepositoryQuota(_) => Some(QuotaExceeded::Repository),
        Guard::UserQuota(..) => Some(QuotaExceeded::User),
        _ => None,
    }
}

/// Whether a manifest may be pushed without this layer (image-spec, *Non-Distributable Layers*). Some clients
/// leave a layer out for its media type, some for its URLs, and a registry accepts both. A copy leaves out
/// only layers with both ([`Descriptor::is_nondistributable`]), since it could not get the others again.
fn may_be_absent(layer: &Descriptor) -> bool {
    layer.media_type().is_nondistributable() || !layer.urls().is_empty()
}

impl fmt::Display for PushError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Condition => {
                f.write_str("the current content does not meet the If-Match or If-None-Match condition")
            }
            Self::Missing(digest) => write!(f, "{digest} is not in this repository"),
            Self::WrongSize(digest) => write!(f, "{digest} does not have the size that the manifest states"),
            Self::OtherType => f.write_str("this manifest was pushed with another media type before"),
            Self::Quota(exceeded) => exceeded.fmt(f),
            Self::Storage(error) => error.fmt(f),
        }
    }
}

impl From<Error> for PushError {
    fn from(error: Error) -> Self {
        Self::Storage(error)
    }
}

impl From<QuotaExceeded> for PushError {
    fn from(exceeded: QuotaExceeded) -> Self {
        Self::Quota(exceeded)
    }
}

impl From<PushError> for Error {
    fn from(error: PushError) -> Self {
        let kind = match &error {
            PushError::Condition => ErrorKind::Conflict,
            PushError::Missing(_) | PushError::WrongSize(_) | PushError::OtherType => ErrorKind::Invalid,
            PushError::Quota(_) => ErrorKind::TooLarge,
            PushError::Storage(_) => ErrorKind::Storage,
        };
        match error {
            PushError::Storage(error) => error,
            refused => Self::new(kind, refused.to_string()),
        }
    }
}
