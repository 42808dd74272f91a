//! Registry authentication: secrets, credentials, challenges, scopes, tokens and their cache.
//!
//! ```
//! use wharf_auth::Credential;
//!
//! let credential = Credential::basic("ada", "s3cret");
//! assert!(!format!("{credential:?}").contains("s3cret"));
//! ```

mod credential;
mod secret;

pub use credential::{Anonymous, Credential, CredentialError, CredentialProvider, Fixed};
pub use secret::Secret;
