//! What we sign, our judge accepts; and nothing that differs from it.

use std::{ops::Range, sync::OnceLock};

use proptest::prelude::*;
use wharf_config::{Identity, Requirement};
use wharf_content::{Sign as _, Signature};
use wharf_reference::Reference;
use wharf_trust::Signer;

use super::{file, image, judged, openpgp::public_of, requires_key, requires_keyring, signed};
use crate::support::{NAME, reference};

/// A signer of every kind that runs no program, with the requirement that it meets.
fn signers() -> &'static [(Signer, Requirement)] {
    static SIGNERS: OnceLock<Vec<(Signer, Requirement)>> = OnceLock::new();
    SIGNERS.get_or_init(|| {
        let openpgp = ["ed25519.gpg", "nistp256.gpg", "nistp384.gpg", "subkey.gpg"].map(|name| {
            (
                Signer::openpgp(file(name)).unwrap(),
                requires_keyring(&public_of(name)),
            )
        });
        let cosign = ["p256", "ed25519", "rsa2048"].map(|name| {
            let public = file(&format!("{name}.pub"));
            let signer = Signer::pkcs8(file(&format!("{name}.pem"))).unwrap();
            (signer, requires_key(&public, Identity::MatchExact))
        });
        openpgp.into_iter().chain(cosign).collect()
    })
}

/// The same as blobs of a store, with one bit changed at every place.
fn flips(signature: &Signature) -> Vec<Signature> {
    let flipped = |bytes: &[u8], at: usize| {
        let mut bytes = bytes.to_vec();
        bytes[at] ^= 1 << (at % 8);
        bytes
    };
    match signature {
        Signature::Simple(message) => (0..message.len())
            .map(|at| Signature::Simple(flipped(message, at).into()))
            .collect(),
        Signature::Attachment {
            media_type,
            payload,
            annotations,
        } => {
            let with = |payload: Vec<u8>, annotations| Signature::Attachment {
                media_type: media_type.clone(),
                payload: payload.into(),
                annotations,
            };
            let (key, value) = annotations.first_key_value().unwrap();
            let of_payload = (0..payload.len()).map(|at| with(flipped(payload, at), annotations.clone()));
            let of_signature = (0..value.len()).map(|at| {
                let changed = String::from_utf8(flipped(value.as_bytes(), at)).unwrap_or_default();
                with(payload.to_vec(), [(key.clone(), changed)].into())
            });
            of_payload.chain(of_signature).collect()
        }
        other => panic!("{other:?}"),
    }
}

/// Where a message has bytes that no signature covers and that may be spelt otherwise: the hints for the key, the
/// date of the literal, the counts of bits of numbers.
fn loose(message: &[u8]) -> Vec<Range<usize>> {
    const HEAD: usize = 6;
    let one_pass = HEAD + 4;
    let literal = HEAD + 13;
    let date = literal + HEAD + 2;
    let size = u32::from_be_bytes(message[literal + 2..][..4].try_into().unwrap()) as usize;
    // A signature of version 4, with 29 bytes that are signed.
    let signature = literal + HEAD + size + HEAD;
    let hint = signature + 6 + 29 + 2 + 2;
    let first = hint + 8 + 2;
    let bits = u16::from_be_bytes([message[first], message[first + 1]]);
    let second = first + 2 + usize::from(bits).div_ceil(8);
    vec![
        one_pass..one_pass + 8,
        date..date + 4,
        hint - 1..hint + 8,
        first..first + 2,
        second..second + 2,
    ]
}

/// Whether the two differ in such bytes alone.
fn is_loose(original: &Signature, changed: &Signature) -> bool {
    let (Signature::Simple(original), Signature::Simple(changed)) = (original, changed) else {
        return false;
    };
    let mut differing = original.iter().zip(changed);
    let at = differing.position(|(one, other)| one != other).unwrap();
    loose(original).iter().any(|range| range.contains(&at))
}

#[test]
fn a_changed_byte_anywhere_is_refused() {
    let mut refused = 0;
    for (signer, requirement) in signers() {
        let signature = signed(signer).unwrap();
        judged(requirement.clone(), &reference(NAME), &signature).unwrap();
        for changed in flips(&signature) {
            let said = judged(requirement.clone(), &reference(NAME), &changed);
            if !is_loose(&signature, &changed) {
                assert!(said.is_err(), "{signer:?}: {changed:?}");
                refused += 1;
            }
        }
    }
    assert!(refused > 3000, "{refused}");
}

fn name() -> impl Strategy<Value = Reference> {
    let host = "[a-z][a-z0-9]{0,8}\\.[a-z]{2,5}(:[1-9][0-9]{0,3})?";
    let path = "[a-z0-9]{1,8}((\\.|_|__|-)[a-z0-9]{1,4})?(/[a-z0-9]{1,8}){0,2}";
    let end = prop_oneof![
        "[A-Za-z0-9_][A-Za-z0-9._-]{0,20}".prop_map(|tag| format!(":{tag}")),
        "[0-9a-f]{64}".prop_map(|hex| format!("@sha256:{hex}")),
    ];
    (host, path, end).prop_map(|(host, path, end)| Reference::parse(&format!("{host}/{path}{end}")).unwrap())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// A signature for any name is accepted for this name, and refused for any other.
    #[test]
    fn what_is_signed_is_accepted_under_its_name_alone(name in name(), other in name()) {
        for (signer, requirement) in signers() {
            let signature = signer.sign(&image(), &name).unwrap();
            prop_assert!(judged(requirement.clone(), &name, &signature).is_ok());
            if name != other {
                prop_assert!(judged(requirement.clone(), &other, &signature).is_err());
            }
        }
    }

    /// No file of a key makes a panic, and each that is refused is refused in a few words.
    #[test]
    fn any_bytes_are_a_key_or_an_error(bytes in proptest::collection::vec(any::<u8>(), 0..300), tag in 0u8..64) {
        let packets = [&[0xc0 | tag, u8::try_from(bytes.len().min(191)).unwrap()], &bytes[..bytes.len().min(191)]].concat();
        for bytes in [&bytes, &packets] {
            for said in [
                Signer::openpgp(bytes).err(),
                Signer::pkcs8(bytes).err(),
                Signer::cosign(bytes, &"".into()).err(),
            ] {
                prop_assert!(said.is_none_or(|problem| problem.to_string().len() < 1000));
            }
        }
    }
}
