//! The host configuration of the containers ecosystem: registries.conf, short names, auth.json, certs.d,
//! policy.json and registries.d.
//!
//! ```
//! use wharf_config::{Intent, Registries, Resolve, TlsMode};
//! use wharf_reference::Repository;
//!
//! let registries = Registries::parse(
//!     "[[registry]]\nlocation = 'docker.io'\n[[registry.mirror]]\nlocation = 'cache.lan/hub'\ninsecure = true",
//! )?;
//! let alpine = Repository::parse("alpine")?;
//! let candidates = registries.resolve(&alpine, Intent::PullTag)?;
//! assert_eq!(candidates[0].repository, "cache.lan/hub/library/alpine");
//! assert_eq!(candidates[0].tls, TlsMode::Insecure);
//! assert_eq!(candidates[1].repository, "docker.io/library/alpine");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! It contacts no registry, verifies no certificate and no signature.
//!
//! # How the pieces relate
//!
//! A [`Locations`] describes the host. Only this type reads the environment; the other types take it, or
//! text.
//!
//! | you have | use | and get |
//! |---|---|---|
//! | a name that a user typed | [`ShortNames::resolve`] | the images that it may mean, and the reason |
//! | a repository | [`Registries::explain`], or [`Resolve`] | the candidates to try, in order, and the table that each comes from |
//! | a candidate | [`Credentials`] | the credential for it, if there is one |
//! | a candidate | [`Certificates`] | the certificates for it |
//! | an image's full name | [`Policy`] | the requirements of this host |
//! | an image's name at the registry that serves it | `SignatureStores` | the stores of its signatures |
//!
//! Every format is read from text as well as from files, and written only as a whole. An error names the
//! file, the line and the expected value ([`ConfigError`]); a setting without effect is a [`ConfigWarning`].
//! Where a type differs from Podman on purpose, its documentation says so under *Deviation*.
//!
//! # Features
//!
//! | feature | adds |
//! |---|---|
//! | `registries-d` | `SignatureStores`, which reads registries.d; brings a parser of YAML |
#![cfg_attr(docsrs, feature(doc_cfg))]

mod candidate;
mod certs;
mod credentials;
mod document;
mod drop_in;
mod error;
mod exposure;
mod file;
mod fold;
mod host;
mod json;
mod locations;
mod policy;
mod program;
mod registries;
mod replace;
mod scope;
mod short_names;
mod signature_store;
#[cfg(feature = "registries-d")]
mod signature_stores;
mod source;
mod warning;
#[cfg(feature = "registries-d")]
mod yaml;

pub use candidate::{Blocked, Candidate, Intent, Resolve, ResolveError, Role, TlsMode, Unconfigured};
pub use certs::{Certificates, ClientCertificate, PemFile};
pub use credentials::{
    AuthEntry, AuthFile, AuthFileEdit, AuthFormat, CredentialEntry, CredentialHelper, CredentialKey,
    CredentialSource, Credentials, CredentialsError, Erased, HelperEnvironment, HelperError, HelperErrorKind,
    ListedCredential, Lookup, LookupOutcome, LookupStep, Stored,
};
pub use error::{ConfigError, ConfigErrorKind};
pub use exposure::Exposure;
pub use locations::{Generation, HostOs, Locations, ProxyVariables};
pub use policy::{
    FileTransport, Fulcio, Identity, KeySource, KeyType, Pki, PkiSubject, Policy, Refusal, Remap,
    Requirement, Rule, RuleOrigin, SignedBy, SigstoreSigned, SigstoreSigner,
};
pub use program::{ProgramError, ProgramLimits, ProgramOutput};
pub use registries::{Mirror, Prefix, PullFromMirror, Registries, RegistryTable, Resolution, Skipped};
pub use short_names::{
    Alias, AliasFile, Aliases, Attempts, Failure, Failures, NameReason, PossibleName, Prompt, ResolvedName,
    ShortNameError, ShortNameMode, ShortNames,
};
pub use signature_store::{Lookaside, LookasideFile, SignatureLocations, SignatureStore};
#[cfg(feature = "registries-d")]
pub use signature_stores::SignatureStores;
pub use source::{SourceLine, SourceTable};
pub use warning::ConfigWarning;
