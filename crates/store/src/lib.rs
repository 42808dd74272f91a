//! A local store of images: an OCI image layout that many processes can share.
//!
//! ```
//! use wharf_content::{ImageBuilder, ImageConfig, Name, Platform, SinkExt as _, Source as _};
//! use wharf_store::Layout;
//!
//! # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
//! # let directory = tempfile::tempdir()?;
//! let store = Layout::create(directory.path().join("images")).await?;
//! let config = ImageConfig::builder(Platform::new("linux", "amd64")).build()?;
//! let image = ImageBuilder::new().with_config(config).build()?;
//! let name = Name::parse("example.com/empty:1")?;
//! store.push_image(&image, Some(&name)).await?;
//! assert_eq!(store.manifest(&name.into()).await?, *image.root());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! [`Layout`] is a directory that skopeo, umoci and podman read as `oci:DIR:NAME`, [`Memory`] the same in
//! memory. [`ExclusiveLayout`] is for a program that has a layout to itself, as a registry does. Nothing here fetches
//! anything or unpacks layers.
//!
//! Any number of processes may use one layout, a collector among them; none of them may be killed at a wrong
//! moment, for there is none. What has a name survives a power failure. Bytes that do not have the digest
//! they are asked for by are never served: they are set aside, and the next pull fetches them again.
//!
//! # Layouts of other tools
//!
//! A layout that another tool has written is read as it stands and left so: no lock, lease or mark is written until
//! something is pushed or named. An entry of index.json that cannot be read affects no other image and is written
//! back byte for byte. The full names that Docker, BuildKit and containerd write (`io.containerd.image.name`) are
//! understood beside `org.opencontainers.image.ref.name`; images without a usable name are found by position
//! ([`Layout::image_at`]) and digest. A file `oci-layout` may be missing, and `null` stand for what is left out.
//!
//! index.json may have 128 MiB, which is some five hundred thousand names. A lookup reads the file once for each
//! process and change; a new name writes it anew, which is what a name costs in a large store.
//!
//! # Deviation
//!
//! Skopeo follows symbolic links in a layout; this crate follows none and says so, since a layout may have been
//! prepared by somebody else. Where several entries have one name, Skopeo may take the first; here that is an error.
//!
//! # Sharing
//!
//! Other tools may write to the layout as well, with three limits. They take no lock, so one that replaces
//! index.json while this crate does can lose a name. They take no lease, so what they write is left alone for
//! an hour before [`Layout::collect`] counts it as garbage. And blobs are read-only, so a tool that rewrites a
//! manifest it finds, as skopeo does, may not write an image that is there already.
//!
//! There are no features. Windows, macOS and other Unix systems differ in one module. A file system without
//! locks is refused ([`DangerousOptions::without_locks`]).
#![cfg_attr(docsrs, feature(doc_cfg))]

mod check;
mod chunks;
mod collect;
mod disk;
mod error;
mod exclusive;
mod hashed_files;
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
mod reflink;
mod runtime;
mod shared;
mod single_flight;
mod sync;

pub use check::{Checked, Problem};
pub use collect::{Collect, Collected, Prune};
pub use exclusive::ExclusiveLayout;
pub use image::Image;
pub use layout::Layout;
pub use memory::Memory;
pub use options::{DangerousOptions, Durability, Options, Verify};
