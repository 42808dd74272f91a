//! Reads the images of a docker-archive, as `docker save` writes it.

use std::collections::HashMap;

use wharf_content::{Error, Hasher, MAX_CONFIG_SIZE, Manifest};
use wharf_layer::{Codec, MAGIC_SIZE};
use wharf_reference::{Algorithm, Digest};

use super::{
    Inner,
    docker::{self, Item, Layer},
    image::ArchivedImage,
    members::Members,
    names::{digest_of, verify},
};
use crate::error::{error, shown};

/// Reads `manifest.json` and makes the manifests of its images.
pub(super) fn read(members: Members) -> Result<Inner, Error> {
    let items = docker::items(&members.whole(docker::MANIFEST, docker::MAX_DOCKER_MANIFEST_SIZE)?)?;
    let mut saved = Saved {
        members: &members,
        layers: HashMap::new(),
        blobs: HashMap::new(),
        made: HashMap::new(),
    };
    let mut images = Vec::with_capacity(items.len());
    for (position, item) in items.into_iter().enumerate() {
        images.push(saved.image(position, item)?);
    }
    let Saved { blobs, made, .. } = saved;
    Ok(Inner {
        members,
        images,
        blobs,
        made,
        is_docker: true,
    })
}

struct Saved<'a> {
    members: &'a Members,
    /// The layers that were looked at, by their place.
    layers: HashMap<(u64, u64), Layer>,
    blobs: HashMap<Digest, (u64, u64)>,
    made: HashMap<Digest, Manifest>,
}

impl Saved<'_> {
    fn image(&mut self, position: usize, item: Item) -> Result<ArchivedImage, Error> {
        let at = *self.members.names().file(&item.config)?;
        let bytes = self.members.whole_at(at, &item.config, MAX_CONFIG_SIZE)?;
        verify(&item.config, &bytes)?;
        let (config, diff_ids) = docker::config(&item, &bytes)?;
        let mut layers = Vec::with_capacity(item.layers.len());
        for (name, diff_id) in item.layers.iter().zip(&diff_ids) {
            let layer = self.layer(name, diff_id).map_err(|cause| {
                let name = shown(name.as_bytes());
                error(
                    cause.kind(),
                    format_args!("the layer {name} cannot be used: {cause}"),
                )
            })?;
            layers.push(layer);
        }
        let manifest = docker::manifest(&bytes, &layers)?;
        let image_id = Hasher::sha256(&bytes);
        self.blobs.insert(image_id.clone(), at);
        let mut descriptor = manifest.descriptor().clone();
        if let Some(platform) = config.platform() {
            descriptor = descriptor.with_platform(platform.clone());
        }
        self.made.insert(manifest.digest().clone(), manifest);
        Ok(ArchivedImage::tagged(position, item.names, descriptor, image_id))
    }

    /// The digest of a layer as it is stored. That of a blob is in its name and that of a layer that is not
    /// compressed is its `diff_id`, a sha256 digest; both are verified when the layer is read. Others are hashed.
    fn layer(&mut self, name: &str, diff_id: &Digest) -> Result<Layer, Error> {
        let at = *self.members.names().file(name)?;
        if let Some(known) = self.layers.get(&at) {
            return Ok(known.clone());
        }
        let codec = Codec::of_magic(&self.members.start(at, MAGIC_SIZE)?)?;
        let digest = match (digest_of(name), codec) {
            (Some(digest), _) => digest,
            (None, Codec::Plain) if diff_id.algorithm() == Algorithm::Sha256 => diff_id.clone(),
            _ => self.hashed(at)?,
        };
        let layer = Layer {
            digest: digest.clone(),
            size: at.1,
            codec,
        };
        self.blobs.insert(digest, at);
        self.layers.insert(at, layer.clone());
        Ok(layer)
    }

    fn hashed(&self, at: (u64, u64)) -> Result<Digest, Error> {
        let mut hasher = Hasher::new(Algorithm::Sha256)?;
        let mut part = self.members.part(at);
        loop {
            let bytes = part.read()?;
            if bytes.is_empty() {
                return hasher.finish();
            }
            hasher.update(&bytes);
        }
    }
}
