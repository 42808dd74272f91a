use std::collections::HashMap;

use wharf_content::{Descriptor, Error, Manifest, MediaType};
use wharf_layer::{Codec, Level, Profile};
use wharf_reference::Digest;

use super::MemoKey;
use crate::{
    Format, Recipe,
    format::{Compression, Kind, kind},
    graph::Graph,
    rewrite::docker_zstd,
    validate::check_counts,
};

/// A layer that is encoded anew.
#[derive(Debug, Clone)]
pub(crate) struct Job {
    /// The original layer.
    pub(crate) layer: Descriptor,
    /// The codec by the original's type; `None` if its first bytes decide.
    pub(crate) codec: Option<Codec>,
    pub(crate) level: Level,
    pub(crate) media_type: MediaType,
    pub(crate) diff_id: Digest,
    /// The first image that has the layer, and the layer's number in it, counted from one.
    pub(crate) image: Digest,
    pub(crate) number: usize,
}

impl Job {
    /// The layers that the new one stands for.
    pub(crate) fn replaces(&self) -> (Digest, MediaType) {
        (self.layer.digest().clone(), self.layer.media_type().clone())
    }

    pub(crate) fn key(&self) -> MemoKey {
        MemoKey {
            layer: self.layer.digest().clone(),
            encoder: Profile::V1.id(self.level),
        }
    }
}

/// The changes that the recipe makes to the layers of all images.
#[derive(Debug, Default)]
pub(crate) struct Jobs {
    /// Each layer once, in the order of the images and their layers.
    pub(crate) jobs: Vec<Job>,
    /// Images and artifacts in which no layer is touched because of its type.
    pub(crate) passed: Vec<Digest>,
}

/// Lists the layers that the recipe encodes anew.
pub(crate) fn plan(graph: &Graph, recipe: &Recipe) -> Result<Jobs, Error> {
    let mut jobs = Jobs::default();
    let mut known: HashMap<(Digest, MediaType), Digest> = HashMap::new();
    if recipe.layers == crate::Layers::Keep {
        return Ok(jobs);
    }
    for image in graph.images() {
        let Some(config) = graph.config(image.digest()) else {
            if has_other_content(image) {
                jobs.passed.push(image.digest().clone());
            }
            continue;
        };
        if !touches(recipe, image) {
            continue;
        }
        check_counts(image, config)?;
        let format = recipe.format.or_else(|| Format::of(image.media_type()));
        for (number, (layer, diff_id)) in image.layers().iter().zip(config.diff_ids()?).enumerate() {
            let Some((codec, level)) = change(recipe, layer) else {
                continue;
            };
            let key = (layer.digest().clone(), layer.media_type().clone());
            if let Some(other) = known.get(&key) {
                if *other != diff_id {
                    return Err(mismatch(image, number + 1, other, &diff_id));
                }
                continue;
            }
            known.insert(key, diff_id.clone());
            let Some(media_type) =
                format.and_then(|format| format.media_type(Kind::Layer(compression(level))))
            else {
                continue;
            };
            if level.codec() == Codec::Zstd && format == Some(Format::Docker) && !recipe.docker_zstd {
                return Err(docker_zstd(image, number + 1));
            }
            jobs.jobs.push(Job {
                layer: layer.clone(),
                codec: (!recipe.trust_magic).then_some(codec),
                level,
                media_type,
                diff_id,
                image: image.digest().clone(),
                number: number + 1,
            });
        }
    }
    Ok(jobs)
}

/// True if the recipe encodes a layer of this image anew.
pub(crate) fn touches(recipe: &Recipe, image: &Manifest) -> bool {
    image.layers().iter().any(|layer| change(recipe, layer).is_some())
}

/// The codec that a layer has by its type, and the level that it gets.
fn change(recipe: &Recipe, layer: &Descriptor) -> Option<(Codec, Level)> {
    let codec = match kind(layer.media_type())? {
        Kind::Layer(Compression::None) => Codec::Plain,
        Kind::Layer(Compression::Gzip) => Codec::Gzip,
        Kind::Layer(Compression::Zstd) => Codec::Zstd,
        _ => return None,
    };
    Some((codec, recipe.layers.level_for(codec)?))
}

/// True for an artifact, and for an image that has layers and none of a container image, such as an attestation.
fn has_other_content(image: &Manifest) -> bool {
    let is_layer = |layer: &Descriptor| matches!(kind(layer.media_type()), Some(Kind::Layer(_)));
    let is_container = image
        .config()
        .is_some_and(|config| kind(config.media_type()) == Some(Kind::Config));
    !is_container || (!image.layers().is_empty() && !image.layers().iter().any(is_layer))
}

fn compression(level: Level) -> Compression {
    match level.codec() {
        Codec::Gzip => Compression::Gzip,
        Codec::Zstd => Compression::Zstd,
        _ => Compression::None,
    }
}

fn mismatch(image: &Manifest, number: usize, one: &Digest, other: &Digest) -> Error {
    let message = format!(
        "layer {number} of {} has the diff_id {other}, and elsewhere the same layer has {one}",
        image.digest()
    );
    Error::new(wharf_content::ErrorKind::Mismatch, message)
}
