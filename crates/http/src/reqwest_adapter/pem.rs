//! Parses PEM (RFC 7468) as it occurs in files: blocks between other text, a byte order mark, all line
//! ends, and headers in blocks.

use rustls::{
    RootCertStore,
    pki_types::{
        CertificateDer, PrivateKeyDer, PrivatePkcs1KeyDer, PrivatePkcs8KeyDer, PrivateSec1KeyDer,
        pem::{self, SectionKind},
    },
};
use zeroize::Zeroizing;

/// A block, decoded unless it is damaged or encrypted.
struct Block {
    label: String,
    /// The line of its `BEGIN`, from 1.
    line: usize,
    encrypted: bool,
    der: Option<Zeroizing<Vec<u8>>>,
}

fn blocks(text: &[u8]) -> Vec<Block> {
    let mut blocks = Vec::new();
    let mut open: Option<(String, usize, Zeroizing<String>, bool)> = None;
    let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text);
    for (number, line) in text.split(|byte| *byte == b'\n').enumerate() {
        let line = Zeroizing::new(String::from_utf8_lossy(line.trim_ascii()).into_owned());
        let label_of = |edge: &str| {
            let rest = line.strip_prefix(edge)?;
            rest.strip_suffix("-----").map(str::to_owned)
        };
        if let Some(label) = label_of("-----BEGIN ") {
            if let Some((label, line, ..)) = open.take() {
                blocks.push(Block {
                    label,
                    line,
                    encrypted: false,
                    der: None,
                });
            }
            open = Some((label, number + 1, Zeroizing::default(), false));
        } else if let Some(end) = label_of("-----END ") {
            let Some((label, line, body, encrypted)) = open.take() else {
                continue;
            };
            let der = if end == label && !encrypted {
                decoded(&body)
            } else {
                None
            };
            let encrypted = encrypted || label.starts_with("ENCRYPTED ");
            blocks.push(Block {
                label,
                line,
                encrypted,
                der,
            });
        } else if let Some((_, _, body, encrypted)) = &mut open {
            if line.contains(':') {
                *encrypted |= line.contains("ENCRYPTED");
            } else {
                body.push_str(&line);
                body.push('\n');
            }
        }
    }
    if let Some((label, line, ..)) = open {
        blocks.push(Block {
            label,
            line,
            encrypted: false,
            der: None,
        });
    }
    blocks
}

/// The bytes that the base64 lines of a block encode; `None` if the lines are damaged or empty.
fn decoded(body: &str) -> Option<Zeroizing<Vec<u8>>> {
    let whole = Zeroizing::new(format!(
        "-----BEGIN PRIVATE KEY-----\n{body}-----END PRIVATE KEY-----\n"
    ));
    match pem::from_buf(&mut whole.as_bytes()) {
        Ok(Some((SectionKind::PrivateKey, der))) if !der.is_empty() => Some(Zeroizing::new(der)),
        _ => None,
    }
}

/// The certificates in a PEM text, and the blocks that cannot be used.
///
/// ```
/// use wharf_http::CertificateFile;
///
/// let file = CertificateFile::read(b"-----BEGIN CERTIFICATE-----\n?\n-----END CERTIFICATE-----\n");
/// assert!(file.is_empty());
/// for block in file.ignored() {
///     println!("line {}: {}", block.line(), block.reason());
/// }
/// ```
#[derive(Debug, Clone, Default)]
pub struct CertificateFile {
    pub(super) certificates: Vec<CertificateDer<'static>>,
    ignored: Vec<IgnoredBlock>,
}

/// A block of a [`CertificateFile`] that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IgnoredBlock {
    line: usize,
    reason: String,
}

impl IgnoredBlock {
    /// The line that it begins in, from 1.
    #[must_use]
    pub const fn line(&self) -> usize {
        self.line
    }

    /// The reason why it cannot be used, and the remedy.
    #[must_use]
    pub fn reason(&self) -> &str {
        &self.reason
    }
}

impl CertificateFile {
    /// Parses the certificates of authorities. Text around the blocks is ignored; a block that is damaged
    /// or is no certificate does not affect the others. Certificates of X.509 version 1 are accepted.
    #[must_use]
    pub fn read(text: &[u8]) -> Self {
        let mut file = Self::default();
        for block in blocks(text) {
            let line = block.line;
            match authority(block) {
                Ok(certificate) if file.certificates.contains(&certificate) => {}
                Ok(certificate) => file.certificates.push(certificate),
                Err(reason) => file.ignored.push(IgnoredBlock { line, reason }),
            }
        }
        file
    }

    /// The number of usable certificates.
    #[must_use]
    pub fn len(&self) -> usize {
        self.certificates.len()
    }

    /// True if there is no usable certificate.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.certificates.is_empty()
    }

    /// The blocks that cannot be used, in the order of the text.
    #[must_use]
    pub fn ignored(&self) -> &[IgnoredBlock] {
        &self.ignored
    }
}

fn authority(block: Block) -> Result<CertificateDer<'static>, String> {
    match (block.label.as_str(), block.der) {
        ("CERTIFICATE" | "X509 CERTIFICATE", Some(der)) => {
            let certificate = CertificateDer::from(der.to_vec());
            RootCertStore::empty()
                .add(certificate.clone())
                .map_err(|error| format!("the certificate cannot be used: {error}"))?;
            Ok(certificate)
        }
        ("CERTIFICATE" | "X509 CERTIFICATE", None) => {
            Err("the certificate is damaged: it is not base64, or has no end".to_owned())
        }
        ("TRUSTED CERTIFICATE", _) => Err(
            "a TRUSTED CERTIFICATE is OpenSSL's own form: convert it with `openssl x509 -in FILE -out FILE`"
                .to_owned(),
        ),
        (label, _) if label.contains("-----") => Err(
            "the certificate is damaged: its BEGIN, its base64 and its END must stand in lines of their own"
                .to_owned(),
        ),
        (label, _) => Err(format!(
            "it is no certificate but a {}",
            crate::printable(label, 40)
        )),
    }
}

/// The certificates of a chain, the client's own first. Only the server judges them.
pub(super) fn chain(text: &[u8]) -> Vec<CertificateDer<'static>> {
    let certificates = blocks(text).into_iter().filter_map(|block| {
        let is_certificate = matches!(block.label.as_str(), "CERTIFICATE" | "X509 CERTIFICATE");
        block.der.filter(|_| is_certificate)
    });
    certificates
        .map(|der| CertificateDer::from(der.to_vec()))
        .collect()
}

/// The first private key of a text.
pub(super) fn private_key(text: &[u8]) -> Result<PrivateKeyDer<'static>, &'static str> {
    let keys = blocks(text)
        .into_iter()
        .filter(|block| block.label.ends_with("PRIVATE KEY"));
    let mut reason = "holds no private key in PEM";
    for key in keys {
        match (key.label.as_str(), key.der) {
            _ if key.encrypted => {
                reason = "is encrypted, and nobody is asked for its password: decrypt it with `openssl pkey -in FILE -out FILE`";
            }
            ("PRIVATE KEY", Some(der)) => return Ok(PrivatePkcs8KeyDer::from(der.to_vec()).into()),
            ("RSA PRIVATE KEY", Some(der)) => return Ok(PrivatePkcs1KeyDer::from(der.to_vec()).into()),
            ("EC PRIVATE KEY", Some(der)) => return Ok(PrivateSec1KeyDer::from(der.to_vec()).into()),
            (_, Some(_)) => {
                reason = "is of a kind that is not supported: RSA, ECDSA and Ed25519 are, as PKCS#8, PKCS#1 or SEC1";
            }
            (_, None) => reason = "is damaged",
        }
    }
    Err(reason)
}
