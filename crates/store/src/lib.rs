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
//! [`Layout`] is a directory that skopeo, umoci and podman read as `oci:DIR:NAME`; [`Memory`] is the same
//! in memory. [`ExclusiveLayout`] is for a program that has a layout for itself, as a registry does. The
//! crate does not use the network and does not unpack layers.
//!
//! Any number of processes may use one layout, a collector among them. A process may be killed at any
//! moment without corruption. An image that has a name survives a power failure. Bytes that differ from the
//! digest of their blob are never returned: the blob is moved aside, and the next pull fetches it again.
//!
//! # Layouts of other tools
//!
//! A layout that another tool has written is read as it stands and not changed: no lock, lease or stamp is
//! written until something is pushed or named. An entry of index.json that cannot be read affects no other
//! image and is written back byte for byte. The full names that Docker, BuildKit and containerd write
//! (`io.containerd.image.name`) are understood beside `org.opencontainers.image.ref.name`; images without a
//! usable name are found by position ([`Layout::image_at`]) and digest. The file `oci-layout` may be
//! missing, and `null` may stand for an absent member.
//!
//! index.json may have 128 MiB, which is room for some 500,000 names. Each process reads the file once for
//! each change of it. A new name rewrites the whole file, which takes most of the time of naming in a large
//! store.
//!
//! # Deviation
//!
//! Skopeo follows symbolic links in a layout. This crate follows none and reports them, because somebody
//! else may have prepared the layout. If several entries have one name, Skopeo may use the first; here that
//! is an error.
//!
//! # Sharing
//!
//! Other tools may write to the layout too, with three limits. They take no lock: a name is lost if such a
//! tool and this crate replace index.json at the same time. They take no lease: what they write is
//! protected for an hour before [`Layout::collect`] counts it as garbage. Blobs are read-only: a tool that
//! rewrites existing manifests, as skopeo does, cannot write an image that is there already.
//!
//! The crate has no features. Operating systems differ as `wharf-fs` says. A file system
//! without locks is refused ([`DangerousOptions::without_locks`]).
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
mod read;
mod referrers;
mod reflink;
mod runtime;
mod shared;
mod signatures;
mod single_flight;
mod summary;
mod sync;

pub use check::{Checked, LayoutProblem};
pub use collect::{Collect, Collected, Prune};
pub use exclusive::ExclusiveLayout;
pub use image::Image;
pub use layout::Layout;
pub use memory::Memory;
pub use options::{DangerousOptions, Durability, Options, Verify};
pub use summary::{Filter, HistoryEntry, ImageSummary, ImageTree, TreeLayer, find_summary};
