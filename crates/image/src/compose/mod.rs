//! Works off the steps of a recipe that change what an image contains: its config and the list of its layers. The
//! digests of new layers come later.

mod base;
mod composition;
mod documents;
mod history;
mod members;
mod rebase;
mod slot;
mod squash;

use std::{
    collections::{HashMap, HashSet},
    ops::Bound,
    sync::Arc,
};

use wharf_content::{Descriptor, Error, ErrorKind, History, Manifest, Source};
use wharf_layer::Codec;
use wharf_reference::Digest;

pub use self::base::Base;
use self::members::MemberEdits;
pub(crate) use self::{
    composition::Composition,
    members::EditedOf,
    slot::{Made, Slot},
};
use crate::{
    ConfigDocument, Edit, NewLayer, Options, Recipe,
    edit::{check_history, check_time},
    format::{Kind, has_image_config, kind},
    graph::Graph,
    layers::Decide,
    validate::check_counts,
};

/// A step of a recipe that changes what an image contains. Steps are worked off in their order.
#[derive(Debug, Clone)]
pub(crate) enum Step {
    Edit(Edit),
    Append(NewLayer, History),
    /// The number of a layer, counted from one, lowest first.
    Remove(usize),
    /// An edit of the members of all layers.
    Members(Decide),
    /// A range of layers, counted likewise.
    Squash((Bound<usize>, Bound<usize>)),
    Rebase {
        old: Base,
        new: Base,
    },
}

/// The images that the steps of a recipe change.
#[derive(Default)]
pub(crate) struct Compositions {
    images: HashMap<Digest, Composition>,
    /// The layers that are made, by the number that a [`Slot`] has.
    pub(crate) new: Vec<New>,
    /// Images and artifacts that are not changed, because they are no container images.
    pub(crate) passed: Vec<Digest>,
}

/// A layer that is made.
#[derive(Clone)]
pub(crate) struct New {
    pub(crate) layer: NewLayer,
    /// The compression of its bytes.
    pub(crate) codec: Codec,
    /// The layer that it stands for, if its members were edited.
    pub(crate) edited: Option<EditedOf>,
}

impl Step {
    /// Checks what needs no image.
    pub(crate) fn check(&self) -> Result<(), Error> {
        match self {
            Self::Edit(edit) => edit.check(),
            Self::Append(_, history) => {
                if history.empty_layer() {
                    let message = "the history of an appended layer states that it has no layer";
                    return Err(Error::new(ErrorKind::Invalid, message));
                }
                check_history(history)
            }
            Self::Remove(0) => {
                let message = "layer 0 is to be removed, and layers are counted from one";
                Err(Error::new(ErrorKind::Invalid, message))
            }
            Self::Remove(_) | Self::Squash(_) | Self::Members(_) | Self::Rebase { .. } => Ok(()),
        }
    }
}

/// True for a container image whose layers are all such layers. Others, such as attestations, are not changed by steps.
pub(crate) fn is_container(image: &Manifest) -> bool {
    check_container(image).is_ok()
}

/// Says why something is no container image whose layers are those of a file system.
pub(crate) fn check_container(image: &Manifest) -> Result<(), Error> {
    let unsupported = |message| Err(Error::new(ErrorKind::Unsupported, message));
    let digest = image.digest();
    if !has_image_config(image) {
        return unsupported(format!("{digest} is no container image"));
    }
    let is_layer =
        |layer: &Descriptor| matches!(kind(layer.media_type()), Some(Kind::Layer(_) | Kind::Foreign(_)));
    match image.layers().iter().position(|layer| !is_layer(layer)) {
        None => Ok(()),
        Some(position) => {
            let media_type = image.layers().get(position).map(Descriptor::media_type);
            let media_type = media_type.map(ToString::to_string).unwrap_or_default();
            unsupported(format!(
                "layer {} of {digest} has the type {media_type}, which is no layer of a file system",
                position + 1
            ))
        }
    }
}

/// The images of an index that the steps of a recipe are worked off on.
fn chosen<'a>(graph: &Graph, recipe: &Recipe, images: Vec<&'a Manifest>) -> Result<Vec<&'a Manifest>, Error> {
    if recipe.only.is_empty() || !graph.root().is_index() {
        return Ok(images);
    }
    let described = images.iter().map(|image| {
        let descriptor = image.descriptor().clone();
        match graph.platform(image.digest()) {
            Some(platform) => descriptor.with_platform(platform),
            None => descriptor,
        }
    });
    let described: Vec<Descriptor> = described.collect();
    let mut found = HashSet::new();
    for platform in &recipe.only {
        let chosen = platform.choose(&described);
        let chosen = chosen.ok_or_else(|| platform.not_in(graph.root(), &described))?;
        found.insert(chosen.digest());
    }
    Ok(images
        .into_iter()
        .filter(|image| found.contains(image.digest()))
        .collect())
}

impl Compositions {
    /// Works off the steps of a recipe.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Unsupported`] if there is no container image, or if images of several platforms would get one;
    /// [`ErrorKind::NotFound`] for a layer that an image does not have, and if there is no image for a platform; [`ErrorKind::Conflict`] for an image that is not
    /// made on the old base; [`ErrorKind::Invalid`] if config, history and layers do not fit; the errors of sources.
    pub(crate) async fn compose(
        source: &Arc<dyn Source>,
        graph: &Graph,
        recipe: &Recipe,
        options: &Options,
    ) -> Result<Self, Error> {
        let mut all = Self::default();
        if recipe.steps.is_empty() {
            return Ok(all);
        }
        if let Some(time) = &options.created {
            check_time("of what is added", time)?;
        }
        let (images, passed): (Vec<_>, Vec<_>) = graph.images().iter().partition(|image| is_container(image));
        if images.is_empty() {
            check_container(graph.root())?;
            let message = format!(
                "{} is no container image, so its config and layers cannot be changed",
                graph.root().digest()
            );
            return Err(Error::new(ErrorKind::Unsupported, message));
        }
        all.passed = passed.into_iter().map(|image| image.digest().clone()).collect();
        let images = chosen(graph, recipe, images)?;
        let sets_platform = |step: &Step| matches!(step, Step::Edit(edit) if edit.platform().is_some());
        if images.len() > 1 && recipe.steps.iter().any(sets_platform) {
            let message = format!(
                "the index {} has {} images, and all of them are to get the same platform; select one",
                graph.root().digest(),
                images.len()
            );
            return Err(Error::new(ErrorKind::Unsupported, message));
        }
        let appended = all.appended(recipe).await?;
        let mut edits = MemberEdits::new(source, options);
        for image in images {
            let Some(config) = graph.config(image.digest()) else {
                continue; // it was read for each container image
            };
            check_counts(image, config)?;
            let document = ConfigDocument::parse(config.bytes().clone())?;
            let mut composition = Composition::of(image, document)?;
            let platform = graph.platform(image.digest());
            for (number, (step, appended)) in recipe.steps.iter().zip(&appended).enumerate() {
                if let Step::Members(decide) = step {
                    edits
                        .apply(&mut composition, &mut all.new, number, decide)
                        .await?;
                    continue;
                }
                if let Step::Squash(range) = step {
                    let layers = composition.squash(*range, source, &all.new, options)?;
                    if let Some(layer) = layers {
                        composition.put_squashed(*range, all.new.len(), options)?;
                        all.new.push(New {
                            layer,
                            codec: Codec::Plain,
                            edited: None,
                        });
                    }
                    continue;
                }
                composition
                    .step(step, *appended, platform.as_ref(), options)
                    .await?;
            }
            all.images.insert(image.digest().clone(), composition);
        }
        Ok(all)
    }

    pub(crate) fn of(&self, image: &Digest) -> Option<&Composition> {
        self.images.get(image)
    }

    /// The numbers of the new layers that an image has: a step may remove one again.
    pub(crate) fn new_slots(&self) -> HashSet<usize> {
        let slots = self.images.values().flat_map(|composition| &composition.slots);
        let numbers = slots.filter_map(|slot| match slot {
            Slot::New { number, .. } => Some(*number),
            Slot::Original(_) => None,
        });
        numbers.collect()
    }

    /// The sources, other than that of the image, of layers that an image may have now.
    pub(crate) fn sources(&self) -> HashMap<Digest, Arc<dyn Source>> {
        let slots = self.images.values().flat_map(|composition| &composition.slots);
        let originals = slots.filter_map(|slot| match slot {
            Slot::Original(original) => Some(original),
            Slot::New { .. } => None,
        });
        originals
            .filter_map(|original| Some((original.layer.digest().clone(), original.source.clone()?)))
            .collect()
    }

    /// The new layers, each of which is one layer for all images; the number of that of each step.
    async fn appended(&mut self, recipe: &Recipe) -> Result<Vec<Option<usize>>, Error> {
        let mut numbers = Vec::new();
        for step in &recipe.steps {
            numbers.push(match step {
                Step::Append(layer, _) => {
                    let codec = layer.codec().await?;
                    let layer = layer.clone();
                    self.new.push(New {
                        layer,
                        codec,
                        edited: None,
                    });
                    Some(self.new.len() - 1)
                }
                _ => None,
            });
        }
        Ok(numbers)
    }
}
