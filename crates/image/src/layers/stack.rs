//! Layers merged to one, or to a root file system, as they are read.

use std::{
    io::{Read, Write},
    sync::Arc,
};

use tokio::runtime::Handle;
use wharf_content::{ByteStream, Descriptor, Error, ErrorKind, Source};
use wharf_layer::{Codec, Decoder, Limits, Merged};
use wharf_reference::Digest;

use super::{Counted, Received, Unpacked, open_layer, written};
use crate::{NewLayer, Options};

/// Layers, lowest first, of which those above the base become one.
#[derive(Clone)]
pub(crate) struct Stack {
    layers: Vec<Tar>,
    /// The number of layers that stay below the result.
    base: usize,
    limits: Limits,
    max_unpacked: u64,
}

/// A layer that is read.
#[derive(Clone)]
pub(crate) enum Tar {
    Stored {
        source: Arc<dyn Source>,
        layer: Box<Descriptor>,
        diff_id: Digest,
    },
    New(NewLayer),
}

impl Stack {
    pub(crate) fn new(layers: Vec<Tar>, base: usize, options: &Options) -> Self {
        Self {
            layers,
            base,
            limits: options.limits.clone(),
            max_unpacked: options.max_unpacked,
        }
    }

    /// True if every layer can be read again: each is read twice.
    pub(crate) fn can_reopen(&self) -> bool {
        self.layers.iter().all(Tar::can_reopen)
    }

    /// The tar of the result, written on a blocking thread.
    pub(crate) fn open(&self) -> ByteStream {
        let stack = self.clone();
        written(move |out| stack.write(&Handle::current(), out).map(|_| ()))
    }

    /// Writes the tar of the result, on a blocking thread. Returns its length in bytes.
    pub(crate) fn write(&self, runtime: &Handle, out: impl Write) -> Result<u64, Error> {
        let (merged, base) = self.read(runtime, Merged::new())?;
        let open = |number: usize| match self.layers.get(number) {
            Some(layer) => layer.read(runtime, &self.limits),
            None => Err(Error::new(ErrorKind::Other, "there is no such layer to merge")),
        };
        if self.base == 0 {
            merged.write(out, open)
        } else {
            merged.write_onto(&base, out, open)
        }
    }

    /// The tree of the layers, with the digests of files.
    pub(crate) fn merge(&self, runtime: &Handle) -> Result<Merged, Error> {
        Ok(self.read(runtime, Merged::new().with_digests(true))?.0)
    }

    /// Adds the layers to a tree. The tree of the base comes second.
    fn read(&self, runtime: &Handle, mut merged: Merged) -> Result<(Merged, Merged), Error> {
        let mut base = merged.clone();
        // Each layer is counted once, though its contents may be read a second time.
        let unpacked = Unpacked::new(self.max_unpacked);
        for (number, layer) in self.layers.iter().enumerate() {
            if number == self.base {
                base = merged.clone();
            }
            let tar = layer.read(runtime, &self.limits)?;
            merged.add(Counted {
                tar,
                unpacked: &unpacked,
            })?;
        }
        Ok((merged, base))
    }
}

impl Tar {
    /// True if the tar can be read again.
    pub(crate) fn can_reopen(&self) -> bool {
        match self {
            Self::Stored { .. } => true,
            Self::New(layer) => layer.can_reopen(),
        }
    }

    /// Opens the tar. Its end is reported when the digests were found right.
    pub(super) fn read(&self, runtime: &Handle, limits: &Limits) -> Result<impl Read + use<>, Error> {
        let (bytes, decoder) = match self {
            Self::Stored {
                source,
                layer,
                diff_id,
            } => {
                let blob = runtime.block_on(open_layer(&**source, layer))?;
                let Some(codec) = Codec::of_type(layer.media_type()) else {
                    let message = format!("a layer is of type {}, which is no tar", layer.media_type());
                    return Err(Error::new(ErrorKind::Unsupported, message));
                };
                let decoder = Decoder::new(codec, limits.clone());
                (Received::of(blob), decoder.with_diff_id(diff_id.clone())?)
            }
            Self::New(layer) => (
                Received::of(runtime.block_on(layer.open())?),
                layer.decoder(limits.clone()),
            ),
        };
        Ok(decoder.reader(bytes))
    }
}
