//! The file `trusted_root.json`: the logs and authorities of a sigstore instance (protobuf-specs,
//! `sigstore_trustroot.proto`).

use wharf_content::parse_timestamp;

use crate::{
    json::{Object, Value},
    problem::Problem,
    protobuf,
    public_key::PublicKey,
    time::Seconds,
    x509::{Certificate, MAX_CERTIFICATES},
};

/// The most bytes of a trusted root.
const MAX_SIZE: usize = 4 << 20;
/// The most entries of each of its lists.
const MAX_ENTRIES: usize = 100;

const MEDIA_TYPES: &[&str] = &[
    "application/vnd.dev.sigstore.trustedroot+json;version=0.1",
    "application/vnd.dev.sigstore.trustedroot.v0.1+json",
    "application/vnd.dev.sigstore.trustedroot.v0.2+json",
];

/// Whom a sigstore instance consists of: its transparency logs, certificate authorities and timestamp
/// authorities, each with the time in which it counts.
///
/// Nothing is fetched and none is built in: the caller gives the file, and answers for where it is from.
#[derive(Debug, Clone)]
pub struct TrustedRoot {
    pub(crate) logs: Vec<Log>,
    pub(crate) ct_logs: Vec<Log>,
    pub(crate) authorities: Vec<Authority>,
    pub(crate) timestamp_authorities: Vec<Authority>,
}

/// A transparency log.
#[derive(Debug, Clone)]
pub(crate) struct Log {
    /// The host of the log, with its port: the name with which it signs checkpoints.
    pub(crate) host: String,
    pub(crate) key: PublicKey,
    pub(crate) id: Vec<u8>,
    pub(crate) operator: Option<String>,
    pub(crate) valid: Range,
}

/// A certificate authority, of signers or of timestamps.
#[derive(Debug, Clone)]
pub(crate) struct Authority {
    /// The last certificate of the chain.
    pub(crate) anchor: Certificate,
    /// The others, from the first on.
    pub(crate) others: Vec<Certificate>,
    pub(crate) valid: Range,
}

/// A time from start to end, both within it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Range {
    start: Option<Seconds>,
    end: Option<Seconds>,
}

impl Range {
    pub(crate) const fn new(start: Option<Seconds>, end: Option<Seconds>) -> Self {
        Self { start, end }
    }

    pub(crate) fn contains(&self, time: Seconds) -> bool {
        self.start.is_none_or(|start| start <= time) && self.end.is_none_or(|end| time <= end)
    }
}

impl TrustedRoot {
    /// Reads a `trusted_root.json` of version 0.1 or 0.2, of at most 4 MiB.
    ///
    /// An entry whose key is of a kind that this crate does not know is left out; whatever else is wrong
    /// makes the whole file an error, also a log whose key has no start.
    ///
    /// # Errors
    ///
    /// A [`Problem`] that names the member.
    pub fn parse(json: &[u8]) -> Result<Self, Problem> {
        let mut file = Object::parse(json, MAX_SIZE, "the trusted root")?;
        let media_type = file.string("mediaType")?;
        if !MEDIA_TYPES.contains(&media_type.as_str()) {
            return Err(file.wrong("is of a version that is not supported").into());
        }
        let mut root = Self {
            logs: logs(&mut file, "tlogs")?,
            ct_logs: logs(&mut file, "ctlogs")?,
            authorities: Vec::new(),
            timestamp_authorities: Vec::new(),
        };
        root.authorities = authorities(&mut file, "certificateAuthorities")?;
        root.timestamp_authorities = authorities(&mut file, "timestampAuthorities")?;
        file.finish()?;
        Ok(root)
    }

    pub(crate) const fn has_log(&self) -> bool {
        !self.logs.is_empty()
    }

    pub(crate) const fn has_authority(&self) -> bool {
        !self.authorities.is_empty()
    }

    /// This root with the logs alone that have one of these keys.
    pub(crate) fn with_logs_of(mut self, keys: &[PublicKey]) -> Self {
        self.logs.retain(|log| keys.contains(&log.key));
        self
    }

    /// This root with the certificate authorities alone that are among these certificates: of each, the part of its
    /// chain up to the highest one of them, which becomes the anchor.
    pub(crate) fn with_authorities_of(mut self, certificates: &[Certificate]) -> Self {
        let is_trusted = |authority: &Certificate| certificates.iter().any(|one| one.der == authority.der);
        let authorities = self.authorities.into_iter();
        self.authorities = authorities
            .filter_map(|mut authority| {
                while !is_trusted(&authority.anchor) {
                    authority.anchor = authority.others.pop()?;
                }
                Some(authority)
            })
            .collect();
        self
    }
}

fn logs(file: &mut Object, key: &'static str) -> Result<Vec<Log>, Problem> {
    let entries = protobuf::list(file, key, MAX_ENTRIES)?;
    let logs = entries.into_iter().map(|entry| log(entry, key));
    logs.filter_map(Result::transpose).collect()
}

/// A log, or `None` if its key is of an unknown kind.
fn log(entry: Value, what: &'static str) -> Result<Option<Log>, Problem> {
    let mut entry = entry.into_object(what)?;
    let base_url = protobuf::optional_string(&mut entry, "baseUrl")?.unwrap_or_default();
    protobuf::optional_string(&mut entry, "hashAlgorithm")?;
    let mut public_key = entry.object("publicKey")?;
    let raw = public_key.base64("rawBytes")?;
    let details = public_key.string("keyDetails")?;
    let valid = range(&mut public_key)?;
    public_key.finish()?;
    if valid.start.is_none() {
        return Err(entry.wrong("has a key without a start of its validity").into());
    }
    let id = entry.object("logId")?.base64("keyId")?;
    let operator = protobuf::optional_string(&mut entry, "operator")?.filter(|name| !name.is_empty());
    protobuf::optional(&mut entry, "checkpointKeyId");
    entry.finish()?;
    let Some(key) = key_of(&raw, &details).transpose()? else {
        return Ok(None);
    };
    Ok(Some(Log {
        host: host(&base_url).to_owned(),
        key,
        id,
        operator,
        valid,
    }))
}

/// The key, or `None` if the kind that it is said to be of is unknown here.
fn key_of(raw: &[u8], details: &str) -> Option<Result<PublicKey, Problem>> {
    Some(match details {
        "PKIX_ECDSA_P256_SHA_256"
        | "PKIX_ECDSA_P384_SHA_384"
        | "PKIX_ED25519"
        | "PKIX_RSA_PKCS1V15_2048_SHA256"
        | "PKIX_RSA_PKCS1V15_3072_SHA256"
        | "PKIX_RSA_PKCS1V15_4096_SHA256"
        | "PKIX_RSA_PKCS1V5" => PublicKey::from_spki(raw),
        "PKCS1_RSA_PKCS1V5" => PublicKey::from_rsa(raw),
        _ => return None,
    })
}

/// A URL without its scheme and what follows host and port.
fn host(url: &str) -> &str {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    rest.split('/').next().unwrap_or_default()
}

fn authorities(file: &mut Object, key: &'static str) -> Result<Vec<Authority>, Problem> {
    let entries = protobuf::list(file, key, MAX_ENTRIES)?;
    entries.into_iter().map(|entry| authority(entry, key)).collect()
}

fn authority(entry: Value, what: &'static str) -> Result<Authority, Problem> {
    let mut entry = entry.into_object(what)?;
    for ignored in ["subject", "uri", "operator"] {
        protobuf::optional(&mut entry, ignored);
    }
    let mut chain = entry.object("certChain")?;
    let mut certificates = protobuf::certificates(&mut chain, "certificates", MAX_CERTIFICATES)?;
    chain.finish()?;
    let valid = range(&mut entry)?;
    let anchor = certificates
        .pop()
        .ok_or_else(|| entry.wrong("has an empty chain of certificates"))?;
    entry.finish()?;
    Ok(Authority {
        anchor,
        others: certificates,
        valid,
    })
}

/// The member `validFor`. A part of a second makes the range smaller.
fn range(object: &mut Object) -> Result<Range, Problem> {
    let Some(value) = protobuf::optional(object, "validFor") else {
        return Ok(Range::new(None, None));
    };
    let mut valid = value.into_object("validFor")?;
    let time = |text: Option<String>| -> Result<Option<(Seconds, u32)>, Problem> {
        let Some(text) = text else { return Ok(None) };
        let time = parse_timestamp(&text);
        time.map(Some)
            .ok_or_else(|| Problem::new("validFor has a malformed time"))
    };
    let start = time(protobuf::optional_string(&mut valid, "start")?)?;
    let end = time(protobuf::optional_string(&mut valid, "end")?)?;
    valid.finish()?;
    Ok(Range::new(
        start.map(|(second, part)| second + i64::from(part > 0)),
        end.map(|(second, _)| second),
    ))
}
