//! Certificates (RFC 5280): the parts that trust depends on. Paths are built by rustls-webpki, see `paths`.

use crate::{
    der::{self, Reader},
    pem::{self, Prose},
    problem::Problem,
    public_key::PublicKey,
    time::Seconds,
};

/// Object identifiers of extensions and purposes.
pub(crate) mod oid {
    pub(super) const KEY_USAGE: &[u8] = &[0x55, 0x1d, 0x0f];
    pub(super) const ALTERNATIVE_NAMES: &[u8] = &[0x55, 0x1d, 0x11];
    pub(super) const BASIC_CONSTRAINTS: &[u8] = &[0x55, 0x1d, 0x13];
    pub(super) const NAME_CONSTRAINTS: &[u8] = &[0x55, 0x1d, 0x1e];
    pub(super) const REVOCATION_LISTS: &[u8] = &[0x55, 0x1d, 0x1f];
    pub(super) const EXTENDED_KEY_USAGE: &[u8] = &[0x55, 0x1d, 0x25];
    pub(crate) const CODE_SIGNING: &[u8] = &[0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x03, 0x03];
    pub(crate) const TIME_STAMPING: &[u8] = &[0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x03, 0x08];
    pub(crate) const TIMESTAMPS: &[u8] = &[0x2b, 0x06, 0x01, 0x04, 0x01, 0xd6, 0x79, 0x02, 0x04, 0x02];
    /// 1.3.6.1.4.1.57264.1, below which Fulcio's extensions are.
    pub(crate) const FULCIO: &[u8] = &[0x2b, 0x06, 0x01, 0x04, 0x01, 0x83, 0xbf, 0x30, 0x01];
}

/// The most certificates of a chain.
pub(crate) const MAX_CERTIFICATES: usize = 10;
/// The most bytes of a chain in PEM that comes with a signature.
const MAX_CHAIN_SIZE: usize = 64 << 10;
/// The most certificates of a file that the caller trusts.
const MAX_ANCHORS: usize = 200;
/// The most extensions of a certificate.
const MAX_EXTENSIONS: usize = 64;
/// The most alternative names of a certificate.
const MAX_NAMES: usize = 100;

#[derive(Debug, Clone)]
pub(crate) struct Certificate {
    pub(crate) der: Vec<u8>,
    /// The names as they are encoded.
    pub(crate) issuer: Vec<u8>,
    pub(crate) subject: Vec<u8>,
    pub(crate) serial: Vec<u8>,
    pub(crate) not_before: Seconds,
    pub(crate) not_after: Seconds,
    pub(crate) spki: Vec<u8>,
    /// The signed part of the certificate up to the extensions.
    before_extensions: Vec<u8>,
    extensions: Vec<RawExtension>,
    pub(crate) authority: Option<Authority>,
    key_usage: Option<u16>,
    pub(crate) purposes: Option<Purposes>,
    pub(crate) names: Vec<Name>,
}

#[derive(Debug, Clone)]
struct RawExtension {
    oid: Vec<u8>,
    critical: bool,
    value: Vec<u8>,
    whole: Vec<u8>,
}

/// The right to issue certificates.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Authority {
    /// How many authorities may stand between it and the last certificate.
    pub(crate) path_length: Option<u64>,
}

/// The extended key usages.
#[derive(Debug, Clone)]
pub(crate) struct Purposes {
    pub(crate) critical: bool,
    pub(crate) oids: Vec<Vec<u8>>,
}

/// A subject alternative name of a kind that an identity can be. Host names and addresses are left to
/// rustls-webpki.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Name {
    Email(String),
    Uri(String),
    /// Fulcio's other name, 1.3.6.1.4.1.57264.1.7.
    Other(String),
}

impl Certificate {
    pub(crate) fn from_der(der: &[u8]) -> Result<Self, Problem> {
        read(der).map_err(|problem| problem.within("a certificate"))
    }

    /// The one certificate of a PEM text, and nothing beside it.
    pub(crate) fn from_pem(text: &[u8]) -> Result<Self, Problem> {
        let block = pem::one(text)?;
        certificate_of(&block)
    }

    /// The untrusted certificates that come with a signature.
    pub(crate) fn chain(text: &[u8]) -> Result<Vec<Self>, Problem> {
        if text.len() > MAX_CHAIN_SIZE {
            return Err(Problem::new(format!(
                "the certificates are larger than {MAX_CHAIN_SIZE} bytes"
            )));
        }
        let blocks = pem::blocks(text, MAX_CERTIFICATES, Prose::Refused)?;
        blocks.iter().map(certificate_of).collect()
    }

    /// The certificates of a file that the caller trusts, at least one; text may stand between them.
    pub(crate) fn file(text: &[u8]) -> Result<Vec<Self>, Problem> {
        let blocks = pem::blocks(text, MAX_ANCHORS, Prose::Allowed)?;
        if blocks.is_empty() {
            return Err(Problem::new("there is no certificate"));
        }
        blocks.iter().map(certificate_of).collect()
    }

    pub(crate) const fn is_valid_at(&self, time: Seconds) -> bool {
        self.not_before <= time && time <= self.not_after
    }

    /// Whether it may sign certificates, as far as its key usage says so.
    pub(crate) fn may_issue(&self) -> bool {
        // keyCertSign is bit 5, counted from the first.
        self.authority.is_some() && self.key_usage.is_none_or(|usage| usage & (1 << (15 - 5)) != 0)
    }

    /// Whether it has a critical extension that nobody here knows. rustls-webpki refuses such certificates, but
    /// reads no more of an anchor than its name, key and name constraints.
    pub(crate) fn has_unknown_critical_extension(&self) -> bool {
        const KNOWN: [&[u8]; 6] = [
            oid::KEY_USAGE,
            oid::ALTERNATIVE_NAMES,
            oid::BASIC_CONSTRAINTS,
            oid::NAME_CONSTRAINTS,
            oid::REVOCATION_LISTS,
            oid::EXTENDED_KEY_USAGE,
        ];
        let mut extensions = self.extensions.iter();
        extensions.any(|extension| extension.critical && !KNOWN.contains(&extension.oid.as_slice()))
    }

    /// Whether it is for this purpose, or for all because it names none.
    pub(crate) fn is_for(&self, purpose: &[u8]) -> bool {
        let purposes = self.purposes.as_ref();
        purposes.is_none_or(|purposes| purposes.oids.iter().any(|oid| oid == purpose))
    }

    pub(crate) fn key(&self) -> Result<PublicKey, Problem> {
        PublicKey::from_spki(&self.spki)
    }

    fn extension(&self, oid: &[u8]) -> Option<&RawExtension> {
        self.extensions.iter().find(|extension| extension.oid == oid)
    }

    /// The value of Fulcio's extension with this last number.
    pub(crate) fn fulcio(&self, number: u8) -> Option<&[u8]> {
        let oid = [oid::FULCIO, &[number]].concat();
        self.extension(&oid).map(|extension| extension.value.as_slice())
    }

    pub(crate) fn is_self_issued(&self) -> bool {
        self.issuer == self.subject
    }

    /// The list of signed certificate timestamps.
    pub(crate) fn timestamps(&self) -> Option<&[u8]> {
        self.extension(oid::TIMESTAMPS)
            .map(|extension| extension.value.as_slice())
    }

    /// The bytes that a CT log signed: the certificate without the log's timestamps (RFC 6962).
    pub(crate) fn before_timestamps(&self) -> Vec<u8> {
        let kept = self
            .extensions
            .iter()
            .filter(|extension| extension.oid != oid::TIMESTAMPS);
        let kept: Vec<u8> = kept.flat_map(|extension| extension.whole.clone()).collect();
        let mut contents = self.before_extensions.clone();
        if !kept.is_empty() {
            let list = der::encode(der::SEQUENCE, &kept);
            contents.extend(der::encode(der::constructed(3), &list));
        }
        der::encode(der::SEQUENCE, &contents)
    }
}

fn certificate_of(block: &pem::Block) -> Result<Certificate, Problem> {
    if block.label != "CERTIFICATE" {
        return Err(Problem::new("a PEM block is no CERTIFICATE"));
    }
    Certificate::from_der(&block.der)
}

fn read(der: &[u8]) -> Result<Certificate, Problem> {
    const WHAT: &str = "certificate";
    let mut outer = Reader::sequence(der, WHAT)?;
    let signed = outer.expect(der::SEQUENCE)?;
    let outer_algorithm = outer.expect(der::SEQUENCE)?;
    outer.bytes_of_bits()?;
    outer.finish()?;

    let mut tbs = Reader::new(signed.contents, WHAT);
    let mut version = tbs.inner(der::constructed(0), WHAT)?;
    if version.small()? != 2 {
        return Err(Problem::new("it is not of version 3"));
    }
    version.finish()?;
    let serial = tbs.expect(der::INTEGER)?;
    let algorithm = tbs.expect(der::SEQUENCE)?;
    if algorithm.whole != outer_algorithm.whole {
        return Err(Problem::new("it names two signature algorithms"));
    }
    let issuer = tbs.expect(der::SEQUENCE)?.whole.to_vec();
    let mut validity = tbs.inner(der::SEQUENCE, "validity")?;
    let (not_before, not_after) = (validity.time()?, validity.time()?);
    validity.finish()?;
    let subject = tbs.expect(der::SEQUENCE)?.whole.to_vec();
    let spki = tbs.expect(der::SEQUENCE)?.whole.to_vec();
    for number in [1, 2] {
        tbs.optional(der::primitive(number))?;
    }
    let mut rest = tbs;
    let extensions = match rest.optional(der::constructed(3))? {
        None => Vec::new(),
        Some(element) => extensions(element.contents)?,
    };
    rest.finish()?;
    let before = before(signed.contents, extensions.is_empty(), tbs)?;

    let mut certificate = Certificate {
        der: der.to_vec(),
        issuer,
        subject,
        serial: serial.contents.to_vec(),
        not_before,
        not_after,
        spki,
        before_extensions: before,
        extensions,
        authority: None,
        key_usage: None,
        purposes: None,
        names: Vec::new(),
    };
    certificate.authority = authority(&certificate)?;
    certificate.key_usage = key_usage(&certificate)?;
    certificate.purposes = purposes(&certificate)?;
    certificate.names = names(&certificate)?;
    Ok(certificate)
}

/// The part of what is signed that stands before the extensions, which `at_extensions` reads next.
fn before(signed: &[u8], none: bool, mut at_extensions: Reader<'_>) -> Result<Vec<u8>, Problem> {
    if none {
        return Ok(signed.to_vec());
    }
    let extensions = at_extensions.element()?.whole.len();
    let length = signed.len().checked_sub(extensions);
    let before = length.and_then(|length| signed.get(..length));
    before
        .map(<[u8]>::to_vec)
        .ok_or_else(|| Problem::new("it is not DER"))
}

fn extensions(contents: &[u8]) -> Result<Vec<RawExtension>, Problem> {
    const WHAT: &str = "list of extensions";
    let mut list = Reader::sequence(contents, WHAT)?;
    let mut extensions: Vec<RawExtension> = Vec::new();
    while !list.is_empty() {
        let element = list.expect(der::SEQUENCE)?;
        let mut reader = Reader::new(element.contents, "extension");
        let oid = reader.oid()?.to_vec();
        let critical = reader.default_false()?;
        let value = reader.expect(der::OCTET_STRING)?.contents.to_vec();
        reader.finish()?;
        if extensions.iter().any(|other| other.oid == oid) {
            return Err(Problem::new("an extension stands twice"));
        }
        if extensions.len() >= MAX_EXTENSIONS {
            return Err(Problem::new(format!(
                "there are more than {MAX_EXTENSIONS} extensions"
            )));
        }
        extensions.push(RawExtension {
            oid,
            critical,
            value,
            whole: element.whole.to_vec(),
        });
    }
    Ok(extensions)
}

fn authority(certificate: &Certificate) -> Result<Option<Authority>, Problem> {
    let Some(extension) = certificate.extension(oid::BASIC_CONSTRAINTS) else {
        return Ok(None);
    };
    let mut reader = Reader::sequence(&extension.value, "basic constraints")?;
    let is_authority = reader.default_false()?;
    let path_length = if reader.is_empty() {
        None
    } else {
        Some(reader.small()?)
    };
    reader.finish()?;
    Ok(is_authority.then_some(Authority { path_length }))
}

/// The bits, the first one highest.
fn key_usage(certificate: &Certificate) -> Result<Option<u16>, Problem> {
    let Some(extension) = certificate.extension(oid::KEY_USAGE) else {
        return Ok(None);
    };
    let mut reader = Reader::new(&extension.value, "key usage");
    let bits = reader.expect(der::BIT_STRING)?.contents;
    reader.finish()?;
    match *bits {
        [unused, one] if unused < 8 => Ok(Some(u16::from_be_bytes([one, 0]))),
        [unused, one, two] if unused < 8 => Ok(Some(u16::from_be_bytes([one, two]))),
        _ => Err(Problem::new("the key usage is malformed")),
    }
}

fn purposes(certificate: &Certificate) -> Result<Option<Purposes>, Problem> {
    let Some(extension) = certificate.extension(oid::EXTENDED_KEY_USAGE) else {
        return Ok(None);
    };
    let mut reader = Reader::sequence(&extension.value, "extended key usage")?;
    let mut oids = Vec::new();
    while !reader.is_empty() {
        oids.push(reader.oid()?.to_vec());
    }
    Ok(Some(Purposes {
        critical: extension.critical,
        oids,
    }))
}

fn names(certificate: &Certificate) -> Result<Vec<Name>, Problem> {
    let Some(extension) = certificate.extension(oid::ALTERNATIVE_NAMES) else {
        return Ok(Vec::new());
    };
    let mut reader = Reader::sequence(&extension.value, "list of alternative names")?;
    let mut names = Vec::new();
    while !reader.is_empty() {
        let element = reader.element()?;
        if names.len() >= MAX_NAMES {
            return Err(Problem::new(format!("there are more than {MAX_NAMES} names")));
        }
        names.extend(match element.tag {
            0x81 => Some(Name::Email(ascii(element.contents)?)),
            0x86 => Some(Name::Uri(ascii(element.contents)?)),
            0xa0 => other_name(element.contents)?,
            _ => None,
        });
    }
    Ok(names)
}

/// An `IA5String` without control characters: a NUL in a name is how one name is passed off as another.
fn ascii(bytes: &[u8]) -> Result<String, Problem> {
    let good = bytes.iter().all(|byte| (b' '..=b'~').contains(byte));
    let text = String::from_utf8(bytes.to_vec()).ok().filter(|_| good);
    text.ok_or_else(|| Problem::new("an alternative name has characters that it must not have"))
}

fn other_name(contents: &[u8]) -> Result<Option<Name>, Problem> {
    let mut reader = Reader::new(contents, "other name");
    let oid = reader.oid()?;
    let mut value = reader.inner(der::constructed(0), "other name")?;
    reader.finish()?;
    if oid != [oid::FULCIO, &[7]].concat() {
        return Ok(None);
    }
    let text = value.expect(der::UTF8_STRING)?.contents.to_vec();
    value.finish()?;
    let text = String::from_utf8(text)
        .ok()
        .filter(|text| !text.contains(char::is_control));
    let text =
        text.ok_or_else(|| Problem::new("an alternative name has characters that it must not have"))?;
    Ok(Some(Name::Other(text)))
}
