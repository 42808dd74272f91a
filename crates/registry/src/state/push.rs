//! Pushes of manifests: what they need is checked, their bytes are stored, and they are linked with their
//! tags.

use std::{collections::HashSet, fmt, iter, sync::Arc};

use bytes::Bytes;
use wharf_content::{Descriptor, Error, ErrorKind, Manifest, Verified};
use wharf_reference::{Digest, Tag};

use super::{BlobLink, Quota, QuotaExceeded, RegistryState, Repository};
use crate::{Change, ManifestRecord, Record, RepositoryPath};

/// A manifest on its way into a repository.
pub(crate) struct ManifestPush<'a> {
    pub(crate) path: &'a RepositoryPath,
    pub(crate) manifest: &'a Manifest,
    /// The tags that are to point at it.
    pub(crate) tags: &'a [Tag],
    pub(crate) user: Option<&'a str>,
    pub(crate) needs: Needs,
    pub(crate) quota: Quota,
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
    /// Stores a manifest and points tags at it. `condition` is asked for the state of the repository just
    /// before.
    pub(crate) async fn push_manifest(
        self: &Arc<Self>,
        push: ManifestPush<'_>,
        condition: impl FnOnce(&Repository) -> bool,
    ) -> Result<(), PushError> {
        let digest = push.manifest.digest();
        let record = Arc::new(ManifestRecord::of(push.manifest, push.user));
        let present = self.hold_content().await;
        let repository = self.repository(push.path);
        let closed = repository.close().await;
        if !condition(&repository) {
            return Err(PushError::Condition);
        }
        if push.needs != Needs::Nothing {
            self.check_needs(&repository, &push, &record).await?;
        }
        let quota = {
            let content = repository.content();
            let linked = content.manifests.get(digest).map(|link| &link.record);
            push.quota
                .with_linked(linked.map(|record| (record.size, record.user.as_deref())))
        };
        let reservation = quota.reserve(self, record.size)?;
        self.store_manifest(digest, push.manifest.bytes()).await?;
        let tags = push
            .tags
            .iter()
            .map(|tag| Record::Tag(tag.clone(), digest.clone()));
        let records = iter::once(Record::Manifest(digest.clone(), record)).chain(tags);
        let changes = records.map(Change::Put).collect();
        self.commit(&repository, changes, None, (present, closed, reservation))
            .await?;
        Ok(())
    }

    /// Writes a manifest, unless this process has received it or verified it: a manifest that may be corrupt
    /// is written again, which heals it.
    async fn store_manifest(&self, digest: &Digest, bytes: &Bytes) -> Result<(), Error> {
        let size = self.backend.size(digest).await?;
        if size == Some(bytes.len() as u64) && self.is_verified(digest) {
            return Ok(());
        }
        let content = Verified::of(digest.algorithm(), bytes)?;
        let id = self.begin_unlisted().await?;
        let stored = async {
            self.backend.append(&id, 0, vec![bytes.clone()]).await?;
            self.backend.flush(&id).await?;
            self.backend.finish(&id, &content).await
        };
        if let Err(error) = stored.await {
            self.discard(&id).await;
            return Err(error);
        }
        self.mark_verified(content.digest());
        Ok(())
    }

    /// Checks that everything the manifest needs is in the repository, and that its media type is the one
    /// that it was pushed with before.
    async fn check_needs(
        &self,
        repository: &Repository,
        push: &ManifestPush<'_>,
        record: &ManifestRecord,
    ) -> Result<(), PushError> {
        let manifest = push.manifest;
        let missing = |descriptor: &Descriptor| PushError::Missing(descriptor.digest().clone());
        let wrong_size = |descriptor: &Descriptor| PushError::WrongSize(descriptor.digest().clone());
        let lost = self.lost(repository, manifest).await?;
        let content = repository.content();
        if let Some(before) = content.manifests.get(manifest.digest())
            && before.record.media_type != record.media_type
        {
            return Err(PushError::OtherType);
        }
        let sparse = push.needs == Needs::Sizes;
        for blob in manifest.blobs() {
            let link = content.blobs.get(blob.digest());
            match link.filter(|_| !lost.contains(blob.digest())) {
                Some(link) if link.size() != blob.size() => return Err(wrong_size(blob)),
                Some(_) => {}
                None if sparse || may_be_absent(blob) => {}
                None => return Err(missing(blob)),
            }
        }
        for child in manifest.manifests() {
            let there = !lost.contains(child.digest());
            match content.manifests.get(child.digest()).filter(|_| there) {
                Some(link) if link.record.size != child.size() => return Err(wrong_size(child)),
                Some(_) => {}
                None if sparse || there && content.blobs.contains_key(child.digest()) => {}
                None => return Err(missing(child)),
            }
        }
        Ok(())
    }

    /// The digests of the blobs and manifests that this manifest names and the repository links, but whose
    /// content is gone from the backend, or has another size there.
    async fn lost(&self, repository: &Repository, manifest: &Manifest) -> Result<HashSet<Digest>, Error> {
        let linked = {
            let content = repository.content();
            let size = |digest: &Digest| {
                let manifest = content.manifests.get(digest).map(|link| link.record.size);
                manifest.or_else(|| content.blobs.get(digest).map(BlobLink::size))
            };
            let blobs = manifest.blobs().map(Descriptor::digest);
            let needed = blobs.chain(manifest.manifests().iter().map(Descriptor::digest));
            let linked = needed.filter_map(|digest| Some((digest.clone(), size(digest)?)));
            linked.collect::<Vec<_>>()
        };
        let present = self.are_present(&linked).await?;
        let lost = linked.into_iter().zip(present).filter(|(_, present)| !present);
        Ok(lost.map(|((digest, _), _)| digest).collect())
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
