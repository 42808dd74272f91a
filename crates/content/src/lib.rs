//! What registries and stores hold: descriptors, manifests, platforms and blobs that verify themselves.
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
//! It knows no HTTP, no runtime and no file system: [`Source`] and [`Sink`] are what the crates that do
//! implement, and what a copy works with.
//!
//! | feature | adds |
//! |---|---|
//! | `conformance` | `conformance`, the suite for implementors of `Source` and `Sink` |
//! | `oci-spec` | `Manifest::to_image` and `Manifest::to_index`: the whole document in oci-spec's types |
//! | `ring` | hashing by ring's assembly; without it sha2 hashes |
#![cfg_attr(docsrs, feature(doc_cfg))]

mod blob;
#[cfg(feature = "conformance")]
pub mod conformance;
mod descriptor;
mod error;
mod hash;
mod manifest;
mod media_type;
mod platform;
mod progress;
mod source;
mod strict_json;
mod target;
mod unset;

pub use blob::{Blob, ByteStream, OpenBlob, Piece, PieceStream, Pieces};
pub use descriptor::Descriptor;
pub use error::{Error, ErrorKind};
pub use hash::{Hasher, Verified};
pub use manifest::{MAX_MANIFEST_SIZE, Manifest};
pub use media_type::MediaType;
pub use platform::Platform;
pub use progress::{Event, Outcome, Progress};
pub use source::{Sink, Source};
pub use target::{Location, Name, Target};

/// Foreign text for an error message: its first 120 characters.
fn bounded(text: &str) -> &str {
    text.char_indices()
        .nth(120)
        .and_then(|(end, _)| text.get(..end))
        .unwrap_or(text)
}

/// What serde says of a foreign document: it quotes the document, at any length.
fn why_unreadable(error: &serde_json::Error) -> String {
    let whole = error.to_string();
    let start = bounded(&whole);
    if start.len() == whole.len() {
        return whole;
    }
    format!("{start}… at line {} column {}", error.line(), error.column())
}
