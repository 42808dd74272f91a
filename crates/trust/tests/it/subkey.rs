//! Subkeys: which sign for their primary keys.

use crate::{
    certificate::{CREATED, assert_said, primary, sub},
    forge::{
        Key, Sig, back_signature, binding, certificate, over_subkey, packet, seconds, subkey, subpacket,
        with_self_signatures,
    },
    support::{DAY, NOW},
};

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
    let with_back = |back: Sig| {
        let body = back.body(&sub, &over_subkey(&key, &sub));
        Sig::by(&key, 0x18, sub.created)
            .with(subpacket(27, &[2]))
            .with_unhashed(subpacket(32, &body))
    };
    let expired_back = with_back(Sig::by(&sub, 0x19, sub.created).with(seconds(3, 10)));
    let old_back = with_back(Sig::by(&sub, 0x19, sub.created - 1));
    let future_back = with_back(Sig::by(&sub, 0x19, NOW + DAY));
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
            "with flags that are not signed",
            with(&[unflagged().with_unhashed(subpacket(27, &[2]))]),
            Err("not for signing"),
        ),
        (
            "for encryption, with flags that are not signed",
            with(&[unflagged()
                .with(subpacket(27, &[0x0c]))
                .with_unhashed(subpacket(27, &[2]))]),
            Err("not for signing"),
        ),
        (
            "expired, but for what is not signed",
            with(&[bound().with(seconds(9, 10)).with_unhashed(seconds(9, 2000 * DAY))]),
            Err("the subkey expired"),
        ),
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
            "with one that is older than the subkey",
            with(&[old_back]),
            Err("does not vouch for its primary"),
        ),
        (
            "with one from the future",
            with(&[future_back]),
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
