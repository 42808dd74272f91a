//! Changes container images on the way from a source to a sink: format, platforms, annotations.
//!
//! ```
//! use std::sync::Arc;
//! use wharf_content::{Error, Platform, Sink, Source, Target};
//! use wharf_image::{Format, Options, Prepared, Recipe, prepare};
//!
//! # async fn example(source: Arc<dyn Source>, sink: Arc<dyn Sink>, target: &Target) -> Result<(), Error> {
//! let recipe = Recipe::new().format(Format::Oci).platforms([Platform::new("linux", "arm64")]);
//! let changed: Prepared = prepare(source, sink, target, &recipe, &Options::default()).await?;
//! println!("{} becomes {}", changed.report().original().digest(), changed.root().digest());
//! # Ok(())
//! # }
//! ```
//!
//! [`prepare`] works a [`Recipe`] off before anything is copied: it returns a [`Prepared`], a source of which all
//! digests are known, so that a copy moves the changed image as any other. Content that no step touches keeps its
//! bytes and is read from the original. [`ConfigDocument`] edits a config of an image without changing what is not
//! edited.
//!
//! The same image and recipe give the same bytes with the same version of this crate. Nothing is taken from the clock
//! or the host.
//!
//! The crate copies nothing, and has no HTTP and no file system code. It does not read or write Docker's schema 1,
//! encrypt or decrypt layers, or sign what it changed. It has no features.
#![cfg_attr(docsrs, feature(doc_cfg))]
#![warn(clippy::missing_errors_doc)]

mod config_document;
mod format;
mod graph;
mod json;
mod loss;
mod options;
mod prepare;
mod prepared;
mod recipe;
mod report;
mod rewrite;
mod validate;

pub use config_document::{ConfigDocument, Member};
pub use format::Format;
pub use loss::{Loss, Part};
pub use options::Options;
pub use prepare::prepare;
pub use prepared::Prepared;
pub use recipe::{Recipe, Scope};
pub use report::Report;
