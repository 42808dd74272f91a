//! New documents for old ones, from the leaves up. Reads and writes nothing.

mod edit;
mod image;
mod index;
mod refused;
mod shape;
mod skopeo;

use std::collections::HashMap;

use bytes::Bytes;
use wharf_content::{Descriptor, Error, ErrorKind, MAX_MANIFEST_SIZE, Manifest, MediaType};
use wharf_reference::Digest;

pub(crate) use self::{
    edit::{annotate, drop_positions, is_position, parse, replace},
    refused::docker_zstd,
};
use self::{refused::no_counterpart, shape::Shape};
use crate::{
    Format, Loss, Recipe, Scope,
    compose::{Compositions, Made},
    graph::Graph,
    json::{Json, Object},
    layers::Replacements,
};

/// The annotation by which BuildKit attaches an attestation to an image of the same index.
pub(crate) const ATTESTS: &str = "vnd.docker.reference.digest";

/// The documents of a changed image.
#[derive(Debug, Default)]
pub(crate) struct Rewritten {
    /// The manifest that stands for each original one that changed.
    pub(crate) manifests: HashMap<Digest, Manifest>,
    /// Configs that were written anew.
    pub(crate) configs: Vec<(Descriptor, Bytes)>,
    pub(crate) losses: Vec<Loss>,
    pub(crate) dropped_attestations: Vec<Digest>,
}

/// Works off the steps of a recipe that change documents.
pub(crate) struct Rewriter<'a> {
    graph: &'a Graph,
    recipe: &'a Recipe,
    layers: &'a NewLayers,
    compositions: &'a Compositions,
    /// The manifests that were visited: `None` for an index in which nothing is left.
    visited: HashMap<Digest, Option<Manifest>>,
    result: Rewritten,
}

/// The layers that were made, or their types before that.
#[derive(Default)]
pub(crate) struct NewLayers {
    /// Layers that stand for original ones.
    pub(crate) replaced: Replacements,
    /// Layers that were added, by their number.
    pub(crate) made: HashMap<usize, Made>,
}

impl<'a> Rewriter<'a> {
    /// Makes the new documents of a graph, with these layers for the original ones.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Unsupported`] for what the recipe cannot be applied to, [`ErrorKind::Invalid`] if the layers of an
    /// image do not fit its config.
    pub(crate) fn run(
        graph: &'a Graph,
        recipe: &'a Recipe,
        layers: &'a NewLayers,
        compositions: &'a Compositions,
    ) -> Result<Rewritten, Error> {
        let mut rewriter = Self {
            graph,
            recipe,
            layers,
            compositions,
            visited: HashMap::new(),
            result: Rewritten::default(),
        };
        rewriter.visit(graph.root(), None)?;
        Ok(rewriter.result)
    }

    /// The manifest that stands for `manifest`; `None` if it is an index in which nothing is left.
    fn visit(&mut self, manifest: &Manifest, entry: Option<&Descriptor>) -> Result<Option<Manifest>, Error> {
        if let Some(known) = self.visited.get(manifest.digest()) {
            return Ok(known.clone());
        }
        let new = if manifest.is_index() {
            self.index(manifest, entry.is_none())?
        } else {
            Some(self.image(manifest, entry)?)
        };
        if let Some(new) = &new
            && new.digest() != manifest.digest()
        {
            let old = manifest.digest().clone();
            self.result.manifests.insert(old, new.clone());
        }
        self.visited.insert(manifest.digest().clone(), new.clone());
        Ok(new)
    }

    /// The annotations to write to a document that is in the scopes that `applies` says.
    fn annotations(&self, applies: impl Fn(&Scope) -> bool) -> Vec<(&'a str, &'a str)> {
        let all = self.recipe.annotations.iter();
        all.filter(|(scope, ..)| applies(scope))
            .map(|(_, key, value)| (key.as_str(), value.as_str()))
            .collect()
    }

    /// The format that a document of this type is to be converted to; `None` if it is in the format already.
    fn change_of_format(&self, media_type: &MediaType) -> Option<Format> {
        let from = if *media_type == MediaType::OCI_ARTIFACT {
            Some(Format::Oci)
        } else {
            Format::of(media_type)
        };
        self.recipe.format.filter(|format| from != Some(*format))
    }

    /// The manifest of an edited document, after its format and annotations; the original one if nothing changed.
    fn finish(
        &mut self,
        original: &Manifest,
        mut document: Object,
        format: Option<Format>,
        mut changed: bool,
        annotations: &[(&str, &str)],
    ) -> Result<Manifest, Error> {
        let mut media_type = original.media_type().clone();
        if let Some(format) = format {
            media_type = format
                .convert(&media_type)
                .ok_or_else(|| no_counterpart(original, "it", original.media_type(), format))?;
            document.set("mediaType", Json::string(media_type.as_str()));
            let mut shape = Shape {
                format,
                strict: self.recipe.as_skopeo,
                manifest: original.digest(),
                losses: &mut self.result.losses,
            };
            document = shape.document(document, original.is_index());
            changed = true;
        }
        if !annotations.is_empty() {
            if Format::of(&media_type) == Some(Format::Docker) {
                let message = format!(
                    "{} is to be annotated, and Docker's manifests have no annotations; OCI's format has",
                    original.digest()
                );
                return Err(Error::new(ErrorKind::Unsupported, message));
            }
            changed |= annotate(&mut document, annotations);
        }
        if !changed {
            return Ok(original.clone());
        }
        let bytes = Json::Object(document).to_bytes();
        if bytes.len() as u64 > MAX_MANIFEST_SIZE {
            let message = format!(
                "the changed manifest of {} has {} bytes, and registries need not accept more than {MAX_MANIFEST_SIZE}",
                original.digest(),
                bytes.len()
            );
            return Err(Error::new(ErrorKind::TooLarge, message));
        }
        Manifest::parse(bytes.into(), Some(&media_type))
    }
}
