#![doc = include_str!("guide/tasks.md")]
#![cfg_attr(docsrs, feature(doc_cfg))]

mod arguments;
#[cfg(feature = "images")]
pub mod artifact;
#[cfg(any(feature = "images", feature = "sync"))]
mod bounded;
mod builder;
#[cfg(feature = "images")]
mod building;
mod certificates;
mod client;
mod concurrency;
#[cfg(feature = "images")]
mod converting;
mod copied;
mod copying;
mod daemon;
mod daemon_image;
#[cfg(feature = "images")]
mod differences;
mod files;
pub mod guide;
mod image_location;
mod inspect;
mod listing;
#[cfg(feature = "archive")]
mod loading;
mod login;
mod names;
mod overrides;
mod policy;
mod pull;
mod push;
mod reading;
#[cfg(feature = "archive")]
mod scratch;
mod signing;
mod store_image;
#[cfg(feature = "sync")]
pub mod sync;
#[cfg(all(feature = "images", target_os = "linux"))]
mod unpacking;
#[cfg(feature = "trust")]
mod verifying;
mod waiting;
mod warnings;

#[cfg(feature = "archive")]
pub use wharf_archive as archive;
pub use wharf_auth as auth;
pub use wharf_config as config;
pub use wharf_content as content;
pub use wharf_copy as copy;
pub use wharf_distribution as distribution;
pub use wharf_http as http;
#[cfg(feature = "images")]
pub use wharf_image as image;
#[cfg(feature = "images")]
pub use wharf_layer as layer;
pub use wharf_reference as reference;
pub use wharf_store as store;
#[cfg(feature = "trust")]
pub use wharf_trust as trust;

pub use arguments::{IntoCredentialKey, IntoDigest, IntoImageLocation, IntoReference, IntoRegistry};
#[cfg(feature = "images")]
#[doc(no_inline)]
pub use artifact::Artifact;
pub use builder::{ClientBuilder, DangerousClientBuilder};
pub use client::Client;
pub use copied::Copied;
#[cfg(feature = "daemon")]
pub use daemon::{Daemon, DaemonHost, DaemonLoad, DaemonWriter};
pub use daemon_image::DaemonImage;
pub use image_location::{ArchiveForm, ImageLocation};
pub use inspect::{InspectedLayer, Inspection};
pub use listing::ListedImage;
pub use pull::Pulled;
pub use store_image::StoreImage;
pub use warnings::Warning;

#[doc(no_inline)]
pub use wharf_auth::{Credential, Secret};
#[doc(no_inline)]
pub use wharf_content::{
    BuiltImage, Descriptor, Error, ErrorKind, Event, Hasher, Hint, ImageBuilder, ImageConfig, IndexBuilder,
    Manifest, MediaType, Name, Outcome, Platform, Progress, RegistryError, Sink, SinkExt, Source, SourceExt,
    Target, Totals, WithCauses,
};
#[doc(no_inline)]
pub use wharf_copy::{Options, Report, Selection, Signatures};
#[doc(no_inline)]
pub use wharf_http::Roots;
#[doc(no_inline)]
pub use wharf_reference::{Algorithm, Digest, Reference, Registry, Repository, Tag};

/// The README, so that its programs are compiled.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
