use std::fmt;

use super::{identity::Identity, key_source::KeySource, object::Object};
use crate::{document::quoted, json::Problem};

/// `signedBy`: a simple signature, by a key of a keyring (containers-policy.json(5)).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct SignedBy {
    key_type: KeyType,
    keys: KeySource,
    identity: Identity,
}

/// The `keyType` of a [`SignedBy`]. All are read; [`KeyType::GpgKeys`] alone has a meaning, upstream too.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum KeyType {
    /// `GPGKeys`: an OpenPGP keyring.
    GpgKeys,
    /// `signedByGPGKeys`.
    SignedByGpgKeys,
    /// `X509Certificates`.
    X509Certificates,
    /// `signedByX509CAs`.
    SignedByX509Cas,
}

impl SignedBy {
    /// Signatures by these OpenPGP keys, for the identity `matchRepoDigestOrExact`.
    #[must_use]
    pub const fn new(keys: KeySource) -> Self {
        Self {
            key_type: KeyType::GpgKeys,
            keys,
            identity: Identity::MatchRepoDigestOrExact,
        }
    }

    /// Sets the identity that a signature must have.
    #[must_use]
    pub fn with_identity(self, identity: Identity) -> Self {
        Self { identity, ..self }
    }

    /// The kind of the keys.
    #[must_use]
    pub const fn key_type(&self) -> KeyType {
        self.key_type
    }

    /// The keys of which one must have signed.
    #[must_use]
    pub const fn keys(&self) -> &KeySource {
        &self.keys
    }

    /// Which name the signature must be for.
    #[must_use]
    pub const fn identity(&self) -> &Identity {
        &self.identity
    }

    pub(super) fn read(object: &mut Object<'_>) -> Result<Self, Problem> {
        let name = object.string("keyType")?;
        let key_type = KeyType::parse(&name)
            .ok_or_else(|| object.problem(format!("unknown keyType {}", quoted(&name))))?;
        let (key, value) = object.one_of(&["keyPath", "keyPaths", "keyData"])?;
        Ok(Self {
            key_type,
            keys: KeySource::read(key, value)?,
            identity: Identity::read_optional(object)?,
        })
    }
}

impl KeyType {
    const ALL: [Self; 4] = [
        Self::GpgKeys,
        Self::SignedByGpgKeys,
        Self::X509Certificates,
        Self::SignedByX509Cas,
    ];

    fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|known| known.name() == name)
    }

    const fn name(self) -> &'static str {
        match self {
            Self::GpgKeys => "GPGKeys",
            Self::SignedByGpgKeys => "signedByGPGKeys",
            Self::X509Certificates => "X509Certificates",
            Self::SignedByX509Cas => "signedByX509CAs",
        }
    }
}

/// As it stands in a policy.
impl fmt::Display for KeyType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
