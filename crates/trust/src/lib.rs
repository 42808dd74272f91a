//! Judges container images by their signatures, as a host's trust policy (policy.json) demands.
//!
//! ```
//! use wharf_config::Policy;
//! use wharf_content::{Manifest, MediaType};
//! use wharf_reference::Reference;
//! use wharf_trust::{Subject, Trust};
//!
//! let policy = Policy::parse(r#"{"default": [{"type": "signedBy", "keyType": "GPGKeys", "keyPath": "/etc/pki/key.gpg"}]}"#)?;
//! let trust = Trust::new(policy);
//! let name = Reference::parse("registry.example/app:1")?;
//! assert!(trust.wanted(&name)?.simple);
//!
//! let manifest = Manifest::parse(br#"{"schemaVersion":2,"manifests":[]}"#.as_slice().into(), Some(&MediaType::OCI_INDEX))?;
//! let refusal = trust.judge(&Subject::new(&manifest, &name), &[]).unwrap_err();
//! assert!(refusal.to_string().contains("/etc/pki/key.gpg"));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! It contacts nothing: manifests and signatures are brought to it, and of the host it reads the key files that a policy
//! names. It makes no signature yet, and refuses what demands `sigstoreSigned`.
//!
//! # How the pieces relate
//!
//! | you have | use | and get |
//! |---|---|---|
//! | a policy, requirements, or both | [`Trust`] | who judges |
//! | the name of an image | [`Trust::wanted`] | the kinds of signatures to read for it, or a [`Refusal`] at once |
//! | its manifest and signatures | [`Trust::judge`] | a [`Verdict`], or a [`Refusal`] with the reason for each signature |
//! | an OpenPGP library of your own | [`OpenPgp`] | its verifications in the place of [`NativeOpenPgp`]'s |
//!
//! A [`Verdict`] cannot be made outside this crate. Whatever is missing, empty or broken is a [`Refusal`].
//!
//! # Features
//!
//! None yet.
#![cfg_attr(docsrs, feature(doc_cfg))]

mod identity;
mod json;
mod judge;
mod keys;
mod openpgp;
mod payload;
mod reason;
mod refusal;
mod subject;
mod trust;
mod untrusted;
mod verdict;

pub use openpgp::{KeyFile, Keyring, NativeOpenPgp, OpenPgp, Signed};
pub use reason::{Reason, ReasonKind};
pub use refusal::{Refusal, RefusalKind};
pub use subject::{ImageName, Subject};
pub use trust::Trust;
pub use untrusted::UntrustedSummary;
pub use verdict::{Examined, Met, SignedTime, Signer, Verdict};

/// Foreign text for an error message: its first 120 characters.
fn bounded(text: &str) -> &str {
    text.char_indices()
        .nth(120)
        .and_then(|(end, _)| text.get(..end))
        .unwrap_or(text)
}
