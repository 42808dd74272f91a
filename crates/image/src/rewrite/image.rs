//! Images, and the types of their configs and layers.

use bytes::Bytes;
use wharf_content::{Descriptor, Error, ImageConfig, Manifest, MediaType};

use super::{
    Rewriter,
    edit::{drop_positions, parse, replace, set_type},
    refused::{docker_zstd, no_counterpart},
    skopeo,
};
use crate::{
    Format, Loss, Scope,
    format::{Compression, Kind, has_image_config, kind},
    json::{Json, Object},
    loss::Part,
};

/// An image that is rewritten.
struct Work<'a> {
    original: &'a Manifest,
    /// As the steps of the recipe make it, in the format of the original.
    manifest: Manifest,
    /// The config of a container image, if the recipe needs it.
    config: Option<ImageConfig>,
}

impl<'a> Rewriter<'a> {
    pub(super) fn image(
        &mut self,
        original: &Manifest,
        entry: Option<&Descriptor>,
    ) -> Result<Manifest, Error> {
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
}
