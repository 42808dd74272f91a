//! Credentials as the container tools and Docker keep them: files, helpers, and the order in which they are
//! asked.

mod all;
mod delegate;
mod draft;
mod edit;
mod entry;
mod error;
mod exposure;
mod file;
mod format;
mod helper;
mod key;
mod kubernetes;
mod kubernetes_secret;
mod login;
mod lookup;
mod offload;
mod outcome;
mod sources;
mod unread;

pub use all::ListedCredential;
pub use edit::AuthFileEdit;
pub use error::CredentialsError;
pub use file::{AuthEntry, AuthFile};
pub use format::AuthFormat;
pub use helper::{CredentialHelper, HelperEnvironment, HelperError, HelperErrorKind};
pub use key::CredentialKey;
pub use login::{Erased, Stored};
pub use lookup::Lookup;
pub use outcome::{CredentialEntry, CredentialSource, LookupOutcome, LookupStep};
pub use sources::Credentials;
