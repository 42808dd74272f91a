//! The host configuration of the containers ecosystem: registries.conf, short names, auth.json and certs.d.

mod candidate;
mod error;
mod file;
mod locations;

pub use candidate::{Blocked, Candidate, Intent, Resolve, ResolveError, Role, TlsMode, Unconfigured};
pub use error::{ConfigError, ConfigErrorKind};
pub use locations::{Generation, HostOs, Locations};
