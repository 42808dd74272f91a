//! Members of layers that are edited.

use std::{collections::HashMap, sync::Arc};

use wharf_content::{Descriptor, Error, ErrorKind, MediaType, Source};
use wharf_layer::{Codec, Level, tar::DroppedNames};
use wharf_reference::Digest;

use super::{Composition, Compositions, New, Slot};
use crate::{
    NewLayer, Options,
    format::{Kind, kind},
    json::Object,
    layers::{Decide, EditedTar, Tar, Unpacked},
};

/// A new layer that stands for another one, of which members were edited.
#[derive(Clone)]
pub(crate) struct EditedOf {
    /// The layer of the original image; `None` for one that was added.
    pub(crate) from: Option<Descriptor>,
    /// The compression that it has.
    pub(crate) codec: Codec,
    /// The layer, for errors.
    pub(crate) name: String,
    pub(crate) dropped: u64,
    pub(crate) edited: u64,
}

/// The edits of members of all images.
pub(super) struct MemberEdits<'a> {
    pub(super) source: &'a Arc<dyn Source>,
    pub(super) options: &'a Options,
    /// The bytes that layers have unpacked to as they were read for what changes.
    unpacked: Arc<Unpacked>,
    /// The layers that were edited, by the number of the step: images share layers.
    known: HashMap<(usize, Key), usize>,
}

/// A layer before a step.
#[derive(PartialEq, Eq, Hash)]
enum Key {
    Original(Digest, MediaType),
    New(usize),
}

/// A layer before its members are edited.
struct Layer {
    key: Key,
    tar: Tar,
    item: Object,
    /// The level that was set of one that was added.
    level: Option<Level>,
    of: EditedOf,
}

impl<'a> MemberEdits<'a> {
    pub(super) fn new(source: &'a Arc<dyn Source>, options: &'a Options) -> Self {
        Self {
            source,
            options,
            unpacked: Arc::new(Unpacked::new(options.max_unpacked)),
            known: HashMap::new(),
        }
    }

    /// Edits the layers of an image, lowest first. Those in which nothing changes stay as they are, for which each is
    /// read; one that can be read once is edited in any case.
    pub(super) async fn apply(
        &mut self,
        composition: &mut Composition,
        new: &mut Vec<New>,
        step: usize,
        decide: &Decide,
    ) -> Result<(), Error> {
        let mut dropped = DroppedNames::default();
        for position in 0..composition.slots.len() {
            let Some(slot) = composition.slots.get(position) else {
                break;
            };
            let name = format!("layer {} of {}", position + 1, composition.image);
            let mut layer = self.layer(slot, new, name)?;
            let edited = EditedTar::new(layer.tar, decide.clone(), self.options.limits.clone());
            let edited = if edited.can_reopen() {
                let examined = edited.examine(dropped, Arc::clone(&self.unpacked)).await;
                let (totals, names) = examined.map_err(|error| {
                    let message = format!("{}: {error}", layer.of.name);
                    Error::new(error.kind(), message)
                })?;
                dropped = names;
                if !totals.is_changed() {
                    continue;
                }
                layer.of.dropped += totals.dropped;
                layer.of.edited += totals.edited;
                edited
            } else {
                edited.with_dropped(dropped.clone())
            };
            let number = *self.known.entry((step, layer.key)).or_insert_with(|| {
                new.push(New {
                    layer: NewLayer::edited(edited).with_level(layer.level),
                    codec: Codec::Plain,
                    edited: Some(layer.of),
                });
                new.len() - 1
            });
            if let Some(slot) = composition.slots.get_mut(position) {
                let item = layer.item;
                *slot = Slot::New { number, item };
            }
        }
        Ok(())
    }

    fn layer(&self, slot: &Slot, new: &[New], name: String) -> Result<Layer, Error> {
        match slot {
            Slot::Original(original) => {
                let media_type = original.layer.media_type();
                let (Some(Kind::Layer(_)), Some(codec)) = (kind(media_type), Codec::of_type(media_type))
                else {
                    let message = format!(
                        "{name} is of type {media_type}, whose content is not changed; its members cannot be edited"
                    );
                    return Err(Error::new(ErrorKind::Unsupported, message));
                };
                Ok(Layer {
                    key: Key::Original(original.layer.digest().clone(), media_type.clone()),
                    tar: Tar::Stored {
                        source: Arc::clone(original.source.as_ref().unwrap_or(self.source)),
                        layer: Box::new(original.layer.clone()),
                        diff_id: original.diff_id.clone(),
                    },
                    item: original.item.clone(),
                    level: None,
                    of: EditedOf {
                        from: Some(original.layer.clone()),
                        codec,
                        name,
                        dropped: 0,
                        edited: 0,
                    },
                })
            }
            Slot::New { number, item } => {
                let Some(known) = new.get(*number) else {
                    return Err(Error::new(ErrorKind::Other, "there is no such new layer to edit"));
                };
                let of = known.edited.clone().unwrap_or(EditedOf {
                    from: None,
                    codec: known.codec,
                    name,
                    dropped: 0,
                    edited: 0,
                });
                Ok(Layer {
                    key: Key::New(*number),
                    tar: Tar::New(known.layer.clone()),
                    item: item.clone(),
                    level: known.layer.level(),
                    of,
                })
            }
        }
    }
}

impl Compositions {
    /// The edit that a new layer comes from, by its number.
    pub(crate) fn edited(&self, number: usize) -> Option<&EditedOf> {
        self.new.get(number)?.edited.as_ref()
    }
}
