//! Registry authentication: secrets, credentials, challenges, scopes, tokens and their cache.
//!
//! ```
//! use wharf_auth::Credential;
//!
//! let credential = Credential::basic("ada", "s3cret");
//! assert!(!format!("{credential:?}").contains("s3cret"));
//! ```
//!
//! The crate reads no files and knows no configuration: a [`CredentialProvider`] finds credentials, and
//! `wharf-config` has one for the host's files. The crate opens no connections either: token requests go
//! through the `wharf_http::HttpService` that the caller passes.
//!
//! An `Authenticator` combines the parts. A `Challenge` names a `Realm`, which the `RealmPolicy` judges. A
//! `TokenRequest` for `Scopes` is exchanged for a `TokenResponse`, and a `TokenCache` stores its token.
//!
//! | feature | adds |
//! |---|---|
//! | `client` | everything but secrets, credentials and their providers; brings `wharf-http` |
#![cfg_attr(docsrs, feature(doc_cfg))]

#[cfg(feature = "client")]
mod authenticator;
#[cfg(feature = "client")]
mod authorization;
#[cfg(feature = "client")]
mod cache;
#[cfg(feature = "client")]
mod challenge;
mod credential;
#[cfg(feature = "client")]
mod error;
#[cfg(feature = "client")]
mod exchange;
#[cfg(feature = "client")]
mod header;
#[cfg(feature = "client")]
mod logins;
#[cfg(feature = "client")]
mod realm;
#[cfg(feature = "client")]
mod refusal;
#[cfg(feature = "client")]
mod root_probes;
#[cfg(feature = "client")]
mod scope;
mod secret;
#[cfg(feature = "client")]
mod sync;

#[cfg(feature = "client")]
pub use authenticator::Authenticator;
#[cfg(feature = "client")]
pub use authorization::{Authorization, RequestedAccess};
#[cfg(feature = "client")]
pub use cache::{TokenCache, TokenKey};
#[cfg(feature = "client")]
pub use challenge::Challenge;
pub use credential::{Anonymous, Credential, CredentialAnswer, CredentialError, CredentialProvider, Fixed};
#[cfg(feature = "client")]
pub use error::{AuthError, AuthErrorKind};
#[cfg(feature = "client")]
pub use exchange::{Grant, TokenRequest, TokenResponse};
#[cfg(feature = "client")]
pub use realm::{Realm, RealmPolicy};
#[cfg(feature = "client")]
pub use root_probes::RootAnswer;
#[cfg(feature = "client")]
pub use scope::{Action, Scopes};
pub use secret::Secret;
