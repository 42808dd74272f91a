//! The directory of a registry of ours, opened as that registry opens it.

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use wharf_content::{ByteStream, Error, ErrorKind};
use wharf_reference::{Digest, Tag};

use super::source::{Found, LinkedBlob, Source, StoredManifest};
use crate::{
    Content as _, DiskBackend, Listing, Record, RecordKey, Records as _, RepositoryPath, StoredContent,
};

/// The number of repositories and of tags that are looked up at a time.
const PART: usize = 1000;

pub(super) struct OwnLayout {
    backend: DiskBackend,
}

impl OwnLayout {
    pub(super) const fn new(backend: DiskBackend) -> Self {
        Self { backend }
    }

    async fn record(&self, repository: &RepositoryPath, key: RecordKey) -> Result<Option<Record>, Error> {
        let records = self.backend.values(repository, &[key]).await?;
        Ok(records.into_iter().next().flatten())
    }
}

#[async_trait]
impl Source for OwnLayout {
    /// `left` has the last repository.
    async fn next_repository(&self, left: &mut Vec<String>) -> Result<Option<Found>, Error> {
        let after = left.pop().unwrap_or_default();
        let next = self.backend.repositories(&after, 1).await?;
        let next = next.first().map(|path| path.as_str().to_owned());
        left.extend(next.clone());
        Ok(next.map(Ok))
    }

    async fn manifests(&self, repository: &RepositoryPath) -> Result<Vec<Listing<Found>>, Error> {
        let digests = self.backend.manifests_of(repository);
        let digests = digests.iter().map(|digest| Ok(digest.to_string()));
        Ok(vec![digests.collect::<Vec<_>>().into()])
    }

    async fn tags(&self, repository: &RepositoryPath) -> Result<Listing<String>, Error> {
        let mut tags = Vec::<String>::new();
        loop {
            let after = tags.last().cloned().unwrap_or_default();
            let range = crate::RecordRange::Tags;
            let part = self.backend.range(repository, &range, &after, PART).await?;
            if part.is_empty() {
                return Ok(tags.into());
            }
            tags.extend(part.into_iter().filter_map(|record| match record {
                Record::Tag(tag, _) => Some(tag.to_string()),
                _ => None,
            }));
        }
    }

    async fn tag(&self, repository: &RepositoryPath, tag: &Tag) -> Result<Option<String>, Error> {
        Ok(
            match self.record(repository, RecordKey::Tag(tag.clone())).await? {
                Some(Record::Tag(_, digest)) => Some(digest.to_string()),
                _ => None,
            },
        )
    }

    async fn manifest(
        &self,
        repository: &RepositoryPath,
        digest: &Digest,
        limit: u64,
    ) -> Result<Option<StoredManifest>, Error> {
        let record = self
            .record(repository, RecordKey::Manifest(digest.clone()))
            .await?;
        let Some(Record::Manifest(_, record)) = record else {
            return Ok(None);
        };
        if record.size > limit {
            let message = format!("it has more than {limit} bytes");
            return Err(Error::new(ErrorKind::TooLarge, message));
        }
        let mut bytes = self.backend.read(&record.content(digest), 0..record.size).await?;
        let mut whole = BytesMut::new();
        while let Some(chunk) = std::future::poll_fn(|context| bytes.as_mut().poll_next(context)).await {
            let chunk: Bytes = chunk?;
            whole.extend_from_slice(&chunk);
        }
        Ok(Some(StoredManifest {
            bytes: whole.freeze(),
            media_type: Some(record.media_type.clone()),
            user: record.user.clone(),
        }))
    }

    async fn blob(&self, repository: &RepositoryPath, digest: &Digest) -> Result<Option<LinkedBlob>, Error> {
        Ok(
            match self.record(repository, RecordKey::Blob(digest.clone())).await? {
                Some(Record::Blob(_, record)) => Some(LinkedBlob {
                    size: Some(record.size),
                    user: record.user,
                }),
                _ => None,
            },
        )
    }

    async fn bytes(&self, digest: &Digest, blob: &LinkedBlob) -> Result<Option<(u64, ByteStream)>, Error> {
        let size = blob.size.unwrap_or_default();
        let content = StoredContent::new(digest.clone(), size);
        if self.backend.are_present(std::slice::from_ref(&content)).await? != [true] {
            return Ok(None);
        }
        let bytes = self.backend.read(&content, 0..size).await?;
        Ok(Some((size, bytes)))
    }
}
