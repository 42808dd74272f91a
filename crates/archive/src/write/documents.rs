//! The documents at the end of an archive: `index.json`, and for Docker `manifest.json` and `repositories`.

use std::collections::{BTreeMap, HashMap, HashSet};

use serde::Serialize;
use wharf_content::{Descriptor, Error, ErrorKind, Manifest, MediaType, Name, Platform};
use wharf_reference::{Digest, Reference};

use super::{OciOnly, OciOnlyReason};
use crate::tar::{
    image::{FULL_NAME, REF_NAME},
    names::blob_name,
};

/// The manifests and blobs that were pushed.
#[derive(Default)]
pub(super) struct Content {
    /// The manifests in the order in which they were pushed.
    pub(super) order: Vec<Digest>,
    pub(super) manifests: HashMap<Digest, Manifest>,
    /// The place of each blob and manifest: offset and size.
    pub(super) blobs: HashMap<Digest, (u64, u64)>,
    /// The names in the order in which they were given.
    pub(super) names: Vec<(Name, Digest)>,
}

impl Content {
    /// Gives a name, or moves it.
    pub(super) fn tag(&mut self, name: &Name, manifest: &Digest) {
        match self.names.iter_mut().find(|(known, _)| known == name) {
            Some((_, digest)) => digest.clone_from(manifest),
            None => self.names.push((name.clone(), manifest.clone())),
        }
    }

    pub(super) fn named(&self, name: &Name) -> Option<&Digest> {
        let found = self.names.iter().find(|(known, _)| known == name);
        found.map(|(_, digest)| digest)
    }

    pub(super) fn names_of<'a>(&'a self, digest: &'a Digest) -> impl Iterator<Item = &'a Name> {
        let names = self.names.iter().filter(move |(_, of)| of == digest);
        names.map(|(name, _)| name)
    }

    /// The manifests that the archive lists, in the order in which they were pushed: those with a name, and those
    /// that are neither in an index nor about another manifest of the archive.
    fn roots(&self) -> impl Iterator<Item = &Manifest> {
        let manifests = self.manifests.values();
        let children: HashSet<&Digest> = manifests
            .flat_map(Manifest::manifests)
            .map(Descriptor::digest)
            .collect();
        let pushed = self.order.iter().filter_map(|digest| self.manifests.get(digest));
        pushed.filter(move |manifest| {
            let subject = manifest.subject().map(Descriptor::digest);
            let belongs = children.contains(manifest.digest())
                || subject.is_some_and(|subject| self.manifests.contains_key(subject));
            !belongs || self.names_of(manifest.digest()).next().is_some()
        })
    }

    /// `index.json`: an entry for each name, and one for an image without names.
    pub(super) fn index(&self) -> Result<Vec<u8>, Error> {
        let mut entries: Vec<Descriptor> = Vec::new();
        for root in self.roots() {
            let mut names = self.names_of(root.digest()).peekable();
            if names.peek().is_none() {
                entries.push(root.descriptor().clone());
            }
            entries.extend(names.map(|name| entry(root.descriptor(), name)));
        }
        text(&Index {
            schema_version: 2,
            media_type: MediaType::OCI_INDEX,
            manifests: entries,
        })
    }

    /// `manifest.json` and `repositories`, and the images that are not in them.
    pub(super) fn docker(&self, platform: &Platform) -> Result<Docker, Error> {
        let mut items: Vec<DockerItem> = Vec::new();
        let mut repositories: BTreeMap<String, BTreeMap<String, String>> = BTreeMap::new();
        let mut oci_only = Vec::new();
        for root in self.roots() {
            let image = match self.image(root, platform) {
                Ok(image) => image,
                Err(reason) => {
                    let descriptor = root.descriptor().clone();
                    oci_only.push(OciOnly { descriptor, reason });
                    continue;
                }
            };
            let item = DockerItem::of(image);
            let at = items
                .iter()
                .position(|known| known.config == item.config && known.layers == item.layers);
            let at = at.unwrap_or_else(|| {
                items.push(item);
                items.len() - 1
            });
            for reference in self.names_of(root.digest()).filter_map(full) {
                if let Some(item) = items.get_mut(at)
                    && !item.repo_tags.iter().any(|known| known == reference.as_str())
                {
                    item.repo_tags.push(reference.as_str().to_owned());
                }
                let tag = reference.tag().map(|tag| tag.to_string()).unwrap_or_default();
                let top = image.layers().last().or(image.config());
                let id = top
                    .map(|top| top.digest().encoded().to_owned())
                    .unwrap_or_default();
                let tags = repositories
                    .entry(reference.repository().to_string())
                    .or_default();
                tags.insert(tag, id);
            }
        }
        Ok(Docker {
            manifest: text(&items)?,
            repositories: text(&repositories)?,
            oci_only,
        })
    }

    /// The image that Docker sees of a manifest: itself, or of an index the image for the platform.
    fn image<'a>(&'a self, root: &'a Manifest, platform: &Platform) -> Result<&'a Manifest, OciOnlyReason> {
        if !root.is_index() {
            return self.loadable(root).map(|()| root);
        }
        let is_there = |entry: &&Descriptor| {
            self.manifests
                .get(entry.digest())
                .is_some_and(|it| !it.is_index())
        };
        let entries: Vec<Descriptor> = root.manifests().iter().filter(is_there).cloned().collect();
        let only = match entries.as_slice() {
            [only] => Some(only),
            _ => None,
        };
        let chosen = platform.choose(&entries).or(only);
        let image = chosen.and_then(|entry| self.manifests.get(entry.digest()));
        let image = image.ok_or(OciOnlyReason::NoPlatform)?;
        self.loadable(image).map(|()| image)
    }

    fn loadable(&self, image: &Manifest) -> Result<(), OciOnlyReason> {
        let is_container = |config: &Descriptor| {
            [MediaType::OCI_CONFIG, MediaType::DOCKER_CONFIG].contains(config.media_type())
        };
        if !image.config().is_some_and(is_container) {
            return Err(OciOnlyReason::NoContainerImage);
        }
        if image.blobs().all(|blob| self.blobs.contains_key(blob.digest())) {
            Ok(())
        } else {
            Err(OciOnlyReason::LayerMissing)
        }
    }

    /// True if a layer of a manifest that was pushed is compressed with zstd.
    pub(super) fn has_zstd(&self) -> bool {
        let mut layers = self.manifests.values().flat_map(Manifest::layers);
        layers.any(|layer| layer.media_type().as_str().ends_with("zstd"))
    }
}

/// The documents that Docker reads.
pub(super) struct Docker {
    pub(super) manifest: Vec<u8>,
    pub(super) repositories: Vec<u8>,
    pub(super) oci_only: Vec<OciOnly>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Index {
    schema_version: u32,
    media_type: MediaType,
    manifests: Vec<Descriptor>,
}

/// An image of `manifest.json`.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct DockerItem {
    pub(super) config: String,
    pub(super) repo_tags: Vec<String>,
    pub(super) layers: Vec<String>,
}

impl DockerItem {
    fn of(image: &Manifest) -> Self {
        let path = |descriptor: &Descriptor| blob_name(descriptor.digest());
        Self {
            config: image.config().map(path).unwrap_or_default(),
            repo_tags: Vec::new(),
            layers: image.layers().iter().map(path).collect(),
        }
    }
}

/// The entry of an image with a name: of a full name, in two annotations, as containerd writes it.
fn entry(descriptor: &Descriptor, name: &Name) -> Descriptor {
    let entry = descriptor.clone();
    let tag = full(name).and_then(|reference| Some((reference.as_str().to_owned(), reference.tag()?)));
    match tag {
        Some((full, tag)) => entry
            .with_annotation(FULL_NAME, full)
            .with_annotation(REF_NAME, tag.as_str()),
        None => entry.with_annotation(REF_NAME, name.as_str()),
    }
}

/// The reference that a name is, if it is a full one with registry and tag.
fn full(name: &Name) -> Option<Reference> {
    let reference = Reference::parse(name.as_str()).ok()?;
    let is_full = reference.as_str() == name.as_str() && reference.has_tag() && reference.digest().is_none();
    is_full.then_some(reference)
}

pub(super) fn text(document: &impl Serialize) -> Result<Vec<u8>, Error> {
    serde_json::to_vec(document)
        .map_err(|cause| Error::new(ErrorKind::Invalid, "a document cannot be written").with_source(cause))
}
