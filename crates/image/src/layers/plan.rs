use std::{collections::HashMap, sync::Arc};

use wharf_content::{Descriptor, Error, ImageConfig, Manifest, MediaType, Source};
use wharf_layer::{Codec, Level, Profile};
use wharf_reference::{Algorithm, Digest};

use super::MemoKey;
use crate::{
    Format, Layers, NewLayer, Recipe,
    compose::{Compositions, New, Slot},
    format::{Compression, Kind, has_image_config, kind},
    graph::Graph,
    rewrite::docker_zstd,
    validate::check_counts,
};

/// A layer that is made: encoded anew, or added.
#[derive(Clone)]
pub(crate) struct Job {
    pub(crate) input: Input,
    /// `None` for an added layer that keeps its bytes.
    pub(crate) level: Option<Level>,
    pub(crate) media_type: MediaType,
    /// The layer, for errors.
    pub(crate) name: String,
}

/// The content of a layer that is made.
#[derive(Clone)]
pub(crate) enum Input {
    /// A layer that is there.
    Stored(Box<Stored>),
    /// A layer that is added, with its number among these.
    New(usize, NewLayer),
}

/// A layer that is there, and is encoded anew.
#[derive(Clone)]
pub(crate) struct Stored {
    pub(crate) layer: Descriptor,
    /// The codec by the layer's type; `None` if its first bytes decide.
    pub(crate) codec: Option<Codec>,
    pub(crate) diff_id: Digest,
    /// The source that has it, if it is another than that of the image.
    pub(crate) source: Option<Arc<dyn Source>>,
}

impl Job {
    /// The number of bytes to read, or more if it is not known.
    pub(crate) fn size(&self) -> u64 {
        match &self.input {
            Input::Stored(stored) => stored.layer.size(),
            Input::New(_, layer) => layer.size().unwrap_or(u64::MAX),
        }
    }

    /// The algorithm of the new layer's digest.
    pub(crate) fn algorithm(&self) -> Algorithm {
        match &self.input {
            Input::Stored(stored) => stored.layer.digest().algorithm(),
            Input::New(..) => Algorithm::Sha256,
        }
    }

    /// The input and the encoder, for the memo; `None` for a layer whose digest is not known.
    pub(crate) fn key(&self) -> Option<MemoKey> {
        match (&self.input, self.level) {
            (Input::Stored(stored), Some(level)) => Some(MemoKey {
                layer: stored.layer.digest().clone(),
                encoder: Profile::V1.id(level),
            }),
            _ => None,
        }
    }
}

impl Stored {
    /// The layers that the new one stands for.
    pub(crate) fn replaces(&self) -> (Digest, MediaType) {
        (self.layer.digest().clone(), self.layer.media_type().clone())
    }
}

/// The changes that the recipe makes to the layers of all images.
#[derive(Default)]
pub(crate) struct Jobs {
    /// Each layer once, in the order of the images and their layers.
    pub(crate) jobs: Vec<Job>,
    /// Images and artifacts in which no layer is touched because of its type.
    pub(crate) passed: Vec<Digest>,
}

/// Lists the layers that are made.
pub(crate) fn plan(graph: &Graph, recipe: &Recipe, compositions: &Compositions) -> Result<Jobs, Error> {
    let mut jobs = Jobs::default();
    let mut known: HashMap<(Digest, MediaType), Digest> = HashMap::new();
    for image in graph.images() {
        if recipe.layers == Layers::Keep {
            break;
        }
        let Some(config) = graph.config(image.digest()) else {
            if has_other_content(image) {
                jobs.passed.push(image.digest().clone());
            }
            continue;
        };
        let layers = layers(image, config, compositions)?;
        let format = recipe.format.or_else(|| Format::of(image.media_type()));
        for (number, (layer, diff_id, source)) in layers.into_iter().enumerate() {
            let Some((codec, level)) = change(recipe, &layer) else {
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
            let kind = Kind::Layer(level.codec().into());
            let Some(media_type) = format.and_then(|format| format.media_type(kind)) else {
                continue;
            };
            if level.codec() == Codec::Zstd && format == Some(Format::Docker) && !recipe.docker_zstd {
                return Err(docker_zstd(image, number + 1));
            }
            jobs.jobs.push(Job {
                input: Input::Stored(Box::new(Stored {
                    layer,
                    codec: (!recipe.trust_magic).then_some(codec),
                    diff_id,
                    source,
                })),
                level: Some(level),
                media_type,
                name: format!("layer {} of {}", number + 1, image.digest()),
            });
        }
    }
    jobs.jobs.extend(added(recipe, compositions));
    for image in &compositions.passed {
        if !jobs.passed.contains(image) {
            jobs.passed.push(image.clone());
        }
    }
    check_zstd(graph, recipe, compositions, &jobs.jobs)?;
    Ok(jobs)
}

/// The layers of an image that are there, as its steps leave them, with their `diff_ids` and the source of those of
/// another one.
#[expect(clippy::type_complexity, reason = "it is taken apart at once")]
fn layers(
    image: &Manifest,
    config: &ImageConfig,
    compositions: &Compositions,
) -> Result<Vec<(Descriptor, Digest, Option<Arc<dyn Source>>)>, Error> {
    if let Some(composition) = compositions.of(image.digest()) {
        let originals = composition.slots.iter().filter_map(|slot| match slot {
            Slot::Original(original) => Some(original),
            Slot::New { .. } => None,
        });
        let parts = originals.map(|layer| (layer.layer.clone(), layer.diff_id.clone(), layer.source.clone()));
        return Ok(parts.collect());
    }
    check_counts(image, config)?;
    let layers = image.layers().iter().cloned().zip(config.diff_ids()?);
    Ok(layers.map(|(layer, diff_id)| (layer, diff_id, None)).collect())
}

/// Checks that no image in Docker's format gets a layer that is compressed with zstd.
fn check_zstd(
    graph: &Graph,
    recipe: &Recipe,
    compositions: &Compositions,
    jobs: &[Job],
) -> Result<(), Error> {
    let is_new_zstd = |slot: &Slot| match slot {
        Slot::Original(original) => {
            original.source.is_some()
                && kind(original.layer.media_type()) == Some(Kind::Layer(Compression::Zstd))
        }
        Slot::New { number, .. } => {
            let was = compositions.edited(*number).map(|edited| edited.codec);
            let is_zstd = |job: &Job| kind(&job.media_type) == Some(Kind::Layer(Compression::Zstd));
            let is_it = |job: &&Job| matches!(&job.input, Input::New(new, _) if new == number);
            was != Some(Codec::Zstd) && jobs.iter().find(is_it).is_some_and(is_zstd)
        }
    };
    for image in graph.images() {
        let format = recipe.format.or_else(|| Format::of(image.media_type()));
        if let Some(composition) = compositions.of(image.digest())
            && format == Some(Format::Docker)
            && !recipe.docker_zstd
            && let Some(at) = composition.slots.iter().position(is_new_zstd)
        {
            return Err(docker_zstd(image, at + 1));
        }
    }
    Ok(())
}

/// The layers that are added. A plain one is compressed unless the recipe says how layers are to be.
fn added(recipe: &Recipe, compositions: &Compositions) -> Vec<Job> {
    let used = compositions.new_slots();
    let new = compositions.new.iter().enumerate();
    let jobs = new
        .filter(|(number, _)| used.contains(number))
        .map(|(number, new)| {
            let level = level(recipe, new);
            let codec = level.map_or(new.codec, Level::codec);
            let kind = Kind::Layer(codec.into());
            Job {
                input: Input::New(number, new.layer.clone()),
                level,
                media_type: Format::Oci.media_type(kind).unwrap_or(MediaType::OCI_LAYER),
                name: match &new.edited {
                    Some(edited) => edited.name.clone(),
                    None => format!("added layer {}", number + 1),
                },
            }
        });
    jobs.collect()
}

/// The level at which a new layer is encoded; `None` if it keeps its bytes. One whose members were edited has the compression
/// that it had.
fn level(recipe: &Recipe, new: &New) -> Option<Level> {
    let is_plain = |level: &Level| new.codec == Codec::Plain && level.codec() == Codec::Plain;
    if let Some(level) = new.layer.level() {
        return Some(level).filter(|level| !is_plain(level));
    }
    let is_added = new.edited.as_ref().is_none_or(|edited| edited.from.is_none());
    let layers = match recipe.layers {
        Layers::Keep if is_added => Layers::Compressed,
        other => other,
    };
    match (&new.edited, layers) {
        (None, layers) => layers.level_for(new.codec),
        (Some(_), Layers::Exactly { level, .. }) => Some(level),
        (Some(edited), layers) => {
            let level = layers.level_for(edited.codec);
            Some(level.unwrap_or_else(|| Level::default_of(edited.codec)))
        }
    }
    .filter(|level| !is_plain(level))
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
    !has_image_config(image) || (!image.layers().is_empty() && !image.layers().iter().any(is_layer))
}

fn mismatch(image: &Manifest, number: usize, one: &Digest, other: &Digest) -> Error {
    let message = format!(
        "layer {number} of {} has the diff_id {other}, and elsewhere the same layer has {one}",
        image.digest()
    );
    Error::new(wharf_content::ErrorKind::Mismatch, message)
}
