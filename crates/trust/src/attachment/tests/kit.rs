//! Signers, logs and authorities that live as long as a test.

use std::collections::BTreeMap;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, CustomExtension, DnType, ExtendedKeyUsagePurpose,
    IsCa, KeyPair, KeyUsagePurpose, PublicKeyData as _, SanType, SigningKey as _, date_time_ymd,
};
use serde_json::json;

use super::super::{
    Accepted, Signer,
    annotations::{CERTIFICATE, CHAIN, SET, SIGNATURE},
};
use crate::{
    KeyFile,
    public_key::{Hash, hex},
    time::Seconds,
};

pub(super) const PAYLOAD: &[u8] = br#"{"critical":{"identity":{"docker-reference":"registry.example/app"},"image":{"docker-manifest-digest":"sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},"type":"cosign container image signature"},"optional":null}"#;

pub(super) const ISSUER: &str = "https://accounts.example.com";
pub(super) const EMAIL: &str = "ada@example.com";

/// 2024-01-15T00:00:00Z, when everything of the kit is valid.
pub(super) const TIME: Seconds = 1_705_276_800;

pub(super) type Annotations = BTreeMap<String, String>;

pub(super) fn file(text: &str) -> KeyFile {
    KeyFile::new("a file", text.as_bytes().to_vec())
}

pub(super) fn base64(bytes: impl AsRef<[u8]>) -> String {
    STANDARD.encode(bytes)
}

/// A key pair of ECDSA P-256.
pub(super) struct Key(pub(super) KeyPair);

impl Key {
    pub(super) fn new() -> Self {
        Self(KeyPair::generate().unwrap())
    }

    pub(super) fn pem(&self) -> String {
        self.0.public_key_pem()
    }

    pub(super) fn sign(&self, message: &[u8]) -> Vec<u8> {
        self.0.sign(message).unwrap()
    }

    pub(super) fn annotations(&self) -> Annotations {
        annotations(&self.sign(PAYLOAD))
    }

    pub(super) fn signer(&self) -> Signer {
        Signer::keys(&[file(&self.pem())], &[]).unwrap()
    }

    pub(super) fn logged_signer(&self, log: &Log) -> Signer {
        Signer::keys(&[file(&self.pem())], &[file(&log.0.pem())]).unwrap()
    }

    /// A signature of the payload that the log has.
    pub(super) fn logged_annotations(&self, log: &Log) -> Annotations {
        let signature = self.sign(PAYLOAD);
        let mut annotations = annotations(&signature);
        annotations.insert(
            SET.to_owned(),
            log.set(&body(&signature, &self.pem(), PAYLOAD), TIME),
        );
        annotations
    }
}

pub(super) fn annotations(signature: &[u8]) -> Annotations {
    Annotations::from([(SIGNATURE.to_owned(), base64(signature))])
}

/// A transparency log.
pub(super) struct Log(pub(super) Key);

impl Log {
    pub(super) fn new() -> Self {
        Self(Key::new())
    }

    pub(super) fn set(&self, body: &serde_json::Value, time: Seconds) -> String {
        self.set_of(&json!({
            "body": base64(body.to_string()),
            "integratedTime": time,
            "logIndex": 7,
            "logID": hex(&Hash::Sha256.of(&self.0.0.subject_public_key_info())),
        }))
    }

    /// Signs the payload in its canonical form, which is that of `serde_json` here: members are sorted, no
    /// space.
    pub(super) fn set_of(&self, payload: &serde_json::Value) -> String {
        let signature = base64(self.0.sign(payload.to_string().as_bytes()));
        json!({"SignedEntryTimestamp": signature, "Payload": payload}).to_string()
    }
}

/// The entry of a log for a signature.
pub(super) fn body(signature: &[u8], pem: &str, payload: &[u8]) -> serde_json::Value {
    json!({
        "apiVersion": "0.0.1",
        "kind": "hashedrekord",
        "spec": {
            "data": {"hash": {"algorithm": "sha256", "value": hex(&Hash::Sha256.of(payload))}},
            "signature": {"content": base64(signature), "publicKey": {"content": base64(pem)}},
        },
    })
}

pub(super) type Authority = CertifiedIssuer<'static, KeyPair>;

/// The members of an authority's certificate unless a test changes them: valid in 2024, for certificates of all
/// purposes.
pub(super) fn authority_params(name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    params.not_before = date_time_ymd(2024, 1, 1);
    params.not_after = date_time_ymd(2025, 1, 1);
    params
}

pub(super) fn root(params: CertificateParams) -> Authority {
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

pub(super) fn below(params: CertificateParams, issuer: &Authority) -> Authority {
    CertifiedIssuer::signed_by(params, KeyPair::generate().unwrap(), issuer).unwrap()
}

pub(super) fn extension(number: u64, content: &[u8]) -> CustomExtension {
    CustomExtension::from_oid_content(&[1, 3, 6, 1, 4, 1, 57264, 1, number], content.to_vec())
}

pub(super) fn utf8(text: &str) -> Vec<u8> {
    crate::der::encode(crate::der::UTF8_STRING, text.as_bytes())
}

/// The members of a signer's certificate unless a test changes them: an email, its issuer, code signing.
pub(super) fn leaf_params() -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.subject_alt_names = vec![SanType::Rfc822Name(EMAIL.try_into().unwrap())];
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::CodeSigning];
    params.not_before = date_time_ymd(2024, 1, 10);
    params.not_after = date_time_ymd(2024, 1, 20);
    params.custom_extensions = vec![extension(1, ISSUER.as_bytes()), extension(8, &utf8(ISSUER))];
    params
}

/// A signature with a certificate: the signer's, those of the chain, and the log's word.
pub(super) struct Certified {
    pub(super) log: Log,
    pub(super) annotations: Annotations,
}

impl Certified {
    /// Signs with a certificate that `issuer` issues, logged at `time`. The chain has the certificates given,
    /// and the root's in the end, as cosign writes it.
    pub(super) fn new(
        params: &CertificateParams,
        issuer: &Authority,
        chain: &[&Authority],
        time: Seconds,
    ) -> Self {
        let key = Key::new();
        let certificate = params.signed_by(&key.0, issuer).unwrap().pem();
        Self::with(&key, &certificate, chain, time)
    }

    pub(super) fn with(key: &Key, certificate: &str, chain: &[&Authority], time: Seconds) -> Self {
        let log = Log::new();
        let signature = key.sign(PAYLOAD);
        let mut annotations = annotations(&signature);
        annotations.insert(
            SET.to_owned(),
            log.set(&body(&signature, certificate, PAYLOAD), time),
        );
        annotations.insert(CERTIFICATE.to_owned(), certificate.to_owned());
        let chain: String = chain.iter().map(|authority| authority.pem()).collect();
        annotations.insert(CHAIN.to_owned(), chain);
        Self { log, annotations }
    }

    pub(super) fn fulcio(&self, authorities: &str) -> Result<Accepted, String> {
        let log = file(&self.log.0.pem());
        let signer = Signer::fulcio(&file(authorities), ISSUER, EMAIL, &[log])
            .map_err(|problem| problem.to_string())?;
        let verified = signer.verify(PAYLOAD, &self.annotations, TIME);
        verified.map_err(|reason| reason.to_string())
    }

    pub(super) fn pki(&self, roots: &str, now: Seconds) -> Result<Accepted, String> {
        let signer =
            Signer::pki(&file(roots), None, Some(EMAIL), None).map_err(|problem| problem.to_string())?;
        let verified = signer.verify(PAYLOAD, &self.annotations, now);
        verified.map_err(|reason| reason.to_string())
    }
}
