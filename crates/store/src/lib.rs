//! A local store of images: an OCI image layout that many processes can share.
//!
//! ```
//! use wharf_content::{Manifest, Name, Sink as _, Source as _};
//! use wharf_store::Layout;
//!
//! # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
//! # let directory = tempfile::tempdir()?;
//! let store = Layout::create(directory.path().join("images")).await?;
//! let index = Manifest::parse(br#"{"schemaVersion":2,"manifests":[]}"#.as_slice().into(), None)?;
//! let name = Name::parse("example.com/empty:1")?;
//! store.push_manifest(&index, Some(&name)).await?;
//! assert_eq!(store.manifest(&name.into()).await?, index);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! [`Layout`] is a directory that skopeo, umoci and podman read as `oci:DIR:NAME`, [`Memory`] the same in
//! memory. [`Keeper`] is for a program that has a layout to itself, as a registry does. Nothing here fetches
//! anything or unpacks layers.
//!
//! Any number of processes may use one layout, a collector among them; none of them may be killed at a wrong
//! moment, for there is none. What has a name survives a power failure. Bytes that do not have the digest
//! they are asked for by are never served: they are set aside, and the next pull fetches them again.
//!
//! Other tools may write to the layout as well, with three limits. They take no lock, so one that replaces
//! index.json while this crate does can lose a name. They take no lease, so what they write is left alone for
//! an hour before [`Layout::collect`] counts it as garbage. And blobs are read-only, so a tool that rewrites a
//! manifest it finds, as skopeo does, may not write an image that is there already.
//!
//! There are no features. Windows, macOS and other Unix systems differ in one module. A file system without
//! locks is refused ([`Options::dangerous_without_locks`]).
#![cfg_attr(docsrs, feature(doc_cfg))]

mod adopt;
mod check;
mod chunks;
mod collect;
mod disk;
mod error;
mod hashing;
mod image;
mod index;
mod ingest;
mod keeper;
mod layout;
mod memory;
mod names;
mod options;
mod os;
mod read;
mod referrers;
mod runtime;
mod shared;

pub use check::{Checked, Problem};
pub use collect::{Collect, Collected, Prune};
pub use image::Image;
pub use keeper::Keeper;
pub use layout::Layout;
pub use memory::Memory;
pub use options::{Durability, Options, Verify};
