//! An image put on another base.

use wharf_content::{Descriptor, Error, ErrorKind, ImageConfig, Manifest, Platform};
use wharf_reference::Digest;

use super::{
    Base, Composition, Slot,
    history::{entry_of_layer, has_layer},
    slot::{Original, originals},
};
use crate::{
    ConfigDocument, Format, Options,
    edit::put_platform,
    json::{Json, Object},
};

/// The annotations that name the base of an image (image-spec, *Annotations*).
const BASE_DIGEST: &str = "org.opencontainers.image.base.digest";
const BASE_NAME: &str = "org.opencontainers.image.base.name";

impl Composition {
    /// Puts the layers of a new base in the place of those of the old one.
    pub(super) async fn rebase(
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
                Slot::New { .. } => "a new one".to_owned(),
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
}
