//! Images in directories and archives: the transports `dir:`, `oci-archive:` and `docker-archive:` of
//! containers-transports(5), as [`Source`](wharf_content::Source) and [`Sink`](wharf_content::Sink).
//!
//! ```
//! use wharf_archive::{Archive, Form, Writer};
//! use wharf_content::{ImageBuilder, Name, Platform, SinkExt as _};
//! # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
//! # let directory = tempfile::tempdir()?;
//! # let path = directory.path().join("image.tar");
//! let image = ImageBuilder::for_platform(Platform::host()).build()?;
//! let writer = Writer::create(&path).await?;
//! writer.push_image(&image, Some(&Name::parse("docker.io/library/app:1")?)).await?;
//! writer.finish().await?;
//!
//! let archive = Archive::open(&path, Form::Detect).await?; // docker load and podman load read it, too
//! assert_eq!(archive.only()?.descriptor().digest(), image.digest());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! | images in | read by | written by |
//! |---|---|---|
//! | a directory, `dir:` | [`Dir`] | [`DirWriter`] |
//! | an archive file, `oci-archive:` or `docker-archive:` | [`Archive`] | [`Writer`], in one form that serves as both |
//! | a pipe or socket | [`load`] | [`Writer::stream`] |
//!
//! Bytes are kept as they are: the crate converts, compresses and unpacks nothing. What is written appears at its
//! path when it is whole. Everything that is read is foreign: it is verified, and bounded by the limits that
//! docs/limits.md lists. The crate needs a tokio runtime; calls of the file system are made on its threads for
//! blocking work.
//!
//! | feature | adds |
//! |---|---|
//! | `gzip` (default) | [`load`] reads archives that are compressed with gzip as a whole |
//! | `zstd` | [`load`] reads archives that are compressed with zstd as a whole; builds a library in C |
#![cfg_attr(docsrs, feature(doc_cfg))]

mod decoded;
mod dir;
mod error;
mod input;
mod load;
mod output;
mod referrer;
mod runtime;
mod sibling;
mod stream;
mod tar;
mod write;

pub use dir::{Dir, DirWriter};
pub use load::{Loaded, load};
pub use stream::read_stream;
pub use tar::{Archive, ArchivedImage, Form};
pub use write::{OciOnly, OciOnlyReason, Writer, WriterForm, WriterOptions, WrittenArchive};
