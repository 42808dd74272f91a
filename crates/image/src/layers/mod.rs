//! Layers that are made: encoded anew, or added.

mod buffers;
mod edited;
mod feed;
mod memo;
mod output;
mod plan;
mod received;
mod recode;
mod run;
mod stack;
mod tail;
mod threads;
mod unpacked;
mod worker;
mod written;

pub(crate) use buffers::Buffers;
pub(crate) use edited::{Decide, EditedTar};
pub(crate) use feed::feed;
pub use memo::{Memo, MemoEntry, MemoKey, MemoryMemo};
pub(crate) use plan::{Input, Job, Jobs, plan, touches};
pub(crate) use received::Received;
pub(crate) use recode::{Recoder, Reopen, open_layer};
pub(crate) use run::{Change, Replacements, in_order, run};
pub(crate) use stack::{Stack, Tar};
pub(crate) use threads::Threads;
pub(crate) use unpacked::{Counted, Unpacked};
use wharf_layer::{Codec, Level};
pub(crate) use written::written;

/// The compression of the layers of container images. Non-distributable layers and those of types that are no
/// container layer are never touched.
///
/// # Deviation
///
/// Skopeo compresses plain layers on their way to registries and layouts; here nothing is changed unasked.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Layers {
    /// All layers keep their bytes.
    #[default]
    Keep,
    /// Plain layers are compressed with gzip, at its default level. Others keep their bytes.
    Compressed,
    /// All layers are compressed so.
    Exactly {
        /// The codec and its level.
        level: Level,
        /// Whether layers that are compressed with this codec are compressed anew. If not, they keep their bytes, at
        /// whatever level they were compressed.
        force: bool,
    },
    /// Compressed layers are unpacked to plain tars.
    Plain,
}

impl Layers {
    /// The level at which a layer of this codec is encoded anew; `None` if it keeps its bytes.
    pub(crate) fn level_for(self, codec: Codec) -> Option<Level> {
        let (level, force) = match self {
            Self::Keep => return None,
            // Whatever is compressed already stays.
            Self::Compressed if codec != Codec::Plain => return None,
            Self::Compressed => (Level::default_of(Codec::Gzip), false),
            Self::Exactly { level, force } => (level, force),
            Self::Plain => (Level::default_of(Codec::Plain), false),
        };
        (force || codec != level.codec()).then_some(level)
    }
}
