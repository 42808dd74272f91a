//! The documents of an image as its steps leave it.

use std::collections::HashMap;

use bytes::Bytes;
use wharf_content::{Descriptor, Error, ErrorKind, ImageConfig, Manifest};
use wharf_layer::Codec;

use super::{Composition, Made, Slot};
use crate::{
    format::Kind,
    json::{Json, Object},
    rewrite::{annotate, drop_positions, parse, replace},
};

impl Composition {
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
                Slot::New { number, item } => {
                    let made = made.get(number).ok_or_else(|| {
                        Error::new(ErrorKind::Other, "a new layer of an image was not made")
                    })?;
                    (self.item(item, &made.layer)?, &made.diff_id)
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

    /// The descriptor of a new layer, in the format of the image, over the one that it stands for.
    fn item(&self, old: &Object, layer: &Descriptor) -> Result<Object, Error> {
        let codec = Codec::of_type(layer.media_type()).unwrap_or(Codec::Plain);
        let kind = Kind::Layer(codec.into());
        let media_type = self.format.and_then(|format| format.media_type(kind));
        let media_type = media_type.unwrap_or_else(|| layer.media_type().clone());
        let new = Descriptor::new(media_type, layer.digest().clone(), layer.size())?;
        let mut item = old.clone();
        replace(&mut item, &new);
        drop_positions(&mut item);
        Ok(item)
    }
}
