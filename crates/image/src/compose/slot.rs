//! The layers of an image that is composed.

use std::sync::Arc;

use wharf_content::{Descriptor, Error, ImageConfig, Manifest, Source};
use wharf_reference::Digest;

use crate::{
    json::{Json, Object},
    rewrite::parse,
};

/// A layer of an image that is composed.
#[derive(Clone)]
pub(crate) enum Slot {
    Original(Box<Original>),
    /// One that is made.
    New {
        /// Its number.
        number: usize,
        /// The descriptor of the layer that it stands for, as the manifest writes it; empty for one that stands for none.
        item: Object,
    },
}

/// A layer that is there.
#[derive(Clone)]
pub(crate) struct Original {
    /// The descriptor as the manifest writes it.
    pub(super) item: Object,
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

/// The layers of an image.
pub(super) fn originals(
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
