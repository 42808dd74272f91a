//! An OCI registry to embed, in memory, over an image layout or over a backend of your own.
//!
//! ```
//! # #[cfg(feature = "server")]
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! use wharf_registry::Registry;
//!
//! let server = Registry::memory().with_basic("ada", "secret").serve().await?;
//! let image = server.reference("lib/app:1")?; // 127.0.0.1:port/lib/app:1
//! // ... push to it, pull from it ...
//! server.shutdown().await;
//! # let _ = image;
//! # Ok(())
//! # }
//! ```
//!
//! [`Registry`] is a tower service over [`http`] types: put it behind any server, or let
//! `Registry::serve` listen on a port. Content is shared between repositories, but a repository shows only
//! what was pushed or mounted to it.
//!
//! It does all of the OCI distribution specification: the official conformance program passes its development
//! profile with nothing failed, skipped or disabled, in memory and on a disk, open, with Basic and with
//! tokens, with sparse images and without.
//!
//! It is no cluster by itself: [`MemoryBackend`] and [`DiskBackend`] belong to one process. A [`Backend`] that
//! processes can share makes several registries one. It does not scan images and does not sign them. It
//! speaks HTTP/1.1 only: all clients do, concurrent blobs need connections of their own anyway, and attacks
//! by floods of HTTP/2 frames are impossible. A proxy in front of it may speak other versions.
//!
//! # Parts
//!
//! A [`Backend`] stores [`Records`], [`Content`] and [`Uploads`]: [`MemoryBackend`], [`DiskBackend`], whose
//! content is a [`wharf_store::Layout`]'s, a [`LocalBackend`] over a [`Storage`] of your own, or a backend of
//! your own. [`Registry`] decides who sees what, and commits each change to the records before it answers.
//! [`Limits`] bound what clients may ask for, [`Access`] says what users may do,
//! [`Upstream`] makes the registry a cache of another, [`Observer`] hears of every request,
//! a [`Subscriber`] is told of every change, [`LocalRepository`] fills a repository without HTTP, [`Import`] takes
//! over what another registry has stored, and [`Registry::collect_garbage`] removes what no manifest needs while
//! everything goes on. [`Metrics`] counts for Prometheus, and [`Readiness`] tells a load balancer when to send
//! requests.
//!
//! # Misbehaving on demand
//!
//! A test of a client needs a registry that fails; the feature `testing` adds that. A `Fault` sets the
//! failure (a status, a delay, a cut or flipped byte, a lost reply, a false range, a foreign `Location`), the
//! requests that it hits, and how often; `Injected::hits` counts them. A `Profile` makes the registry differ
//! from the specification as a known one does. `Registry::requests` lists the requests.
//!
//! ```
//! # #[cfg(all(feature = "server", feature = "testing"))]
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! use wharf_registry::{RouteKind, Fault, Profile, Registry};
//!
//! let server = Registry::memory().with_profile(Profile::Ghcr).serve().await?;
//! // The first two downloads of a blob break after a megabyte.
//! let broken = server.inject(Fault::cut(1 << 20).on(RouteKind::Blob).times(2));
//! // Whoever pushes a manifest gets no answer, although it was taken.
//! server.inject(Fault::lose_reply().on(RouteKind::Manifest).method(http::Method::PUT).times(1));
//! // ... run the client ...
//! assert_eq!(broken.hits(), 2);
//! # Ok(())
//! # }
//! ```
//!
//! | feature | adds |
//! |---|---|
//! | `server` | `Registry::serve` and `Server`: HTTP/1.1 on a port, by hyper |
//! | `tls` | `Registry::serve_tls` and `Tls`: the same over TLS, by rustls with ring |
//! | `htpasswd` | `Htpasswd`: users with bcrypt hashes |
//! | `jwt` | `TokenKeys`: tokens signed elsewhere, verified by ring |
//! | `testing` | faults, quirks, profiles of known registries and a request log |
//! | `conformance` | `conformance`: the suite for implementors of a [`Backend`] or of a [`Storage`] |
//! | `ring` | hashing by ring's assembly; without it sha2 hashes |
#![cfg_attr(docsrs, feature(doc_cfg))]

mod api;
mod auth;
mod backend;
mod background;
mod behaviour;
mod body;
mod client;
mod configure;
#[cfg(feature = "conformance")]
pub mod conformance;
#[cfg(feature = "server")]
mod connections;
mod disk;
#[cfg(feature = "server")]
mod drain;
mod engine;
mod error;
mod events;
#[cfg(feature = "server")]
mod host;
mod import;
mod inventory;
mod limits;
mod listing;
mod local;
mod memory;
mod metrics;
mod observe;
mod packed;
mod path;
mod percent;
mod query;
mod random;
mod range;
mod readiness;
mod redirects;
mod registry;
mod route;
mod route_kind;
#[cfg(feature = "server")]
mod server;
mod state;
mod storage;
#[cfg(feature = "server")]
mod stream;
mod sync;
#[cfg(feature = "testing")]
mod testing;
#[cfg(feature = "tls")]
mod tls;
mod upstream;
#[cfg(feature = "server")]
mod write_timeout;

#[cfg(feature = "htpasswd")]
pub use auth::Htpasswd;
#[cfg(feature = "jwt")]
pub use auth::TokenKeys;
pub use auth::{Access, Action};
pub use backend::{
    Backend, BackendCall, BlobRecord, Change, Commit, CommitId, Content, ContentId, ExternalContent,
    ExternalObject, Guard, Incoming, ManifestRecord, NewContent, OpenUpload, Outcome, Record, RecordKey,
    RecordRange, Records, Refusal, RepeatedCommits, SignedUrl, StoredContent, TokenSecret, Upload,
    UploadLimits, UploadOwner, UploadSession, Uploads, UploadsOf, Usage, Written,
};
pub use body::Body;
pub use client::ClientAddress;
pub use disk::{DiskBackend, DiskStorage, TornTail};
pub use engine::{GcOptions, GcReport, LocalBackend};
pub use error::ErrorCode;
pub use events::{
    Claimed, Delivery, Event, EventAction, EventActor, EventClaim, EventDescriptor, EventFormat,
    EventListener, EventOptions, EventRequest, EventSignal, EventSource, EventTarget, Outbox, Subscriber,
};
pub use import::{Import, ImportReport, KeyTree, SkippedItem};
pub use inventory::Inventory;
pub use limits::Limits;
pub use listing::Listing;
pub use local::LocalRepository;
pub use memory::{MemoryBackend, MemoryStorage};
pub use metrics::Metrics;
pub use observe::{Answered, Observer};
pub use path::RepositoryPath;
pub use readiness::{NotReady, Readiness};
pub use redirects::{RedirectedClient, Redirects};
pub use registry::Registry;
pub use route_kind::RouteKind;
#[cfg(feature = "server")]
pub use server::Server;
pub use storage::{Storage, Verifying};
#[cfg(feature = "testing")]
pub use testing::{BackendFaults, Fault, Injected, LoggedRequest, Profile, Quirk};
#[cfg(feature = "tls")]
pub use tls::Tls;
pub use upstream::Upstream;
