//! The host configuration of the containers ecosystem: registries.conf, short names, auth.json and certs.d.

mod candidate;
mod credentials;
mod document;
mod error;
mod file;
mod locations;
mod origin;
mod registries;
mod replace;
mod short_names;
mod warning;

pub use candidate::{Blocked, Candidate, Intent, Resolve, ResolveError, Role, TlsMode, Unconfigured};
pub use credentials::{
    AuthEntry, AuthFile, AuthFileEdit, AuthFormat, CredentialKey, CredentialOrigin, Credentials,
    CredentialsError, Erased, Lookup,
};
pub use error::{ConfigError, ConfigErrorKind};
pub use locations::{Generation, HostOs, Locations};
pub use origin::Origin;
pub use registries::{Mirror, Prefix, PullFromMirror, Registries, RegistryTable, Resolution, Skipped};
pub use short_names::{Alias, ShortNameMode};
pub use warning::ConfigWarning;
