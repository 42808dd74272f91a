//! Sigstore bundles (version 0.3, and older ones on request), judged offline by the caller's own policy.

mod checkpoint;
mod document;
mod entry;
mod merkle;
mod policy;
mod sct;
mod statement;
mod timestamp;
mod verify;

#[cfg(feature = "sign")]
pub(crate) use document::pre_authentication_encoding;
#[cfg(feature = "sign")]
pub(crate) use policy::COSIGN_SIGN;
pub use policy::{BundlePolicy, CertificateIdentity};
#[cfg(feature = "sign")]
pub(crate) use statement::PAYLOAD_TYPE;
pub use verify::VerifiedBundle;
