//! The promises of a transparency log (Rekor, version 1): signed entry timestamps, and the entries that they
//! cover.

use crate::{
    json::{self, Object},
    pem,
    problem::Problem,
    public_key::{Hash, PublicKey, hex, unhex},
    time::Seconds,
    x509::Certificate,
};

/// The most bytes of a signed entry timestamp with its entry.
const MAX_SET: usize = 64 << 10;
/// The most bytes of a log entry.
const MAX_BODY: usize = 4 << 20;

/// Below this, every JSON reader keeps integers exact.
const EXACT: u64 = 1 << 53;

/// The signed members of a promise, in whatever document they came.
#[derive(Debug)]
pub(crate) struct Promise<'a> {
    /// The entry, in base64.
    pub(crate) body: &'a str,
    pub(crate) integrated_time: u64,
    pub(crate) log_index: u64,
    /// In hexadecimal digits.
    pub(crate) log_id: &'a str,
}

impl Promise<'_> {
    /// The text that is signed: the members as JSON in its canonical form (RFC 8785), which is put together
    /// here, because none of the members has a character that needs an escape.
    pub(crate) fn canonical(&self) -> String {
        format!(
            r#"{{"body":"{}","integratedTime":{},"logID":"{}","logIndex":{}}}"#,
            self.body, self.integrated_time, self.log_id, self.log_index
        )
    }
}

/// An entry that a log has promised to keep, and when.
#[derive(Debug)]
pub(crate) struct Logged {
    pub(crate) body: Vec<u8>,
    pub(crate) time: Seconds,
}

/// Verifies the JSON that cosign attaches (`dev.sigstore.cosign/bundle`): the timestamp must be signed by one
/// of the keys.
pub(crate) fn verify_set(text: &[u8], keys: &[PublicKey]) -> Result<Logged, Problem> {
    let mut set = Object::parse(text, MAX_SET, "the signed entry timestamp")?;
    let signature = set.base64("SignedEntryTimestamp")?;
    let mut payload = set.object("Payload")?;
    set.finish()?;
    let body_text = payload.string("body")?;
    let body = json::base64(&body_text).ok_or_else(|| payload.wrong("has a body that is not base64"))?;
    let log_id = payload.string("logID")?;
    if unhex(&log_id).is_none_or(|bytes| bytes.is_empty()) {
        return Err(payload.wrong("has a logID that is not hexadecimal").into());
    }
    let integrated_time = integer(&mut payload, "integratedTime")?;
    let promise = Promise {
        body: &body_text,
        integrated_time,
        log_index: integer(&mut payload, "logIndex")?,
        log_id: &log_id,
    };
    payload.finish()?;
    let signed = promise.canonical();
    let good = keys
        .iter()
        .any(|key| key.is_ecdsa() && key.verifies_with(Hash::Sha256, signed.as_bytes(), &signature));
    if !good {
        return Err(Problem::new(
            "the signed entry timestamp is not signed by a trusted log",
        ));
    }
    Ok(Logged {
        body,
        time: seconds(integrated_time)?,
    })
}

/// A time of a log as a time of this crate.
pub(crate) fn seconds(time: u64) -> Result<Seconds, Problem> {
    Seconds::try_from(time).map_err(|_| Problem::new("the time of the log entry is too large"))
}

/// An integer within the range that every JSON reader keeps exact, in its shortest spelling.
fn integer(object: &mut Object, key: &str) -> Result<u64, Problem> {
    let number = object.required(key)?.as_unsigned();
    let number = number.filter(|number| *number < EXACT);
    Ok(number.ok_or_else(|| object.wrong(&format!("has a `{key}` that is no integer within its range")))?)
}

/// The maker of a signature: a key, or the key of a certificate.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Verifier<'a> {
    Key(&'a PublicKey),
    Certificate(&'a Certificate),
}

impl Verifier<'_> {
    /// Whether an entry's PEM is this key or certificate.
    pub(crate) fn is_pem(self, text: &[u8]) -> Result<bool, Problem> {
        let block = pem::one(text)?;
        Ok(match (self, block.label.as_str()) {
            (Self::Key(key), "PUBLIC KEY") => key.spki() == block.der.as_slice(),
            (Self::Certificate(certificate), "CERTIFICATE") => certificate.der == *block.der,
            _ => false,
        })
    }
}

/// The `kind`, the `apiVersion` and the `spec` of an entry.
pub(crate) fn entry(body: &[u8]) -> Result<(String, String, Object), Problem> {
    let mut entry = Object::parse(body, MAX_BODY, "the log entry")?;
    Ok((
        entry.string("kind")?,
        entry.string("apiVersion")?,
        entry.object("spec")?,
    ))
}

/// Verifies that an entry `hashedrekord` 0.0.1 is for this signature, by this verifier, over the message with
/// this hash.
///
/// Threat row T160: an entry for something else says nothing. Members that are not named here are ignored.
pub(crate) fn verify_hashedrekord(
    spec: &mut Object,
    signature: &[u8],
    verifier: Verifier<'_>,
    is_hash: impl Fn(&str, &str) -> bool,
) -> Result<(), Problem> {
    let mut hash = spec.object("data")?.object("hash")?;
    let (algorithm, value) = (hash.string("algorithm")?, hash.string("value")?);
    if !is_hash(&algorithm, &value) {
        return Err(Problem::new("the log entry is for other content"));
    }
    let mut logged = spec.object("signature")?;
    if logged.base64("content")? != signature {
        return Err(Problem::new("the log entry is for another signature"));
    }
    let pem = logged.object("publicKey")?.base64("content")?;
    if !verifier
        .is_pem(&pem)
        .map_err(|problem| problem.within("the log entry"))?
    {
        return Err(Problem::new("the log entry is for another key or certificate"));
    }
    Ok(())
}

/// Verifies that the entry which cosign attaches is for a signature over `payload`.
pub(crate) fn verify_body(
    body: &[u8],
    payload: &[u8],
    signature: &[u8],
    verifier: Verifier<'_>,
) -> Result<(), Problem> {
    let (kind, version, mut spec) = entry(body)?;
    if kind != "hashedrekord" || version != "0.0.1" {
        return Err(Problem::new(
            "the log entry is of another kind than hashedrekord 0.0.1",
        ));
    }
    let hash = hex(&Hash::Sha256.of(payload));
    let is_hash = |algorithm: &str, value: &str| algorithm == "sha256" && value == hash;
    verify_hashedrekord(&mut spec, signature, verifier, is_hash)
}
