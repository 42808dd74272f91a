//! The JSON of a bundle (protobuf-specs, `sigstore_bundle.proto`), read into what it says.

use crate::{
    json::{self, Object, Value},
    problem::{Problem, quoted},
    protobuf,
    x509::{Certificate, MAX_CERTIFICATES},
};

/// The most bytes of a bundle.
pub(super) const MAX_SIZE: usize = 4 << 20;
/// The most log entries of a bundle, and the most timestamps.
pub(super) const MAX_ENTRIES: usize = 32;

/// The versions that differ in what they must have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Version {
    V01,
    V02,
    V03,
}

#[derive(Debug)]
pub(super) struct Document {
    pub(super) version: Version,
    pub(super) material: Material,
    pub(super) entries: Vec<LogEntry>,
    /// `TimeStampResp`s of RFC 3161.
    pub(super) timestamps: Vec<Vec<u8>>,
    pub(super) content: Content,
}

/// The claimed signer, unverified.
#[derive(Debug)]
pub(super) enum Material {
    /// A key that the verifier has, with a hint which.
    Key { hint: String },
    /// The signer's certificate, and those above it in old versions.
    Certificate {
        leaf: Box<Certificate>,
        chain: Vec<Certificate>,
    },
}

#[derive(Debug)]
pub(super) enum Content {
    /// A signature over an artifact, and perhaps the artifact's hash.
    Message {
        signature: Vec<u8>,
        /// The name of the hash and its bytes, which are a hint.
        digest: Option<(String, Vec<u8>)>,
    },
    Envelope(Envelope),
}

/// A DSSE envelope with its one signature.
#[derive(Debug)]
pub(super) struct Envelope {
    pub(super) payload_type: String,
    pub(super) payload: Vec<u8>,
    pub(super) signature: Vec<u8>,
}

impl Content {
    pub(super) fn signature(&self) -> &[u8] {
        match self {
            Self::Message { signature, .. } | Self::Envelope(Envelope { signature, .. }) => signature,
        }
    }
}

#[derive(Debug)]
pub(super) struct LogEntry {
    pub(super) log_index: u64,
    pub(super) log_id: Vec<u8>,
    pub(super) kind: String,
    pub(super) version: String,
    pub(super) integrated_time: u64,
    /// The signed entry timestamp.
    pub(super) promise: Option<Vec<u8>>,
    pub(super) proof: Option<Proof>,
    /// The entry, in base64 and decoded.
    pub(super) body_text: String,
    pub(super) body: Vec<u8>,
}

/// A proof that an entry is in a log.
#[derive(Debug)]
pub(super) struct Proof {
    pub(super) index: u64,
    pub(super) size: u64,
    pub(super) root: Vec<u8>,
    pub(super) hashes: Vec<Vec<u8>>,
    /// The note in which the log signs size and root.
    pub(super) checkpoint: Option<String>,
}

/// The most hashes of a proof: those of a tree of 2^63 entries.
const MAX_HASHES: usize = 64;

impl Document {
    pub(super) fn parse(json: &[u8]) -> Result<Self, Problem> {
        let mut bundle = Object::parse(json, MAX_SIZE, "the bundle")?;
        let version = version(&bundle.string("mediaType")?)?;
        let mut material = bundle.object("verificationMaterial")?;
        let signer = material_of(&mut material, version)?;
        let entries = protobuf::list(&mut material, "tlogEntries", MAX_ENTRIES)?;
        let entries: Vec<LogEntry> = entries
            .into_iter()
            .map(LogEntry::read)
            .collect::<Result<_, _>>()?;
        refuse_repeated(&entries)?;
        let timestamps = timestamps(&mut material)?;
        material.finish()?;
        let content = content(&mut bundle)?;
        bundle.finish()?;
        if let (Material::Key { hint }, Content::Envelope(_), Some(id)) = (&signer, &content.0, &content.1)
            && id != hint
        {
            return Err(Problem::new("the envelope names another key than the bundle"));
        }
        Ok(Self {
            version,
            material: signer,
            entries,
            timestamps,
            content: content.0,
        })
    }
}

fn version(media_type: &str) -> Result<Version, Problem> {
    match media_type {
        "application/vnd.dev.sigstore.bundle+json;version=0.1" => Ok(Version::V01),
        "application/vnd.dev.sigstore.bundle+json;version=0.2" => Ok(Version::V02),
        "application/vnd.dev.sigstore.bundle+json;version=0.3"
        | "application/vnd.dev.sigstore.bundle.v0.3+json" => Ok(Version::V03),
        other => Err(Problem::new(format!(
            "a bundle of the type {} is not supported",
            quoted(other)
        ))),
    }
}

fn material_of(material: &mut Object, version: Version) -> Result<Material, Problem> {
    let key = protobuf::optional_object(material, "publicKey")?;
    let certificate = protobuf::optional_object(material, "certificate")?;
    let chain = protobuf::optional_object(material, "x509CertificateChain")?;
    match (key, certificate, chain) {
        (Some(mut key), None, None) => {
            let hint = protobuf::optional_string(&mut key, "hint")?.unwrap_or_default();
            key.finish()?;
            Ok(Material::Key { hint })
        }
        (None, Some(mut certificate), None) => {
            let leaf = protobuf::certificate(&mut certificate)?;
            certificate.finish()?;
            Ok(Material::Certificate {
                leaf: Box::new(leaf),
                chain: Vec::new(),
            })
        }
        (None, None, Some(mut chain)) if version < Version::V03 => {
            let certificates = protobuf::certificates(&mut chain, "certificates", MAX_CERTIFICATES)?;
            chain.finish()?;
            if certificates.iter().any(Certificate::is_self_issued) {
                return Err(Problem::new(
                    "the chain of the bundle has a root certificate, which it must not have",
                ));
            }
            let mut certificates = certificates.into_iter();
            let leaf = certificates
                .next()
                .ok_or_else(|| Problem::new("the chain of the bundle is empty"))?;
            Ok(Material::Certificate {
                leaf: Box::new(leaf),
                chain: certificates.collect(),
            })
        }
        _ => Err(Problem::new(
            "the bundle must have one of public key and certificate, in the form of its version",
        )),
    }
}

fn timestamps(material: &mut Object) -> Result<Vec<Vec<u8>>, Problem> {
    let Some(mut data) = protobuf::optional_object(material, "timestampVerificationData")? else {
        return Ok(Vec::new());
    };
    let entries = protobuf::list(&mut data, "rfc3161Timestamps", MAX_ENTRIES)?;
    data.finish()?;
    let timestamps = entries.into_iter().map(|entry| {
        let mut entry = entry.into_object("rfc3161Timestamps")?;
        let timestamp = entry.base64("signedTimestamp")?;
        entry.finish()?;
        Ok(timestamp)
    });
    timestamps.collect()
}

/// The signed content, and the key that an envelope names.
fn content(bundle: &mut Object) -> Result<(Content, Option<String>), Problem> {
    let message = protobuf::optional_object(bundle, "messageSignature")?;
    let envelope = protobuf::optional_object(bundle, "dsseEnvelope")?;
    match (message, envelope) {
        (Some(mut message), None) => {
            let digest = protobuf::optional_object(&mut message, "messageDigest")?
                .map(|mut digest| {
                    let read = (digest.string("algorithm")?, digest.base64("digest")?);
                    digest.finish().map(|()| read)
                })
                .transpose()?;
            let signature = message.base64("signature")?;
            message.finish()?;
            Ok((Content::Message { signature, digest }, None))
        }
        (None, Some(envelope)) => {
            let (envelope, key) = Envelope::read(envelope)?;
            Ok((Content::Envelope(envelope), key))
        }
        _ => Err(Problem::new(
            "the bundle must have one of a message signature and an envelope",
        )),
    }
}

impl Envelope {
    fn read(mut envelope: Object) -> Result<(Self, Option<String>), Problem> {
        let payload_type = envelope.string("payloadType")?;
        let payload = envelope.base64("payload")?;
        let mut signatures = protobuf::list(&mut envelope, "signatures", 1)?;
        let one = signatures
            .pop()
            .ok_or_else(|| envelope.wrong("has no signature"))?;
        envelope.finish()?;
        let mut one = one.into_object("the signature of the envelope")?;
        let signature = one.base64("sig")?;
        let key = protobuf::optional_string(&mut one, "keyid")?.filter(|id| !id.is_empty());
        one.finish()?;
        Ok((
            Self {
                payload_type,
                payload,
                signature,
            },
            key,
        ))
    }

    /// The bytes that the signature covers: the DSSE pre-authentication encoding.
    pub(super) fn signed(&self) -> Vec<u8> {
        pre_authentication_encoding(&self.payload_type, &self.payload)
    }
}

/// The bytes that an envelope's signature covers (DSSE, *Protocol*).
pub(crate) fn pre_authentication_encoding(kind: &str, payload: &[u8]) -> Vec<u8> {
    let head = format!("DSSEv1 {} {kind} {} ", kind.len(), payload.len());
    [head.as_bytes(), payload].concat()
}

impl LogEntry {
    fn read(entry: Value) -> Result<Self, Problem> {
        let mut entry = entry.into_object("a log entry")?;
        let body_text = entry.string("canonicalizedBody")?;
        let body = json::base64(&body_text).ok_or_else(|| entry.wrong("has a body that is not base64"))?;
        let mut kind = entry.object("kindVersion")?;
        let mut id = entry.object("logId")?;
        let read = Self {
            log_index: protobuf::integer(&mut entry, "logIndex")?,
            log_id: id.base64("keyId")?,
            kind: kind.string("kind")?,
            version: kind.string("version")?,
            integrated_time: protobuf::integer(&mut entry, "integratedTime")?,
            promise: protobuf::optional_object(&mut entry, "inclusionPromise")?
                .map(|mut promise| {
                    let set = promise.base64("signedEntryTimestamp")?;
                    promise.finish().map(|()| set)
                })
                .transpose()?,
            proof: protobuf::optional_object(&mut entry, "inclusionProof")?
                .map(Proof::read)
                .transpose()?,
            body_text,
            body,
        };
        kind.finish()?;
        id.finish()?;
        entry.finish()?;
        Ok(read)
    }
}

impl Proof {
    fn read(mut proof: Object) -> Result<Self, Problem> {
        let hashes = protobuf::list(&mut proof, "hashes", MAX_HASHES)?;
        let hashes = hashes.into_iter().map(|hash| match hash {
            Value::String(text) => json::base64(&text).filter(|hash| hash.len() == 32),
            _ => None,
        });
        let hashes: Option<Vec<Vec<u8>>> = hashes.collect();
        let read = Self {
            index: protobuf::integer(&mut proof, "logIndex")?,
            size: protobuf::integer(&mut proof, "treeSize")?,
            root: proof.base64("rootHash")?,
            hashes: hashes.ok_or_else(|| proof.wrong("has a hash that is not of 32 bytes"))?,
            checkpoint: protobuf::optional_object(&mut proof, "checkpoint")?
                .map(|mut checkpoint| {
                    let note = checkpoint.string("envelope")?;
                    checkpoint.finish().map(|()| note)
                })
                .transpose()?,
        };
        proof.finish()?;
        Ok(read)
    }
}

/// Threat row T166: one entry is not two.
fn refuse_repeated(entries: &[LogEntry]) -> Result<(), Problem> {
    for (position, entry) in entries.iter().enumerate() {
        let before = entries.iter().take(position);
        let same = |other: &LogEntry| other.log_id == entry.log_id && other.log_index == entry.log_index;
        if before.clone().any(same) {
            return Err(Problem::new("the bundle has a log entry twice"));
        }
    }
    Ok(())
}
