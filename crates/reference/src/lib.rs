//! Names of container images, parsed as Docker and Podman parse them.
//!
//! ```
//! use wharf_reference::Reference;
//!
//! let reference = Reference::parse("alpine:3.20")?;
//! assert_eq!(reference.as_str(), "docker.io/library/alpine:3.20");
//! assert_eq!(reference.registry().host(), "docker.io");
//! assert_eq!(reference.familiar().to_string(), "alpine:3.20");
//!
//! let error = Reference::parse("Alpine").unwrap_err();
//! assert_eq!(error.position(), 0);
//! # Ok::<(), wharf_reference::ParseError>(())
//! ```
//!
//! The crate does not hash, read configuration or use the network: a [`Digest`] is validated text.
//!
//! # Which parser
//!
//! | you have | use |
//! |---|---|
//! | what a person typed, to be read as Docker reads it | [`Reference::parse`], then [`Reference::or_latest`] to pull |
//! | what a person typed, and aliases or search registries decide | [`Written::parse`], then [`ShortName::qualify`] |
//! | a name from a file or an API that must be complete | [`Reference::parse_canonical`] |
//! | a name, an image identifier or a bare digest | [`AnyReference::parse`] |
//!
//! Every type is valid by construction and shares one reference-counted text with its parts: parsing
//! allocates once, taking and cloning parts never. Names compare, hash and borrow as their text.
//!
//! # Grammar
//!
//! The grammar of the distribution project's `reference` package, version 0.6, in ASCII only:
//!
//! ```text
//! reference  = [registry "/"] path [":" tag] ["@" digest]
//! registry   = (label *("." label) / "[" IPv6 "]") [":" port]      at most 255 bytes
//! label      = letters, digits and inner hyphens
//! path       = component *("/" component)                          at most 255 bytes
//! component  = run *(separator run), run = lowercase letters and digits
//! separator  = "." / "_" / "__" / 1*"-"
//! tag        = 1*128 letters, digits, "_", "." and "-", not beginning with "." or "-"
//! digest     = algorithm ":" encoded                               see Digest
//! ```
//!
//! The first component is the registry if another follows and it holds a `.`, a `:` or an upper-case letter,
//! or is `localhost`. Without a registry the name is Docker Hub's.
//!
//! # Deviation
//!
//! - A port is a number from 1 to 65535 and a bracketed host is an IPv6 address, without a zone; upstream
//!   takes any digits and any run of hexadecimal digits and colons.
//! - A first component that must be a registry and is no host, as in `a_b.c/app`, is refused; upstream reads
//!   all of it as a path and is left without a registry.
//! - A registry has at most 255 bytes; upstream sets no limit. The path alone counts towards its own 255, as
//!   it has upstream since version 0.6; older tools, Podman among them, count the registry with it.
//! - Podman's fork of the grammar knows neither bracketed hosts nor hosts made known by an upper-case letter.
//! - A digest follows the image-spec's grammar, so that algorithms nothing here can compute are still read
//!   (see [`Algorithm::Unsupported`]); upstream refuses what it cannot compute.
//! - [`Reference::familiar`] never prints a text that would be read as another name.
//!
//! # Features
//!
//! | feature | adds |
//! |---|---|
//! | `serde` | every name as a string, validated when read; brings `serde_core` and no macros |
#![cfg_attr(docsrs, feature(doc_cfg))]
#![no_std]

extern crate alloc;

mod any;
#[cfg(feature = "serde")]
mod de;
mod digest;
mod error;
mod parts;
mod reference;
mod registry;
mod repository;
mod scan;
mod short;
mod tag;
mod text;
mod written;

pub use any::AnyReference;
pub use digest::{Algorithm, Digest};
pub use error::{ParseError, ParseErrorKind};
pub use reference::Reference;
pub use registry::Registry;
pub use repository::Repository;
pub use short::ShortName;
pub use tag::Tag;
pub use written::Written;
