//! OpenPGP secret key files: which sign here, and the messages that they make.

use bytes::Bytes;
use wharf_content::Sign as _;
use wharf_content::{ErrorKind, Signature, Wanted};
use wharf_trust::{KeyFile, NativeOpenPgp, OpenPgp as _, Signer, UntrustedSummary};

use super::{file, judged, requires_keyring, signed};
use crate::{
    forge::{ED25519, EDDSA, Key, certificate, mpi, packet},
    golden,
    support::{DAY, NAME, NOW, reference, time},
};

/// Public keys of a file of secret keys, without the help of a program: packets of other types stand as they are.
pub(super) fn public_of(name: &str) -> Vec<u8> {
    let secret = file(name);
    let mut public = Vec::new();
    let mut rest = secret.as_slice();
    while let [head, size, after @ ..] = rest {
        // Old format, with one byte of length or two.
        let (size, after) = match head & 3 {
            0 => (usize::from(*size), after),
            1 => (usize::from(*size) << 8 | usize::from(after[0]), &after[1..]),
            other => panic!("length of type {other}"),
        };
        let (body, after) = after.split_at(size);
        let tag = head >> 2 & 0xf;
        match tag {
            5 | 7 => public.extend(packet(if tag == 5 { 6 } else { 14 }, &body[..public_size(body)])),
            _ => public.extend(packet(tag, body)),
        }
        rest = after;
    }
    public
}

fn public_size(body: &[u8]) -> usize {
    let number = |at: usize| 2 + (usize::from(body[at]) << 8 | usize::from(body[at + 1])).div_ceil(8);
    match body[5] {
        18 => {
            let at = 7 + usize::from(body[6]);
            let at = at + number(at);
            at + 1 + usize::from(body[at])
        }
        19 | 22 => {
            let at = 7 + usize::from(body[6]);
            at + number(at)
        }
        other => panic!("algorithm {other}"),
    }
}

fn opened(name: &str) -> Result<Signer, String> {
    Signer::openpgp(file(name)).map_err(|problem| problem.to_string())
}

#[test]
fn secret_keys_that_are_not_protected_sign_what_is_accepted() {
    for name in [
        "ed25519.gpg",
        "nistp256.gpg",
        "nistp384.gpg",
        "subkey.gpg",
        "encrypting.gpg",
    ] {
        let signer = opened(name).unwrap();
        assert_eq!(signer.kind(), Wanted::SIMPLE);
        assert_eq!(signer.public_key(), None);
        let signature = signed(&signer).unwrap();
        judged(requires_keyring(&public_of(name)), &reference(NAME), &signature).unwrap();
        judged(
            requires_keyring(&golden::key("ed25519.gpg")),
            &reference(NAME),
            &signature,
        )
        .unwrap_err();
    }
    // The same key in an armor.
    let signature = signed(&opened("armored.asc").unwrap()).unwrap();
    judged(
        requires_keyring(&public_of("ed25519.gpg")),
        &reference(NAME),
        &signature,
    )
    .unwrap();
    // The primary key is elsewhere; its subkey signs for it.
    let signature = signed(&opened("subkey-alone.gpg").unwrap()).unwrap();
    judged(
        requires_keyring(&public_of("subkey.gpg")),
        &reference(NAME),
        &signature,
    )
    .unwrap();
}

#[test]
fn files_that_cannot_sign_are_refused_and_told_why() {
    for (name, words) in [
        (
            "rsa2048.gpg",
            "it is RSA; import it into GnuPG and let the program gpg sign",
        ),
        (
            "protected.gpg",
            "it is encrypted; import it into GnuPG and let the program gpg sign",
        ),
        ("nistp521.gpg", "P-521"),
        ("secp256k1.gpg", "secp256k1"),
        ("dsa2048.gpg", "DSA"),
        ("public.gpg", "it has a public key, which cannot sign"),
        ("public.asc", "it has a public key, which cannot sign"),
        ("p256.key", "it has no secret key, binary or armored"),
        ("make.sh", "it has no secret key, binary or armored"),
    ] {
        let said = opened(name).unwrap_err();
        assert!(said.contains(words) && said.len() < 400, "{name}: {said}");
    }
    for bytes in [
        &[][..],
        &[0x80],
        &[0xff; 100],
        &[0xc5, 0],
        &[0xc5, 1, 4],
        &[0xc5, 1, 6],
    ] {
        Signer::openpgp(bytes).unwrap_err();
    }
    Signer::openpgp(vec![b'x'; (1 << 20) + 1]).unwrap_err();
}

/// The keys are read, but may not sign, now or at all.
#[test]
fn keys_that_may_not_sign_do_not() {
    let error = signed(&opened("certifying.gpg").unwrap()).unwrap_err();
    assert!(error.to_string().contains("not for signing"), "{error}");
    // It lived for the first hundred days of 2024.
    let expiring = opened("expiring.gpg").unwrap();
    let error = signed(&expiring).unwrap_err();
    assert!(error.to_string().contains("the key expired"), "{error}");
    signed(&expiring.clone().with_clock(|| time(NOW - 300 * DAY))).unwrap();
    let error = signed(&expiring.with_clock(|| time(NOW - 400 * DAY))).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Other);
    let error = signed(
        &opened("ed25519.gpg")
            .unwrap()
            .with_clock(|| time(u32::MAX) + std::time::Duration::from_secs(1)),
    );
    assert!(error.unwrap_err().to_string().contains("the clock"));
}

/// Each damaged byte of the secret part is found, by the checksum or because the halves do not belong together.
#[test]
fn damaged_secret_keys_are_refused() {
    for name in ["ed25519.gpg", "nistp256.gpg", "nistp384.gpg"] {
        let good = file(name);
        let size = usize::from(good[1]);
        let body = &good[2..2 + size];
        for at in public_size(body)..size {
            let mut damaged = good.clone();
            damaged[2 + at] ^= 1;
            assert!(Signer::openpgp(&damaged).is_err(), "{name}: byte {at}");
        }
        for cut in 0..good.len() {
            let _ = Signer::openpgp(&good[..cut]); // no panic
        }
    }
}

/// A secret key with a fixed seed, and its public half.
fn fixed(algorithm: u8) -> (Vec<u8>, Vec<u8>) {
    let seed = 7;
    let key = Key::new(seed, NOW - 1000 * DAY).with_algorithm(algorithm);
    let material = if algorithm == EDDSA {
        mpi(&[seed; 32])
    } else {
        vec![seed; 32]
    };
    let sum = material.iter().map(|byte| u16::from(*byte)).sum::<u16>();
    let secret = [&key.body(), [0].as_slice(), &material, &sum.to_be_bytes()].concat();
    let public = certificate(&key);
    let rest = &public[packet(6, &key.body()).len()..];
    ([packet(5, &secret), rest.to_vec()].concat(), public)
}

/// Ed25519 signatures are the same in every run, so that the whole message is.
#[test]
fn a_message_has_these_bytes() {
    for (algorithm, signature_size) in [(EDDSA, 2 + 32 + 2 + 32), (ED25519, 64)] {
        let (secret, public) = fixed(algorithm);
        let signer = Signer::openpgp(&secret).unwrap().with_clock(|| time(NOW));
        let signature = signed(&signer).unwrap();
        assert_eq!(signed(&signer).unwrap(), signature);
        let Signature::Simple(message) = &signature else {
            panic!("it is no simple signature");
        };
        let key = Key::new(7, NOW - 1000 * DAY).with_algorithm(algorithm);
        let payload = payload_of(message);
        let literal = [&[b'b', 0, 0, 0, 0, 0], payload.as_slice()].concat();
        let mut expected = packet(4, &[&[3, 0, 10, algorithm], key.id().as_slice(), &[1]].concat());
        expected.extend(packet(11, &literal));
        let hashed = [
            &[5, 2],
            NOW.to_be_bytes().as_slice(),
            &[22, 33, 4],
            &key.fingerprint(),
        ]
        .concat();
        let head = [
            &[4, 0, algorithm, 10, 0, u8::try_from(hashed.len()).unwrap()],
            hashed.as_slice(),
            &[0, 10, 9, 16],
            &key.id(),
        ]
        .concat();
        let (start, rest) = message.split_at(expected.len());
        assert_eq!(start, expected);
        assert_eq!(rest[..2], [0xc2, 0xff]);
        assert_eq!(rest[6..6 + head.len()], head);
        // The first two bytes of the digest, and the signature.
        let end = rest.len() - 6 - head.len();
        assert!((signature_size - 2..=2 + signature_size).contains(&end), "{end}");
        judged_then(&public, &signature);
        let blob = Signature::from_blob(signature.to_blob().unwrap());
        assert_eq!(blob, signature);
    }
}

fn judged_then(public: &[u8], signature: &Signature) {
    judged(requires_keyring(public), &reference(NAME), signature).unwrap();
}

fn payload_of(message: &Bytes) -> Vec<u8> {
    let summary = UntrustedSummary::read_without_verifying(&Signature::Simple(message.clone())).unwrap();
    assert_eq!(summary.reference, NAME);
    assert_eq!(summary.time, time(NOW));
    let creator = concat!("wharf ", env!("CARGO_PKG_VERSION"));
    assert_eq!(summary.creator.as_deref(), Some(creator));
    format!(
        r#"{{"critical":{{"identity":{{"docker-reference":"{NAME}"}},"image":{{"docker-manifest-digest":"{}"}},"type":"atomic container signature"}},"optional":{{"creator":"{creator}","timestamp":{NOW}}}}}"#,
        summary.digest
    )
    .into_bytes()
}

/// A signature of ours is one message, as its readers want it, whatever the sizes of the numbers in it.
#[test]
fn messages_by_ecdsa_are_read_back_whatever_their_numbers() {
    for name in ["nistp256.gpg", "nistp384.gpg"] {
        let signer = opened(name).unwrap();
        let public = public_of(name);
        let ring = NativeOpenPgp
            .open(&[KeyFile::new(name, public)], std::time::SystemTime::now())
            .unwrap();
        for _ in 0..300 {
            let Signature::Simple(message) = signed(&signer).unwrap() else {
                panic!("it is no simple signature");
            };
            ring.verify(&message).unwrap();
        }
    }
}
