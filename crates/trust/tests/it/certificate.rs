//! Keys: which may sign, and for how long.

use crate::{
    forge::{Key, Sig, certificate, critical, packet, seconds, subpacket, with_self_signatures},
    support::{DAY, NOW, good_payload, opened, verified},
};

pub(crate) const CREATED: u32 = NOW - 1000 * DAY;

pub(crate) fn primary() -> Key {
    Key::new(1, CREATED)
}

pub(crate) fn sub() -> Key {
    Key::new(2, CREATED + DAY)
}

/// What is said of a message by `signer`, with these keys.
pub(crate) fn said(keys: &[u8], signer: &Key) -> Result<String, String> {
    let message = Sig::by(signer, 0, NOW - DAY).message(signer, &good_payload());
    let result = verified(keys, &message);
    result
        .map(|signed| signed.fingerprint)
        .map_err(|reason| reason.to_string())
}

pub(crate) fn assert_said(name: &str, keys: &[u8], signer: &Key, expected: Result<&Key, &str>) {
    match (opened(keys).and_then(|()| said(keys, signer)), expected) {
        (Ok(fingerprint), Ok(primary)) => assert_eq!(fingerprint, primary.name(), "{name}"),
        (Err(said), Err(part)) => assert!(said.contains(part), "{name}: {said}"),
        (said, _) => panic!("{name}: {said:?}"),
    }
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
        // Nobody signed these, so that whoever passes the key on may have added them.
        (
            "flags that are not signed",
            with_self_signatures(&key, &[plain(0x13).with_unhashed(subpacket(27, &[1]))]),
            Ok(&key),
        ),
        (
            "flags that are not signed, beside others",
            with_self_signatures(&key, &[flags(CREATED, 1).with_unhashed(subpacket(27, &[2]))]),
            Err("not for signing"),
        ),
        (
            "an expiry that is not signed",
            with_self_signatures(&key, &[plain(0x13).with_unhashed(seconds(9, 10))]),
            Ok(&key),
        ),
        (
            "prolonged by what is not signed",
            with_self_signatures(
                &key,
                &[expiring(CREATED, 10).with_unhashed(seconds(9, 2000 * DAY))],
            ),
            Err("the key expired"),
        ),
        (
            "a signature that expired, but for what is not signed",
            with_self_signatures(
                &key,
                &[flags(CREATED, 3)
                    .with(seconds(3, 10))
                    .with_unhashed(seconds(3, 2000 * DAY))],
            ),
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
