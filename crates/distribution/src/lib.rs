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
//! A [`Client`] is made once and shared. A [`Remote`] is one repository; it implements
//! [`Source`](wharf_content::Source) and [`Sink`](wharf_content::Sink). The client does not ask a registry
//! first whether it exists or how it authenticates: it sends the request, and responds to a 401
//! (distribution-spec; Docker's token specification). If a registry refuses a request without a challenge,
//! and there is a login for it, the client asks at `/v2/` for the challenge.
//!
//! The crate reads no configuration file and no environment variable. [`ClientBuilder`] takes the
//! candidates of a repository ([`wharf_config::Resolve`]), the credentials
//! ([`wharf_auth::CredentialProvider`]) and the certificates ([`CertificateProvider`]). The crate stores no
//! content and copies none: see `wharf-store` and `wharf-copy`.
//!
//! A new client sends these requests (`+2` where the registry asks for a token: the refused request and the
//! token request):
//!
//! | for | requests, one after another |
//! |---|---|
//! | a manifest | GET (`+2`) |
//! | an image of one platform, by tag | GET manifest (`+2`); then config and layers in parallel, each one GET, and one more where the registry redirects to its storage |
//! | a blob that may be missing | HEAD (`+2`) if asked; POST; PUT |
//! | a blob in another repository of the registry | POST (`+1`, a token for both) |
//! | a manifest | PUT; with a subject and without the referrers API: GET, PUT and GET of the list |
//! | a login | GET (`+2`) |
//! | the first refusal without a challenge (400, 403, 404, 405), if there is a login | GET `/v2/`; if that is a challenge, the token and the request again |
//!
//! Of several tasks that check for, mount or write the same content of the same repository at once, one does, and the
//! others wait: see [`Remote::push_blob`].
//!
//! A HEAD and a mount only save work. They are sent once, and the requests that do the work follow in any
//! case. If a registry does not answer one of them, no other is sent to it.
//!
//! A request whose failure may pass is repeated within one [`RetryPolicy`](wharf_http::RetryPolicy) per
//! operation. A download is resumed at the byte where it broke off, from the next candidate if there is
//! one; it ends after three attempts without a new byte. A blob of at least 16 MiB is fetched in ranges
//! over 4 to 8 connections if its consumer takes the bytes [in any order](wharf_content::Pieces), as a
//! store does, and mostly waits for the network, and as long as that is faster. A client opens at most 12
//! connections for them beside the first of each blob. The pieces are passed on as they arrive; none is
//! buffered. At most 32 blobs of one registry are downloaded at once, and half as many each time it answers
//! that it is overloaded.
//!
//! | feature | adds |
//! |---|---|
//! | `reqwest` (default) | the built-in transport; without it, pass one to [`ClientBuilder::with_connect`] |
//! | `webpki-roots` | `wharf_http::Roots::Webpki` for [`CertificateProvider`]: Mozilla's certificates, for systems without root certificates |
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
mod locks;
mod manifests;
mod pages;
mod pull;
mod push;
mod push_manifest;
mod referrers;
mod remote;
mod repeated_source;
mod search;
mod send;
mod signatures;
mod single_flight;
mod subject;
mod sync;
mod tags;
mod together;
mod versions;
mod warnings;
mod wire;

pub use builder::{ClientBuilder, DangerousClientBuilder};
pub use certificates::CertificateProvider;
pub use client::Client;
pub use counters::Counters;
pub use error::{Detail, Error, Operation, kind_of_http};
pub use explain::{CandidateExplanation, Explanation};
pub use extensions::Extension;
pub use remote::Remote;
pub use search::SearchResult;
pub use tags::Tags;
pub use versions::by_version;
pub use warnings::WarnOnce;
#[doc(no_inline)]
pub use wharf_content::{Hint, RegistryError};
