use std::sync::Arc;

use wharf_content::Error;
use wharf_reference::{Digest, Tag};

use super::{BlobRecord, Content, ManifestRecord, record};
use crate::{Change, route::Path};

/// A change of a repository: recorded first, made in memory then, by [`State::commit`](super::State::commit).
#[derive(Debug)]
pub(crate) enum Edit {
    Blob(Digest, BlobRecord),
    Manifest(Digest, Arc<ManifestRecord>),
    Tag(Tag, Digest),
    RemoveBlob(Digest),
    /// With all its tags.
    RemoveManifest(Digest),
    RemoveTag(Tag),
}

impl Edit {
    /// Appends to `changes` the changes that the backend is to record for this edit. `content` is the
    /// repository's content before the edit.
    pub(super) fn record(
        &self,
        path: &Path,
        content: &Content,
        changes: &mut Vec<Change>,
    ) -> Result<(), Error> {
        let change = match self {
            Self::Blob(digest, blob) => record::put(record::blob_key(path, digest), blob)?,
            Self::Manifest(digest, manifest) => {
                record::put(record::manifest_key(path, digest), manifest.as_ref())?
            }
            Self::Tag(tag, digest) => record::put(record::tag_key(path, tag), &digest.as_str())?,
            Self::RemoveBlob(digest) => record::remove(record::blob_key(path, digest)),
            Self::RemoveManifest(digest) => {
                let tags = content.tags_of(digest);
                changes.extend(tags.map(|tag| record::remove(record::tag_key(path, tag))));
                record::remove(record::manifest_key(path, digest))
            }
            Self::RemoveTag(tag) => record::remove(record::tag_key(path, tag)),
        };
        changes.push(change);
        Ok(())
    }
}
