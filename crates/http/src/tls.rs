use std::fmt;

use zeroize::Zeroizing;

/// The certificates that are trusted, and the client certificates. This is plain data: it is checked when
/// the first connection is prepared, and a setting that cannot be used is an error then, never ignored.
///
/// ```
/// use wharf_http::{Roots, TlsSettings};
///
/// let pem = "-----BEGIN CERTIFICATE-----\n...\n-----END CERTIFICATE-----\n";
/// let settings = TlsSettings::default().with_roots(Roots::AddedOnly).with_root_pem(pem);
/// assert!(!settings.is_insecure());
/// ```
#[derive(Clone, PartialEq, Eq, Hash, Default)]
pub struct TlsSettings {
    pub(crate) roots: Roots,
    pub(crate) extra_roots: Vec<Vec<u8>>,
    pub(crate) identities: Vec<Identity>,
    pub(crate) skip_verify: bool,
}

/// Which root certificates a client trusts: the system's, Mozilla's, or added ones only.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum Roots {
    /// The certificates of the operating system, and the added ones.
    #[default]
    Platform,
    /// The added certificates only.
    AddedOnly,
    /// Mozilla's certificates as of the build of the program, and the added ones: for a system without root
    /// certificates, such as an empty container image. They are as old as the program, while the system's
    /// are updated.
    #[cfg(feature = "webpki-roots")]
    Webpki,
}

impl TlsSettings {
    /// Sets the root certificates. Default: [`Roots::Platform`].
    #[must_use]
    pub const fn with_roots(mut self, roots: Roots) -> Self {
        self.roots = roots;
        self
    }

    /// Adds the certificates of this PEM text to the roots, as the `*.crt` files of certs.d do. Repeated
    /// calls add up. Blocks that cannot be used are ignored; `CertificateFile`, with the feature `reqwest`,
    /// lists them.
    ///
    /// A server that presents exactly one of these certificates is trusted as well, because self-signed
    /// certificates are commonly installed this way.
    #[must_use]
    pub fn with_root_pem(mut self, pem: impl Into<Vec<u8>>) -> Self {
        self.extra_roots.push(pem.into());
        self
    }

    /// Adds a client certificate, which is presented to servers that ask for one. Of several, it is the first
    /// of an authority that the server names, or else the first of all.
    #[must_use]
    pub fn with_identity(mut self, identity: Identity) -> Self {
        self.identities.push(identity);
        self
    }

    /// The settings that weaken security.
    pub const fn dangerous(self) -> DangerousTls {
        DangerousTls(self)
    }

    /// True if server certificates are not verified.
    #[must_use]
    pub const fn is_insecure(&self) -> bool {
        self.skip_verify
    }

    /// The settings for other origins: the same roots, without client certificates and with verification
    /// (docs/threats.md, N9).
    #[must_use]
    pub fn for_others(&self) -> Self {
        Self {
            roots: self.roots,
            extra_roots: self.extra_roots.clone(),
            identities: Vec::new(),
            skip_verify: false,
        }
    }

    /// True if the settings are the default ones.
    #[must_use]
    pub fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

impl fmt::Debug for TlsSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsSettings")
            .field("roots", &self.roots)
            .field("extra_roots", &self.extra_roots.len())
            .field("identities", &self.identities.len())
            .field("skip_verify", &self.skip_verify)
            .finish()
    }
}

/// The settings that weaken security; see [`TlsSettings::dangerous`].
#[derive(Debug)]
#[must_use]
pub struct DangerousTls(TlsSettings);

impl DangerousTls {
    /// Accepts every server certificate. Anybody on the network path can then impersonate the server.
    #[must_use]
    pub fn skip_verify(mut self) -> TlsSettings {
        self.0.skip_verify = true;
        self.0
    }
}

/// A client certificate with its private key.
#[derive(Clone, PartialEq, Eq)]
pub struct Identity {
    pub(crate) certificates: Vec<u8>,
    pub(crate) key: Zeroizing<Vec<u8>>,
    names: Option<(String, String)>,
}

impl Identity {
    /// A client certificate from PEM texts of its chain, the certificate itself first, and of its private
    /// key. They are parsed when the first connection is prepared.
    pub fn from_pem(certificates: impl Into<Vec<u8>>, key: impl Into<Vec<u8>>) -> Self {
        Self {
            certificates: certificates.into(),
            key: Zeroizing::new(key.into()),
            names: None,
        }
    }

    /// Sets the names of the certificate and the key for error messages, such as the paths of their files.
    #[must_use]
    pub fn with_names(mut self, certificate: impl Into<String>, key: impl Into<String>) -> Self {
        self.names = Some((certificate.into(), key.into()));
        self
    }

    #[cfg(feature = "reqwest")]
    pub(crate) fn names(&self) -> (&str, &str) {
        match &self.names {
            Some((certificate, key)) => (certificate, key),
            None => ("the client certificate", "the client's key"),
        }
    }
}

impl std::hash::Hash for Identity {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.certificates.hash(state); // the key stays out of tables
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Identity")
    }
}
