//! Judges container images by their signatures, as a host's trust policy (policy.json) demands, and signs them.
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
//! It contacts nothing itself: manifests and signatures are brought to it, or read through a
//! [`Source`](wharf_content::Source) of the caller's ([`Trust::judge_from`]), and of the host it reads the key
//! files that a policy names. To sign (feature `sign`) it reads the private keys that it is given, or runs the program
//! gpg; signatures are stored by others.
//!
//! # How the pieces relate
//!
//! | you have | use | and get |
//! |---|---|---|
//! | a policy, requirements, or both | [`Trust`] | who judges |
//! | the name of an image | [`Trust::wanted`] | the kinds of signatures to read for it, or a [`Refusal`] at once |
//! | its manifest and signatures | [`Trust::judge`] | a [`Verdict`], or a [`Refusal`] with the reason for each signature |
//! | its manifest and the source that has its signatures | [`Trust::judge_from`] | the same; the source is asked for what the rule needs |
//! | a sigstore bundle and a `trusted_root.json` or a key | [`BundlePolicy`] | a [`VerifiedBundle`] bundle, or the [`Problem`] |
//! | one simple signature, with a manifest, a name and a keyring | [`verify_simple`] | a [`Verdict`] without any policy |
//! | a private key, or a key that gpg has | `Signer` | signatures, by [`Sign`](wharf_content::Sign) |
//! | no key yet | `KeyPair` | the files of a new one |
//! | an OpenPGP library of your own | [`OpenPgp`] | its verifications in the place of [`NativeOpenPgp`]'s |
//!
//! A [`Verdict`] cannot be made outside this crate. Whatever is missing, empty or broken is a [`Refusal`].
//!
//! # Kinds of signatures
//!
//! | requirement | signature | by |
//! |---|---|---|
//! | `signedBy` | simple signing: an OpenPGP message | a key of a keyring |
//! | `sigstoreSigned` | what cosign attaches under the tag `sha256-….sig` | a public key, with a transparency log's word if that is demanded; the subject of a certificate of Fulcio's, or of an authority of one's own |
//! | `sigstoreSigned`, if the program says so ([`Trust::bundles_name_nothing_but_a_digest`]) | a sigstore bundle, version 0.3 | a public key; with logs or Fulcio, as above, what the program's [`TrustedRoot`] has too |
//! | none | a sigstore bundle, version 0.3 | a key or an identity, as a [`BundlePolicy`] says |
//!
//! `Signer` makes those by keys, of all three kinds: an OpenPGP message by gpg or by a secret key file, an attachment or
//! a bundle by a private key of cosign's. Certificates, logs and timestamps are not asked for.
//!
//! By default bundles meet no requirement of a policy.json: they name no image, so that no `signedIdentity` could hold.
//!
//! # Deviation
//!
//! Of `sigstoreSigned`: a certificate of Fulcio's must be for code signing, and a certificate that signs
//! images must not be an authority's; an authority with name constraints to emails or URIs issues no
//! certificate with one; the base64 of a signature has no line breaks but those of `openssl` and
//! `base64`; key files hold one key and nothing else.
//!
//! # Features
//!
//! | feature | adds |
//! |---|---|
//! | `sign` | `Signer`, `GpgProgram`, `KeyPair`, `SecretFile`; brings scrypt, salsa20, poly1305 and what they need |
#![cfg_attr(docsrs, feature(doc_cfg))]

mod attachment;
mod bundle;
mod der;
mod from_source;
mod fulcio;
mod identity;
mod json;
mod judge;
mod keys;
mod openpgp;
mod paths;
mod payload;
mod pem;
mod problem;
mod protobuf;
mod public_key;
mod reason;
mod refusal;
mod rekor;
mod root;
#[cfg(feature = "sign")]
mod sign;
mod simple;
mod subject;
mod time;
mod trust;
mod untrusted;
mod verdict;
mod x509;

pub use bundle::{BundlePolicy, CertificateIdentity, VerifiedBundle};
pub use openpgp::{KeyFile, Keyring, NativeOpenPgp, OpenPgp, Signed};
pub use problem::Problem;
pub use public_key::PublicKey;
pub use reason::{Reason, ReasonKind};
pub use refusal::{Refusal, RefusalKind};
pub use root::TrustedRoot;
#[cfg(feature = "sign")]
pub use sign::{GpgProgram, KeyPair, SecretFile, Signer};
pub use simple::verify_simple;
pub use subject::{ImageName, Subject};
pub use trust::Trust;
pub use untrusted::UntrustedSummary;
pub use verdict::{Examined, Met, SignedTime, Verdict, VerifiedSigner};

/// Foreign text for an error message: its first 120 characters.
fn bounded(text: &str) -> &str {
    text.char_indices()
        .nth(120)
        .and_then(|(end, _)| text.get(..end))
        .unwrap_or(text)
}
