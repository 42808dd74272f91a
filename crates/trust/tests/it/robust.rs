//! Bytes that nobody would send, and parts of good signatures in each other's place.

use proptest::prelude::*;
use wharf_config::Requirement;
use wharf_content::Signature;
use wharf_trust::{KeyFile, NativeOpenPgp, OpenPgp as _, Subject, UntrustedSummary};

use crate::{
    forge::{ED25519, Key, Sig, binding, certificate, literal, packet, subkey},
    support::{DAY, NAME, NOW, digest, judged, manifest, payload, reference, signed_by, time, trust},
};

const CREATED: u32 = NOW - 1000 * DAY;

fn key(seed: u8) -> Key {
    Key::new(seed, CREATED)
}

/// Judges the image by these bytes as a signature and as a keyring. Nothing they say is accepted.
fn assert_nothing_accepted(bytes: &[u8]) {
    let trust = trust([signed_by(&certificate(&key(1)))]);
    for signature in [
        Signature::Simple(bytes.to_vec().into()),
        Signature::from_blob(bytes.to_vec().into()),
    ] {
        let _ = UntrustedSummary::read_without_verifying(&signature);
        let verdict = trust.judge(&Subject::new(&manifest(), &reference(NAME)), &[signature]);
        assert!(verdict.is_err());
    }
    let _ = NativeOpenPgp.open(&[KeyFile::new("keys", bytes.to_vec())], time(NOW));
}

proptest! {
    /// Any bytes are refused, without a panic.
    #[test]
    fn t180_no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        assert_nothing_accepted(&bytes);
    }

    /// So are packets of any type with any bodies.
    #[test]
    fn t180_no_packets_make_it_panic(packets in proptest::collection::vec((0u8..64, proptest::collection::vec(any::<u8>(), 0..80)), 0..6)) {
        let bytes: Vec<u8> = packets.iter().flat_map(|(tag, body)| packet(*tag, body)).collect();
        assert_nothing_accepted(&bytes);
    }

    /// A good keyring in which bytes were changed opens or not, and never makes a stranger's signature count.
    #[test]
    fn t180_no_change_to_a_keyring_makes_a_stranger_known(changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4)) {
        let (primary, sub, stranger) = (key(1), key(2), key(3));
        let mut ring = [certificate(&primary), subkey(&primary, &sub, &[binding(&primary, &sub)])].concat();
        for (at, byte) in changes {
            let at = at.index(ring.len());
            ring[at] = byte;
        }
        let message = Sig::by(&stranger, 0, NOW).message(&stranger, b"x");
        if let Ok(opened) = NativeOpenPgp.open(&[KeyFile::new("keys", ring)], time(NOW)) {
            prop_assert!(opened.verify(&message).is_err());
        }
    }
}

/// A message taken apart: every part that another message may have in its place.
fn parts(key: &Key, sig: &Sig, content: &[u8]) -> Vec<Vec<u8>> {
    let body = sig.body(key, content);
    let hashed = sig.hashed.concat();
    let unhashed = sig.unhashed.concat();
    let mut parts = vec![sig.one_pass(key), literal(b'b', content)];
    let mut rest = body.as_slice();
    // Head, lengths and both areas of subpackets, hint, and the two numbers.
    for size in [4, 2, hashed.len(), 2, unhashed.len(), 2] {
        let (part, after) = rest.split_at(size);
        parts.push(part.to_vec());
        rest = after;
    }
    let (r, s) = rest.split_at(rest.len() / 2);
    parts.extend([r.to_vec(), s.to_vec()]);
    parts
}

fn joined(parts: &[Vec<u8>]) -> Vec<u8> {
    let (outside, signature) = parts.split_at(2);
    [outside.concat(), packet(2, &signature.concat())].concat()
}

/// Each part of a good signature, replaced by that of another good one: by another key, for another image, another name, another
/// time, in all pairs and all subsets. Accepted is only what says nothing else than one of the two.
#[test]
fn t175_parts_of_good_signatures_in_each_others_place_are_refused() {
    let (one, two) = (key(1), key(2));
    let other_digest = format!("sha256:{}", "1".repeat(64));
    let good = |key: &Key, digest: &str, name: &str, created: u32, hash: u8| {
        parts(
            key,
            &Sig::by(key, 0, created).with_hash(hash),
            &payload(digest, name),
        )
    };
    let base = good(&one, &digest(), NAME, NOW - DAY, 8);
    let requirement: Requirement = signed_by(&certificate(&one));
    let trust = trust([requirement]);
    assert_eq!(judged(&trust, &[joined(&base)]), Ok(()));
    let others = [
        good(&two, &digest(), NAME, NOW - DAY, 8),
        good(&one, &other_digest, NAME, NOW - DAY, 8),
        good(&one, &digest(), "registry.example/other:1", NOW - DAY, 8),
        good(&one, &digest(), "registry.example/app:2", NOW - DAY, 8),
        good(&two, &other_digest, NAME, NOW - 2 * DAY, 10),
        good(&one, &other_digest, "registry.example/other:1", NOW - 3 * DAY, 9),
    ];
    let (mut refused, mut unchanged) = (0, 0);
    for other in &others {
        assert!(judged(&trust, &[joined(other)]).is_err());
        for subset in 1..(1_u32 << base.len()) - 1 {
            let mixed: Vec<_> = base
                .iter()
                .zip(other)
                .enumerate()
                .map(|(number, (own, others))| if subset & (1 << number) == 0 { own } else { others }.clone())
                .collect();
            // The area that nobody signs only selects a key.
            let signed = |parts: &[Vec<u8>]| -> Vec<Vec<u8>> {
                parts
                    .iter()
                    .enumerate()
                    .filter(|(number, _)| ![0, 5, 6].contains(number))
                    .map(|(_, part)| part.clone())
                    .collect()
            };
            if signed(&mixed) == signed(&base) {
                unchanged += 1;
                continue;
            }
            let said = judged(&trust, &[joined(&mixed)]);
            assert!(said.is_err(), "{subset:b}");
            refused += 1;
        }
    }
    println!("{refused} mixed signatures, 0 accepted; {unchanged} differed in nothing that is signed");
    assert!(refused > 4000, "{refused}");
}

/// The same for the two spellings of an algorithm: neither is taken for the other.
#[test]
fn t179_a_signature_of_one_algorithm_is_none_of_another() {
    let (curve, native) = (key(1), key(1).with_algorithm(ED25519));
    let content = payload(&digest(), NAME);
    let ring = [certificate(&curve), certificate(&native)].concat();
    let trust = trust([signed_by(&ring)]);
    for (claimed, maker) in [(&curve, &native), (&native, &curve)] {
        let sig = Sig::by(claimed, 0, NOW);
        assert!(judged(&trust, &[sig.message(maker, &content)]).is_err());
        let sig = Sig::by(maker, 0, NOW);
        assert_eq!(judged(&trust, &[sig.message(maker, &content)]), Ok(()));
    }
}
