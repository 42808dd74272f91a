//! A client for the OCI distribution protocol: manifests, blobs, tags and referrers.
//!
//! ```no_run
//! use wharf_content::Target;
//! use wharf_distribution::Client;
//! use wharf_reference::Reference;
//!
//! # async fn run() -> Result<(), Box<dyn std::error::Error>> {
//! let reference = Reference::parse("alpine:3.20")?;
//! let remote = Client::builder().build()?.remote(&reference.repository());
//! let manifest = remote.manifest(&Target::of(&reference)).await?;
//! println!("{}", manifest.digest());
//! # Ok(())
//! # }
//! ```
//!
//! A [`Client`] is made once and shared; a [`Remote`] is one repository and implements
//! [`Source`](wharf_content::Source) and [`Sink`](wharf_content::Sink). It does not ask a registry first whether
//! it is there or how it wants to be authenticated: it sends the request, and answers the 401 (distribution-spec;
//! Docker's token specification). Only a registry that refuses without a challenge what it may show to a login that is
//! at hand is asked for it at `/v2/`.
//!
//! It reads no configuration and no environment: [`ClientBuilder`] takes where repositories are
//! ([`wharf_config::Resolve`]), who we are ([`wharf_auth::CredentialProvider`]) and which certificates to use
//! ([`CertificateProvider`]). It keeps no content, and copies none: see `wharf-store` and `wharf-copy`.
//!
//! What is sent, on a fresh client (`+2` where the registry wants a token: the refused request and the token):
//!
//! | for | requests, one after another |
//! |---|---|
//! | a manifest | GET (`+2`) |
//! | an image of one platform, by tag | GET manifest (`+2`); then config and layers side by side, each one GET, and one more where the registry redirects to its storage |
//! | a blob not known to be there | HEAD (`+2`) if asked; POST; PUT |
//! | a blob in another repository of the registry | POST (`+1`, a token for both) |
//! | a manifest | PUT; with a subject and no referrers API: GET, PUT and GET of the list |
//! | a login | GET (`+2`) |
//! | the first refusal without a challenge (400, 403, 404, 405), where there is a login | GET `/v2/`; if that is a challenge, the token and the request again |
//!
//! A HEAD and a mount only save work: they are sent once, and whatever comes of them, the requests that do the work
//! follow. Of a registry that leaves one without an answer, no other is asked.
//!
//! Failures that may pass are tried again within one [`RetryPolicy`](wharf_http::RetryPolicy) per operation. A
//! download that is cut is resumed at the byte where it stopped, at the next endpoint if there is one, as often as the policy
//! allows; three attempts in a row without a new byte end it. A blob of which 16 MiB and more are missing is fetched in
//! ranges over 4 to 8 connections, if its consumer mostly waits for the network and takes the bytes
//! [in any order](wharf_content::Pieces), as a store does, and as long as that is faster; a client opens at most 12
//! connections for ranges beside the first of each blob. Ranges are handed out as they arrive, and none is kept in memory.
//! Of one registry at most 32 blobs are downloaded at once, and half as many each time it says that it has too much to do.
//!
//! | feature | adds |
//! |---|---|
//! | `reqwest` (default) | the built-in transport; without it, pass one to [`ClientBuilder::with_connect`] |
//! | `webpki-roots` | `wharf_http::Roots::Webpki` for [`CertificateProvider`]: Mozilla's certificates, for where the system has none |
#![cfg_attr(docsrs, feature(doc_cfg))]

mod blobs;
mod builder;
mod catalog;
mod certificates;
mod client;
mod counters;
mod delete;
mod endpoint;
mod error;
mod existence;
mod explain;
mod extensions;
mod hint;
mod limiter;
mod link;
mod location;
mod manifests;
mod pages;
mod pull;
mod push;
mod referrers;
mod remote;
mod repeated_source;
mod search;
mod send;
mod subject;
mod sync;
mod tags;
mod versions;
mod warnings;
mod wire;

pub use builder::{ClientBuilder, DangerousClientBuilder};
pub use certificates::CertificateProvider;
pub use client::Client;
pub use counters::Counters;
pub use error::{Detail, Error, Operation};
pub use explain::{CandidateExplanation, Explanation};
pub use extensions::Extension;
pub use remote::Remote;
pub use search::SearchResult;
pub use tags::Tags;
pub use versions::by_version;
pub use warnings::WarnOnce;
#[doc(no_inline)]
pub use wharf_content::{Hint, RegistryError};
