//! Layers of container images: tar archives, read and written without I/O and with limits.
//!
//! ```
//! use wharf_layer::tar::{Event, Limits, Reader};
//!
//! let archive = [0; 1024]; // two blocks of zeros: an archive without members
//! let mut reader = Reader::new(Limits::default());
//! let mut input = archive.as_slice();
//! while let Some(event) = reader.next_event(&mut input)? {
//!     if let Event::Member { member, .. } = event {
//!         println!("{}", String::from_utf8_lossy(member.name()));
//!     }
//! }
//! assert!(reader.finish()?.ended);
//! # Ok::<(), wharf_layer::Error>(())
//! ```
//!
//! The crate opens no file and no connection, has no runtime, and unpacks nothing to a disk.
#![cfg_attr(docsrs, feature(doc_cfg))]
#![warn(clippy::missing_errors_doc)]

pub mod tar;

pub use wharf_content::{Error, ErrorKind};
