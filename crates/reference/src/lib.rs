//! Names of container images, parsed as Docker and Podman parse them.
//!
//! ```
//! use wharf_reference::Reference;
//!
//! let reference = Reference::parse("alpine:3.20")?;
//! assert_eq!(reference.as_str(), "docker.io/library/alpine:3.20");
//! assert_eq!(reference.registry().host(), "docker.io");
//! assert_eq!(reference.familiar().to_string(), "alpine:3.20");
//! # Ok::<(), wharf_reference::ParseError>(())
//! ```
//!
//! It hashes nothing, reads no configuration and never touches the network: a [`Digest`] is validated text.
//!
//! | feature | adds |
//! |---|---|
//! | `serde` | every name as a string, validated when read |
#![no_std]

extern crate alloc;

#[cfg(feature = "serde")]
mod de;
mod digest;
mod error;
mod name;
mod reference;
mod tag;
mod text;

pub use digest::{Algorithm, Digest};
pub use error::{ParseError, ParseErrorKind};
pub use name::{Registry, Repository};
pub use reference::Reference;
pub use tag::Tag;
