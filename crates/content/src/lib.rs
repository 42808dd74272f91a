//! The content of registries and stores: descriptors, manifests, platforms, and blobs that verify their
//! bytes.
//!
//! ```
//! use wharf_content::{Manifest, MediaType};
//!
//! let bytes = br#"{"schemaVersion":2,"manifests":[]}"#.as_slice();
//! let index = Manifest::parse(bytes.into(), Some(&MediaType::OCI_INDEX))?;
//! assert!(index.is_index());
//! assert_eq!(index.bytes(), bytes);
//! # Ok::<(), wharf_content::Error>(())
//! ```
//!
//! The crate has no HTTP, runtime or file system code. Crates that do implement [`Source`] and [`Sink`],
//! between which a copy moves images; users call [`SourceExt`] and [`SinkExt`].
//!
//! To make content, describe bytes with [`Descriptor::of`] and [`Blob::of`], and build documents with
//! [`ImageConfig::builder`], [`ImageBuilder`] and [`IndexBuilder`].
//!
//! ```
//! use wharf_content::{ImageBuilder, Platform};
//!
//! let image = ImageBuilder::for_platform(Platform::new("linux", "amd64"))
//!     .with_tar(b"a tar of the image's files".as_slice())
//!     .with_cmd(["/bin/hello"])
//!     .build()?;
//! assert_eq!(image.root().layers().len(), 1);
//! # Ok::<(), wharf_content::Error>(())
//! ```
//!
//! | feature | adds |
//! |---|---|
//! | `conformance` | `conformance`, the suite for implementors of `Source` and `Sink` |
//! | `oci-spec` | `Manifest::to_image`, `Manifest::to_index` and `ImageConfig::to_config`: the whole document in oci-spec's types |
//! | `ring` | hashing by ring's assembly; without it sha2 hashes |
#![cfg_attr(docsrs, feature(doc_cfg))]

pub mod attachments;
mod blob;
mod build;
pub mod bundles;
mod choose;
mod config;
#[cfg(feature = "conformance")]
pub mod conformance;
mod descriptor;
mod diagnostic;
mod error;
mod gate;
mod hash;
mod hint;
mod manifest;
mod media_type;
mod platform;
mod progress;
mod sign;
mod signature;
mod sink;
mod source;
mod strict_json;
mod target;
mod time;
mod totals;
mod unset;
mod walk;

pub use blob::{Blob, ByteStream, LARGE_BLOB, OpenBlob, Piece, PieceStream, Pieces, UnverifiedBlob};
pub use build::{BuiltImage, ImageBuilder, IndexBuilder};
pub use choose::choose_image;
pub use config::{History, ImageConfig, ImageConfigBuilder, MAX_CONFIG_SIZE};
pub use descriptor::Descriptor;
pub use diagnostic::{Diagnostic, RegistryError, WithCauses};
pub use error::{Error, ErrorKind};
pub use gate::{Gate, Rejection, Role};
pub use hash::{Hasher, Verified};
pub use hint::Hint;
pub use manifest::{MAX_MANIFEST_SIZE, Manifest};
pub use media_type::MediaType;
pub use platform::Platform;
pub use progress::{Event, Outcome, Progress};
pub use sign::Sign;
pub use signature::{MAX_SIGNATURE_SIZE, MAX_SIGNATURES, MAX_SIGNATURES_SIZE, Signature, Wanted};
pub use sink::{Sink, SinkExt};
pub use source::{Source, SourceExt};
pub use target::{Location, Name, Target};
pub use time::{format_timestamp, parse_time, parse_timestamp};
pub use totals::Totals;
pub use walk::{MAX_DEPTH, MAX_ITEMS, MAX_MANIFEST_BYTES, MAX_MANIFESTS, Visits};

/// Shortens foreign text to its first 120 characters, for an error message.
fn bounded(text: &str) -> &str {
    text.char_indices()
        .nth(120)
        .and_then(|(end, _)| text.get(..end))
        .unwrap_or(text)
}

/// Shortens serde's message about a foreign document, because it quotes the document at any length.
fn why_unreadable(error: &serde_json::Error) -> String {
    let whole = error.to_string();
    let start = bounded(&whole);
    if start.len() == whole.len() {
        return whole;
    }
    format!("{start}… at line {} column {}", error.line(), error.column())
}
