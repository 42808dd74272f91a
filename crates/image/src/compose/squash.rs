//! Several layers of an image made one.

use std::{
    ops::{Bound, Range},
    sync::Arc,
};

use wharf_content::{Error, ErrorKind, History, Source};

use super::{Composition, New, Slot, history::entry_of_layer};
use crate::{
    NewLayer, Options,
    edit::record,
    json::{Json, Object},
    layers::{Stack, Tar},
};

impl Composition {
    /// The layer that stands for those of a range; `None` if there is nothing to do.
    pub(super) fn squash(
        &self,
        range: (Bound<usize>, Bound<usize>),
        source: &Arc<dyn Source>,
        new: &[New],
        options: &Options,
    ) -> Result<Option<NewLayer>, Error> {
        let range = self.positions(range)?;
        if range.len() < 2 {
            return Ok(None);
        }
        let mut layers = Vec::new();
        for (position, slot) in self.slots.iter().take(range.end).enumerate() {
            layers.push(match slot {
                Slot::Original(original) => Tar::Stored {
                    source: Arc::clone(original.source.as_ref().unwrap_or(source)),
                    layer: Box::new(original.layer.clone()),
                    diff_id: original.diff_id.clone(),
                },
                Slot::New { number, .. } => match new.get(*number) {
                    Some(new) if new.layer.can_reopen() => Tar::New(new.layer.clone()),
                    _ => {
                        let message = format!(
                            "layer {} of {} can be read once, and to be merged with others it is read twice",
                            position + 1,
                            self.image
                        );
                        return Err(Error::new(ErrorKind::Unsupported, message));
                    }
                },
            });
        }
        Ok(Some(NewLayer::merged(Stack::new(layers, range.start, options))))
    }

    /// Puts the new layer of this number in the place of those of a range.
    pub(super) fn put_squashed(
        &mut self,
        range: (Bound<usize>, Bound<usize>),
        number: usize,
        options: &Options,
    ) -> Result<(), Error> {
        let range = self.positions(range)?;
        let mut root = self.config.root().clone();
        let entries = root.get("history").and_then(Json::as_list).unwrap_or_default();
        if !entries.is_empty() {
            // What follows the entry of the layer below belongs to it, as the commands of a base do.
            let start = if range.start == 0 {
                0
            } else {
                entry_of_layer(entries, range.start + 1).unwrap_or(entries.len())
            };
            let end = if range.end == self.slots.len() {
                entries.len()
            } else {
                entry_of_layer(entries, range.end).map_or(entries.len(), |last| last + 1)
            };
            let (below, rest) = entries.split_at(start.min(entries.len()));
            let (squashed, above) = rest.split_at(end.saturating_sub(start).min(rest.len()));
            let comment = Json::List(squashed.to_vec()).to_bytes();
            let entry = History::default()
                .with_created_by(format!("squash layers {} to {}", range.start + 1, range.end))
                .with_comment(String::from_utf8_lossy(&comment));
            let (below, above) = (below.to_vec(), above.to_vec());
            root.set("history", Json::List(below));
            record(&mut root, &entry, options.created.as_deref(), 0);
            if let Some(entries) = root.get_mut("history").and_then(Json::as_list_mut) {
                entries.extend(above);
            }
        }
        let item = Object::default();
        self.slots.splice(range, [Slot::New { number, item }]);
        self.replace(root)
    }

    /// The positions of a range of layers, which are counted from one.
    fn positions(&self, (start, end): (Bound<usize>, Bound<usize>)) -> Result<Range<usize>, Error> {
        let layers = self.slots.len();
        let first = match start {
            Bound::Included(number) => number,
            Bound::Excluded(number) => number.saturating_add(1),
            Bound::Unbounded => 1,
        };
        let last = match end {
            Bound::Included(number) => number,
            Bound::Excluded(number) => number.saturating_sub(1),
            Bound::Unbounded => layers.max(first.saturating_sub(1)),
        };
        let fits = first >= 1 && last <= layers && first <= last.saturating_add(1) && first <= layers.max(1);
        if !fits {
            let wanted = match end {
                Bound::Unbounded => format!("the layers from {first} on"),
                _ => format!("layers {first} to {last}"),
            };
            let message = format!(
                "{wanted} of {} are to become one, and it has {layers}, counted from 1",
                self.image
            );
            return Err(Error::new(ErrorKind::NotFound, message));
        }
        Ok(first - 1..last)
    }
}
