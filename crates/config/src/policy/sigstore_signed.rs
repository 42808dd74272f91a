use super::{identity::Identity, key_source::KeySource, object::Object};
use crate::json::{Problem, Value};

/// `sigstoreSigned`: a sigstore signature as cosign attaches it to an image (containers-policy.json(5)).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct SigstoreSigned {
    signer: SigstoreSigner,
    identity: Identity,
}

/// By whom a [`SigstoreSigned`] wants the image signed.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SigstoreSigner {
    /// `keyPath` and its like: one of these public keys.
    Keys {
        /// The public keys, at least one.
        keys: KeySource,
        /// The public keys of transparency logs (`rekorPublicKeyPath` and its like). If there are some, one
        /// of these logs must have recorded the signature.
        rekor: Option<KeySource>,
    },
    /// `fulcio`: who has a certificate of this authority, recorded by a transparency log.
    Fulcio {
        /// The authority and the subject.
        fulcio: Fulcio,
        /// The public keys of the transparency logs, at least one.
        rekor: KeySource,
    },
    /// `pki`: who has a certificate of an authority of one's own.
    Pki(Pki),
}

/// The `fulcio` of a [`SigstoreSigned`].
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Fulcio {
    /// `caPath` or `caData`: certificates of the authority, in PEM.
    pub ca: KeySource,
    /// `oidcIssuer`: who vouched for the subject.
    pub oidc_issuer: String,
    /// `subjectEmail`: the subject.
    pub subject_email: String,
}

/// The `pki` of a [`SigstoreSigned`].
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Pki {
    /// `caRootsPath` or `caRootsData`: certificates of the authorities, in PEM.
    pub roots: KeySource,
    /// `caIntermediatesPath` or `caIntermediatesData`: certificates between the roots and the subject, in
    /// PEM.
    pub intermediates: Option<KeySource>,
    /// Whose certificate it must be.
    pub subject: PkiSubject,
}

/// The subject of a [`Pki`]: at least one of the two.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum PkiSubject {
    /// `subjectEmail` alone.
    Email(String),
    /// `subjectHostname` alone.
    Hostname(String),
    /// Both, and the certificate must be for both.
    Both {
        /// `subjectEmail`.
        email: String,
        /// `subjectHostname`.
        hostname: String,
    },
}

impl SigstoreSigned {
    /// Signatures by this signer, for the identity `matchRepoDigestOrExact`.
    #[must_use]
    pub const fn new(signer: SigstoreSigner) -> Self {
        Self {
            signer,
            identity: Identity::MatchRepoDigestOrExact,
        }
    }

    /// Sets the identity that a signature must have. cosign signs the repository alone, which [`Identity::MatchRepository`]
    /// and [`Identity::ExactRepository`] accept.
    #[must_use]
    pub fn with_identity(self, identity: Identity) -> Self {
        Self { identity, ..self }
    }

    /// By whom the image must be signed.
    #[must_use]
    pub const fn signer(&self) -> &SigstoreSigner {
        &self.signer
    }

    /// Which name the signature must be for.
    #[must_use]
    pub const fn identity(&self) -> &Identity {
        &self.identity
    }

    pub(super) fn read(object: &mut Object<'_>) -> Result<Self, Problem> {
        Ok(Self {
            signer: SigstoreSigner::read(object)?,
            identity: Identity::read_optional(object)?,
        })
    }
}

impl SigstoreSigner {
    fn read(object: &mut Object<'_>) -> Result<Self, Problem> {
        const SIGNERS: [&str; 6] = ["keyPath", "keyPaths", "keyData", "keyDatas", "fulcio", "pki"];
        const REKOR: [&str; 4] = [
            "rekorPublicKeyPath",
            "rekorPublicKeyPaths",
            "rekorPublicKeyData",
            "rekorPublicKeyDatas",
        ];
        let (key, value) = object.one_of(&SIGNERS)?;
        let rekor = object.at_most_one_of(&REKOR)?;
        let rekor = rekor
            .map(|(key, value)| KeySource::read_some(key, value))
            .transpose()?;
        match (key, rekor) {
            ("fulcio", None) => Err(object.problem("`fulcio` needs a public key of Rekor")),
            ("fulcio", Some(rekor)) => Ok(Self::Fulcio {
                fulcio: Fulcio::read(value)?,
                rekor,
            }),
            ("pki", Some(_)) => Err(object.problem("`pki` and a public key of Rekor exclude each other")),
            ("pki", None) => Pki::read(value).map(Self::Pki),
            (_, rekor) => Ok(Self::Keys {
                keys: KeySource::read_some(key, value)?,
                rekor,
            }),
        }
    }
}

impl Fulcio {
    /// An authority, and the subject of the certificate.
    pub fn new(ca: KeySource, oidc_issuer: impl Into<String>, subject_email: impl Into<String>) -> Self {
        Self {
            ca,
            oidc_issuer: oidc_issuer.into(),
            subject_email: subject_email.into(),
        }
    }

    fn read(value: Value<'_>) -> Result<Self, Problem> {
        let mut object = Object::read(value, "`fulcio`")?;
        let (key, value) = object.one_of(&["caPath", "caData"])?;
        let fulcio = Self {
            ca: KeySource::read(key, value)?,
            oidc_issuer: object.string("oidcIssuer")?,
            subject_email: object.string("subjectEmail")?,
        };
        object.finish()?;
        Ok(fulcio)
    }
}

impl Pki {
    /// Roots without intermediates, and the subject of the certificate.
    #[must_use]
    pub const fn new(roots: KeySource, subject: PkiSubject) -> Self {
        Self {
            roots,
            intermediates: None,
            subject,
        }
    }

    fn read(value: Value<'_>) -> Result<Self, Problem> {
        let mut object = Object::read(value, "`pki`")?;
        let (key, value) = object.one_of(&["caRootsPath", "caRootsData"])?;
        let roots = KeySource::read(key, value)?;
        let intermediates = object.at_most_one_of(&["caIntermediatesPath", "caIntermediatesData"])?;
        let intermediates = intermediates
            .map(|(key, value)| KeySource::read(key, value))
            .transpose()?;
        let email = object.optional_string("subjectEmail")?;
        let hostname = object.optional_string("subjectHostname")?;
        let subject = match (email, hostname) {
            (None, None) => {
                return Err(object.problem("`pki` has neither `subjectEmail` nor `subjectHostname`"));
            }
            (Some(email), None) => PkiSubject::Email(email),
            (None, Some(hostname)) => PkiSubject::Hostname(hostname),
            (Some(email), Some(hostname)) => PkiSubject::Both { email, hostname },
        };
        object.finish()?;
        Ok(Self {
            roots,
            intermediates,
            subject,
        })
    }
}
