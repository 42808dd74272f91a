//! The foundation of the workspace's tests: images, real programs to compare with, and registries that attack.
//!
//! ```
//! use wharf_testkit::{Image, Sandbox};
//!
//! let image = Image::builder().files(&[("etc/motd", b"hello")]).finish();
//! let sandbox = Sandbox::new();
//! image.write_layout(&sandbox.path("layout"), "v1");
//! assert_eq!(image.manifest().layers().len(), 1);
//! ```
//!
//! It is never published and holds no test of its own subjects: the tests stand in the crates they prove.
//! Everything here panics when it fails, since that is what a test wants to see.
#![expect(
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::missing_panics_doc,
    clippy::print_stderr,
    clippy::format_push_string,
    clippy::format_collect,
    reason = "test tooling reports by panicking, says on standard error what it skips, and may be slow"
)]

pub mod campaign;
pub mod corpora;
#[cfg(unix)]
mod daemon;
#[cfg(unix)]
pub mod faults;
pub mod history;
pub mod hostile;
mod image;
mod peer;
pub mod program;
mod random;
mod saved;
mod tls;
mod token_server;
mod wire;

#[cfg(unix)]
pub use daemon::{DaemonAct, DaemonRequest, ScriptedDaemon};
pub use image::{Image, ImageBuilder, Index, RealImage, noise, write_layout};
#[cfg(unix)]
pub use peer::{Azurite, Moto, PgBouncer, PostgreSql, PostgreSqlBuilder, SeaweedFs};
pub use peer::{
    DockerRegistry, DockerRegistryBuilder, Output, PodmanService, Sandbox, Tool, optional_peers_present,
    peers_present, skip,
};
pub use random::Random;
pub use saved::{SavedContent, SavedImage, saved_image, saved_images, unpack_saved_sync};
pub use tls::{TestCa, TestCertificate};
pub use token_server::{Grant, Issued, TokenServer, TokenServerBuilder};
pub use wire::{Request, response};

/// The sha256 digest of `bytes`.
pub fn sha256(bytes: &[u8]) -> wharf_reference::Digest {
    wharf_content::Hasher::sha256(bytes)
}
