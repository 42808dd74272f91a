use wharf_content::{Error, ErrorKind, Manifest, Platform};
use wharf_reference::Digest;

use super::{Slot, Step, history::entry_of_layer, slot::originals};
use crate::{
    ConfigDocument, Format, Options,
    edit::record,
    json::{Json, Object},
};

/// An image as the steps of a recipe make it.
pub(crate) struct Composition {
    /// The digest of the original.
    pub(super) image: Digest,
    pub(super) format: Option<Format>,
    pub(super) config: ConfigDocument,
    pub(crate) slots: Vec<Slot>,
    /// The platform, if a step changed it.
    pub(crate) platform: Option<Platform>,
    /// Annotations to set, or to remove.
    pub(super) annotations: Vec<(&'static str, Option<String>)>,
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
                let item = Object::default();
                self.slots
                    .extend(appended.map(|number| Slot::New { number, item }));
                self.replace(root)
            }
            Step::Remove(number) => self.remove(*number),
            Step::Squash(_) | Step::Members(_) => Ok(()), // they need the other new layers
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

    pub(super) fn replace(&mut self, root: Object) -> Result<(), Error> {
        if root == *self.config.root() {
            return Ok(());
        }
        self.config.replace(root)
    }
}
