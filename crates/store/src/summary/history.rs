use std::time::SystemTime;

use wharf_content::{Descriptor, Error, ErrorKind, ImageConfig, Manifest, Platform, Target, choose_image};
use wharf_reference::Digest;

use crate::Layout;

/// A step of the history of an image, as `podman history` lists it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct HistoryEntry {
    /// The digest of the layer; `None` for a step that made none.
    pub layer: Option<Digest>,
    /// The time of the step.
    pub created: Option<SystemTime>,
    /// The command of the step; empty if it is not stated.
    pub created_by: String,
    /// The comment; empty if there is none.
    pub comment: String,
    /// The bytes of the layer as it is stored; 0 for a step that made none.
    pub size: u64,
}

impl Layout {
    /// The history of an image, the latest step first. Of an index, that of the image for this host's platform. Layers
    /// that the history does not explain are steps without a command.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::NotFound`] if there is no such image, [`ErrorKind::Unsupported`] if it is no container image.
    pub async fn history(&self, image: &Target) -> Result<Vec<HistoryEntry>, Error> {
        let (manifest, config) = self.container_image(image).await?;
        Ok(history(&manifest, &config))
    }

    /// The manifest and the config of an image; of an index, of the image for this host's platform.
    pub(super) async fn container_image(&self, image: &Target) -> Result<(Manifest, ImageConfig), Error> {
        let manifest = wharf_content::Source::manifest(self, image).await?;
        let descriptor = if manifest.is_index() {
            choose_image(self, &manifest, &Platform::host()).await?
        } else {
            manifest.descriptor().clone()
        };
        let target = image.to_string();
        self.blocking(move |layout| {
            let manifest = layout.required_manifest(&descriptor)?;
            match layout.config_of(&manifest)? {
                Some(config) => Ok((manifest, config)),
                None => Err(Error::new(
                    ErrorKind::Unsupported,
                    format!("{target} is an artifact, and no container image"),
                )),
            }
        })
        .await
    }
}

fn history(manifest: &Manifest, config: &ImageConfig) -> Vec<HistoryEntry> {
    let mut layers = manifest.layers().iter();
    let size = |layer: Option<&Descriptor>| layer.map_or(0, Descriptor::size);
    let mut entries: Vec<HistoryEntry> = config
        .history()
        .iter()
        .map(|step| {
            let layer = if step.empty_layer() { None } else { layers.next() };
            HistoryEntry {
                layer: layer.map(|layer| layer.digest().clone()),
                created: step.created_at(),
                created_by: step.created_by().unwrap_or_default().to_owned(),
                comment: step.comment().unwrap_or_default().to_owned(),
                size: size(layer),
            }
        })
        .collect();
    entries.extend(layers.map(|layer| HistoryEntry {
        layer: Some(layer.digest().clone()),
        created: None,
        created_by: String::new(),
        comment: String::new(),
        size: layer.size(),
    }));
    entries.reverse();
    entries
}
