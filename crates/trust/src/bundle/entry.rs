//! Log entries: that a log has them, and that they are for the signature of the bundle.

use base64::{Engine as _, engine::general_purpose::STANDARD};

use super::{
    checkpoint,
    document::{Content, Document, LogEntry, Version},
    merkle,
};
use crate::{
    json::{self, Object},
    problem::Problem,
    protobuf,
    public_key::{Hash, hex},
    rekor::{self, Promise, Verifier},
    root::{Log, TrustedRoot},
    time::Seconds,
};

/// The facts that the entries of a bundle prove.
#[derive(Debug, Default)]
pub(super) struct Proven<'a> {
    /// The logs that have the signature, each once.
    pub(super) logs: Vec<&'a Log>,
    /// When logs recorded it, as far as they signed that.
    pub(super) times: Vec<Seconds>,
}

/// The rules for entries beside those of the root.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rules {
    /// Whether entries of the kind `intoto` count, which went out of use with bundles before 0.3.
    pub(super) old_versions: bool,
    pub(super) now: Seconds,
}

/// Verifies every entry of a log of the root. Entries of logs that are not in it do not count.
pub(super) fn verify<'a>(
    document: &Document,
    root: &'a TrustedRoot,
    verifier: Verifier<'_>,
    signed: &[u8],
    rules: Rules,
) -> Result<Proven<'a>, Problem> {
    let mut proven = Proven::default();
    for entry in &document.entries {
        let mut known = root.logs.iter().filter(|log| log.id == entry.log_id).peekable();
        if known.peek().is_none() {
            continue;
        }
        let (log, time) = in_log(entry, known, document.version, rules.now)?;
        if !rules.old_versions && entry.kind == "intoto" {
            return Err(Problem::new("a log entry of the old kind intoto is not accepted"));
        }
        is_for(entry, &document.content, verifier, signed)?;
        if !proven.logs.iter().any(|other| other.is(log)) {
            proven.logs.push(log);
        }
        proven.times.extend(time);
    }
    Ok(proven)
}

impl Log {
    /// Whether two logs are one, or of one operator who names himself.
    fn is(&self, other: &Self) -> bool {
        self.id == other.id || (self.operator.is_some() && self.operator == other.operator)
    }
}

impl LogEntry {
    /// Whether a log of version 2 has it, which says nothing about time.
    fn is_of_version_2(&self) -> bool {
        (self.kind.as_str(), self.version.as_str()) == ("hashedrekord", "0.0.2")
    }
}

/// The one of the logs that has the entry, and when it recorded that.
fn in_log<'a>(
    entry: &LogEntry,
    logs: impl Iterator<Item = &'a Log>,
    version: Version,
    now: Seconds,
) -> Result<(&'a Log, Option<Seconds>), Problem> {
    let mut last = Problem::new("the log is not known");
    for log in logs {
        match verify_in(entry, log, version, now) {
            Ok(time) => return Ok((log, time)),
            Err(problem) => last = problem,
        }
    }
    Err(last)
}

fn verify_in(
    entry: &LogEntry,
    log: &Log,
    version: Version,
    now: Seconds,
) -> Result<Option<Seconds>, Problem> {
    if entry.is_of_version_2() && entry.promise.is_some() {
        return Err(Problem::new(
            "an entry of a log of version 2 has a signed entry timestamp, which such a log does not give",
        ));
    }
    let time = entry
        .promise
        .as_deref()
        .map(|set| promised(entry, set, log, now))
        .transpose()?;
    let checkpoint = entry
        .proof
        .as_ref()
        .and_then(|proof| Some((proof, proof.checkpoint.as_deref()?)));
    match checkpoint {
        Some((proof, note)) => {
            let signed = checkpoint::verify(note, log)?;
            if signed.size != proof.size || signed.root != proof.root {
                return Err(Problem::new(
                    "the checkpoint is for another state of the log than the inclusion proof",
                ));
            }
            merkle::verify_inclusion(&entry.body, proof.index, proof.size, &proof.hashes, &proof.root)?;
        }
        None if version == Version::V01 && time.is_some() => {}
        None => {
            return Err(Problem::new(
                "the log entry has no inclusion proof with a checkpoint",
            ));
        }
    }
    Ok(time)
}

/// The time in a signed entry timestamp.
fn promised(entry: &LogEntry, set: &[u8], log: &Log, now: Seconds) -> Result<Seconds, Problem> {
    let promise = Promise {
        body: &entry.body_text,
        integrated_time: entry.integrated_time,
        log_index: entry.log_index,
        log_id: &hex(&entry.log_id),
    };
    if !log.key.verifies(promise.canonical().as_bytes(), set) {
        return Err(Problem::new(
            "the signed entry timestamp is not signed by the log",
        ));
    }
    let time = rekor::seconds(entry.integrated_time)?;
    if time > now {
        return Err(Problem::new("the signed entry timestamp is from the future"));
    }
    if !log.valid.contains(time) {
        return Err(Problem::new(
            "the log's key was not valid at the time of the entry",
        ));
    }
    Ok(time)
}

/// Threat row T160: the entry must be for this signature, its verifier, and what was signed.
fn is_for(entry: &LogEntry, content: &Content, verifier: Verifier<'_>, signed: &[u8]) -> Result<(), Problem> {
    if entry.is_of_version_2() {
        return is_hashedrekord_2(&entry.body, content.signature(), verifier, signed);
    }
    let (kind, version, mut spec) = rekor::entry(&entry.body)?;
    if kind != entry.kind || version != entry.version {
        return Err(Problem::new(
            "the log entry is of another kind than the bundle says",
        ));
    }
    let signature = content.signature();
    match (kind.as_str(), version.as_str(), content) {
        ("hashedrekord", "0.0.1", Content::Message { .. }) => {
            rekor::verify_hashedrekord(&mut spec, signature, verifier, |algorithm, value| {
                hash_named(algorithm).is_some_and(|hash| hex(&hash.of(signed)) == value)
            })
        }
        ("dsse", "0.0.1", Content::Envelope(envelope)) => {
            is_payload_hash(spec.object("payloadHash")?, &envelope.payload)?;
            let mut one = only(&mut spec, "signatures")?;
            is_signature(one.base64("signature")? == signature)?;
            is_verifier(&one.base64("verifier")?, verifier)
        }
        ("intoto", "0.0.2", Content::Envelope(envelope)) => {
            let mut content = spec.object("content")?;
            is_payload_hash(content.object("payloadHash")?, &envelope.payload)?;
            let mut logged = content.object("envelope")?;
            if logged.string("payloadType")? != envelope.payload_type {
                return Err(Problem::new("the log entry is for other content"));
            }
            let mut one = only(&mut logged, "signatures")?;
            // The signature is in base64 of base64.
            let inner = String::from_utf8(one.base64("sig")?).ok();
            is_signature(inner.and_then(|text| json::base64(&text)).as_deref() == Some(signature))?;
            is_verifier(&one.base64("publicKey")?, verifier)
        }
        _ => Err(Problem::new(
            "the log entry is of a kind that is not supported for such a signature",
        )),
    }
}

fn hash_named(name: &str) -> Option<Hash> {
    match name {
        "sha256" => Some(Hash::Sha256),
        "sha384" => Some(Hash::Sha384),
        "sha512" => Some(Hash::Sha512),
        _ => None,
    }
}

fn is_payload_hash(mut hash: Object, payload: &[u8]) -> Result<(), Problem> {
    let same =
        hash.string("algorithm")? == "sha256" && hash.string("value")? == hex(&Hash::Sha256.of(payload));
    if same {
        return Ok(());
    }
    Err(Problem::new("the log entry is for other content"))
}

/// The object that is the only entry of a list.
fn only(object: &mut Object, key: &'static str) -> Result<Object, Problem> {
    let mut list = protobuf::list(object, key, 1)?;
    let one = list.pop().ok_or_else(|| object.wrong("has no signature"))?;
    Ok(one.into_object(key)?)
}

fn is_signature(same: bool) -> Result<(), Problem> {
    if same {
        return Ok(());
    }
    Err(Problem::new("the log entry is for another signature"))
}

fn is_verifier(pem: &[u8], verifier: Verifier<'_>) -> Result<(), Problem> {
    if verifier
        .is_pem(pem)
        .map_err(|problem| problem.within("the log entry"))?
    {
        return Ok(());
    }
    Err(Problem::new("the log entry is for another key or certificate"))
}

/// An entry of a log of version 2 has one spelling: it is put together from the bundle and compared.
fn is_hashedrekord_2(
    body: &[u8],
    signature: &[u8],
    verifier: Verifier<'_>,
    signed: &[u8],
) -> Result<(), Problem> {
    let (key, member, raw) = match verifier {
        Verifier::Key(key) => (key.clone(), "publicKey", key.spki().to_vec()),
        Verifier::Certificate(certificate) => {
            (certificate.key()?, "x509Certificate", certificate.der.clone())
        }
    };
    let details: &[(&str, &str, Hash)] = match key.rsa_bits() {
        Some(..3072) => &[("PKIX_RSA_PKCS1V15_2048_SHA256", "SHA2_256", Hash::Sha256)],
        Some(..4096) => &[("PKIX_RSA_PKCS1V15_3072_SHA256", "SHA2_256", Hash::Sha256)],
        Some(_) => &[("PKIX_RSA_PKCS1V15_4096_SHA256", "SHA2_256", Hash::Sha256)],
        None if key.ed25519().is_some() => &[
            ("PKIX_ED25519", "SHA2_256", Hash::Sha256),
            ("PKIX_ED25519", "SHA2_512", Hash::Sha512),
        ],
        None if key.is_p384() => &[("PKIX_ECDSA_P384_SHA_384", "SHA2_384", Hash::Sha384)],
        None => &[("PKIX_ECDSA_P256_SHA_256", "SHA2_256", Hash::Sha256)],
    };
    let (signature, raw) = (STANDARD.encode(signature), STANDARD.encode(raw));
    let same = details.iter().any(|(details, algorithm, hash)| {
        let digest = STANDARD.encode(hash.of(signed));
        let expected = format!(
            concat!(
                r#"{{"apiVersion":"0.0.2","kind":"hashedrekord","spec":{{"hashedRekordV002":{{"#,
                r#""data":{{"algorithm":"{}","digest":"{}"}},"#,
                r#""signature":{{"content":"{}","verifier":{{"keyDetails":"{}","{}":{{"rawBytes":"{}"}}}}}}}}}}}}"#
            ),
            algorithm, digest, signature, details, member, raw
        );
        expected.as_bytes() == body
    });
    if same {
        return Ok(());
    }
    Err(Problem::new(
        "the log entry is for another signature, certificate or content than the bundle's",
    ))
}
