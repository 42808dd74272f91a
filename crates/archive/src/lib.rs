//! Images in directories and archives: the transports `dir:`, `oci-archive:` and `docker-archive:` of
//! containers-transports(5), as [`Source`](wharf_content::Source) and [`Sink`](wharf_content::Sink).
//!
//! ```
//! use wharf_archive::Dir;
//! use wharf_content::{ImageBuilder, Platform, SinkExt as _};
//! # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
//! # let directory = tempfile::tempdir()?;
//! let image = ImageBuilder::for_platform(Platform::host()).build()?;
//! let writer = Dir::create(directory.path().join("image")).await?;
//! writer.push_image(&image, None).await?;
//! let dir = writer.finish().await?;
//! assert_eq!(dir.root().digest(), image.digest());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Bytes are kept as they are: the crate converts, compresses and unpacks nothing. It needs a tokio runtime,
//! which blocking calls of the file system leave alone.
//!
//! The crate has no features.
#![cfg_attr(docsrs, feature(doc_cfg))]

mod dir;
mod error;
mod input;
mod os;
mod output;
mod referrer;
mod runtime;
mod stream;

pub use dir::{Dir, DirWriter};
