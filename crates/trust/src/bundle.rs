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

pub use policy::{BundlePolicy, CertificateIdentity};
pub use verify::VerifiedBundle;
