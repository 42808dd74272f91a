//! Keys alone: T21, T84 to T87.

use crate::KeyFile;

use super::{
    super::{
        Signer,
        annotations::{SET, SIGNATURE},
    },
    kit::{self, Key, Log, PAYLOAD, TIME, file},
};

macro_rules! golden {
    ($name:literal) => {
        include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/keys/", $name))
    };
}

/// Whether a key file is usable and verifies the signature that OpenSSL made.
fn verdict(key: &str, signature: &str) -> Result<bool, String> {
    let signer = Signer::keys(&[file(key)], &[]).map_err(|problem| problem.to_string())?;
    let payload = golden!("payload").as_bytes();
    let annotations = kit::Annotations::from([(SIGNATURE.to_owned(), signature.to_owned())]);
    Ok(signer.verify(payload, &annotations, TIME).is_ok())
}

#[test]
fn keys_of_four_kinds_verify_and_all_others_are_refused_by_name() {
    for (key, signature, expected) in [
        (
            golden!("ecdsa-P-256.pub"),
            golden!("ecdsa-P-256-sha256.sig"),
            Ok(true),
        ),
        (
            golden!("ecdsa-P-256.pub"),
            golden!("ecdsa-P-256-sha384.sig"),
            Ok(false),
        ),
        (
            golden!("ecdsa-P-384.pub"),
            golden!("ecdsa-P-384-sha256.sig"),
            Ok(true),
        ),
        (
            golden!("ecdsa-P-384.pub"),
            golden!("ecdsa-P-384-sha384.sig"),
            Ok(true),
        ),
        (
            golden!("ecdsa-P-384.pub"),
            golden!("ecdsa-P-384-sha512.sig"),
            Ok(false),
        ),
        (golden!("rsa-2048.pub"), golden!("rsa-2048-sha256.sig"), Ok(true)),
        (
            golden!("rsa-2048-pkcs1.pub"),
            golden!("rsa-2048-sha256.sig"),
            Ok(true),
        ),
        (golden!("rsa-2048.pub"), golden!("rsa-2048-sha1.sig"), Ok(false)),
        (golden!("rsa-2048.pub"), golden!("rsa-2048-sha512.sig"), Ok(false)),
        (golden!("rsa-2048.pub"), golden!("rsa-2048-pss.sig"), Ok(false)),
        (golden!("rsa-4096.pub"), golden!("rsa-4096-sha256.sig"), Ok(true)),
        (
            golden!("rsa-exponent-3.pub"),
            golden!("rsa-exponent-3-sha256.sig"),
            Ok(true),
        ),
        (golden!("ed25519.pub"), golden!("ed25519.sig"), Ok(true)),
        (
            golden!("ecdsa-P-521.pub"),
            golden!("ecdsa-P-521-sha256.sig"),
            Err("P-521"),
        ),
        (
            golden!("ecdsa-secp256k1.pub"),
            golden!("ecdsa-secp256k1-sha256.sig"),
            Err("curve"),
        ),
        (
            golden!("ecdsa-P-256-compressed.pub"),
            golden!("ecdsa-P-256-sha256.sig"),
            Err("uncompressed"),
        ),
        (
            golden!("ecdsa-P-256-explicit.pub"),
            golden!("ecdsa-P-256-sha256.sig"),
            Err("type"),
        ),
        (
            golden!("rsa-1024.pub"),
            golden!("rsa-1024-sha256.sig"),
            Err("1024 bits"),
        ),
        (
            golden!("rsa-pss.pub"),
            golden!("rsa-2048-pss.sig"),
            Err("RSASSA-PSS"),
        ),
        (golden!("ed448.pub"), golden!("ed448.sig"), Err("algorithm")),
        (golden!("x25519.pub"), golden!("ed25519.sig"), Err("algorithm")),
    ] {
        match (verdict(key, signature), expected) {
            (Ok(found), Ok(expected)) => assert_eq!(found, expected, "{key}"),
            (Err(found), Err(expected)) => assert!(found.contains(expected), "{found}"),
            (found, _) => panic!("{key} {found:?}"),
        }
    }
}

#[test]
fn t187_a_key_file_is_one_block_with_one_key() {
    let good = golden!("ecdsa-P-256.pub");
    let signature = golden!("ecdsa-P-256-sha256.sig");
    for (key, usable) in [
        (good.to_owned(), true),
        (good.replace('\n', "\r\n"), true),
        (format!("{good}{good}"), false),
        (format!("a key:\n{good}"), false),
        (good.replace("PUBLIC KEY", "CERTIFICATE"), false),
        (good.replace("PUBLIC KEY", "RSA PUBLIC KEY"), false),
        (good.replace("MFkw", "MFow"), false),
        (
            golden!("rsa-2048-pkcs1.pub").replace("RSA PUBLIC KEY", "PUBLIC KEY"),
            false,
        ),
        (String::new(), false),
        ("ssh-ed25519 AAAA".to_owned(), false),
    ] {
        assert_eq!(verdict(&key, signature).is_ok(), usable, "{key}");
    }
}

#[test]
fn one_key_that_is_not_usable_fails_them_all_and_is_named() {
    let key = Key::new();
    let unusable = KeyFile::new("second.pub", golden!("ecdsa-P-521.pub").as_bytes().to_vec());
    let problem = Signer::keys(&[file(&key.pem()), unusable.clone()], &[]).unwrap_err();
    assert_eq!(
        problem.to_string(),
        "the key of second.pub: an ECDSA key of the curve P-521 is not supported"
    );
    let problem = Signer::keys(&[file(&key.pem())], &[unusable]).unwrap_err();
    assert!(problem.to_string().contains("second.pub"), "{problem}");
}

#[test]
fn any_of_several_keys_may_have_signed() {
    let keys = [Key::new(), Key::new(), Key::new()];
    let pems = keys.each_ref().map(Key::pem);
    let signer = Signer::keys(&pems.each_ref().map(|pem| file(pem)), &[]).unwrap();
    for key in &keys {
        assert!(signer.verify(PAYLOAD, &key.annotations(), TIME).is_ok());
    }
    assert!(signer.verify(PAYLOAD, &Key::new().annotations(), TIME).is_err());
}

#[test]
fn the_signature_is_strict_base64_of_bounded_size() {
    let key = Key::new();
    let signature = key.annotations()[SIGNATURE].clone();
    let broken = |width, line_break: &str, end: &str| {
        let (first, rest) = signature.split_at(width);
        [first, line_break, rest, end].concat()
    };
    for (text, good) in [
        (Some(signature.clone()), true),
        (None, false),
        (Some(String::new()), false),
        (Some(format!("{signature}\n")), false),
        (Some(format!(" {signature}")), false),
        (Some(signature.replacen(|_: char| true, "-", 1)), false),
        (Some(signature.trim_end_matches('=').to_owned() + "A"), false),
        (Some(broken(20, "\n", "")), false),
        (Some("A".repeat((64 << 10) + 4)), false),
        (Some("AAAA".to_owned()), false),
        // As openssl and base64 wrap it.
        (Some(broken(64, "\n", "\n")), true),
        (Some(broken(76, "\n", "")), true),
        (Some(broken(64, "\r\n", "\r\n")), true),
        (Some(broken(60, "\n", "\n")), false),
        (Some(broken(64, "\n\n", "\n")), false),
        (Some(broken(64, "\n", "\n\n")), false),
        (Some(broken(63, " \n", "\n")), false),
    ] {
        let mut annotations = key.annotations();
        match &text {
            Some(text) => annotations.insert(SIGNATURE.to_owned(), text.clone()),
            None => annotations.remove(SIGNATURE),
        };
        let verified = key.signer().verify(PAYLOAD, &annotations, TIME);
        assert_eq!(verified.is_ok(), good, "{text:?}");
    }
}

#[test]
fn t175_the_signature_is_over_the_bytes_of_the_payload() {
    let key = Key::new();
    let signer = key.signer();
    let annotations = key.annotations();
    assert!(signer.verify(PAYLOAD, &annotations, TIME).is_ok());
    for position in 0..PAYLOAD.len() {
        let mut changed = PAYLOAD.to_vec();
        changed[position] ^= 1;
        assert!(signer.verify(&changed, &annotations, TIME).is_err(), "{position}");
    }
    for changed in [&b""[..], &[PAYLOAD, b" "].concat(), &[b" ", PAYLOAD].concat()] {
        assert!(signer.verify(changed, &annotations, TIME).is_err());
    }
}

#[test]
fn what_a_log_says_is_not_looked_at_where_no_log_is_demanded() {
    let (key, log) = (Key::new(), Log::new());
    let mut annotations = key.logged_annotations(&log);
    assert_eq!(
        key.signer().verify(PAYLOAD, &annotations, TIME).unwrap().logged,
        None
    );
    annotations.insert(SET.to_owned(), "nonsense".to_owned());
    assert!(key.signer().verify(PAYLOAD, &annotations, TIME).is_ok());
}

/// Only the annotations of the signature, the log's entry and the certificates are read.
#[test]
fn annotations_of_other_names_are_ignored() {
    let (key, log) = (Key::new(), Log::new());
    for name in [
        "dev.sigstore.cosign/rfc3161timestamp",
        "dev.cosignproject.cosign/Signature",
        "org.opencontainers.image.created",
    ] {
        let mut annotations = key.logged_annotations(&log);
        for value in [String::new(), "nonsense".to_owned(), "A".repeat((64 << 10) + 4)] {
            annotations.insert(name.to_owned(), value);
            assert!(key.signer().verify(PAYLOAD, &annotations, TIME).is_ok(), "{name}");
            let accepted = key.logged_signer(&log).verify(PAYLOAD, &annotations, TIME);
            assert_eq!(accepted.unwrap().logged, Some(TIME), "{name}");
        }
    }
}
