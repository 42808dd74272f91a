//! Credentials as the container tools and Docker keep them: files, helpers, and the order in which they are
//! asked.

mod draft;
mod edit;
mod entry;
mod error;
mod file;
mod json;
mod key;
mod offload;
mod search;

pub use edit::AuthFileEdit;
pub use error::CredentialsError;
pub use file::{AuthEntry, AuthFile, AuthFormat};
pub use key::CredentialKey;
pub use search::{CredentialOrigin, Credentials, Erased, Lookup};
