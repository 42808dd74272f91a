//! Logs, authorities, bundles and requirements that live as long as a test.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, CustomExtension, DistinguishedName, DnType,
    ExtendedKeyUsagePurpose, IsCa, KeyPair, KeyUsagePurpose, PublicKeyData as _, SanType, SigningKey as _,
    date_time_ymd,
};
use serde_json::{Value, json};
use wharf_config::Policy;
use wharf_content::{Hasher, Signature};
use wharf_trust::{Trust, TrustedRoot};

use crate::support::digest;

/// When logs record signatures: 2024-01-15, when all certificates are valid.
pub(super) const TIME: i64 = 1_705_276_800;
pub(super) const DAY: i64 = 24 * 60 * 60;
pub(super) const EMAIL: &str = "ada@example.com";
pub(super) const ISSUER: &str = "https://accounts.example.com";
pub(super) const COSIGN: &str = "https://sigstore.dev/cosign/sign/v1";
/// Of requirements that name no identity: the name and the tag of the image must be signed.
pub(super) const DEFAULT_IDENTITY: &str = r#"{"type": "matchRepoDigestOrExact"}"#;

pub(super) fn base64(bytes: impl AsRef<[u8]>) -> String {
    STANDARD.encode(bytes)
}

fn sha256(bytes: &[u8]) -> Vec<u8> {
    let hex = Hasher::sha256(bytes).encoded().to_owned();
    let byte = |at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap();
    (0..hex.len()).step_by(2).map(byte).collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A transparency log of version 1.
pub(super) struct Log {
    pub(super) key: KeyPair,
    host: &'static str,
}

impl Log {
    pub(super) fn new(host: &'static str) -> Self {
        let key = KeyPair::generate().unwrap();
        Self { key, host }
    }

    fn id(&self) -> Vec<u8> {
        sha256(&self.key.subject_public_key_info())
    }

    /// As a `trusted_root.json` lists it, its key valid in these seconds.
    pub(super) fn listed(&self, from: i64, to: Option<i64>) -> Value {
        let mut valid = json!({"start": rfc3339(from)});
        if let Some(to) = to {
            valid["end"] = rfc3339(to).into();
        }
        json!({
            "baseUrl": format!("https://{}", self.host),
            "hashAlgorithm": "SHA2_256",
            "publicKey": {
                "rawBytes": base64(self.key.subject_public_key_info()),
                "keyDetails": "PKIX_ECDSA_P256_SHA_256",
                "validFor": valid,
            },
            "logId": {"keyId": base64(self.id())},
        })
    }

    /// An entry of a bundle, the only one of the log.
    fn entry(&self, body: &Value, time: i64) -> Value {
        let body = body.to_string();
        let promised = format!(
            r#"{{"body":"{}","integratedTime":{time},"logID":"{}","logIndex":7}}"#,
            base64(&body),
            hex(&self.id())
        );
        let root = base64(sha256(&[b"\0", body.as_bytes()].concat()));
        let head = format!("{}\n1\n{root}\n", self.host);
        let signed = [&self.id()[..4], &self.key.sign(head.as_bytes()).unwrap()].concat();
        json!({
            "logIndex": "7",
            "logId": {"keyId": base64(self.id())},
            "kindVersion": {"kind": "dsse", "version": "0.0.1"},
            "integratedTime": time.to_string(),
            "inclusionPromise": {"signedEntryTimestamp": base64(self.key.sign(promised.as_bytes()).unwrap())},
            "inclusionProof": {
                "logIndex": "0",
                "rootHash": root,
                "treeSize": "1",
                "hashes": [],
                "checkpoint": {"envelope": format!("{head}\n\u{2014} {} {}\n", self.host, base64(signed))},
            },
            "canonicalizedBody": base64(&body),
        })
    }
}

fn rfc3339(seconds: i64) -> String {
    wharf_content::format_timestamp(seconds).unwrap()
}

pub(super) type Authority = CertifiedIssuer<'static, KeyPair>;

fn authority_params(name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    params.not_before = date_time_ymd(2024, 1, 1);
    params.not_after = date_time_ymd(2025, 1, 1);
    params
}

pub(super) fn authority(name: &str) -> Authority {
    CertifiedIssuer::self_signed(authority_params(name), KeyPair::generate().unwrap()).unwrap()
}

pub(super) fn below(name: &str, issuer: &Authority) -> Authority {
    CertifiedIssuer::signed_by(authority_params(name), KeyPair::generate().unwrap(), issuer).unwrap()
}

/// As a `trusted_root.json` lists an authority: from the last of its chain to the anchor.
pub(super) fn listed(chain: &[&Authority]) -> Value {
    let raw = |authority: &&Authority| json!({"rawBytes": base64(authority.der())});
    let certificates: Vec<Value> = chain.iter().map(raw).collect();
    json!({
        "uri": "https://fulcio.example",
        "certChain": {"certificates": certificates},
        "validFor": {"start": rfc3339(TIME - 10 * DAY)},
    })
}

pub(super) fn trusted_root(logs: &[Value], authorities: &[Value]) -> TrustedRoot {
    let root = json!({
        "mediaType": "application/vnd.dev.sigstore.trustedroot+json;version=0.1",
        "tlogs": logs,
        "certificateAuthorities": authorities,
        "ctlogs": [],
        "timestampAuthorities": [],
    });
    TrustedRoot::parse(root.to_string().as_bytes()).unwrap()
}

/// The subject of a certificate that signs: an email, its issuer, valid from the 10th to the 20th.
pub(super) fn subject(name: SanType, issuer: &str) -> Box<CertificateParams> {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.subject_alt_names = vec![name];
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::CodeSigning];
    params.not_before = date_time_ymd(2024, 1, 10);
    params.not_after = date_time_ymd(2024, 1, 20);
    let oid = [1, 3, 6, 1, 4, 1, 57264, 1, 1];
    let stated = CustomExtension::from_oid_content(&oid, issuer.as_bytes().to_vec());
    params.custom_extensions = vec![stated];
    Box::new(params)
}

pub(super) fn ada() -> Box<CertificateParams> {
    subject(SanType::Rfc822Name(EMAIL.try_into().unwrap()), ISSUER)
}

/// The signer of a bundle.
pub(super) enum By<'a> {
    Key(&'a KeyPair),
    Certificate(&'a Authority, Box<CertificateParams>),
}

/// A bundle to be made, and what of it differs from a good one.
pub(super) struct Making<'a> {
    pub(super) by: By<'a>,
    pub(super) digest: String,
    pub(super) predicate: &'static str,
    pub(super) log: Option<(&'a Log, i64)>,
}

impl<'a> Making<'a> {
    /// A good one for the image, in no log.
    pub(super) fn by(by: By<'a>) -> Self {
        Self {
            by,
            digest: digest(),
            predicate: COSIGN,
            log: None,
        }
    }

    pub(super) fn in_log(self, log: &'a Log) -> Self {
        self.in_log_at(log, TIME)
    }

    pub(super) fn in_log_at(self, log: &'a Log, time: i64) -> Self {
        let log = Some((log, time));
        Self { log, ..self }
    }

    pub(super) fn make(&self) -> Value {
        let statement = json!({
            "_type": "https://in-toto.io/Statement/v1",
            "subject": [{"digest": {"sha256": self.digest.trim_start_matches("sha256:")}}],
            "predicateType": self.predicate,
            "predicate": {},
        });
        let (payload, kind) = (statement.to_string(), "application/vnd.in-toto+json");
        let signed = format!("DSSEv1 {} {kind} {} {payload}", kind.len(), payload.len());
        let (signature, pem, mut material) = match &self.by {
            By::Key(key) => {
                let hint = base64(sha256(&key.subject_public_key_info()));
                let signature = key.sign(signed.as_bytes()).unwrap();
                (
                    signature,
                    key.public_key_pem(),
                    json!({"publicKey": {"hint": hint}}),
                )
            }
            By::Certificate(issuer, params) => {
                let key = KeyPair::generate().unwrap();
                let leaf = params.signed_by(&key, issuer).unwrap();
                let material = json!({"certificate": {"rawBytes": base64(leaf.der())}});
                (key.sign(signed.as_bytes()).unwrap(), leaf.pem(), material)
            }
        };
        if let Some((log, time)) = self.log {
            let hash = |bytes: &str| json!({"algorithm": "sha256", "value": hex(&sha256(bytes.as_bytes()))});
            let body = json!({
                "apiVersion": "0.0.1",
                "kind": "dsse",
                "spec": {
                    "envelopeHash": hash("an envelope"),
                    "payloadHash": hash(&payload),
                    "signatures": [{"signature": base64(&signature), "verifier": base64(pem)}],
                },
            });
            material["tlogEntries"] = json!([log.entry(&body, time)]);
        }
        json!({
            "mediaType": "application/vnd.dev.sigstore.bundle.v0.3+json",
            "verificationMaterial": material,
            "dsseEnvelope": {
                "payload": base64(payload),
                "payloadType": kind,
                "signatures": [{"sig": base64(signature)}],
            },
        })
    }
}

pub(super) fn bundle(json: &Value) -> Signature {
    Signature::Bundle(json.to_string().into())
}

/// The requirements that the tests know, by the members beside `type` and `signedIdentity`.
pub(super) fn keys(keys: &[&KeyPair], logs: &[&Log]) -> String {
    format!("{}{}", datas("keyDatas", keys), rekor(logs))
}

pub(super) fn fulcio(authorities: &[&Authority], logs: &[&Log]) -> String {
    let file: String = authorities.iter().map(|authority| authority.pem()).collect();
    format!(
        r#""fulcio": {{"caData": "{}", "oidcIssuer": "{ISSUER}", "subjectEmail": "{EMAIL}"}}{}"#,
        base64(file),
        rekor(logs)
    )
}

pub(super) fn pki(authority: &Authority) -> String {
    format!(
        r#""pki": {{"caRootsData": "{}", "subjectEmail": "{EMAIL}"}}"#,
        base64(authority.pem())
    )
}

fn rekor(logs: &[&Log]) -> String {
    let keys: Vec<&KeyPair> = logs.iter().map(|log| &log.key).collect();
    if keys.is_empty() {
        return String::new();
    }
    format!(", {}", datas("rekorPublicKeyDatas", &keys))
}

fn datas(name: &str, keys: &[&KeyPair]) -> String {
    let keys: Vec<String> = keys.iter().map(|key| base64(key.public_key_pem())).collect();
    format!(r#""{name}": {}"#, json!(keys))
}

/// Judges by a policy with this requirement, a year after everything was signed.
pub(super) fn trust(requirement: &str, identity: &str) -> Trust {
    let policy = format!(
        r#"{{"default": [{{"type": "sigstoreSigned", {requirement}, "signedIdentity": {identity}}}]}}"#
    );
    Trust::new(Policy::parse(&policy).unwrap()).with_clock(now)
}

pub(super) fn now() -> SystemTime {
    UNIX_EPOCH + Duration::from_secs((TIME + 366 * DAY).unsigned_abs())
}
