use std::fmt;

use zeroize::Zeroizing;

/// How a peer's certificate is judged and what we show it. Plain data: it is checked when the first connection
/// is prepared, and what cannot be used is an error, never ignored.
#[derive(Clone, PartialEq, Eq, Hash, Default)]
pub struct TlsSettings {
    pub(crate) roots: Roots,
    pub(crate) extra_roots: Vec<Vec<u8>>,
    pub(crate) identity: Option<Identity>,
    pub(crate) skip_verify: bool,
}

/// Where trust begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum Roots {
    /// The system's certificates, and those added.
    #[default]
    Platform,
    /// Only those added.
    AddedOnly,
    /// Mozilla's certificates as they were when the program was built, and those added: for a system that has
    /// none, such as an empty container image. They age with the program; the system's are kept up to date.
    #[cfg(feature = "webpki-roots")]
    Webpki,
}

impl TlsSettings {
    /// Trust begins here instead of at the system's certificates.
    #[must_use]
    pub const fn with_roots(mut self, roots: Roots) -> Self {
        self.roots = roots;
        self
    }

    /// Trusts the certificates of this PEM text too, as the `*.crt` files of certs.d do. May be called more
    /// than once. Blocks that cannot be used are passed over; the built-in transport's `CertificateFile` tells which.
    ///
    /// A server that presents exactly one of them is trusted as well: self-signed certificates are commonly
    /// installed that way.
    #[must_use]
    pub fn with_root_pem(mut self, pem: impl Into<Vec<u8>>) -> Self {
        self.extra_roots.push(pem.into());
        self
    }

    /// Shows this client certificate to a server that asks for one.
    #[must_use]
    pub fn with_identity(mut self, identity: Identity) -> Self {
        self.identity = Some(identity);
        self
    }

    /// The settings that weaken security.
    pub const fn dangerous(self) -> DangerousTls {
        DangerousTls(self)
    }

    /// Whether certificates are not verified.
    #[must_use]
    pub const fn is_insecure(&self) -> bool {
        self.skip_verify
    }

    /// What holds for other origins too: where trust begins, but neither our certificate nor a waived
    /// verification (N9).
    #[must_use]
    pub fn for_others(&self) -> Self {
        Self {
            roots: self.roots,
            extra_roots: self.extra_roots.clone(),
            identity: None,
            skip_verify: false,
        }
    }

    /// Whether nothing was changed from the default.
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
            .field("identity", &self.identity.is_some())
            .field("skip_verify", &self.skip_verify)
            .finish()
    }
}

/// Settings that weaken security, behind one door.
#[derive(Debug)]
#[must_use]
pub struct DangerousTls(TlsSettings);

impl DangerousTls {
    /// Accepts any certificate: the peer can be anyone.
    #[must_use]
    pub fn skip_verify(mut self) -> TlsSettings {
        self.0.skip_verify = true;
        self.0
    }
}

/// A client certificate with its key.
#[derive(Clone, PartialEq, Eq)]
pub struct Identity {
    pub(crate) certificates: Vec<u8>,
    pub(crate) key: Zeroizing<Vec<u8>>,
    names: Option<(String, String)>,
}

impl Identity {
    /// A certificate chain and its private key, both PEM text.
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
