//! The host configuration of the containers ecosystem: registries.conf, short names, auth.json and certs.d.

mod candidate;

pub use candidate::{Blocked, Candidate, Intent, Resolve, Role, TlsMode, Unconfigured};
