use std::collections::HashMap;

use wharf_content::{Error, Hasher, Name, Target};
use wharf_reference::Digest;

use super::listed;
use crate::Layout;

/// The layers of an image, and the images that end with each, as `podman image tree` shows them.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ImageTree {
    /// The digest of the config.
    pub id: Digest,
    /// The bytes of the layers, as they are stored.
    pub size: u64,
    /// The layers, the lowest first.
    pub layers: Vec<TreeLayer>,
}

/// A layer of an [`ImageTree`].
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct TreeLayer {
    /// The chain ID (image-spec, *Layer `ChainID`*): it stands for this layer and all below it.
    pub chain_id: Digest,
    /// The bytes of the layer as it is stored.
    pub size: u64,
    /// The names of the images of which it is the highest layer.
    pub top_of: Vec<Name>,
}

impl Layout {
    /// The layers of an image, with the images of the layout that end with each of them. Of an index, those of the image
    /// for this host's platform.
    ///
    /// All images are read, as by [`Layout::summaries`].
    ///
    /// # Errors
    ///
    /// Those of [`Layout::history`].
    pub async fn tree(&self, image: &Target) -> Result<ImageTree, Error> {
        let (manifest, config) = self.container_image(image).await?;
        let id = manifest.config().unwrap_or_else(|| manifest.descriptor());
        let id = id.digest().clone();
        let chain_ids = chain_ids(&config.diff_ids()?);
        let mut tops = self.tops().await?;
        let layers = chain_ids.into_iter().zip(manifest.layers());
        let layers: Vec<TreeLayer> = layers
            .map(|(chain_id, layer)| TreeLayer {
                top_of: tops.remove(&chain_id).unwrap_or_default(),
                chain_id,
                size: layer.size(),
            })
            .collect();
        Ok(ImageTree {
            id,
            size: layers.iter().map(|layer| layer.size).sum(),
            layers,
        })
    }

    /// The names of the images, by the chain ID of the highest layer.
    async fn tops(&self) -> Result<HashMap<Digest, Vec<Name>>, Error> {
        self.blocking(|layout| {
            let mut tops: HashMap<Digest, Vec<Name>> = HashMap::new();
            for listed in listed(&*layout.shared.disk.index()?) {
                let (summary, diff_ids) = layout.summary(listed);
                if let Some(top) = chain_ids(&diff_ids).pop() {
                    tops.entry(top).or_default().extend(summary.names);
                }
            }
            Ok(tops)
        })
        .await
    }
}

/// The chain IDs of layers, the lowest first.
fn chain_ids(diff_ids: &[Digest]) -> Vec<Digest> {
    let mut chain: Vec<Digest> = Vec::with_capacity(diff_ids.len());
    for diff_id in diff_ids {
        let next = match chain.last() {
            Some(below) => Hasher::sha256(format!("{below} {diff_id}").as_bytes()),
            None => diff_id.clone(),
        };
        chain.push(next);
    }
    chain
}
