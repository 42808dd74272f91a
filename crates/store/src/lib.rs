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
//! memory. It does not fetch anything, and does not unpack layers.

mod adopt;
mod check;
mod collect;
mod disk;
mod error;
mod hashing;
mod image;
mod index;
mod ingest;
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
pub use ingest::Assembly;
pub use layout::Layout;
pub use memory::Memory;
pub use options::{Durability, Options, Verify};
