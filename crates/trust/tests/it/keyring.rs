//! Files of keys: in which forms they come, and what is said of those that cannot be used.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use wharf_trust::ReasonKind;

use crate::{
    certificate::{CREATED, primary, said, sub},
    forge::{Key, Sig, certificate, mpi, packet, with_self_signatures},
    support::{DAY, NOW, good_payload, opened, verified},
};

fn armored(keys: &[u8]) -> String {
    let base64 = STANDARD.encode(keys);
    let lines: Vec<String> = base64
        .as_bytes()
        .chunks(64)
        .map(|line| String::from_utf8_lossy(line).into_owned())
        .collect();
    format!(
        "-----BEGIN PGP PUBLIC KEY BLOCK-----\n\n{}\n-----END PGP PUBLIC KEY BLOCK-----\n",
        lines.join("\n")
    )
}

#[test]
fn keyrings_come_in_many_forms() {
    let (one, two) = (primary(), sub());
    let (first, second) = (certificate(&one), certificate(&two));
    let both = [first.clone(), second.clone()].concat();
    let armors = format!("The keys:\n{}and\n{}end\n", armored(&first), armored(&second));
    let unknown_version = packet(6, &[6, 0, 0, 0, 0, 27, 0, 0, 0, 32]);
    let post_quantum = packet(6, &[&[4, 0, 0, 0, 1, 107], [7; 100].as_slice()].concat());
    let ignored = [
        packet(10, b"PGP"),
        first.clone(),
        packet(12, b"\x01"),
        packet(60, b"x"),
        second.clone(),
    ]
    .concat();
    for (name, keys) in [
        ("binary", both.clone()),
        ("armored", armored(&both).into_bytes()),
        ("armors with prose", armors.into_bytes()),
        ("markers, trust, private packets", ignored),
        (
            "an unknown version first",
            [unknown_version.clone(), both.clone()].concat(),
        ),
        (
            "an unknown version between, with parts",
            [
                first.clone(),
                unknown_version,
                packet(13, b"x"),
                packet(14, &[6]),
                second.clone(),
            ]
            .concat(),
        ),
        (
            "a post-quantum key between",
            [first, post_quantum, packet(13, b"x"), second].concat(),
        ),
        ("the same twice", [both.clone(), both].concat()),
    ] {
        assert_eq!(said(&keys, &one), Ok(one.name()), "{name}");
        assert_eq!(said(&keys, &two), Ok(two.name()), "{name}");
    }
}

#[test]
fn keyrings_that_cannot_be_used_say_why() {
    let key = primary();
    let good = certificate(&key);
    let many = |count: u32| -> Vec<u8> {
        (0..count)
            .flat_map(|number| certificate(&Key::new(1, CREATED + number)))
            .collect()
    };
    for (name, keys, expected) in [
        (
            "nothing",
            Vec::new(),
            "No public keys imported from keys; keys: it has no OpenPGP key",
        ),
        (
            "prose",
            b"no key\n".to_vec(),
            "it has no OpenPGP key, binary or armored",
        ),
        (
            "a key of cosign's",
            b"-----BEGIN PUBLIC KEY-----\nAAEC\n-----END PUBLIC KEY-----\n".to_vec(),
            "it has a PEM block, and no OpenPGP key",
        ),
        ("a page", b"<html></html>".to_vec(), "it has no OpenPGP key"),
        (
            "junk after a key",
            [good.clone(), vec![0, 1, 2]].concat(),
            "no packet begins here",
        ),
        (
            "a text after a key",
            [good.clone(), packet(11, b"x")].concat(),
            "literal data stands among",
        ),
        (
            "a key that is cut off",
            good[..good.len() - 1].to_vec(),
            "cut off",
        ),
        ("a signature first", packet(2, &[4]), "begins with a signature"),
        ("a secret key", packet(5, &[4]), "gpg --export"),
        (
            "a secret subkey",
            [good.clone(), packet(7, &[4])].concat(),
            "gpg --export",
        ),
        (
            "an armored secret key",
            armored(&good).replace("PUBLIC", "PRIVATE").into_bytes(),
            "gpg --export",
        ),
        (
            "a keybox",
            b"\0\0\0\x20\x01\x01\0\x02KBXf\0\0\0\0".to_vec(),
            "keybox of GnuPG",
        ),
        (
            "binary after armor",
            [armored(&good).into_bytes(), good.clone()].concat(),
            "binary data stands after",
        ),
        (
            "a wrong checksum",
            armored(&good)
                .replace("\n-----END", "\n=AAAA\n-----END")
                .into_bytes(),
            "checksum",
        ),
        (
            "no signature",
            [packet(6, &key.body()), packet(13, b"x")].concat(),
            "no valid signature of its own",
        ),
        ("a key of version 6 alone", packet(6, &[6, 0]), "version 6"),
        (
            "dsa alone",
            packet(6, &[4, 0, 0, 0, 1, 17, 0]),
            "DSA is not accepted",
        ),
        (
            "too large",
            [good.clone(), vec![0; 1 << 20]].concat(),
            "larger than 1 MiB",
        ),
        ("too many", many(201), "more than 200 keys"),
    ] {
        let why = opened(&keys).unwrap_err();
        assert!(why.contains(expected) && why.contains("keys"), "{name}: {why}");
        assert!(why.len() < 600, "{name}: {why}");
    }
    assert_eq!(opened(&many(200)), Ok(()));
}

/// RSA keys of other sizes are refused when they are read, with their size; those of these have no signature of their own.
#[test]
fn rsa_keys_have_2048_to_8192_bits() {
    for (bits, expected) in [
        (1024, "RSA with 1024 bits is not accepted"),
        (2047, "RSA with 2047 bits is not accepted"),
        (2048, "no valid signature of its own"),
        (8192, "no valid signature of its own"),
        (8193, "RSA with 8193 bits is not accepted"),
        (16384, "RSA with 16384 bits is not accepted"),
    ] {
        let mut modulus = vec![0xff; usize::div_ceil(bits, 8)];
        modulus[0] >>= modulus.len() * 8 - bits;
        let body = [&[4, 0, 0, 0, 1, 1], mpi(&modulus).as_slice(), &mpi(&[1, 0, 1])].concat();
        let why = opened(&packet(6, &body)).unwrap_err();
        assert!(why.contains(expected), "{bits}: {why}");
    }
}

/// A file that is lost does not take the others with it, and a mistake does.
#[test]
fn one_bad_file_among_several() {
    use wharf_trust::{KeyFile, NativeOpenPgp, OpenPgp as _};
    let key = primary();
    let message = Sig::by(&key, 0, NOW - DAY).message(&key, &good_payload());
    let good = KeyFile::new("/good", certificate(&key));
    let now = crate::support::time(NOW);
    let junk = KeyFile::new("/junk", b"\x99\x00".as_slice());
    let ring = NativeOpenPgp.open(&[junk.clone(), good.clone()], now).unwrap();
    assert!(ring.verify(&message).is_ok());
    let stranger = Key::new(9, CREATED);
    let message = Sig::by(&stranger, 0, NOW - DAY).message(&stranger, &good_payload());
    let reason = ring.verify(&message).unwrap_err().to_string();
    assert!(
        reason.contains("/junk: it is cut off") && reason.contains(&stranger.name()),
        "{reason}"
    );
    let secret = KeyFile::new("/secret", packet(5, &[4]));
    let why = NativeOpenPgp.open(&[good, secret], now).map(drop).unwrap_err();
    assert!(why.starts_with("/secret: it has a secret key"), "{why}");
    let why = NativeOpenPgp.open(&[junk], now).map(drop).unwrap_err();
    assert_eq!(why, "No public keys imported from /junk; /junk: it is cut off");
    let why = NativeOpenPgp.open(&[], now).map(drop).unwrap_err();
    assert_eq!(why, "No public keys imported: no file is named");
}

/// A key that is known and unusable is named as such, and not as unknown.
#[test]
fn a_signature_by_an_unusable_key_says_so() {
    let (key, other) = (primary(), sub());
    let unusable = with_self_signatures(&key, &[Sig::by(&key, 0x13, CREATED).with_hash(2)]);
    let keys = [unusable, certificate(&other)].concat();
    let message = Sig::by(&key, 0, NOW - DAY).message(&key, &good_payload());
    let reason = verified(&keys, &message).map(drop).unwrap_err();
    assert_eq!(reason.kind(), ReasonKind::UnknownKey);
    assert!(
        reason.to_string().contains("is unusable") && reason.to_string().contains("SHA-1"),
        "{reason}"
    );
}

/// Points of small order, for which anybody makes signatures.
#[test]
fn t190_ed25519_keys_of_small_order_are_refused() {
    let order_8 = "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05";
    let hex = |text: &str| -> Vec<u8> {
        (0..text.len())
            .step_by(2)
            .map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap())
            .collect()
    };
    let filled = |first: u8, last: u8| [&[first], [0xff; 30].as_slice(), &[last]].concat();
    let small = |first: u8, last: u8| [&[first], [0; 30].as_slice(), &[last]].concat();
    for point in [
        small(0, 0),
        small(0, 0x80),
        small(1, 0),
        small(1, 0x80),
        filled(0xec, 0x7f),
        filled(0xec, 0xff),
        filled(0xed, 0x7f),
        filled(0xee, 0xff),
        hex(order_8),
        hex(&order_8.replace("fc05", "fc85")),
        hex("c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a"),
    ] {
        let native = [&[4, 0, 0, 0, 1, 27], point.as_slice()].concat();
        let curve = [
            &[
                4, 0, 0, 0, 1, 22, 9, 0x2b, 6, 1, 4, 1, 0xda, 0x47, 0x0f, 1, 1, 7, 0x40,
            ],
            point.as_slice(),
        ]
        .concat();
        for body in [native, curve] {
            let why = opened(&packet(6, &body)).unwrap_err();
            assert!(why.contains("small order"), "{why}");
        }
    }
}
