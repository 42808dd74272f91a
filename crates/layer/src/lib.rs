//! Layers of container images: tar, gzip and zstd, read and written without I/O, with limits and digests.
//!
//! ```
//! use wharf_layer::{Codec, Decoder, Encoder, Level, Limits, Profile};
//! use wharf_layer::tar::{Member, Writer};
//!
//! let mut tar = Writer::new();
//! let directory = tar.member(&Member::directory("etc")?)?;
//! tar.end_member()?;
//!
//! let mut layer = Vec::new();
//! let mut encoder = Encoder::new(Profile::V1, Level::default_of(Codec::Gzip), 1).with_diff_id(true);
//! encoder.encode(&directory, &mut layer)?;
//! encoder.encode(tar.finish()?, &mut layer)?;
//! let diff_id = encoder.finish(&mut layer)?.diff_id.unwrap();
//! # let mut decoder = Decoder::new(Codec::Gzip, Limits::default()).with_diff_id(diff_id)?;
//! # let mut input = layer.as_slice();
//! # while decoder.decode(&mut input, &mut [0; 100])? > 0 {}
//! # assert_eq!(decoder.finish()?.size, 512 + 1024);
//! # Ok::<(), wharf_layer::Error>(())
//! ```
//!
//! The crate opens no connection and has no runtime. With the feature `apply`, layers are unpacked to a directory;
//! without it, the crate opens no file.
//!
//! [`Decoder`] and [`Encoder`] are for the compression of a layer, [`tar`] is for what is in it. Each takes and
//! returns bytes, so one feeds the other, on any thread. [`Merged`] is the tree that a stack of layers makes, and writes
//! it as one layer. What comes from strangers is bounded by [`Limits`], [`tar::Limits`] and [`MergeLimits`].
//!
//! | feature | adds |
//! |---|---|
//! | `gzip` (default) | [`Decoder`] and [`Encoder`], for plain and gzip |
//! | `zstd` | [`Decoder`] and [`Encoder`], for plain and zstd; builds a library in C |
//! | `apply` | `apply` and `Root`: layers unpacked to a root file system; `Snapshot` and `diff`: its changes as a layer; on Linux |
//!
//! Without the first two, the crate is the module [`tar`], [`Merged`], and [`Codec`], which tells how content is
//! compressed.
#![cfg_attr(docsrs, feature(doc_cfg))]

#[cfg(all(feature = "apply", target_os = "linux"))]
mod apply;
mod codec;
mod compare;
#[cfg(any(feature = "gzip", feature = "zstd"))]
mod decode;
#[cfg(all(feature = "apply", target_os = "linux"))]
mod diff;
#[cfg(any(feature = "gzip", feature = "zstd"))]
mod encode;
#[cfg(any(feature = "gzip", feature = "zstd"))]
mod level;
#[cfg(any(feature = "gzip", feature = "zstd"))]
mod limits;
mod members;
mod merge;
mod output;
#[cfg(any(feature = "gzip", all(feature = "apply", target_os = "linux")))]
mod pool;
pub mod tar;
mod whiteout;

#[cfg(all(feature = "apply", target_os = "linux"))]
pub use apply::{
    Applied, ApplyOptions, Devices, Dropped, DroppedPart, IdRange, Ownership, Root, StagedRoot, XattrProblem,
    apply,
};
pub use codec::{Codec, MAGIC_SIZE};
#[cfg(any(feature = "gzip", feature = "zstd"))]
pub use decode::{Decoded, DecodedReader, Decoder};
#[cfg(all(feature = "apply", target_os = "linux"))]
pub use diff::{DiffOptions, Diffed, Snapshot, diff};
#[cfg(any(feature = "gzip", feature = "zstd"))]
pub use encode::{Encoded, Encoder};
#[cfg(any(feature = "gzip", feature = "zstd"))]
pub use level::{Level, Profile};
#[cfg(any(feature = "gzip", feature = "zstd"))]
pub use limits::Limits;
pub use merge::{Difference, DifferenceKind, MergeLimits, Merged, MergedEntry};
pub use wharf_content::{Error, ErrorKind};
