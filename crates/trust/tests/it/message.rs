//! Messages: which forms are accepted, and what is said of the others.

use miniz_oxide::deflate::{compress_to_vec, compress_to_vec_zlib};
use wharf_trust::ReasonKind;

use crate::{
    forge::{ED25519, Key, Sig, certificate, critical, literal, packet, seconds, subpacket},
    support::{DAY, NOW, good_payload, time, verified},
};

const CREATED: u32 = NOW - 1000 * DAY;

fn key() -> Key {
    Key::new(1, CREATED)
}

fn sig(key: &Key) -> Sig {
    Sig::by(key, 0, NOW - DAY)
}

/// A good message, and its parts.
fn parts(key: &Key) -> [Vec<u8>; 3] {
    let sig = sig(key);
    let content = good_payload();
    [
        sig.one_pass(key),
        literal(b'b', &content),
        sig.packet(key, &content),
    ]
}

fn compressed(algorithm: u8, content: &[u8]) -> Vec<u8> {
    let data = match algorithm {
        2 => compress_to_vec_zlib(content, 6),
        _ => compress_to_vec(content, 6),
    };
    [&[algorithm], data.as_slice()].concat()
}

#[test]
fn one_signature_over_one_text_is_accepted() {
    let key = key();
    let [one_pass, text, signature] = parts(&key);
    let plain = [one_pass.clone(), text.clone(), signature.clone()].concat();
    let old = [signature.clone(), text.clone()].concat();
    let content = good_payload();
    let literal_body = [b"b\x03a.b\0\0\0\0".as_slice(), &content].concat();
    let in_parts = {
        let long = [b"b\0\0\0\0\0".as_slice(), &[b' '; 600], content.as_slice()].concat();
        let (first, rest) = long.split_at(512);
        let (second, rest) = rest.split_at(64);
        let rest_size = u32::try_from(rest.len()).unwrap().to_be_bytes();
        let text = [
            b"\xcb\xe9".as_slice(),
            first,
            b"\xe6",
            second,
            b"\xff",
            &rest_size,
            rest,
        ]
        .concat();
        [one_pass.clone(), text, sig(&key).packet(&key, &long[6..])].concat()
    };
    for (name, message) in [
        ("with a one-pass signature", plain.clone()),
        ("with the signature first", old.clone()),
        ("zip", packet(8, &compressed(1, &plain))),
        ("zlib", packet(8, &compressed(2, &plain))),
        ("zip of the old form", packet(8, &compressed(1, &old))),
        (
            "zip of indeterminate length",
            [[0xa3].as_slice(), &compressed(1, &plain)].concat(),
        ),
        (
            "a file name and a time",
            [one_pass, packet(11, &literal_body), signature].concat(),
        ),
        ("a text in parts", in_parts),
        ("version 3", sig(&key).version_3().message(&key, &content)),
        ("sha384", sig(&key).with_hash(9).message(&key, &content)),
        ("sha512", sig(&key).with_hash(10).message(&key, &content)),
        ("64 KiB", sig(&key).message(&key, &vec![b' '; 64 << 10])),
    ] {
        let signed =
            verified(&certificate(&key), &message).unwrap_or_else(|reason| panic!("{name}: {reason}"));
        assert_eq!(signed.fingerprint, key.name(), "{name}");
        assert_eq!(signed.time, time(NOW - DAY), "{name}");
    }
    let native = Key::new(2, CREATED).with_algorithm(ED25519);
    let message = sig(&native).message(&native, &content);
    assert_eq!(
        verified(&certificate(&native), &message).unwrap().payload,
        content
    );
}

#[test]
fn t177_anything_but_one_signature_over_one_text_is_refused() {
    let key = key();
    let content = good_payload();
    let [one_pass, text, signature] = parts(&key);
    let plain = [one_pass.clone(), text.clone(), signature.clone()].concat();
    let zip = packet(8, &compressed(1, &plain));
    let join = |parts: &[&Vec<u8>]| parts.iter().copied().flatten().copied().collect::<Vec<u8>>();
    let marker = packet(10, b"PGP");
    let padding = packet(21, b"xxxx");
    let table: Vec<(&str, Vec<u8>, &str)> = vec![
        ("nothing", Vec::new(), "but nothing"),
        ("a page", b"<html>".to_vec(), "no packet begins here"),
        ("armor", b"-----BEGIN PGP MESSAGE-----\n".to_vec(), "armored"),
        (
            "cleartext",
            b"-----BEGIN PGP SIGNED MESSAGE-----\n".to_vec(),
            "cleartext",
        ),
        ("a text alone", text.clone(), "but literal data"),
        ("a signature alone", signature.clone(), "but a signature"),
        (
            "no signature",
            join(&[&one_pass, &text]),
            "but a one-pass signature, literal data",
        ),
        (
            "two texts",
            join(&[&one_pass, &text, &text, &signature]),
            "literal data, literal data",
        ),
        (
            "two signatures",
            join(&[&one_pass, &one_pass, &text, &signature, &signature]),
            "one-pass signature, a one-pass",
        ),
        (
            "two signatures of the old form",
            join(&[&signature, &signature, &text]),
            "not one signature",
        ),
        (
            "another message after it",
            join(&[&plain, &plain]),
            "not one signature",
        ),
        (
            "another compressed message after it",
            join(&[&zip, &zip]),
            "compressed data, compressed data",
        ),
        ("a text before it", join(&[&text, &plain]), "not one signature"),
        ("a text after it", join(&[&plain, &text]), "not one signature"),
        (
            "a byte after it",
            join(&[&plain, &vec![0]]),
            "after a one-pass signature, literal data, a signature",
        ),
        (
            "a packet's head after it",
            join(&[&plain, &vec![0xc2]]),
            "cut off",
        ),
        ("a marker before it", join(&[&marker, &plain]), "a marker"),
        ("a marker after it", join(&[&plain, &marker]), "a marker"),
        ("padding after it", join(&[&plain, &padding]), "padding"),
        (
            "compressed twice",
            packet(8, &compressed(1, &zip)),
            "but compressed data",
        ),
        (
            "a byte after the compressed data",
            packet(8, &[compressed(1, &plain).as_slice(), &[0]].concat()),
            "something follows its compressed data",
        ),
        (
            "a message after the compressed data",
            packet(8, &[compressed(1, &plain), compressed(1, &plain)].concat()),
            "something follows its compressed data",
        ),
        (
            "cut compressed data",
            packet(8, &compressed(1, &plain)[..60]),
            "damaged or cut off",
        ),
        (
            "compressed data with a wrong checksum",
            {
                let mut zlib = compressed(2, &plain);
                *zlib.last_mut().unwrap() ^= 1;
                packet(8, &zlib)
            },
            "damaged or cut off",
        ),
        ("empty compressed data", packet(8, &[]), "are empty"),
        (
            "encrypted",
            join(&[&packet(1, &[3; 20]), &packet(18, &[1; 40])]),
            "encrypted session key",
        ),
        (
            "compressed and encrypted",
            packet(8, &compressed(1, &packet(18, &[1; 40]))),
            "encrypted data",
        ),
        (
            "a signature over a key",
            Sig::by(&key, 0x13, NOW).message(&key, &content),
            "of type 0x13",
        ),
        (
            "a standalone signature",
            Sig::by(&key, 2, NOW).message(&key, &content),
            "of type 0x02",
        ),
        (
            "a one-pass signature of another hash",
            join(&[&sig(&key).with_hash(10).one_pass(&key), &text, &signature]),
            "does not announce",
        ),
        (
            "a one-pass signature of another type",
            join(&[&Sig::by(&key, 1, NOW).one_pass(&key), &text, &signature]),
            "does not announce",
        ),
        (
            "a long text",
            sig(&key).message(&key, &vec![b' '; (64 << 10) + 1]),
            "longer than 65536",
        ),
        (
            "a signature without a time",
            {
                let mut sig = sig(&key);
                sig.hashed.remove(0);
                sig.message(&key, &content)
            },
            "has no time",
        ),
        (
            "a time that is not signed",
            {
                let mut sig = sig(&key);
                let time = sig.hashed.remove(0);
                sig.with_unhashed(time).message(&key, &content)
            },
            "has no time",
        ),
        (
            "two times",
            sig(&key).with(seconds(2, NOW)).message(&key, &content),
            "the same thing twice",
        ),
        (
            "no issuer",
            Sig::new(0, NOW - DAY).message(&key, &content),
            "which key made it",
        ),
    ];
    for (name, message, expected) in table {
        let reason = verified(&certificate(&key), &message).map(drop).unwrap_err();
        assert_eq!(reason.kind(), ReasonKind::Format, "{name}: {reason}");
        assert!(reason.to_string().contains(expected), "{name}: {reason}");
    }
}

/// Of the types of signatures, a binary document alone; what is well signed as anything else is none of an image.
#[test]
fn one_type_of_signature_is_accepted() {
    let key = key();
    let accepted: Vec<u8> = (0..=u8::MAX)
        .filter(|kind| {
            let message = Sig::by(&key, *kind, NOW - DAY).message(&key, &good_payload());
            verified(&certificate(&key), &message).is_ok()
        })
        .collect();
    assert_eq!(accepted, [0]);
}

#[test]
fn a_message_that_is_cut_anywhere_is_refused() {
    let key = key();
    let certificate = certificate(&key);
    let plain = sig(&key).message(&key, &good_payload());
    let zip = [[0xa3].as_slice(), &compressed(1, &plain)].concat();
    for message in [plain, zip] {
        assert!(verified(&certificate, &message).is_ok());
        for end in 0..message.len() {
            assert!(verified(&certificate, &message[..end]).is_err(), "{end}");
        }
    }
}

/// Every bit of a message matters, but for the few that nobody signs and that change nothing.
#[test]
fn a_message_in_which_a_bit_was_changed_is_refused_or_says_the_same() {
    let key = key();
    let certificate = certificate(&key);
    let content = good_payload();
    let message = sig(&key).message(&key, &content);
    let mut accepted = 0;
    for bit in 0..message.len() * 8 {
        let mut changed = message.clone();
        changed[bit / 8] ^= 1 << (bit % 8);
        if let Ok(signed) = verified(&certificate, &changed) {
            assert_eq!(
                (signed.payload, signed.fingerprint),
                (content.clone(), key.name()),
                "{bit}"
            );
            accepted += 1;
        }
    }
    // Those of the one-pass signature's key id, the literal's time, and the hint that is not signed, with its type.
    assert!(accepted > 0 && accepted <= (8 + 4 + 8 + 2) * 8, "{accepted}");
}

#[test]
fn t169_a_compressed_bomb_is_stopped() {
    let bomb = compress_to_vec(&vec![0; 64 << 20], 9);
    assert!(bomb.len() < 100_000);
    for (algorithm, data) in [(1, bomb), (2, compress_to_vec_zlib(&vec![0; 1 << 20], 9))] {
        let message = packet(8, &[&[algorithm], data.as_slice()].concat());
        let reason = verified(&certificate(&key()), &message).map(drop).unwrap_err();
        assert_eq!(reason.kind(), ReasonKind::Format);
        assert!(reason.to_string().contains("unpacks to more than"), "{reason}");
    }
}

#[test]
fn other_algorithms_are_refused_by_name() {
    let key = key();
    let content = good_payload();
    let [one_pass, text, signature] = parts(&key);
    let plain = [one_pass.clone(), text, signature.clone()].concat();
    let version_6 = {
        let mut body = sig(&key).body(&key, &content);
        body[0] = 6;
        [
            sig(&key).one_pass(&key),
            literal(b'b', &content),
            packet(2, &body),
        ]
        .concat()
    };
    let in_text_mode = [one_pass, literal(b't', &content), signature].concat();
    for (name, message, expected) in [
        ("bzip2", packet(8, &compressed(3, &plain)), "BZIP2"),
        ("uncompressed", packet(8, &compressed(0, &plain)), "number 0"),
        ("unknown", packet(8, &compressed(110, &plain)), "number 110"),
        (
            "text mode",
            Sig::by(&key, 1, NOW).message(&key, &content),
            "text mode",
        ),
        ("text mode of the text", in_text_mode, "text mode"),
        ("version 6", version_6, "version 6"),
        ("md5", sig(&key).with_hash(1).message(&key, &content), "MD5"),
        ("sha1", sig(&key).with_hash(2).message(&key, &content), "SHA-1"),
        (
            "ripemd",
            sig(&key).with_hash(3).message(&key, &content),
            "RIPEMD-160",
        ),
        (
            "sha224",
            sig(&key).with_hash(11).message(&key, &content),
            "SHA-224",
        ),
        (
            "sha3",
            sig(&key).with_hash(12).message(&key, &content),
            "SHA3-256",
        ),
        (
            "unknown",
            sig(&key).with_hash(99).message(&key, &content),
            "number 99",
        ),
    ] {
        let reason = verified(&certificate(&key), &message).map(drop).unwrap_err();
        assert_eq!(reason.kind(), ReasonKind::Algorithm, "{name}: {reason}");
        assert!(reason.to_string().contains(expected), "{name}: {reason}");
    }
}

#[test]
fn what_is_critical_and_not_understood_refuses() {
    let key = key();
    let content = good_payload();
    let notation = |bit: u8| {
        let body = [b"\x80\0\0\0\0\x05\0\x01".as_slice(), b"a@b.cx"].concat();
        subpacket(0x14 | bit, &body)
    };
    for (name, sig, expected) in [
        ("a notation", sig(&key).with(notation(0)), None),
        ("an unknown subpacket", sig(&key).with(subpacket(99, b"x")), None),
        (
            "a private subpacket",
            sig(&key).with_unhashed(subpacket(101, b"x")),
            None,
        ),
        (
            "a critical time",
            {
                let mut sig = sig(&key);
                sig.hashed[0] = seconds(0x82, NOW - DAY);
                sig
            },
            None,
        ),
        ("a critical expiry", sig(&key).with(seconds(0x83, 10 * DAY)), None),
        (
            "a critical policy",
            sig(&key).with(critical(26, b"https://example.com")),
            None,
        ),
        (
            "a critical notation",
            sig(&key).with(notation(0x80)),
            Some("critical notation"),
        ),
        (
            "an unknown critical subpacket",
            sig(&key).with(critical(99, b"x")),
            Some("unknown critical subpacket (99)"),
        ),
        (
            "a critical recipient",
            sig(&key).with(critical(35, &[4; 21])),
            Some("unknown critical subpacket (35)"),
        ),
        (
            "an unknown critical subpacket that is not signed",
            sig(&key).with_unhashed(critical(99, b"x")),
            Some("unknown critical subpacket (99)"),
        ),
    ] {
        let result = verified(&certificate(&key), &sig.message(&key, &content));
        match (result, expected) {
            (Ok(_), None) => {}
            (Err(reason), Some(expected)) => {
                assert!(reason.to_string().contains(expected), "{name}: {reason}");
                assert_eq!(reason.kind(), ReasonKind::Algorithm, "{name}");
            }
            (result, _) => panic!("{name}: {result:?}"),
        }
    }
}

/// Hints that nobody signs select a key and decide nothing.
#[test]
fn t179_a_hint_selects_a_key_and_proves_nothing() {
    let (key, other) = (key(), Key::new(2, CREATED));
    let content = good_payload();
    let ring = [certificate(&key), certificate(&other)].concat();
    // By the other key, and claims to be by this one.
    let claimed = Sig::new(0, NOW - DAY).with_unhashed(subpacket(16, &key.id()));
    let reason = verified(&ring, &claimed.message(&other, &content))
        .map(drop)
        .unwrap_err();
    assert_eq!(reason.kind(), ReasonKind::Forged, "{reason}");
    assert!(reason.key().unwrap().starts_with(&key.name()), "{reason}");
    // With hints at both, one of which is true.
    let both = claimed.with_unhashed(subpacket(16, &other.id()));
    assert_eq!(
        verified(&ring, &both.message(&other, &content))
            .unwrap()
            .fingerprint,
        other.name()
    );
    // A key that the ring does not have.
    let reason = verified(&certificate(&other), &sig(&key).message(&key, &content))
        .map(drop)
        .unwrap_err();
    assert_eq!(reason.kind(), ReasonKind::UnknownKey, "{reason}");
    assert_eq!(reason.key(), Some(key.name().as_str()));
}

#[test]
fn times_are_judged_by_our_clock() {
    let key = key();
    let content = good_payload();
    let expiring = |created: u32, after: u32| Sig::by(&key, 0, created).with(seconds(3, after));
    for (name, sig, expected) in [
        ("now", Sig::by(&key, 0, NOW), None),
        ("as old as its key", Sig::by(&key, 0, CREATED), None),
        (
            "older than its key",
            Sig::by(&key, 0, CREATED - 1),
            Some("older than its key"),
        ),
        ("five minutes ahead", Sig::by(&key, 0, NOW + 300), None),
        (
            "more than that",
            Sig::by(&key, 0, NOW + 301),
            Some("in the future"),
        ),
        (
            "from 2040",
            Sig::by(&key, 0, 2_208_988_800),
            Some("in the future"),
        ),
        ("from 2106", Sig::by(&key, 0, u32::MAX), Some("in the future")),
        ("never expires", expiring(NOW - DAY, 0), None),
        ("expires in a second", expiring(NOW - DAY, DAY + 1), None),
        (
            "expires now",
            expiring(NOW - DAY, DAY),
            Some("the signature expired"),
        ),
        (
            "expired",
            expiring(NOW - 10 * DAY, DAY),
            Some("the signature expired"),
        ),
        (
            "an expiry that is not signed",
            Sig::by(&key, 0, NOW - DAY).with_unhashed(seconds(3, 10)),
            None,
        ),
        (
            "expired, but for what is not signed",
            expiring(NOW - 10 * DAY, DAY).with_unhashed(seconds(3, 100 * DAY)),
            Some("the signature expired"),
        ),
        (
            "expires after the end of time",
            expiring(NOW - DAY, u32::MAX),
            None,
        ),
    ] {
        let result = verified(&certificate(&key), &sig.message(&key, &content));
        match (result, expected) {
            (Ok(_), None) => {}
            (Err(reason), Some(expected)) => {
                assert!(reason.to_string().contains(expected), "{name}: {reason}");
                assert_eq!(reason.kind(), ReasonKind::Time, "{name}");
                assert!(reason.to_string().contains(&key.name()), "{name}: {reason}");
            }
            (result, _) => panic!("{name}: {result:?}"),
        }
    }
}
