//! Reads the documents of an image for its summary.

use std::collections::HashSet;

use wharf_content::{
    Descriptor, Error, ImageConfig, MAX_CONFIG_SIZE, MAX_DEPTH, MAX_MANIFEST_SIZE, Manifest, MediaType,
    Visits,
};
use wharf_reference::Digest;

use super::{ImageSummary, Listed};
use crate::{Layout, read::whole};

impl Layout {
    /// The summary of an image, and the digests of its layers' tars, the lowest first; none for an index.
    pub(super) fn summary(&self, listed: Listed) -> (ImageSummary, Vec<Digest>) {
        let Listed { descriptor, names } = listed;
        let mut summary = ImageSummary {
            id: descriptor.digest().clone(),
            digest: descriptor.digest().clone(),
            media_type: descriptor.media_type().clone(),
            names,
            platforms: Vec::new(),
            created: None,
            size: 0,
            labels: std::collections::BTreeMap::new(),
            unreadable: None,
        };
        let mut diff_ids = Vec::new();
        if let Err(error) = self.describe(&descriptor, &mut summary, &mut diff_ids) {
            summary.unreadable = Some(error.to_string());
        }
        (summary, diff_ids)
    }

    fn describe(
        &self,
        root: &Descriptor,
        summary: &mut ImageSummary,
        diff_ids: &mut Vec<Digest>,
    ) -> Result<(), Error> {
        let manifest = self.required_manifest(root)?;
        if !manifest.is_index() {
            summary.size = size(&manifest, &mut HashSet::new());
            if let Some(config) = self.config_of(&manifest)? {
                let described = manifest.config().map_or(root, |config| config);
                summary.id = described.digest().clone();
                summary.platforms = config.platform().cloned().into_iter().collect();
                summary.created = config.created_at();
                summary.labels = config.labels().cloned().unwrap_or_default();
                *diff_ids = config.diff_ids()?;
            }
            return Ok(());
        }
        let listed = manifest.manifests().iter().filter_map(Descriptor::platform);
        summary.platforms = listed
            .filter(|platform| platform.os != "unknown")
            .cloned()
            .collect();
        let (mut seen, mut visits) = (HashSet::new(), Visits::new());
        let mut level = vec![manifest];
        for _ in 0..MAX_DEPTH {
            let mut next = Vec::new();
            for manifest in level {
                summary.size = summary.size.saturating_add(size(&manifest, &mut seen));
                if let Some(created) = self
                    .config_of(&manifest)
                    .ok()
                    .flatten()
                    .and_then(|config| config.created_at())
                {
                    summary.created = summary.created.max(Some(created));
                }
                for entry in manifest
                    .manifests()
                    .iter()
                    .filter(|entry| entry.media_type().is_manifest())
                {
                    if visits.add(entry)?
                        && let Some(child) = self.manifest_there(entry)?
                    {
                        next.push(child);
                    }
                }
            }
            level = next;
        }
        Ok(())
    }

    /// A manifest, if it is there.
    pub(super) fn manifest_there(&self, descriptor: &Descriptor) -> Result<Option<Manifest>, Error> {
        let digest = descriptor.digest();
        let bytes = whole(&self.shared.disk, digest, MAX_MANIFEST_SIZE)?;
        let parsed = bytes.map(|bytes| Manifest::parse_pinned(bytes, Some(descriptor.media_type()), digest));
        parsed.transpose()
    }

    pub(super) fn required_manifest(&self, descriptor: &Descriptor) -> Result<Manifest, Error> {
        let found = self.manifest_there(descriptor)?;
        found.ok_or_else(|| self.shared.disk.no_manifest(descriptor.digest()))
    }

    /// The config of a container image; `None` for an artifact, and for an index.
    pub(super) fn config_of(&self, manifest: &Manifest) -> Result<Option<ImageConfig>, Error> {
        let Some(descriptor) = manifest.config().filter(|config| is_image_config(config)) else {
            return Ok(None);
        };
        let disk = &self.shared.disk;
        let bytes = whole(disk, descriptor.digest(), MAX_CONFIG_SIZE)?;
        let bytes = bytes.ok_or_else(|| disk.no_blob(descriptor.digest()))?;
        ImageConfig::parse(bytes).map(Some)
    }
}

fn is_image_config(config: &Descriptor) -> bool {
    [MediaType::OCI_CONFIG, MediaType::DOCKER_CONFIG].contains(config.media_type())
}

/// The bytes of a manifest and its blobs that were not seen before.
fn size(manifest: &Manifest, seen: &mut HashSet<Digest>) -> u64 {
    let blobs = manifest.blobs().chain([manifest.descriptor()]);
    let new = blobs.filter(|blob| seen.insert(blob.digest().clone()));
    new.map(Descriptor::size).fold(0, u64::saturating_add)
}
