//! The HTTP layer of a registry client: one trait that sends requests, origins, TLS, proxies, redirects, retry
//! decisions and bounded bodies.
//!
//! ```
//! use http::{HeaderMap, Method, StatusCode, header::LOCATION};
//! use wharf_http::RedirectChain;
//!
//! let mut chain = RedirectChain::new(&Method::GET, "https://registry.example/v2/a/blobs/b".parse()?)?;
//! let mut headers = HeaderMap::new();
//! headers.insert(LOCATION, "https://cdn.example/b?signature=x".parse()?);
//! chain.advance(&Method::GET, StatusCode::TEMPORARY_REDIRECT, &headers)?;
//! assert!(!chain.is_home()); // no credentials from here on
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! The crate knows nothing of registries: authentication is in `wharf-auth`, the protocol and the loop that
//! repeats requests are in `wharf-distribution`. It stores no cookies, decodes no `Content-Encoding` and
//! reads no environment variable.
//!
//! A [`Connect`] makes an [`HttpService`] for each [`Peer`], which is an [`Origin`] with its
//! [`TlsSettings`] and a limit on the addresses that its name may resolve to. A [`Transport`] caches the
//! services, and follows redirects by the rules of [`RedirectChain`].
//!
//! | feature | adds |
//! |---|---|
//! | `reqwest` | `ReqwestConnector`, the transport over reqwest, rustls and ring |
//! | `webpki-roots` | `Roots::Webpki`, Mozilla's certificates, for systems without root certificates; includes `reqwest` |
#![cfg_attr(docsrs, feature(doc_cfg))]

mod address;
mod body;
mod coding;
mod error;
mod error_body;
mod location;
mod origin;
mod proxy;
mod redact;
mod redirect;
#[cfg(feature = "reqwest")]
mod reqwest_adapter;
mod retry;
mod retry_after;
mod service;
mod sync;
mod timeouts;
mod tls;
mod transport;

pub use address::AddressClass;
pub use body::{BodyStream, RequestBody, ResponseBody, UploadStream};
pub use coding::{coding_of_json, content_coding};
pub use error::{Error, ErrorKind};
pub use error_body::{ErrorEntry, WebPage, error_entries};
pub use location::{only_location, resolve_location};
pub use origin::{Origin, Scheme};
pub use proxy::ProxySettings;
pub use redact::{Redacted, printable};
pub use redirect::RedirectChain;
#[cfg(feature = "reqwest")]
pub use reqwest_adapter::{CertificateFile, DnsResolver, IgnoredBlock, ReqwestConnector};
pub use retry::{RetryBudget, RetryLimit, RetryPolicy, is_transient_status};
pub use retry_after::retry_after;
pub use service::{Connect, HttpService, Peer, PeerAddress, Request, Response};
pub use timeouts::{RequestClass, Timeouts};
pub use tls::{DangerousTls, Identity, Roots, TlsSettings};
pub use transport::{FollowError, Followed, Transport};
