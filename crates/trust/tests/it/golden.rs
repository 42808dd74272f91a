//! What GnuPG and Skopeo made, of every algorithm and form (`tests/golden/make.sh`).

use std::{collections::BTreeSet, fs, path::PathBuf, time::SystemTime};

use wharf_config::{Identity, KeySource, SignedBy};
use wharf_trust::{KeyFile, NativeOpenPgp, OpenPgp as _, ReasonKind};

use crate::support::{NAME, NOW, judged, reference, time, trust};

pub(crate) fn directory() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden")
}

pub(crate) fn key(name: &str) -> Vec<u8> {
    fs::read(directory().join("keys").join(name)).unwrap()
}

pub(crate) fn signature(name: &str) -> Vec<u8> {
    fs::read(directory().join("signatures").join(name)).unwrap()
}

/// Why a signature is refused: the kind, and words of the reason.
type Refused = (ReasonKind, &'static str);

use ReasonKind::{Algorithm, Format, Key, Payload, Time};

/// Signatures, the keyrings they are judged with, and why they are refused.
pub(crate) const SIGNATURES: &[(&str, &str, Option<Refused>)] = &[
    ("rsa2048", "rsa2048.gpg", None),
    ("rsa3072", "rsa3072.gpg", None),
    ("rsa4096", "rsa4096.gpg", None),
    ("nistp256", "nistp256.gpg", None),
    ("nistp384", "nistp384.gpg", None),
    ("ed25519", "ed25519.gpg", None),
    (
        "rsa1024",
        "rsa2048.gpg",
        Some((ReasonKind::UnknownKey, "not in the keyring")),
    ),
    ("rsa2048-SHA256", "rsa2048.gpg", None),
    ("rsa2048-SHA384", "rsa2048.gpg", None),
    ("rsa2048-SHA512", "rsa2048.gpg", None),
    ("rsa2048-SHA1", "rsa2048.gpg", Some((Algorithm, "SHA-1"))),
    (
        "rsa2048-RIPEMD160",
        "rsa2048.gpg",
        Some((Algorithm, "RIPEMD-160")),
    ),
    ("rsa2048-SHA224", "rsa2048.gpg", Some((Algorithm, "SHA-224"))),
    ("ed25519-SHA256", "ed25519.gpg", None),
    ("ed25519-SHA384", "ed25519.gpg", None),
    ("ed25519-SHA512", "ed25519.gpg", None),
    ("nistp256-SHA384", "nistp256.gpg", None),
    (
        "nistp256-SHA512",
        "nistp256.gpg",
        Some((Algorithm, "ECDSA P-256 with SHA-512")),
    ),
    (
        "nistp384-SHA512",
        "nistp384.gpg",
        Some((Algorithm, "ECDSA P-384 with SHA-512")),
    ),
    ("rsa2048-none", "rsa2048.gpg", None),
    ("rsa2048-zip", "rsa2048.gpg", None),
    ("rsa2048-zlib", "rsa2048.gpg", None),
    ("rsa2048-bzip2", "rsa2048.gpg", Some((Algorithm, "BZIP2"))),
    ("parts", "rsa2048.gpg", None),
    ("notation", "rsa2048.gpg", None),
    (
        "notation-critical",
        "rsa2048.gpg",
        Some((Algorithm, "critical notation")),
    ),
    ("policy-critical", "rsa2048.gpg", None),
    ("textmode", "rsa2048.gpg", Some((Algorithm, "text mode"))),
    (
        "armored",
        "rsa2048.gpg",
        Some((Format, "armored signatures are not container signatures")),
    ),
    (
        "cleartext",
        "rsa2048.gpg",
        Some((Format, "cleartext and armored")),
    ),
    ("detached", "rsa2048.gpg", Some((Format, "but a signature"))),
    ("literal", "rsa2048.gpg", Some((Format, "but literal data"))),
    ("encrypted", "rsa2048.gpg", Some((Format, "encrypted"))),
    (
        "two-signatures",
        "several.gpg",
        Some((Format, "not one signature")),
    ),
    ("two-messages", "rsa2048.gpg", Some((Format, "not one signature"))),
    ("trailing", "rsa2048.gpg", Some((Format, "no packet begins here"))),
    (
        "trailing-compressed",
        "rsa2048.gpg",
        Some((Format, "something follows its compressed data")),
    ),
    ("truncated", "rsa2048.gpg", Some((Format, "cut off"))),
    (
        "no-payload",
        "rsa2048.gpg",
        Some((Payload, "no statement about an image")),
    ),
    ("expired", "rsa2048.gpg", Some((Time, "the signature expired"))),
    ("expires-later", "rsa2048.gpg", None),
    ("future", "rsa2048.gpg", Some((Time, "in the future"))),
    ("before-key", "rsa2048.gpg", Some((Time, "older than its key"))),
    ("sha1-self", "sha1-self.gpg", None),
    ("expiring", "expiring.gpg", Some((Key, "the key expired"))),
    ("revoked", "revoked.gpg", Some((Key, "the key was revoked"))),
    ("certifying", "certifying.gpg", Some((Key, "not for signing"))),
    ("subkey", "subkey.gpg", None),
    (
        "subkey-expired",
        "subkey-expired.gpg",
        Some((Key, "the subkey expired")),
    ),
    (
        "subkey-revoked",
        "subkey-revoked.gpg",
        Some((Key, "the subkey was revoked")),
    ),
    ("rsa2048", "several.gpg", None),
    ("rsa2048", "several.asc", None),
    ("rsa2048", "armors.asc", None),
    ("rsa3072", "armors.asc", None),
    (
        "rsa3072",
        "rsa2048.gpg",
        Some((ReasonKind::UnknownKey, "not in the keyring")),
    ),
    (
        "rsa2048",
        "subkey.gpg",
        Some((ReasonKind::UnknownKey, "not in the keyring")),
    ),
];

/// Keys that are of no use alone, and why. A signature by each lies beside it.
pub(crate) const USELESS: &[(&str, &str)] = &[
    ("rsa1024", "RSA with 1024 bits is not accepted"),
    ("dsa2048", "DSA is not accepted"),
    ("nistp521", "ECDSA on P-521 is not accepted"),
    ("brainpoolP256r1", "ECDSA on Brainpool is not accepted"),
    ("secp256k1", "ECDSA on secp256k1 is not accepted"),
];

#[test]
fn signatures_by_gnupg_are_judged() {
    for (name, keys, refused) in SIGNATURES {
        let files = [KeyFile::new(*keys, key(keys))];
        let ring = NativeOpenPgp.open(&files, time(NOW)).unwrap();
        let verified = ring.verify(&signature(name));
        let trust = trust([SignedBy::new(KeySource::data(key(keys))).into()]);
        let judged = judged(&trust, &[signature(name)]);
        assert_eq!(
            judged.is_ok(),
            refused.is_none(),
            "{name} with {keys}: {judged:?}"
        );
        match (verified, refused) {
            (Ok(_), None | Some((Payload, _))) => {}
            (Err(reason), Some((kind, words))) => {
                assert_eq!(reason.kind(), *kind, "{name} with {keys}: {reason}");
                assert!(reason.to_string().contains(words), "{name} with {keys}: {reason}");
            }
            (verified, _) => panic!("{name} with {keys}: {verified:?}"),
        }
    }
}

#[test]
fn keys_of_other_algorithms_are_refused_by_name() {
    for (name, words) in USELESS {
        let file = format!("{name}.gpg");
        let why = NativeOpenPgp
            .open(&[KeyFile::new(&file, key(&file))], time(NOW))
            .map(drop)
            .unwrap_err();
        assert!(why.contains(words) && why.contains(&file), "{name}: {why}");
        // Beside a key that is of use.
        let files = [
            KeyFile::new(&file, key(&file)),
            KeyFile::new("good", key("rsa2048.gpg")),
        ];
        let ring = NativeOpenPgp.open(&files, time(NOW)).unwrap();
        let reason = ring.verify(&signature(name)).unwrap_err();
        assert!(reason.to_string().contains(words), "{name}: {reason}");
        assert!(ring.verify(&signature("rsa2048")).is_ok());
    }
}

/// Skopeo signs at the time of the clock.
#[test]
fn a_signature_by_skopeo_is_accepted() {
    let requirement = |identity| SignedBy::new(KeySource::data(key("rsa2048.gpg"))).with_identity(identity);
    let trust = trust([requirement(Identity::MatchExact).into()]).with_clock(SystemTime::now);
    assert_eq!(judged(&trust, &[signature("skopeo")]), Ok(()));
    let other = requirement(Identity::ExactReference(reference("registry.example/app:2")));
    let trust = crate::support::trust([other.into()]).with_clock(SystemTime::now);
    let said = judged(&trust, &[signature("skopeo")]).unwrap_err();
    assert!(
        said.contains(&format!("Signature for identity \"{NAME}\" is not accepted")),
        "{said}"
    );
}

#[test]
fn every_golden_signature_is_judged() {
    let files = fs::read_dir(directory().join("signatures")).unwrap();
    let made: BTreeSet<String> = files
        .map(|file| file.unwrap().file_name().into_string().unwrap())
        .collect();
    let tables = SIGNATURES
        .iter()
        .map(|(name, ..)| *name)
        .chain(USELESS.iter().map(|(name, _)| *name));
    let judged: BTreeSet<String> = tables.chain(["skopeo"]).map(str::to_owned).collect();
    assert_eq!(made, judged);
    assert!(judged.len() > 50);
}

/// A compressed message of GnuPG, taken apart: what stands before the signature, the signature's body up to its numbers, and those.
fn taken_apart(name: &str) -> (Vec<u8>, Vec<u8>, Vec<u8>) {
    let blob = signature(name);
    assert_eq!(blob[..2], [0xa3, 1]);
    let message = miniz_oxide::inflate::decompress_to_vec(&blob[2..]).unwrap();
    // A one-pass signature of 13 bytes, and a literal with a length of two bytes.
    assert_eq!((message[0], message[1], message[15]), (0x90, 13, 0xcb));
    let literal = (usize::from(message[16]) - 192) * 256 + usize::from(message[17]) + 192;
    let (before, rest) = message.split_at(18 + literal);
    let body = match rest[0] {
        0x88 => &rest[2..],
        0x89 => &rest[3..],
        other => panic!("{other:x}"),
    };
    let size = |at: usize| usize::from(u16::from_be_bytes([body[at], body[at + 1]]));
    let hashed = size(4);
    let unhashed = size(6 + hashed);
    let (head, numbers) = body.split_at(6 + hashed + 2 + unhashed + 2);
    (before.to_vec(), head.to_vec(), numbers.to_vec())
}

#[test]
fn t190_numbers_at_the_edges_of_an_algorithm_are_refused() {
    use crate::forge::{mpi, packet};
    let n256 = "ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551";
    let hex = |text: &str| -> Vec<u8> {
        (0..text.len())
            .step_by(2)
            .map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap())
            .collect()
    };
    let order = hex(n256);
    let judged = |name: &str, numbers: &[u8]| {
        let (before, head, _) = taken_apart(name);
        let message = [before, packet(2, &[head.as_slice(), numbers].concat())].concat();
        let files = [KeyFile::new("keys", key(&format!("{name}.gpg")))];
        NativeOpenPgp
            .open(&files, time(NOW))
            .unwrap()
            .verify(&message)
            .map(drop)
            .map_err(|reason| reason.kind())
    };
    for name in ["nistp256", "nistp384", "ed25519", "rsa2048"] {
        let (_, _, numbers) = taken_apart(name);
        assert_eq!(judged(name, &numbers), Ok(()), "{name}");
        // A byte more, a byte less, nothing, numbers in each other's place.
        let mut bad = vec![
            [numbers.as_slice(), &[0]].concat(),
            numbers[..numbers.len() - 1].to_vec(),
            Vec::new(),
        ];
        bad.push([numbers.as_slice(), &numbers].concat());
        let zero = mpi(&[]);
        let one = mpi(&[1]);
        let huge = mpi(&[0xff; 600]);
        if name == "rsa2048" {
            let modulus = key("rsa2048.gpg")[11..267].to_vec();
            bad.extend([
                zero,
                one,
                huge,
                mpi(&modulus),
                mpi(&[&[1], modulus.as_slice()].concat()),
                mpi(&[0xff; 256]),
            ]);
        } else {
            let first =
                numbers[..2 + usize::from(u16::from_be_bytes([numbers[0], numbers[1]])).div_ceil(8)].to_vec();
            let second = numbers[first.len()..].to_vec();
            bad.push([second.as_slice(), &first].concat());
            for edge in [zero, one, huge, mpi(&order), mpi(&[0xff; 48]), mpi(&[0xff; 32])] {
                bad.push([edge.as_slice(), &second].concat());
                bad.push([first.as_slice(), &edge].concat());
                bad.push([edge.as_slice(), &edge].concat());
            }
        }
        for numbers in bad {
            assert_eq!(
                judged(name, &numbers),
                Err(ReasonKind::Forged),
                "{name}: {numbers:x?}"
            );
        }
    }
}
