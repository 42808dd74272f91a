//! Timestamps of RFC 3161: a CMS signature (RFC 5652) of a timestamp authority over a hash and a time.

use crate::{
    der::{self, Element, Reader},
    paths::{self, Purpose},
    problem::Problem,
    public_key::{Hash, PublicKey},
    root::Authority,
    time::Seconds,
    x509::{Certificate, MAX_CERTIFICATES},
};

/// The most bytes of a timestamp of RFC 3161.
const MAX_SIZE: usize = 64 << 10;

mod oid {
    pub(super) const SIGNED_DATA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x07, 0x02];
    pub(super) const TST_INFO: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x09, 0x10, 0x01, 0x04];
    pub(super) const CONTENT_TYPE: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x09, 0x03];
    pub(super) const MESSAGE_DIGEST: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x09, 0x04];
    pub(super) const SIGNING_CERTIFICATE: &[u8] =
        &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x09, 0x10, 0x02, 0x2f];
    /// ECDSA with a hash, by the number of the hash.
    pub(super) const ECDSA: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03];
    /// RSA of PKCS#1, with a hash by its number, or with the hash that stands elsewhere.
    pub(super) const PKCS1: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01];
    pub(super) const RSA: u8 = 1;
    pub(super) const ED25519: &[u8] = &[0x2b, 0x65, 0x70];
    pub(super) const SHA256: &[u8] = &[0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01];
    pub(super) const SHA384: &[u8] = &[0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x02];
    pub(super) const SHA512: &[u8] = &[0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x03];
}

/// A timestamp, read and not yet verified.
#[derive(Debug)]
pub(super) struct Timestamp<'a> {
    /// The signed part: hash and time.
    content: &'a [u8],
    imprint: (Hash, &'a [u8]),
    time: Seconds,
    /// Certificates that came with it, which nobody trusts.
    certificates: Vec<Certificate>,
    /// The issuer's name and the number of the certificate that signed.
    signer: (&'a [u8], &'a [u8]),
    hash: Hash,
    attributes: Element<'a>,
    /// The object identifier of how it is signed.
    algorithm: &'a [u8],
    signature: &'a [u8],
}

impl<'a> Timestamp<'a> {
    /// Reads a `TimeStampResp`.
    pub(super) fn parse(response: &'a [u8]) -> Result<Self, Problem> {
        if response.len() > MAX_SIZE {
            return Err(Problem::new(format!(
                "the timestamp is larger than {MAX_SIZE} bytes"
            )));
        }
        read(response)
    }

    /// Verifies that one of the authorities signed the timestamp for this signature. Returns the authority's
    /// position and the time, or `None` if none of the authorities made it.
    pub(super) fn verify(
        &self,
        signature: &[u8],
        authorities: &[Authority],
    ) -> Result<Option<(usize, Seconds)>, Problem> {
        let (hash, imprint) = self.imprint;
        if hash.of(signature) != imprint {
            return Err(Problem::new("the timestamp is for another signature"));
        }
        let mut refused = None;
        for (position, authority) in authorities.iter().enumerate() {
            let Some(signer) = self.signer_of(authority) else {
                continue;
            };
            match self.verify_by(signer, authority) {
                Ok(()) => return Ok(Some((position, self.time))),
                Err(problem) => refused = Some(problem),
            }
        }
        refused.map_or(Ok(None), Err)
    }

    fn verify_by(&self, signer: &Certificate, authority: &Authority) -> Result<(), Problem> {
        if !authority.valid.contains(self.time) {
            return Err(Problem::new(
                "the timestamp authority was not valid at the time of its timestamp",
            ));
        }
        self.path(signer, authority)?;
        self.is_bound_to(signer)?;
        // The attributes are signed as a set, and sent under another tag.
        let signed = der::encode(der::SET, self.attributes.contents);
        let key = signer.key()?;
        if !self.is_signed_as(&key) || !key.verifies_with(self.hash, &signed, self.signature) {
            return Err(Problem::new(
                "the timestamp is not signed by the timestamp authority",
            ));
        }
        Ok(())
    }

    /// Whether the algorithm that it names is the one that this key and the hash have together.
    fn is_signed_as(&self, key: &PublicKey) -> bool {
        let (ecdsa, rsa) = match self.hash {
            Hash::Sha256 => (2, 11),
            Hash::Sha384 => (3, 12),
            Hash::Sha512 => (4, 13),
        };
        if key.is_ecdsa() {
            return self.algorithm == [oid::ECDSA, &[ecdsa]].concat();
        }
        if key.is_ed25519() {
            return self.algorithm == oid::ED25519;
        }
        [rsa, oid::RSA]
            .iter()
            .any(|last| self.algorithm == [oid::PKCS1, &[*last]].concat())
    }

    fn path(&self, signer: &Certificate, authority: &Authority) -> Result<(), Problem> {
        let anchors = std::slice::from_ref(&authority.anchor);
        paths::verify(
            signer,
            anchors,
            &authority.others,
            Purpose::TimeStamping,
            self.time,
        )
        .map(drop)
    }

    /// The certificate that the timestamp names: of the trusted root if it has it, else of those that came
    /// along, which counts if a path leads from it to the root's.
    fn signer_of<'b>(&'b self, authority: &'b Authority) -> Option<&'b Certificate> {
        let (issuer, serial) = self.signer;
        let is_signer =
            |certificate: &&Certificate| certificate.issuer == issuer && certificate.serial == serial;
        let embedded = || self.certificates.iter().find(is_signer);
        let known = authority.others.iter().find(is_signer);
        known.or_else(|| embedded().filter(|certificate| self.path(certificate, authority).is_ok()))
    }

    /// The signed attributes must name what they are for: the content's type and hash, and the certificate.
    fn is_bound_to(&self, signer: &Certificate) -> Result<(), Problem> {
        let mut attributes = Reader::new(self.attributes.contents, "list of signed attributes");
        let (mut of_type, mut of_content, mut of_signer) = (0, 0, 0);
        while !attributes.is_empty() {
            let mut attribute = attributes.inner(der::SEQUENCE, "signed attribute")?;
            let kind = attribute.oid()?;
            let mut values = attribute.inner(der::SET, "signed attribute")?;
            attribute.finish()?;
            match kind {
                oid::CONTENT_TYPE => {
                    of_type += usize::from(values.oid()? == oid::TST_INFO);
                    values.finish()?;
                }
                oid::MESSAGE_DIGEST => {
                    let digest = values.expect(der::OCTET_STRING)?.contents;
                    of_content += usize::from(digest == self.hash.of(self.content));
                    values.finish()?;
                }
                oid::SIGNING_CERTIFICATE => {
                    of_signer += usize::from(is_certificate(values, signer)?);
                }
                _ => {}
            }
        }
        if (of_type, of_content, of_signer) != (1, 1, 1) {
            return Err(Problem::new(
                "the signed attributes of the timestamp do not name its content and certificate",
            ));
        }
        Ok(())
    }
}

/// Whether the first certificate of a `SigningCertificateV2` (RFC 5035) is this one.
fn is_certificate(mut values: Reader<'_>, certificate: &Certificate) -> Result<bool, Problem> {
    const WHAT: &str = "signing certificate attribute";
    let mut value = values.inner(der::SEQUENCE, WHAT)?;
    values.finish()?;
    let mut list = value.inner(der::SEQUENCE, WHAT)?;
    let mut first = list.inner(der::SEQUENCE, WHAT)?;
    let hash = match first.optional(der::SEQUENCE)? {
        None => Hash::Sha256,
        Some(algorithm) => hash_of(algorithm.contents)?,
    };
    let digest = first.expect(der::OCTET_STRING)?.contents;
    Ok(digest == hash.of(&certificate.der))
}

/// The hash of an algorithm identifier, whose parameters are absent or null.
fn hash_of(contents: &[u8]) -> Result<Hash, Problem> {
    let mut reader = Reader::new(contents, "hash algorithm");
    let hash = match reader.oid()? {
        oid::SHA256 => Hash::Sha256,
        oid::SHA384 => Hash::Sha384,
        oid::SHA512 => Hash::Sha512,
        _ => return Err(Problem::new("the timestamp uses a hash that is not supported")),
    };
    reader.optional(der::NULL)?;
    reader.finish()?;
    Ok(hash)
}

fn read(response: &[u8]) -> Result<Timestamp<'_>, Problem> {
    const WHAT: &str = "timestamp";
    let mut response = Reader::sequence(response, WHAT)?;
    let mut status = response.inner(der::SEQUENCE, "status of the timestamp")?;
    if status.small()? > 1 {
        return Err(Problem::new(
            "the timestamp authority refused to give a timestamp",
        ));
    }
    let mut content_info = response.inner(der::SEQUENCE, WHAT)?;
    response.finish()?;
    if content_info.oid()? != oid::SIGNED_DATA {
        return Err(Problem::new("the timestamp is no signed data"));
    }
    let mut explicit = content_info.inner(der::constructed(0), WHAT)?;
    content_info.finish()?;
    let mut data = explicit.inner(der::SEQUENCE, WHAT)?;
    explicit.finish()?;

    if data.small()? != 3 {
        return Err(data.problem("is of a version that is not supported"));
    }
    let mut hashes = data.inner(der::SET, "list of the timestamp's hashes")?;
    let announced = hash_of(hashes.expect(der::SEQUENCE)?.contents)?;
    hashes.finish()?;
    let mut encapsulated = data.inner(der::SEQUENCE, WHAT)?;
    if encapsulated.oid()? != oid::TST_INFO {
        return Err(Problem::new("the timestamp has other content than a timestamp"));
    }
    let mut explicit = encapsulated.inner(der::constructed(0), WHAT)?;
    encapsulated.finish()?;
    let content = explicit.expect(der::OCTET_STRING)?.contents;
    explicit.finish()?;
    let certificates = data.optional(der::constructed(0))?;
    let certificates = certificates.map_or(Ok(Vec::new()), |set| certificates_of(set.contents))?;
    data.optional(der::constructed(1))?;
    let mut signers = data.inner(der::SET, WHAT)?;
    data.finish()?;
    let mut signer = signers.inner(der::SEQUENCE, "signer of the timestamp")?;
    signers.finish()?;

    if signer.small()? != 1 {
        return Err(signer.problem("is named in a way that is not supported"));
    }
    let mut name = signer.inner(der::SEQUENCE, "signer of the timestamp")?;
    let named = (
        name.expect(der::SEQUENCE)?.whole,
        name.expect(der::INTEGER)?.contents,
    );
    name.finish()?;
    let hash = hash_of(signer.expect(der::SEQUENCE)?.contents)?;
    if hash != announced {
        return Err(Problem::new("the timestamp announces another hash than it uses"));
    }
    let attributes = signer.expect(der::constructed(0))?;
    let mut how = signer.inner(der::SEQUENCE, "signature algorithm of the timestamp")?;
    let algorithm = how.oid()?;
    how.optional(der::NULL)?;
    how.finish()?;
    let signature = signer.expect(der::OCTET_STRING)?.contents;
    signer.optional(der::constructed(1))?;
    signer.finish()?;

    let (imprint, time) = info(content)?;
    Ok(Timestamp {
        content,
        imprint,
        time,
        certificates,
        signer: named,
        hash,
        attributes,
        algorithm,
        signature,
    })
}

/// The hash and the time of a `TSTInfo`.
fn info(content: &[u8]) -> Result<((Hash, &[u8]), Seconds), Problem> {
    let mut info = Reader::sequence(content, "content of the timestamp")?;
    if info.small()? != 1 {
        return Err(Problem::new(
            "the timestamp is of a version that is not supported",
        ));
    }
    info.oid()?;
    let mut imprint = info.inner(der::SEQUENCE, "imprint of the timestamp")?;
    let hash = hash_of(imprint.expect(der::SEQUENCE)?.contents)?;
    let digest = imprint.expect(der::OCTET_STRING)?.contents;
    imprint.finish()?;
    info.expect(der::INTEGER)?;
    let time = info.time()?;
    info.optional(der::SEQUENCE)?; // accuracy
    info.default_false()?; // ordering
    info.optional(der::INTEGER)?; // nonce
    info.optional(der::constructed(0))?; // the authority's name
    if info.optional(der::constructed(1))?.is_some() {
        return Err(Problem::new(
            "the timestamp has extensions, which are not supported",
        ));
    }
    info.finish()?;
    Ok(((hash, digest), time))
}

fn certificates_of(contents: &[u8]) -> Result<Vec<Certificate>, Problem> {
    let mut reader = Reader::new(contents, "list of the timestamp's certificates");
    let mut certificates = Vec::new();
    while !reader.is_empty() {
        if certificates.len() >= MAX_CERTIFICATES {
            return Err(reader.problem("is too long"));
        }
        certificates.push(Certificate::from_der(reader.expect(der::SEQUENCE)?.whole)?);
    }
    Ok(certificates)
}

#[cfg(test)]
mod tests;
