//! Timestamps of a CT log that lives as long as a test.

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, CustomExtension, DnType, IsCa, KeyPair,
    KeyUsagePurpose, PublicKeyData as _, SerialNumber, SigningKey as _,
};

use super::*;
use crate::{
    public_key::PublicKey,
    root::{Log, Range},
};

/// In seconds: when the timestamps are from, and when they are judged.
const TIME: Seconds = 1_705_276_800;
const NOW: Seconds = TIME + 60;

type Authority = CertifiedIssuer<'static, KeyPair>;

fn authority() -> Authority {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, "authority");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

fn read(der: &[u8]) -> Certificate {
    Certificate::from_der(der).unwrap()
}

/// A CT log with the key that signs for it.
fn log() -> (KeyPair, Log) {
    let key = KeyPair::generate().unwrap();
    let spki = key.subject_public_key_info();
    let log = Log {
        host: String::new(),
        key: PublicKey::from_spki(&spki).unwrap(),
        id: Hash::Sha256.of(&spki),
        operator: None,
        valid: Range::new(Some(TIME - 10), Some(TIME + 10)),
    };
    (key, log)
}

/// The members of a timestamp, as a log writes them.
struct Entry {
    version: u8,
    time: Seconds,
    extensions: Vec<u8>,
    hash: u8,
    /// Whose key and certificate it is signed for, if not those that are judged.
    issuer: Option<Certificate>,
    before: Option<Vec<u8>>,
}

impl Default for Entry {
    fn default() -> Self {
        Self {
            version: 0,
            time: TIME,
            extensions: Vec::new(),
            hash: 4,
            issuer: None,
            before: None,
        }
    }
}

fn counted(bytes: &[u8]) -> Vec<u8> {
    let count = u16::try_from(bytes.len()).unwrap();
    [&count.to_be_bytes(), bytes].concat()
}

/// A timestamp of the log for the certificate that is so before it has one.
fn timestamp(key: &KeyPair, log: &Log, before: &Certificate, issuer: &Certificate, entry: &Entry) -> Vec<u8> {
    let tbs = entry.before.clone().unwrap_or_else(|| before.before_timestamps());
    let issuer = entry.issuer.as_ref().unwrap_or(issuer);
    let time = u64::try_from(entry.time * 1000).unwrap().to_be_bytes();
    let length = u32::try_from(tbs.len()).unwrap().to_be_bytes();
    let extensions = counted(&entry.extensions);
    let key_hash = Hash::Sha256.of(&issuer.spki);
    let signed = [
        &[0, 0],
        &time[..],
        &[0, 1],
        &key_hash,
        &length[1..],
        &tbs,
        &extensions,
    ]
    .concat();
    let signature = key.sign(&signed).unwrap();
    [
        &[entry.version],
        log.id.as_slice(),
        &time,
        &extensions,
        &[entry.hash, 3],
        &counted(&signature),
    ]
    .concat()
}

/// The certificate without timestamps, or with this content of the extension.
fn issue(authority: &Authority, key: &KeyPair, list: Option<Vec<u8>>) -> Certificate {
    let mut params = CertificateParams::default();
    params.serial_number = Some(SerialNumber::from_slice(&[7]));
    if let Some(list) = list {
        let oid = [1, 3, 6, 1, 4, 1, 11129, 2, 4, 2];
        params.custom_extensions = vec![CustomExtension::from_oid_content(&oid, list)];
    }
    read(params.signed_by(key, authority).unwrap().der())
}

fn list(timestamps: &[Vec<u8>]) -> Vec<u8> {
    let entries: Vec<u8> = timestamps
        .iter()
        .flat_map(|timestamp| counted(timestamp))
        .collect();
    der::encode(der::OCTET_STRING, &counted(&entries))
}

#[test]
fn t189_a_timestamp_is_for_this_certificate_and_issuer_and_from_its_time() {
    let (authority, key, (log_key, log)) = (authority(), KeyPair::generate().unwrap(), log());
    let issuer = read(authority.der());
    let stranger = read(self::authority().der());
    let before = issue(&authority, &key, None);
    let other = issue(&authority, &KeyPair::generate().unwrap(), None).before_timestamps();
    let of = |entry: &Entry| timestamp(&log_key, &log, &before, &issuer, entry);
    let with = |change: &dyn Fn(&mut Entry)| {
        let mut entry = Entry::default();
        change(&mut entry);
        vec![of(&entry)]
    };
    let good = of(&Entry::default());
    let (foreign_key, foreign) = self::log();
    let foreign = timestamp(&foreign_key, &foreign, &before, &issuer, &Entry::default());
    let cut = good.get(..good.len() - 1).unwrap().to_vec();
    for (name, timestamps, expected) in [
        ("good", vec![good.clone()], true),
        ("two", vec![good.clone(), good.clone()], true),
        (
            "one of a log that is not known, and a good one",
            vec![foreign.clone(), good.clone()],
            true,
        ),
        (
            "extensions",
            with(&|entry| entry.extensions = vec![1, 2, 3]),
            true,
        ),
        ("the last second", with(&|entry| entry.time = TIME + 10), true),
        ("none", vec![], false),
        ("of a log that is not known", vec![foreign], false),
        (
            "for another issuer",
            with(&|entry| entry.issuer = Some(stranger.clone())),
            false,
        ),
        (
            "for another certificate",
            with(&|entry| entry.before = Some(other.clone())),
            false,
        ),
        ("before the log", with(&|entry| entry.time = TIME - 11), false),
        ("after the log", with(&|entry| entry.time = TIME + 11), false),
        ("from the future", with(&|entry| entry.time = NOW + 1), false),
        ("version 2", with(&|entry| entry.version = 1), false),
        ("another hash", with(&|entry| entry.hash = 5), false),
        ("SHA-1", with(&|entry| entry.hash = 2), false),
        ("cut short", vec![cut], false),
        ("a byte too long", vec![[good.as_slice(), &[0]].concat()], false),
        ("too many", vec![Vec::new(); 40], false),
    ] {
        let certificate = issue(&authority, &key, Some(list(&timestamps)));
        let result = verify(&certificate, &issuer, std::slice::from_ref(&log), NOW);
        assert_eq!(result.is_ok(), expected, "{name}: {result:?}");
    }
}

/// Judged as if another authority of that name had issued the certificate; without logs; without timestamps.
#[test]
fn t189_a_timestamp_needs_its_issuer_and_its_log() {
    let (authority, key, (log_key, log)) = (authority(), KeyPair::generate().unwrap(), log());
    let issuer = read(authority.der());
    let stranger = read(self::authority().der());
    let before = issue(&authority, &key, None);
    let good = timestamp(&log_key, &log, &before, &issuer, &Entry::default());
    let certificate = issue(&authority, &key, Some(list(&[good])));
    let logs = [log];
    assert!(verify(&certificate, &issuer, &logs, NOW).is_ok());
    assert!(verify(&certificate, &stranger, &logs, NOW).is_err());
    assert!(verify(&certificate, &issuer, &[], NOW).is_err());
    assert!(verify(&before, &issuer, &logs, NOW).is_err());
    // Within the log's time, and ahead of the clock.
    for (now, good) in [(TIME, true), (TIME - 1, false), (0, false)] {
        assert_eq!(verify(&certificate, &issuer, &logs, now).is_ok(), good, "{now}");
    }
}
