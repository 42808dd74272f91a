//! The records a backend keeps for the registry: one per link, manifest and tag.
//!
//! | key | value |
//! |---|---|
//! | `b/<repository>/<digest>` | a [`BlobRecord`] |
//! | `m/<repository>/<digest>` | a [`ManifestRecord`] |
//! | `t/<repository>/<tag>` | the digest, as a JSON string |

use std::{collections::BTreeMap, sync::Arc};

use serde::{Deserialize, Serialize, de::DeserializeOwned};
use wharf_content::{Error, ErrorKind, Manifest, MediaType};
use wharf_reference::{Digest, Tag};

use super::Edit;
use crate::{Change, route::Path};

/// What the registry needs to know of a manifest without reading it again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ManifestRecord {
    pub(crate) media_type: MediaType,
    pub(crate) size: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) subject: Option<Digest>,
    /// As a referrer shows it: the manifest's own, else its config's type.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) artifact_type: Option<MediaType>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) annotations: BTreeMap<String, String>,
    /// Blobs that must stay as long as the manifest, and their sizes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) blobs: Vec<(Digest, u64)>,
    /// Manifests that must stay as long as the manifest.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) manifests: Vec<Digest>,
    /// Who pushed it last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) user: Option<Box<str>>,
}

impl ManifestRecord {
    pub(crate) fn of(manifest: &Manifest, user: Option<&str>) -> Self {
        let config_type = || manifest.config().map(|config| config.media_type().clone());
        Self {
            media_type: manifest.media_type().clone(),
            size: manifest.bytes().len() as u64,
            subject: manifest.subject().map(|subject| subject.digest().clone()),
            artifact_type: manifest.artifact_type().cloned().or_else(config_type),
            annotations: match manifest.subject() {
                Some(_) => manifest.annotations().clone(),
                None => BTreeMap::new(), // nobody lists them
            },
            blobs: manifest
                .blobs()
                .map(|blob| (blob.digest().clone(), blob.size()))
                .collect(),
            manifests: manifest
                .manifests()
                .iter()
                .map(|child| child.digest().clone())
                .collect(),
            user: user.map(Box::from),
        }
    }
}

/// A blob that a repository holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct BlobRecord {
    pub(crate) size: u64,
    /// Who pushed or mounted it last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) user: Option<Box<str>>,
}

/// Reads a record: what it says of which repository.
pub(super) fn load(key: &str, value: &str) -> Result<(Path, Edit), Error> {
    let damaged = || {
        Error::new(
            ErrorKind::Corrupt,
            format!("the registry's record {key:?} is damaged"),
        )
    };
    let (kind, rest) = key.split_once('/').ok_or_else(damaged)?;
    let (path, last) = rest.rsplit_once('/').ok_or_else(damaged)?;
    let path = Path::parse(path).map_err(|_| damaged())?;
    let digest = |text: &str| Digest::parse(text).map_err(|_| damaged());
    let edit = match kind {
        "b" => Edit::Blob(digest(last)?, read(value).ok_or_else(damaged)?),
        "m" => Edit::Manifest(digest(last)?, Arc::new(read(value).ok_or_else(damaged)?)),
        "t" => {
            let tag = Tag::parse(last).map_err(|_| damaged())?;
            let target: String = read(value).ok_or_else(damaged)?;
            Edit::Tag(tag, digest(&target)?)
        }
        _ => return Err(damaged()),
    };
    Ok((path, edit))
}

fn read<T: DeserializeOwned>(value: &str) -> Option<T> {
    serde_json::from_str(value).ok()
}

pub(super) fn blob_key(path: &Path, digest: &Digest) -> String {
    format!("b/{path}/{digest}")
}

pub(super) fn manifest_key(path: &Path, digest: &Digest) -> String {
    format!("m/{path}/{digest}")
}

pub(super) fn tag_key(path: &Path, tag: &Tag) -> String {
    format!("t/{path}/{tag}")
}

pub(super) fn put(key: String, value: &impl Serialize) -> Result<Change, Error> {
    let value = serde_json::to_string(value).map_err(|error| Error::wrap(ErrorKind::Other, error))?;
    Ok(Change {
        key,
        value: Some(value),
    })
}

pub(super) const fn remove(key: String) -> Change {
    Change { key, value: None }
}
