//! The layout of Docker's registry, distribution (`registry/storage/paths.go`): repositories with links, which are
//! small files at keys that name a digest, and blobs below their digests.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use wharf_content::{ByteStream, Error, ErrorKind};
use wharf_reference::{Digest, Tag};

use super::source::{Found, KeyTree, LinkedBlob, Source, StoredManifest};
use crate::{ExternalObject, Listing, RepositoryPath};

/// The most bytes of a file with a digest.
const MAX_LINK: u64 = 1024;

pub(super) struct Distribution {
    tree: Arc<dyn KeyTree>,
}

impl Distribution {
    pub(super) fn new(tree: Arc<dyn KeyTree>) -> Self {
        Self { tree }
    }

    /// The bytes of an object of at most `limit` bytes.
    async fn whole(&self, key: &str, limit: u64) -> Result<Option<Bytes>, Error> {
        let Some((size, mut bytes)) = self.tree.open(key).await? else {
            return Ok(None);
        };
        let too_large = || Error::new(ErrorKind::TooLarge, format!("{key} has more than {limit} bytes"));
        if size > limit {
            return Err(too_large());
        }
        let mut whole = BytesMut::new();
        while let Some(chunk) = std::future::poll_fn(|context| bytes.as_mut().poll_next(context)).await {
            let chunk = chunk?;
            if whole.len() as u64 + chunk.len() as u64 > limit {
                return Err(too_large());
            }
            whole.extend_from_slice(&chunk);
        }
        Ok(Some(whole.freeze()))
    }

    async fn exists(&self, key: &str) -> Result<bool, Error> {
        Ok(self.tree.open(key).await?.is_some())
    }
}

/// The key of a blob's bytes.
fn data(digest: &Digest) -> String {
    let hex = digest.encoded();
    let first = hex.get(..2).unwrap_or(hex);
    format!("blobs/{}/{first}/{hex}/data", digest.algorithm())
}

fn below(repository: &RepositoryPath, rest: &str) -> String {
    format!("repositories/{repository}/{rest}")
}

fn link(repository: &RepositoryPath, of: &str, digest: &Digest) -> String {
    let (algorithm, hex) = (digest.algorithm(), digest.encoded());
    below(repository, &format!("{of}/{algorithm}/{hex}/link"))
}

#[async_trait]
impl Source for Distribution {
    /// `left` has the directories that have not been looked at.
    async fn next_repository(&self, left: &mut Vec<String>) -> Result<Option<Found>, Error> {
        while let Some(path) = left.pop() {
            if !path.is_empty() && RepositoryPath::parse(&path).is_err() {
                let error = Error::new(ErrorKind::Invalid, "it is no name of a repository");
                return Ok(Some(Err((path, error))));
            }
            let key = match path.as_str() {
                "" => "repositories".to_owned(),
                path => format!("repositories/{path}"),
            };
            let children = match self.tree.children(&key).await {
                Ok(children) => children.all().await,
                Err(error) => Err(error),
            };
            let children = match children {
                Ok(children) => children,
                Err(error) if is_away(&error) || path.is_empty() => return Err(error),
                Err(error) => return Ok(Some(Err((path, error)))),
            };
            let is_repository = children.iter().any(|name| name == "_manifests");
            left.extend(children.into_iter().filter_map(|name| match path.as_str() {
                _ if name.starts_with('_') => None, // no part of a name begins so
                "" => Some(name),
                path => Some(format!("{path}/{name}")),
            }));
            if is_repository && !path.is_empty() {
                return Ok(Some(Ok(path)));
            }
        }
        Ok(None)
    }

    async fn manifests(&self, repository: &RepositoryPath) -> Result<Vec<Listing<Found>>, Error> {
        let mut digests = Vec::new();
        let revisions = below(repository, "_manifests/revisions");
        for algorithm in self.tree.children(&revisions).await?.all().await? {
            match self.tree.children(&format!("{revisions}/{algorithm}")).await {
                Ok(listing) => {
                    digests.push(listing.try_map(move |hex| Ok(Ok(format!("{algorithm}:{hex}")))));
                }
                Err(error) if is_away(&error) => return Err(error),
                Err(error) => digests.push(Listing::from(vec![Err((algorithm, error))])),
            }
        }
        Ok(digests)
    }

    async fn tags(&self, repository: &RepositoryPath) -> Result<Listing<String>, Error> {
        self.tree.children(&below(repository, "_manifests/tags")).await
    }

    async fn tag(&self, repository: &RepositoryPath, tag: &Tag) -> Result<Option<String>, Error> {
        let key = below(repository, &format!("_manifests/tags/{tag}/current/link"));
        let bytes = self.whole(&key, MAX_LINK).await?;
        Ok(bytes.map(|bytes| String::from_utf8_lossy(&bytes).trim().to_owned()))
    }

    async fn manifest(
        &self,
        repository: &RepositoryPath,
        digest: &Digest,
        limit: u64,
    ) -> Result<Option<StoredManifest>, Error> {
        if !self
            .exists(&link(repository, "_manifests/revisions", digest))
            .await?
        {
            return Ok(None); // deleted: the key above the link stays
        }
        let bytes = self.whole(&data(digest), limit).await?;
        let missing = || Error::new(ErrorKind::NotFound, "its data is missing");
        Ok(Some(StoredManifest {
            bytes: bytes.ok_or_else(missing)?,
            media_type: None,
            user: None,
        }))
    }

    async fn blob(&self, repository: &RepositoryPath, digest: &Digest) -> Result<Option<LinkedBlob>, Error> {
        let linked = self.exists(&link(repository, "_layers", digest)).await?;
        Ok(linked.then(LinkedBlob::default))
    }

    async fn bytes(&self, digest: &Digest, _: &LinkedBlob) -> Result<Option<(u64, ByteStream)>, Error> {
        self.tree.open(&data(digest)).await
    }

    fn locate(&self, digest: &Digest) -> Option<ExternalObject> {
        self.tree.locate(&data(digest))
    }
}

/// Whether an error tells that the storage cannot be asked, and nothing of the key.
pub(super) fn is_away(error: &Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::Network
            | ErrorKind::Timeout
            | ErrorKind::Server
            | ErrorKind::RateLimited
            | ErrorKind::Unauthorized
            | ErrorKind::Tls
            | ErrorKind::Cancelled
    )
}
