//! Changes container images on the way from a source to a sink: format, platforms, annotations, compression, configs and
//! layers.
//!
//! ```
//! use std::sync::Arc;
//! use wharf_content::{Error, Platform, Sink, Source, Target};
//! use wharf_image::{Format, Layers, Options, Prepared, Recipe, prepare};
//!
//! # async fn example(source: Arc<dyn Source>, sink: Arc<dyn Sink>, target: &Target) -> Result<(), Error> {
//! let recipe = Recipe::new().format(Format::Oci).layers(Layers::Compressed);
//! let changed: Prepared = prepare(source, sink, target, &recipe, &Options::default()).await?;
//! println!("{} becomes {}", changed.report().original().digest(), changed.root().digest());
//! # Ok(())
//! # }
//! ```
//!
//! [`prepare`] works a [`Recipe`] off before anything is copied: it returns a [`Prepared`], a source of which all
//! digests are known, so that a copy moves the changed image as any other. Content that no step touches keeps its
//! bytes and is read from the original. An image is built by the same steps, on another one or on one without layers:
//! [`Recipe::edit`], [`Recipe::append`], [`Recipe::remove`], [`Recipe::members`], [`Recipe::squash`] and [`Recipe::rebase`]; [`export`] writes its root file system, [`merge`] lists it, and [`IndexBuilder`] lists images of several
//! sources. [`validate`] checks an image and lists what is wrong. [`ConfigDocument`] edits a config of an image without changing what is not
//! edited.
//!
//! One version of this crate gives equal bytes for equal images and recipes, with any number of threads.
//! Nothing that ends in an image is taken from the clock or the host. Memory does not grow with the size of layers: an
//! encoder needs some 10 MiB, more for zstd above level 9.
//!
//! The crate copies nothing, has no HTTP, and opens no file but those of [`NewLayer::from_file`] and, with the feature
//! `apply`, of `unpack`. It does not read or write Docker's schema 1,
//! encrypt or decrypt layers, or sign what it changed.
//!
//! | feature | adds |
//! |---|---|
//! | `apply` | `unpack`: the layers of an image unpacked to a directory, and layers made of directories, on Linux |
//! | `zstd` | layers that are compressed with zstd are read and written; builds a library in C |
#![cfg_attr(docsrs, feature(doc_cfg))]
#![warn(clippy::missing_errors_doc)]

mod compose;
mod config_document;
mod edit;
mod export;
mod format;
mod graph;
mod import;
mod index_builder;
mod json;
mod layers;
mod loss;
mod merge;
mod new_layer;
#[cfg(all(feature = "apply", target_os = "linux"))]
mod new_layer_of_tree;
mod options;
mod prepare;
mod prepared;
mod recipe;
mod report;
mod rewrite;
mod time;
#[cfg(all(feature = "apply", target_os = "linux"))]
mod unpack;
mod validate;

pub use compose::Base;
pub use config_document::{ConfigDocument, Member};
pub use edit::{Edit, Entries, Set};
pub use export::export;
pub use format::Format;
pub use import::import;
pub use index_builder::{BuiltIndex, IndexBuilder};
pub use layers::{Layers, Memo, MemoEntry, MemoKey, MemoryMemo};
pub use loss::{Loss, Part};
pub use merge::merge;
pub use new_layer::NewLayer;
pub use options::{MAX_UNPACKED, Options};
pub use prepare::prepare;
pub use prepared::Prepared;
pub use recipe::{Recipe, Scope};
pub use report::{AddedLayer, EditedLayer, LayerChange, LayerOutcome, Report};
#[cfg(all(feature = "apply", target_os = "linux"))]
pub use unpack::{UnpackOptions, UnpackedImage, unpack};
pub use validate::{Check, Depth, Finding, Severity, validate};
#[doc(no_inline)]
pub use wharf_layer::{Codec, Level, Limits, tar};
