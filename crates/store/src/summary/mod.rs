//! Images as a person lists them: one for each manifest, with its names, its size and the time when it was made.

mod filter;
mod find;
mod history;
mod pattern;
mod read;
mod tree;

use std::{
    collections::BTreeMap,
    time::{Duration, SystemTime},
};

use serde::{Serialize, Serializer, ser::SerializeStruct as _};
use wharf_content::{Error, MediaType, Name, Platform};
use wharf_reference::Digest;

pub use self::{
    filter::Filter,
    find::find_summary,
    history::HistoryEntry,
    tree::{ImageTree, TreeLayer},
};
use crate::{Layout, index::Index};

/// An image of a layout as `podman images` lists it: a manifest or index with all its names.
///
/// It serialises with Podman's keys where their meaning is the same; `Id` has no `sha256:`, as there.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ImageSummary {
    /// The digest of the config; of an index or an image without a config, that of the manifest.
    pub id: Digest,
    /// The digest of the manifest or index.
    pub digest: Digest,
    /// The media type of the manifest or index.
    pub media_type: MediaType,
    /// Its names in the order of the layout; empty if it has none.
    pub names: Vec<Name>,
    /// The platform of an image; of an index, those that it lists.
    pub platforms: Vec<Platform>,
    /// The time when it was made, as the config states it; of an index, the latest of its images.
    pub created: Option<SystemTime>,
    /// The bytes of its distinct manifests and blobs, as the descriptors state them: compressed, and also of blobs
    /// that other images have too. Manifests that an index lists and the layout lacks count nothing.
    pub size: u64,
    /// The labels of the config; empty for an index.
    pub labels: BTreeMap<String, String>,
    /// The reason why the image could not be read, if it could not. Its size, platforms, time and labels are unknown
    /// then.
    pub unreadable: Option<String>,
}

impl ImageSummary {
    /// The seconds from 1970 to the time when the image was made; 0 if it is not stated.
    fn created_seconds(&self) -> i64 {
        let Some(created) = self.created else { return 0 };
        let seconds = |duration: Duration| i64::try_from(duration.as_secs()).unwrap_or(i64::MAX);
        match created.duration_since(SystemTime::UNIX_EPOCH) {
            Ok(after) => seconds(after),
            Err(before) => -seconds(before.duration()),
        }
    }
}

impl Serialize for ImageSummary {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut fields = serializer.serialize_struct("ImageSummary", 10)?;
        fields.serialize_field("Id", self.id.encoded())?;
        fields.serialize_field("ParentId", "")?;
        let names: Vec<&str> = self.names.iter().map(Name::as_str).collect();
        fields.serialize_field("RepoTags", &names)?;
        let repositories = self.repositories();
        let digests = repositories.map(|repository| format!("{repository}@{}", self.digest));
        fields.serialize_field("RepoDigests", &digests.collect::<Vec<_>>())?;
        fields.serialize_field("Size", &self.size)?;
        fields.serialize_field("Labels", &self.labels)?;
        fields.serialize_field("Names", &names)?;
        fields.serialize_field("Digest", &self.digest)?;
        fields.serialize_field("Created", &self.created_seconds())?;
        let platforms: Vec<String> = self.platforms.iter().map(ToString::to_string).collect();
        fields.serialize_field("Platforms", &platforms)?;
        fields.end()
    }
}

impl Layout {
    /// Lists the images, each once with all its names, the latest first, and those whose time is not stated last. An
    /// image that cannot be read is listed, with the reason.
    ///
    /// The manifest and the config of each image are read, and hashed unless this process did so before: some 10,000
    /// images in a second.
    ///
    /// ```
    /// use wharf_content::{ImageBuilder, Name, Platform, SinkExt as _};
    /// use wharf_store::{Filter, Layout};
    ///
    /// # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
    /// # let directory = tempfile::tempdir()?;
    /// # let store = Layout::create(directory.path().join("images")).await?;
    /// let image = ImageBuilder::for_platform(Platform::host()).with_label("tier", "web").build()?;
    /// store.push_image(&image, Some(&Name::parse("localhost/app:1")?)).await?;
    /// let images = store.summaries().await?;
    /// assert_eq!(images[0].names[0].as_str(), "localhost/app:1");
    /// assert_eq!(Filter::all(&[Filter::parse("label=tier=web")?], &images)?.len(), 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// # })?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Corrupt`](wharf_content::ErrorKind::Corrupt) if index.json is corrupt.
    pub async fn summaries(&self) -> Result<Vec<ImageSummary>, Error> {
        self.blocking(|layout| {
            let index = layout.shared.disk.index()?;
            let mut summaries: Vec<ImageSummary> = listed(&index)
                .into_iter()
                .map(|listed| layout.summary(listed).0)
                .collect();
            summaries.sort_by(|a, b| b.created.cmp(&a.created).then_with(|| a.names.cmp(&b.names)));
            Ok(summaries)
        })
        .await
    }
}

/// A manifest of index.json, with all its names.
struct Listed {
    descriptor: wharf_content::Descriptor,
    names: Vec<Name>,
}

/// The manifests of index.json, each once, without those that hold attachments of others.
fn listed(index: &Index) -> Vec<Listed> {
    let mut found: Vec<Listed> = Vec::new();
    let mut positions: BTreeMap<Digest, usize> = BTreeMap::new();
    let images = index
        .entries()
        .filter(|entry| entry.is_manifest() && entry.attached_to().is_none());
    for entry in images {
        let names: Vec<Name> = entry.names().filter_map(|name| Name::parse(name).ok()).collect();
        let descriptor = entry.into_descriptor();
        let position = *positions
            .entry(descriptor.digest().clone())
            .or_insert(found.len());
        match found.get_mut(position) {
            Some(known) => {
                let new = names.into_iter().filter(|name| !known.names.contains(name));
                let new: Vec<_> = new.collect();
                known.names.extend(new);
            }
            None => found.push(Listed { descriptor, names }),
        }
    }
    found
}
