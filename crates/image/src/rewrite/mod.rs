//! New documents for old ones, from the leaves up. Reads and writes nothing.

mod edit;
mod shape;
mod skopeo;

use std::collections::{BTreeMap, HashMap};

use bytes::Bytes;
use wharf_content::{
    Descriptor, Error, ErrorKind, ImageConfig, MAX_MANIFEST_SIZE, Manifest, MediaType, Platform,
};
use wharf_reference::Digest;

pub(crate) use self::edit::{annotate, is_position, parse, replace};
use self::{
    edit::{attested, drop_positions, rename_attested, set_type},
    shape::Shape,
};
use crate::{
    Format, Loss, Recipe, Scope,
    compose::{Compositions, Made},
    edit::put_platform,
    format::{Compression, Kind, has_image_config, kind},
    graph::Graph,
    json::{Json, Object},
    layers::Replacements,
    loss::Part,
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

/// An image that is rewritten.
struct Work<'a> {
    original: &'a Manifest,
    /// As the steps of the recipe make it, in the format of the original.
    manifest: Manifest,
    /// The config of a container image, if the recipe needs it.
    config: Option<ImageConfig>,
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

    fn index(&mut self, index: &Manifest, is_root: bool) -> Result<Option<Manifest>, Error> {
        let mut document = parse(index)?;
        let format = self.change_of_format(index.media_type());
        let kept = self.graph.kept(index);
        let mut changed = kept.len() < index.manifests().len();
        let mut entries = Vec::with_capacity(kept.len());
        let mut renamed: BTreeMap<Digest, Digest> = BTreeMap::new();
        let items = document
            .get("manifests")
            .and_then(Json::as_list)
            .unwrap_or_default();
        for (position, entry) in kept
            .iter()
            .filter_map(|at| Some((*at, index.manifests().get(*at)?)))
        {
            let mut item = items
                .get(position)
                .and_then(Json::as_object)
                .cloned()
                .unwrap_or_default();
            if let Some(child) = self.graph.manifest(entry.digest()) {
                let Some(new) = self.visit(child, Some(entry))? else {
                    changed = true;
                    continue;
                };
                if new.digest() != child.digest() {
                    changed = true;
                    renamed.insert(child.digest().clone(), new.digest().clone());
                    replace(&mut item, new.descriptor());
                    let composition = self.compositions.of(child.digest());
                    if let Some(platform) = composition.and_then(|image| image.platform.as_ref()) {
                        put_platform(item.descend("platform")?, platform);
                    }
                }
            } else if format == Some(Format::Docker) {
                let message = format!(
                    "entry {} of the index {} is of type {}, which Docker's manifest list cannot have",
                    position + 1,
                    index.digest(),
                    entry.media_type()
                );
                return Err(Error::new(ErrorKind::Unsupported, message));
            }
            if format == Some(Format::Docker) && entry.platform().is_none() {
                item.set("platform", self.platform_of(index, position, entry)?);
                changed = true;
            }
            entries.push(item);
        }
        if entries.is_empty() && !index.manifests().is_empty() && !is_root {
            return Ok(None);
        }
        entries.retain(|entry| !self.is_outdated(entry, &renamed));
        for entry in &mut entries {
            rename_attested(entry, &renamed);
        }
        if changed {
            let entries = entries.into_iter().map(Json::Object).collect();
            document.set("manifests", Json::List(entries));
        }
        let scopes = if is_root { &[Scope::Root][..] } else { &[] };
        let annotations = self.annotations(|scope| scopes.contains(scope));
        self.finish(index, document, format, changed, &annotations)
            .map(Some)
    }

    /// The platform of an entry that states none, from the config of the image.
    fn platform_of(&self, index: &Manifest, position: usize, entry: &Descriptor) -> Result<Json, Error> {
        let platform = self
            .graph
            .config(entry.digest())
            .and_then(|config| config.platform());
        let Some(Platform {
            os,
            architecture,
            variant,
            ..
        }) = platform
        else {
            let message = format!(
                "entry {} of the index {} states no platform, nor does its config, and Docker's manifest list needs one",
                position + 1,
                index.digest()
            );
            return Err(Error::new(ErrorKind::Unsupported, message));
        };
        let mut object = Object::default();
        object.set("architecture", Json::string(architecture));
        object.set("os", Json::string(os));
        if let Some(variant) = variant {
            object.set("variant", Json::string(variant));
        }
        Ok(Json::Object(object))
    }

    /// True for an attestation to an image that has other content now.
    fn is_outdated(&mut self, entry: &Object, renamed: &BTreeMap<Digest, Digest>) -> bool {
        let Some(image) = attested(entry) else {
            return false;
        };
        let outdated = renamed.contains_key(&image) && self.compositions.of(&image).is_some();
        if outdated && let Some(digest) = entry.text("digest").and_then(|text| Digest::parse(&text).ok()) {
            self.result.dropped_attestations.push(digest);
        }
        outdated
    }

    fn image(&mut self, original: &Manifest, entry: Option<&Descriptor>) -> Result<Manifest, Error> {
        let composition = self.compositions.of(original.digest());
        let (manifest, config) = match composition {
            Some(composition) => {
                let (manifest, config) = composition.documents(original, &self.layers.made)?;
                (manifest, Some(config))
            }
            None => (original.clone(), self.graph.config(original.digest()).cloned()),
        };
        let image = &Work {
            original,
            manifest,
            config,
        };
        let mut document = parse(&image.manifest)?;
        let format = self.change_of_format(original.media_type());
        let mut changed = image.manifest.digest() != original.digest();
        changed |= self.replace_layers(image, &mut document);
        let mut reencoded = false;
        if let Some(target) = self.recipe.format {
            changed |= self.convert_types(image, &mut document, target, format.is_some())?;
            if format == Some(Format::Oci) && self.recipe.as_skopeo {
                self.reencode_config(image, &mut document)?;
                reencoded = true;
            }
        }
        if composition.is_some()
            && !reencoded
            && let (Some(descriptor), Some(config)) = (image.manifest.config(), &image.config)
            && original.config().map(Descriptor::digest) != Some(descriptor.digest())
        {
            self.result
                .configs
                .push((descriptor.clone(), config.bytes().clone()));
        }
        let changed_platform = composition.and_then(|image| image.platform.clone());
        let platform = changed_platform.or_else(|| self.graph.platform(original.digest()));
        let annotations = self.annotations(|scope| match scope {
            Scope::Root => entry.is_none(),
            Scope::Each => true,
            Scope::Platform(wanted) => platform.clone().is_some_and(|platform| {
                let candidate = original.descriptor().clone().with_platform(platform);
                wanted.choose(std::slice::from_ref(&candidate)).is_some()
            }),
        });
        let new = self.finish(original, document, format, changed, &annotations)?;
        if new.digest() != original.digest()
            && let Some(config) = &image.config
        {
            crate::validate::check_counts(&new, config)?;
        }
        Ok(new)
    }

    /// The layer that stands for one of an image, if it was encoded anew.
    fn replacement(&self, image: &Work<'_>, layer: &Descriptor) -> Option<&'a Descriptor> {
        image.config.as_ref()?; // only layers of container images are
        let key = (layer.digest().clone(), layer.media_type().clone());
        self.layers.replaced.get(&key)
    }

    fn replace_layers(&self, image: &Work<'_>, document: &mut Object) -> bool {
        let mut changed = false;
        let items = document.get_mut("layers").and_then(Json::as_list_mut);
        for (layer, item) in image.manifest.layers().iter().zip(items.into_iter().flatten()) {
            if let (Some(new), Json::Object(item)) = (self.replacement(image, layer), item) {
                replace(item, new);
                drop_positions(item);
                changed = true;
            }
        }
        changed
    }

    /// Gives config and layers the types of a format. `needed` if the manifest gets the format too: otherwise a type
    /// without counterpart, such as that of an attestation, stays.
    fn convert_types(
        &self,
        image: &Work<'_>,
        document: &mut Object,
        format: Format,
        needed: bool,
    ) -> Result<bool, Error> {
        let (original, manifest) = (image.original, &image.manifest);
        let mut changed = false;
        if let (Some(config), Some(Json::Object(item))) = (manifest.config(), document.get_mut("config")) {
            let new = match kind(config.media_type()) {
                Some(Kind::Config) => format.convert(config.media_type()),
                _ if needed && has_image_config(manifest) => format.media_type(Kind::Config),
                _ => None,
            };
            match new {
                Some(new) => changed |= set_type(item, config.media_type(), &new),
                None if needed => {
                    return Err(no_counterpart(
                        original,
                        "its config",
                        config.media_type(),
                        format,
                    ));
                }
                None => {}
            }
        }
        let items = document.get_mut("layers").and_then(Json::as_list_mut);
        for (number, (layer, item)) in manifest
            .layers()
            .iter()
            .zip(items.into_iter().flatten())
            .enumerate()
        {
            if self.replacement(image, layer).is_some() {
                continue; // it has the type already
            }
            let (old, number) = (layer.media_type(), number + 1);
            let fits = matches!(kind(old), Some(Kind::Layer(_) | Kind::Foreign(_)));
            let new = format.convert(old).filter(|_| fits);
            match (new, item) {
                (Some(new), Json::Object(item)) => {
                    let is_zstd = kind(&new) == Some(Kind::Layer(Compression::Zstd));
                    if format == Format::Docker
                        && is_zstd
                        && !self.recipe.docker_zstd
                        && (needed || new != *old)
                    {
                        return Err(docker_zstd(original, number));
                    }
                    changed |= set_type(item, old, &new);
                }
                _ if needed => return Err(no_counterpart(original, &format!("layer {number}"), old, format)),
                _ => {}
            }
        }
        Ok(changed)
    }

    fn reencode_config(&mut self, image: &Work<'_>, document: &mut Object) -> Result<(), Error> {
        let Some(config) = &image.config else {
            return Ok(());
        };
        let config = crate::ConfigDocument::parse(config.bytes().clone())?;
        let (written, lost) = skopeo::reencode(config.root())?;
        let losses = lost
            .into_iter()
            .map(|member| Loss::new(image.original.digest(), Part::ConfigDocument, member));
        self.result.losses.extend(losses);
        let bytes = Bytes::from(Json::Object(written).to_bytes());
        let descriptor = Descriptor::of(MediaType::OCI_CONFIG, &bytes);
        if let Some(item) = document.get_mut("config").and_then(Json::as_object_mut) {
            replace(item, &descriptor);
        }
        self.result.configs.push((descriptor, bytes));
        Ok(())
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

fn no_counterpart(image: &Manifest, what: &str, media_type: &MediaType, format: Format) -> Error {
    let format = match format {
        Format::Oci => "OCI's",
        Format::Docker => "Docker's",
    };
    let message = format!(
        "{} cannot be converted to {format} format: {what} is of type {media_type}, which has no counterpart there",
        image.digest()
    );
    Error::new(ErrorKind::Unsupported, message)
}

pub(crate) fn docker_zstd(image: &Manifest, number: usize) -> Error {
    let message = format!(
        "layer {number} of {} is compressed with zstd, which not all readers of Docker's format understand; \
         compress it again with gzip, or allow zstd in Docker's format",
        image.digest()
    );
    Error::new(ErrorKind::Unsupported, message)
}
