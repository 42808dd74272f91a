use std::sync::Arc;

use wharf_content::{Error, ErrorKind};
use wharf_reference::{Digest, Tag};

use super::RegistryState;
use crate::{
    BlobRecord, Change, Commit, Event, Guard, ManifestRecord, Outcome, Record, RecordKey, RecordRange,
    RepositoryPath, StoredContent,
};

/// The number of times that a change is tried while others change what it depends on.
pub(super) const ATTEMPTS: usize = 16;

/// A view of a repository: each call asks the backend.
#[derive(Clone, Copy)]
pub(crate) struct Repository<'a> {
    state: &'a RegistryState,
    path: &'a RepositoryPath,
}

impl<'a> Repository<'a> {
    pub(super) const fn new(state: &'a RegistryState, path: &'a RepositoryPath) -> Self {
        Self { state, path }
    }

    async fn value(&self, key: RecordKey) -> Result<Option<Record>, Error> {
        let values = self.state.backend.values(self.path, &[key]).await?;
        Ok(values.into_iter().next().flatten())
    }

    async fn touch(&self, key: RecordKey) -> Result<Option<Record>, Error> {
        let values = self.state.backend.touch(self.path, &[key]).await?;
        Ok(values.into_iter().next().flatten())
    }

    /// The record of a blob, if it is linked here.
    pub(crate) async fn blob(&self, digest: &Digest) -> Result<Option<BlobRecord>, Error> {
        Ok(blob_record(self.value(RecordKey::Blob(digest.clone())).await?))
    }

    /// The content of a blob, if it is linked here. The call counts as a use of the blob: garbage collection
    /// leaves it alone for a while.
    pub(crate) async fn touch_blob(&self, digest: &Digest) -> Result<Option<StoredContent>, Error> {
        let record = blob_record(self.touch(RecordKey::Blob(digest.clone())).await?);
        Ok(record.map(|record| record.content(digest)))
    }

    /// The record of a manifest; `None` if the manifest is not linked here. The call counts as a use of the
    /// manifest: garbage collection leaves it alone for a while.
    pub(crate) async fn manifest(&self, digest: &Digest) -> Result<Option<Arc<ManifestRecord>>, Error> {
        let record = self.touch(RecordKey::Manifest(digest.clone())).await?;
        Ok(manifest_record(record).map(|(_, record)| record))
    }

    /// The digest of the manifest at which a tag points.
    pub(crate) async fn tag(&self, tag: &Tag) -> Result<Option<Digest>, Error> {
        Ok(match self.value(RecordKey::Tag(tag.clone())).await? {
            Some(Record::Tag(_, digest)) => Some(digest),
            _ => None,
        })
    }

    /// The first tags after a name, in byte order.
    pub(crate) async fn tags(&self, after: &str, limit: usize) -> Result<Vec<Tag>, Error> {
        let backend = &self.state.backend;
        let tags = backend.range(self.path, &RecordRange::Tags, after, limit).await?;
        let tags = tags.into_iter().filter_map(|record| match record {
            Record::Tag(tag, _) => Some(tag),
            _ => None,
        });
        Ok(tags.collect())
    }

    /// The first manifests of a range after a digest, in byte order.
    pub(crate) async fn manifests(
        &self,
        range: &RecordRange,
        after: &str,
        limit: usize,
    ) -> Result<Vec<(Digest, Arc<ManifestRecord>)>, Error> {
        let backend = &self.state.backend;
        let found = backend.range(self.path, range, after, limit).await?;
        let found = found.into_iter().map(Some).filter_map(manifest_record);
        Ok(found.collect())
    }

    /// Whether a blob or a manifest is linked here.
    pub(crate) async fn exists(&self) -> Result<bool, Error> {
        self.state.backend.exists(self.path).await
    }

    /// Removes the link of a blob or of a manifest with its tags. `false` if there is none.
    pub(crate) async fn delete(&self, key: RecordKey, event: Option<Event>) -> Result<bool, Error> {
        self.remove(key.clone(), Guard::Present(key), event).await
    }

    /// Removes a tag if `may` accepts the digest at which it points. `false` if it is not removed.
    pub(crate) async fn delete_tag(
        &self,
        tag: &Tag,
        may: impl Fn(&Digest) -> bool + Send,
        event: Option<Event>,
    ) -> Result<bool, Error> {
        for _ in 0..ATTEMPTS {
            let Some(current) = self.tag(tag).await?.filter(&may) else {
                return Ok(false);
            };
            let guard = Guard::Tag(tag.clone(), Some(current));
            if self
                .remove(RecordKey::Tag(tag.clone()), guard, event.clone())
                .await?
            {
                return Ok(true);
            }
        }
        Err(busy())
    }

    /// Points a tag at a manifest of the repository. With `keep`, a tag that is there stays where it is. `false` if
    /// nothing was to be changed.
    pub(crate) async fn set_tag(&self, tag: &Tag, digest: &Digest, keep: bool) -> Result<bool, Error> {
        for _ in 0..ATTEMPTS {
            let current = self.tag(tag).await?;
            if current.as_ref() == Some(digest) || keep && current.is_some() {
                return Ok(false);
            }
            let put = Change::Put(Record::Tag(tag.clone(), digest.clone()));
            let commit = Commit::new(vec![put])?
                .with_guard(Guard::Tag(tag.clone(), current))
                .with_guard(Guard::Present(RecordKey::Manifest(digest.clone())));
            if self.state.commit(self.path, commit).await? == Outcome::Committed {
                return Ok(true);
            }
        }
        Err(busy())
    }

    async fn remove(&self, key: RecordKey, guard: Guard, event: Option<Event>) -> Result<bool, Error> {
        let commit = Commit::new(vec![Change::Remove(key)])?
            .with_guard(guard)
            .with_events(event);
        Ok(self.state.commit(self.path, commit).await? == Outcome::Committed)
    }
}

/// The failure of a change that others have overtaken again and again.
pub(super) fn busy() -> Error {
    Error::new(
        ErrorKind::Conflict,
        "other changes of the repository come before this one again and again",
    )
}

pub(super) fn blob_record(record: Option<Record>) -> Option<BlobRecord> {
    match record {
        Some(Record::Blob(_, record)) => Some(record),
        _ => None,
    }
}

fn manifest_record(record: Option<Record>) -> Option<(Digest, Arc<ManifestRecord>)> {
    match record {
        Some(Record::Manifest(digest, record)) => Some((digest, record)),
        _ => None,
    }
}
