use std::{collections::HashMap, sync::Arc};

use bytes::Bytes;
use wharf_content::{Descriptor, Error, ErrorKind, ImageConfig, Manifest, Platform, Source};
use wharf_layer::Codec;
use wharf_reference::Digest;

use super::{Base, Step};
use crate::{
    ConfigDocument, Format, Options,
    edit::{put_platform, record},
    format::Kind,
    json::{Json, Object},
    rewrite::{annotate, parse, replace},
};

/// The annotations that name the base of an image (image-spec, *Annotations*).
const BASE_DIGEST: &str = "org.opencontainers.image.base.digest";
const BASE_NAME: &str = "org.opencontainers.image.base.name";

/// An image as the steps of a recipe make it.
pub(crate) struct Composition {
    /// The digest of the original.
    pub(super) image: Digest,
    format: Option<Format>,
    pub(super) config: ConfigDocument,
    pub(crate) slots: Vec<Slot>,
    /// The platform, if a step changed it.
    pub(crate) platform: Option<Platform>,
    /// Annotations to set, or to remove.
    annotations: Vec<(&'static str, Option<String>)>,
}

/// A layer of an image that is composed.
#[derive(Clone)]
pub(crate) enum Slot {
    Original(Box<Original>),
    /// One that is made, by its number.
    New(usize),
}

/// A layer that is there.
#[derive(Clone)]
pub(crate) struct Original {
    /// The descriptor as the manifest writes it.
    item: Object,
    pub(crate) layer: Descriptor,
    pub(crate) diff_id: Digest,
    /// The source that has it, if it is another than that of the image.
    pub(crate) source: Option<Arc<dyn Source>>,
}

/// A layer that was made.
#[derive(Debug, Clone)]
pub(crate) struct Made {
    pub(crate) layer: Descriptor,
    pub(crate) diff_id: Digest,
}

impl Composition {
    pub(super) fn of(image: &Manifest, config: ConfigDocument) -> Result<Self, Error> {
        let slots = originals(image, &config.config()?, None)?;
        Ok(Self {
            image: image.digest().clone(),
            format: Format::of(image.media_type()),
            config,
            slots: slots.into_iter().map(Box::new).map(Slot::Original).collect(),
            platform: None,
            annotations: Vec::new(),
        })
    }

    pub(super) async fn step(
        &mut self,
        step: &Step,
        appended: Option<usize>,
        platform: Option<&Platform>,
        options: &Options,
    ) -> Result<(), Error> {
        let created = options.created.as_deref();
        match step {
            Step::Edit(edit) => {
                if edit.apply(&mut self.config, created, self.slots.len())? && edit.platform().is_some() {
                    self.platform = edit.platform().cloned();
                }
                Ok(())
            }
            Step::Append(_, history) => {
                let mut root = self.config.root().clone();
                record(&mut root, history, created, self.slots.len());
                self.slots.extend(appended.map(Slot::New));
                self.replace(root)
            }
            Step::Remove(number) => self.remove(*number),
            Step::Squash(_) => Ok(()), // it needs the other new layers
            Step::Rebase { old, new } => {
                let platform = self.platform.as_ref().or(platform).cloned();
                self.rebase(old, new, platform.as_ref(), options).await
            }
        }
    }

    /// Removes a layer and its entry of the history.
    fn remove(&mut self, number: usize) -> Result<(), Error> {
        if number > self.slots.len() {
            let message = format!(
                "layer {number} of {} is to be removed, and it has {}",
                self.image,
                self.slots.len()
            );
            return Err(Error::new(ErrorKind::NotFound, message));
        }
        self.slots.remove(number - 1);
        let mut root = self.config.root().clone();
        if let Some(entries) = root.get_mut("history").and_then(Json::as_list_mut)
            && let Some(position) = entry_of_layer(entries, number)
        {
            entries.remove(position);
        }
        self.replace(root)
    }

    /// Puts the layers of a new base in the place of those of the old one.
    async fn rebase(
        &mut self,
        old: &Base,
        new: &Base,
        platform: Option<&Platform>,
        options: &Options,
    ) -> Result<(), Error> {
        let (old_image, old_config) = old.read(platform, options).await?;
        let (new_image, new_config) = new.read(platform, options).await?;
        if old_image.digest() == new_image.digest() {
            return Ok(());
        }
        let below = old_config.diff_ids()?;
        self.check_base(&old_image, &below)?;
        let mut slots = Vec::new();
        for mut original in originals(&new_image, &new_config, Some(new.source()))? {
            self.adopt(&mut original, &new_image)?;
            slots.push(Slot::Original(Box::new(original)));
        }
        let above = self.slots.split_off(below.len());
        slots.extend(above.iter().cloned());
        self.slots = slots;

        let mut root = self.config.root().clone();
        let history = self.rebased_history(&root, &old_config, &new_config, below.len(), above.len())?;
        match history {
            Some(entries) => root.set("history", Json::List(entries)),
            None => _ = root.remove("history"),
        }
        if let Some(base) = new_config.platform() {
            // As the base states it: the variant and features of the old one are those of its binaries.
            put_platform(&mut root, base);
            if self.config.config()?.platform() != Some(base) {
                self.platform = Some(base.clone());
            }
        }
        if self.format == Some(Format::Oci) {
            let digest = new_image.digest().to_string();
            self.annotations.push((BASE_DIGEST, Some(digest)));
            self.annotations
                .push((BASE_NAME, new.name().map(ToOwned::to_owned)));
        }
        self.replace(root)
    }

    /// Checks that the layers of a base are the lowest ones of this image.
    fn check_base(&self, base: &Manifest, below: &[Digest]) -> Result<(), Error> {
        let conflict = |message: String| Err(Error::new(ErrorKind::Conflict, message));
        if below.len() > self.slots.len() {
            return conflict(format!(
                "{} has {} layers, fewer than its old base {} with {}",
                self.image,
                self.slots.len(),
                base.digest(),
                below.len()
            ));
        }
        for (number, (slot, expected)) in self.slots.iter().zip(below).enumerate() {
            let found = match slot {
                Slot::Original(original) => original.diff_id.to_string(),
                Slot::New(_) => "a new one".to_owned(),
            };
            if found != expected.as_str() {
                return conflict(format!(
                    "{} is not made on the old base {}: layer {} (diff_id) is {found}, and in the base {expected}",
                    self.image,
                    base.digest(),
                    number + 1
                ));
            }
        }
        Ok(())
    }

    /// The history of an image on its new base; `None` if that of a part is not stated.
    fn rebased_history(
        &self,
        root: &Object,
        old: &ImageConfig,
        new: &ImageConfig,
        below: usize,
        above: usize,
    ) -> Result<Option<Vec<Json>>, Error> {
        let entries = root.get("history").and_then(Json::as_list).unwrap_or_default();
        let states_new = !new.history().is_empty() || new.diff_ids()?.is_empty();
        if (entries.is_empty() && !self.slots.is_empty()) || !states_new {
            return Ok(None);
        }
        let cut = if old.history().is_empty() {
            entry_of_layer(entries, below).map_or(0, |last| last + 1)
        } else {
            old.history().len()
        };
        let rest = entries.get(cut..).unwrap_or_default();
        if rest.iter().filter(|entry| has_layer(entry)).count() != above {
            let message = format!(
                "the history of {} does not begin with that of its old base: behind its {cut} entries are not those \
                 of the {above} other layers",
                self.image
            );
            return Err(Error::new(ErrorKind::Conflict, message));
        }
        let document = ConfigDocument::parse(new.bytes().clone())?;
        let base = document.root().get("history").and_then(Json::as_list);
        let mut history = base.unwrap_or_default().to_vec();
        history.extend_from_slice(rest);
        Ok(Some(history))
    }

    /// Gives a layer of a base the type that it has in the format of this image.
    fn adopt(&self, original: &mut Original, base: &Manifest) -> Result<(), Error> {
        let media_type = original.layer.media_type();
        let converted = self.format.and_then(|format| format.convert(media_type));
        let Some(converted) = converted else {
            let message = format!(
                "{} cannot get the layers of the base {}: the type {media_type} has no counterpart in its format",
                self.image,
                base.digest()
            );
            return Err(Error::new(ErrorKind::Unsupported, message));
        };
        if converted != *media_type {
            original.item.set("mediaType", Json::string(converted.as_str()));
            original.layer =
                Descriptor::new(converted, original.layer.digest().clone(), original.layer.size())?;
        }
        if self.format == Some(Format::Docker) {
            original.item.remove("annotations");
            original.item.remove("data");
        }
        Ok(())
    }

    pub(super) fn replace(&mut self, root: Object) -> Result<(), Error> {
        if root == *self.config.root() {
            return Ok(());
        }
        self.config.replace(root)
    }

    /// The manifest and config, with these layers for the new ones. The original manifest, if no step changed anything.
    pub(crate) fn documents(
        &self,
        image: &Manifest,
        made: &HashMap<usize, Made>,
    ) -> Result<(Manifest, ImageConfig), Error> {
        let (mut layers, mut diff_ids) = (Vec::new(), Vec::new());
        for slot in &self.slots {
            let (item, diff_id) = match slot {
                Slot::Original(original) => (original.item.clone(), &original.diff_id),
                Slot::New(number) => {
                    let made = made.get(number).ok_or_else(|| {
                        Error::new(ErrorKind::Other, "a new layer of an image was not made")
                    })?;
                    (self.item(&made.layer)?, &made.diff_id)
                }
            };
            layers.push(Json::Object(item));
            diff_ids.push(Json::string(diff_id.as_str()));
        }
        let mut document = parse(image)?;
        let config = self.config_with(diff_ids)?;
        let media_type = image.config().map(Descriptor::media_type);
        if let (Some(media_type), Some(item)) = (
            media_type,
            document.get_mut("config").and_then(Json::as_object_mut),
        ) {
            let descriptor = Descriptor::of(media_type.clone(), config.bytes());
            if item.text("digest").as_deref() != Some(descriptor.digest().as_str()) {
                replace(item, &descriptor);
            }
        }
        if document.get("layers").and_then(Json::as_list) != Some(&layers) {
            document.set("layers", Json::List(layers));
        }
        for (key, value) in &self.annotations {
            if let Some(value) = value {
                annotate(&mut document, &[(*key, value.as_str())]);
            } else if let Some(annotations) = document.get_mut("annotations").and_then(Json::as_object_mut) {
                annotations.remove(key);
            }
        }
        if document == parse(image)? {
            return Ok((image.clone(), config));
        }
        let bytes = Bytes::from(Json::Object(document).to_bytes());
        Ok((Manifest::parse(bytes, Some(image.media_type()))?, config))
    }

    /// The config that lists these layers.
    fn config_with(&self, diff_ids: Vec<Json>) -> Result<ImageConfig, Error> {
        let mut config = self.config.clone();
        let mut root = config.root().clone();
        let rootfs = root.descend("rootfs")?;
        let same = rootfs.get("diff_ids").and_then(Json::as_list).is_some_and(|old| {
            let texts = old.iter().map(Json::as_text);
            texts.eq(diff_ids.iter().map(Json::as_text))
        });
        if !same {
            if rootfs.set_member("type").is_none() {
                rootfs.set("type", Json::string("layers"));
            }
            rootfs.set("diff_ids", Json::List(diff_ids));
            config.replace(root)?;
        }
        config.config()
    }

    /// The descriptor of a new layer, in the format of the image.
    fn item(&self, layer: &Descriptor) -> Result<Object, Error> {
        let codec = Codec::of_type(layer.media_type()).unwrap_or(Codec::Plain);
        let kind = Kind::Layer(codec.into());
        let media_type = self.format.and_then(|format| format.media_type(kind));
        let media_type = media_type.unwrap_or_else(|| layer.media_type().clone());
        let new = Descriptor::new(media_type, layer.digest().clone(), layer.size())?;
        let mut item = Object::default();
        replace(&mut item, &new);
        Ok(item)
    }
}

/// The layers of an image.
fn originals(
    image: &Manifest,
    config: &ImageConfig,
    source: Option<&Arc<dyn Source>>,
) -> Result<Vec<Original>, Error> {
    let document = parse(image)?;
    let items = document.get("layers").and_then(Json::as_list).unwrap_or_default();
    let described = image.layers().iter().zip(items).zip(config.diff_ids()?);
    let originals = described.map(|((layer, item), diff_id)| Original {
        item: item.as_object().cloned().unwrap_or_default(),
        layer: layer.clone(),
        diff_id,
        source: source.cloned(),
    });
    Ok(originals.collect())
}

/// The position of the entry of a layer, which is counted from one.
pub(super) fn entry_of_layer(history: &[Json], number: usize) -> Option<usize> {
    let entries = history.iter().enumerate();
    let mut layers = entries.filter(|(_, entry)| has_layer(entry));
    let (position, _) = layers.nth(number.checked_sub(1)?)?;
    Some(position)
}

/// True for an entry of a history that has a layer.
fn has_layer(entry: &Json) -> bool {
    let empty = entry.as_object().and_then(|entry| entry.get("empty_layer"));
    !matches!(empty, Some(Json::Scalar(text)) if &**text == "true")
}
