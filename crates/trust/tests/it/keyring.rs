//! Keys: which count, for what, and for how long.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use wharf_trust::ReasonKind;

use crate::{
    forge::{
        Key, Sig, back_signature, binding, certificate, critical, over_subkey, packet, seconds, subkey,
        subpacket, with_self_signatures,
    },
    support::{DAY, NOW, good_payload, opened, verified},
};

const CREATED: u32 = NOW - 1000 * DAY;

fn primary() -> Key {
    Key::new(1, CREATED)
}

fn sub() -> Key {
    Key::new(2, CREATED + DAY)
}

/// What is said of a message by `signer`, with these keys.
fn said(keys: &[u8], signer: &Key) -> Result<String, String> {
    let message = Sig::by(signer, 0, NOW - DAY).message(signer, &good_payload());
    let result = verified(keys, &message);
    result
        .map(|signed| signed.fingerprint)
        .map_err(|reason| reason.to_string())
}

fn assert_said(name: &str, keys: &[u8], signer: &Key, expected: Result<&Key, &str>) {
    match (opened(keys).and_then(|()| said(keys, signer)), expected) {
        (Ok(fingerprint), Ok(primary)) => assert_eq!(fingerprint, primary.name(), "{name}"),
        (Err(said), Err(part)) => assert!(said.contains(part), "{name}: {said}"),
        (said, _) => panic!("{name}: {said:?}"),
    }
}

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
        ("nothing", Vec::new(), "No public keys imported from keys"),
        ("prose", b"no key\n".to_vec(), "No public keys imported"),
        ("a page", b"<html></html>".to_vec(), "No public keys imported"),
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

/// A newer signature that says nothing of it makes no key last longer, nor another key of it.
#[test]
fn what_a_newer_signature_does_not_say_is_taken_from_an_older_one() {
    let key = primary();
    let user = |name: &[u8], sig: Sig| {
        let size = u32::try_from(name.len()).unwrap().to_be_bytes();
        let over = [key.hashed().as_slice(), &[0xb4], &size, name].concat();
        [packet(13, name), sig.packet(&key, &over)].concat()
    };
    let direct = |sig: Sig| sig.packet(&key, &key.hashed());
    let own = |created: u32| Sig::by(&key, 0x13, created);
    let revoker = || Sig::by(&key, 0x1f, NOW - DAY).with(subpacket(12, &[0x80; 22]));
    let expired = |sig: Sig| sig.with(seconds(9, 10));
    let flags = |sig: Sig, flags: u8| sig.with(subpacket(27, &[flags]));
    let with = |parts: &[Vec<u8>]| [packet(6, &key.body()), parts.concat()].concat();
    for (name, keys, expected) in [
        (
            "a revoker named later",
            with(&[direct(revoker()), user(b"a", expired(own(CREATED)))]),
            Err("the key expired"),
        ),
        (
            "a revoker named later, of a key that certifies",
            with(&[direct(revoker()), user(b"a", flags(own(CREATED), 1))]),
            Err("not for signing"),
        ),
        (
            "a user id added later",
            with(&[user(b"a", expired(own(CREATED))), user(b"b", own(NOW - DAY))]),
            Err("the key expired"),
        ),
        (
            "a user id added later, of a key that certifies",
            with(&[user(b"a", flags(own(CREATED), 1)), user(b"b", own(NOW - DAY))]),
            Err("not for signing"),
        ),
        (
            "prolonged with one of two user ids",
            with(&[
                user(b"a", expired(own(CREATED))),
                user(b"b", own(NOW - DAY).with(seconds(9, 2000 * DAY))),
            ]),
            Ok(&key),
        ),
        (
            "prolonged over the key alone",
            with(&[
                direct(Sig::by(&key, 0x1f, NOW - DAY).with(seconds(9, 2000 * DAY))),
                user(b"a", expired(own(CREATED))),
            ]),
            Ok(&key),
        ),
        (
            "expired over the key alone",
            with(&[
                direct(expired(Sig::by(&key, 0x1f, CREATED))),
                user(b"a", own(NOW - DAY)),
            ]),
            Err("the key expired"),
        ),
    ] {
        assert_said(name, &keys, &key, expected);
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

#[test]
fn the_newest_signature_of_a_key_over_itself_decides() {
    let key = primary();
    let other = sub();
    let flags = |created: u32, flags: u8| Sig::by(&key, 0x13, created).with(subpacket(27, &[flags]));
    let expiring = |created: u32, after: u32| flags(created, 3).with(seconds(9, after));
    let direct = |sig: Sig| [packet(6, &key.body()), sig.packet(&key, &key.hashed())].concat();
    let plain = |kind: u8| Sig::by(&key, kind, CREATED);
    let forged = {
        let mut forged = with_self_signatures(&key, &[]);
        let sig = flags(CREATED + 2, 1);
        forged.extend(sig.packet(&other, b"nothing"));
        [certificate(&key), forged].concat()
    };
    let by_another = [
        certificate(&key),
        Sig::by(&other, 0x10, CREATED + 2).packet(&other, &[key.hashed().as_slice(), b"x"].concat()),
    ]
    .concat();
    let without_issuer = Sig::new(0x13, CREATED).with(subpacket(27, &[2]));
    for (name, keys, expected) in [
        (
            "sign and certify",
            with_self_signatures(&key, &[flags(CREATED, 3)]),
            Ok(&key),
        ),
        ("generic", with_self_signatures(&key, &[plain(0x10)]), Ok(&key)),
        ("persona", with_self_signatures(&key, &[plain(0x11)]), Ok(&key)),
        ("casual", with_self_signatures(&key, &[plain(0x12)]), Ok(&key)),
        (
            "version 3",
            with_self_signatures(&key, &[plain(0x13).version_3()]),
            Ok(&key),
        ),
        (
            "without an issuer",
            with_self_signatures(&key, &[without_issuer]),
            Ok(&key),
        ),
        ("a direct-key signature", direct(plain(0x1f)), Ok(&key)),
        (
            "certify alone",
            with_self_signatures(&key, &[flags(CREATED, 1)]),
            Err("not for signing"),
        ),
        (
            "encrypt alone",
            with_self_signatures(&key, &[flags(CREATED, 0x0c)]),
            Err("not for signing"),
        ),
        (
            "empty flags",
            with_self_signatures(&key, &[plain(0x13).with(subpacket(27, &[]))]),
            Err("not for signing"),
        ),
        (
            "a newer one without sign",
            with_self_signatures(&key, &[flags(CREATED, 3), flags(CREATED + 1, 1)]),
            Err("not for signing"),
        ),
        (
            "a newer one with sign",
            with_self_signatures(&key, &[flags(CREATED + 1, 3), flags(CREATED, 1)]),
            Ok(&key),
        ),
        (
            "expires in a second",
            with_self_signatures(&key, &[expiring(CREATED, 1000 * DAY + 1)]),
            Ok(&key),
        ),
        (
            "expires now",
            with_self_signatures(&key, &[expiring(CREATED, 1000 * DAY)]),
            Err("the key expired"),
        ),
        (
            "expired before",
            with_self_signatures(&key, &[expiring(CREATED, 10)]),
            Err("the key expired"),
        ),
        (
            "was prolonged",
            with_self_signatures(&key, &[expiring(CREATED, 10), flags(NOW - DAY, 3)]),
            Ok(&key),
        ),
        (
            "was shortened",
            with_self_signatures(&key, &[flags(CREATED, 3), expiring(NOW - DAY, 10)]),
            Err("the key expired"),
        ),
        (
            "a signature that expired",
            with_self_signatures(&key, &[flags(CREATED, 3).with(seconds(3, 10))]),
            Err("no valid signature of its own"),
        ),
        (
            "a signature from the future",
            with_self_signatures(&key, &[flags(NOW + DAY, 3)]),
            Err("no valid signature of its own"),
        ),
        (
            "a signature older than the key",
            with_self_signatures(&key, &[flags(CREATED - 1, 3)]),
            Err("no valid signature of its own"),
        ),
        ("a forged newer one", forged, Ok(&key)),
        ("a newer one by another key", by_another, Ok(&key)),
        (
            "sha1 by a key that is not rsa",
            with_self_signatures(&key, &[flags(CREATED, 3).with_hash(2)]),
            Err("SHA-1 is not accepted"),
        ),
        (
            "a newer one that cannot be judged",
            with_self_signatures(&key, &[flags(CREATED, 3), flags(CREATED + 1, 3).with_hash(11)]),
            Err("SHA-224 is not accepted"),
        ),
        (
            "a newer one with a critical unknown",
            with_self_signatures(
                &key,
                &[flags(CREATED, 3), flags(CREATED + 1, 3).with(critical(99, b""))],
            ),
            Err("critical subpacket"),
        ),
        (
            "a newer one with a designated revoker",
            with_self_signatures(&key, &[flags(CREATED, 3).with(critical(12, &[0x80; 22]))]),
            Ok(&key),
        ),
    ] {
        assert_said(name, &keys, &key, expected);
    }
}

#[test]
fn a_revoked_key_signs_nothing_whenever_and_whyever() {
    let (key, other) = (primary(), sub());
    let revoked_with = |sig: Sig| {
        let own = certificate(&key);
        let key_packet = packet(6, &key.body());
        let rest = &own[key_packet.len()..];
        [key_packet, sig.packet(&key, &key.hashed()), rest.to_vec()].concat()
    };
    let revocation = |created: u32| Sig::by(&key, 0x20, created);
    let reason = |code: u8| revocation(NOW - 2).with(subpacket(29, &[code]));
    let bare = |packet_of: Vec<u8>| [packet(6, &key.body()), packet_of].concat();
    let forged = [
        packet(6, &key.body()),
        revocation(NOW - 2).packet(&other, &key.hashed()),
    ]
    .concat();
    let by_revoker = {
        let sig = Sig::by(&other, 0x20, NOW - 2);
        [packet(6, &key.body()), sig.packet(&other, &key.hashed())].concat()
    };
    let user = b"Test <test@example.com>";
    let user_revocation = [
        certificate(&key),
        Sig::by(&key, 0x30, NOW - 2).packet(&key, &crate::forge::over_user(&key, user, 4)),
    ]
    .concat();
    for (name, keys, expected) in [
        (
            "no reason",
            revoked_with(revocation(NOW - 2)),
            Err("the key was revoked"),
        ),
        ("compromised", revoked_with(reason(2)), Err("the key was revoked")),
        ("superseded", revoked_with(reason(1)), Err("the key was revoked")),
        ("retired", revoked_with(reason(3)), Err("the key was revoked")),
        (
            "in the future",
            revoked_with(revocation(NOW + 100 * DAY)),
            Err("the key was revoked"),
        ),
        (
            "that expired",
            revoked_with(revocation(CREATED).with(seconds(3, 1))),
            Err("the key was revoked"),
        ),
        (
            "by a hash that is not accepted",
            revoked_with(revocation(NOW - 2).with_hash(3)),
            Err("the key was revoked"),
        ),
        (
            "in another copy of the key",
            [
                certificate(&key),
                bare(revocation(NOW).packet(&key, &key.hashed())),
            ]
            .concat(),
            Err("the key was revoked"),
        ),
        (
            "in a copy before it",
            [
                bare(revocation(NOW).packet(&key, &key.hashed())),
                certificate(&key),
            ]
            .concat(),
            Err("the key was revoked"),
        ),
        (
            "with a wrong hint",
            revoked_with(revocation(NOW).with_unhashed(subpacket(16, &[9; 8]))),
            Err("the key was revoked"),
        ),
        ("forged", [certificate(&key), forged].concat(), Ok(&key)),
        (
            "by a designated revoker",
            [certificate(&key), by_revoker].concat(),
            Ok(&key),
        ),
        (
            "of its only user id",
            user_revocation,
            Err("no valid signature of its own"),
        ),
    ] {
        assert_said(name, &keys, &key, expected);
    }
}

#[test]
fn t178_a_subkey_signs_for_its_primary_key_if_both_vouch() {
    let (key, sub, other) = (primary(), sub(), Key::new(3, CREATED));
    let with = |signatures: &[Sig]| [certificate(&key), subkey(&key, &sub, signatures)].concat();
    let bound = || binding(&key, &sub);
    let unflagged = || Sig::by(&key, 0x18, sub.created).with_unhashed(back_signature(&key, &sub));
    let revocation = |created: u32| Sig::by(&key, 0x28, created);
    let primary_expired = {
        let own = Sig::by(&key, 0x13, CREATED)
            .with(subpacket(27, &[1]))
            .with(seconds(9, 10));
        [with_self_signatures(&key, &[own]), subkey(&key, &sub, &[bound()])].concat()
    };
    let primary_revoked = [
        packet(6, &key.body()),
        Sig::by(&key, 0x20, NOW).packet(&key, &key.hashed()),
        with(&[bound()])[packet(6, &key.body()).len()..].to_vec(),
    ]
    .concat();
    let certifying = {
        let own = Sig::by(&key, 0x13, CREATED).with(subpacket(27, &[1]));
        [with_self_signatures(&key, &[own]), subkey(&key, &sub, &[bound()])].concat()
    };
    // A back-signature for another primary key.
    let stolen = Sig::by(&key, 0x18, sub.created)
        .with(subpacket(27, &[2]))
        .with_unhashed(back_signature(&other, &sub));
    // One that the primary key made itself.
    let own_back = {
        let body = Sig::by(&key, 0x19, sub.created).body(&key, &over_subkey(&key, &sub));
        Sig::by(&key, 0x18, sub.created)
            .with(subpacket(27, &[2]))
            .with_unhashed(subpacket(32, &body))
    };
    let expired_back = {
        let sig = Sig::by(&sub, 0x19, sub.created).with(seconds(3, 10));
        let body = sig.body(&sub, &over_subkey(&key, &sub));
        Sig::by(&key, 0x18, sub.created)
            .with(subpacket(27, &[2]))
            .with_unhashed(subpacket(32, &body))
    };
    let wrong_kind = {
        let body = Sig::by(&sub, 0x18, sub.created).body(&sub, &over_subkey(&key, &sub));
        Sig::by(&key, 0x18, sub.created)
            .with(subpacket(27, &[2]))
            .with_unhashed(subpacket(32, &body))
    };
    let by_another = {
        let sig = Sig::by(&other, 0x18, sub.created)
            .with(subpacket(27, &[2]))
            .with_unhashed(back_signature(&key, &sub));
        let mut keys = [certificate(&key), packet(14, &sub.body())].concat();
        keys.extend(sig.packet(&other, &over_subkey(&key, &sub)));
        keys
    };
    let in_the_hashed_area = Sig::by(&key, 0x18, sub.created)
        .with(subpacket(27, &[2]))
        .with(back_signature(&key, &sub));
    for (name, keys, expected) in [
        ("bound", with(&[bound()]), Ok(&key)),
        (
            "a back-signature that is signed too",
            with(&[in_the_hashed_area]),
            Ok(&key),
        ),
        ("of a primary key that only certifies", certifying, Ok(&key)),
        ("not bound", with(&[]), Err("does not vouch for the subkey")),
        (
            "bound by another key",
            by_another,
            Err("does not vouch for the subkey"),
        ),
        ("without flags", with(&[unflagged()]), Err("not for signing")),
        (
            "for encryption",
            with(&[unflagged().with(subpacket(27, &[0x0c]))]),
            Err("not for signing"),
        ),
        (
            "without a back-signature",
            with(&[Sig::by(&key, 0x18, sub.created).with(subpacket(27, &[2]))]),
            Err("does not vouch for its primary"),
        ),
        (
            "with another's back-signature",
            with(&[stolen]),
            Err("does not vouch for its primary"),
        ),
        (
            "with the primary key's own",
            with(&[own_back]),
            Err("does not vouch for its primary"),
        ),
        (
            "with one of another type",
            with(&[wrong_kind]),
            Err("does not vouch for its primary"),
        ),
        (
            "with one that expired",
            with(&[expired_back]),
            Err("does not vouch for its primary"),
        ),
        (
            "expired",
            with(&[bound().with(seconds(9, 10))]),
            Err("the subkey expired"),
        ),
        (
            "prolonged",
            with(&[bound().with(seconds(9, 10)), bound().at(NOW - DAY)]),
            Ok(&key),
        ),
        (
            "a binding that expired",
            with(&[bound().with(seconds(3, 10))]),
            Err("does not vouch for the subkey"),
        ),
        (
            "revoked",
            with(&[bound(), revocation(NOW - 2)]),
            Err("the subkey was revoked"),
        ),
        (
            "revoked and bound anew",
            with(&[revocation(CREATED + DAY), bound()]),
            Err("the subkey was revoked"),
        ),
        (
            "revoked as superseded",
            with(&[bound(), revocation(NOW - 2).with(subpacket(29, &[1]))]),
            Err("the subkey was revoked"),
        ),
        (
            "revoked in another copy",
            [
                with(&[bound()]),
                certificate(&key),
                subkey(&key, &sub, &[revocation(NOW)]),
            ]
            .concat(),
            Err("the subkey was revoked"),
        ),
        (
            "of an expired primary key",
            primary_expired,
            Err("the key expired"),
        ),
        (
            "of a revoked primary key",
            primary_revoked,
            Err("the key was revoked"),
        ),
    ] {
        assert_said(name, &keys, &sub, expected);
    }
}

/// Two primary keys claim one subkey: it signs for those that it vouches for.
#[test]
fn t178_a_grafted_subkey_signs_for_its_own_primary_key() {
    let (key, thief, sub) = (primary(), Key::new(7, CREATED), sub());
    let own = [certificate(&key), subkey(&key, &sub, &[binding(&key, &sub)])].concat();
    let graft = Sig::by(&thief, 0x18, sub.created)
        .with(subpacket(27, &[2]))
        .with_unhashed(back_signature(&key, &sub));
    let stolen = [certificate(&thief), subkey(&thief, &sub, &[graft])].concat();
    assert_said(
        "the thief first",
        &[stolen.clone(), own.clone()].concat(),
        &sub,
        Ok(&key),
    );
    assert_said("the owner first", &[own, stolen.clone()].concat(), &sub, Ok(&key));
    assert_said(
        "the thief alone",
        &stolen,
        &sub,
        Err("does not vouch for its primary"),
    );
    let both = [
        certificate(&thief),
        subkey(&thief, &sub, &[binding(&thief, &sub)]),
    ]
    .concat();
    assert_said("one that it vouches for", &both, &sub, Ok(&thief));
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
        reason.to_string().contains("cannot be used") && reason.to_string().contains("SHA-1"),
        "{reason}"
    );
}
