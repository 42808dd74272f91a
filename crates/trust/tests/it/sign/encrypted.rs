//! Encrypted private keys, right and wrong: what is refused before anything is derived, and what is not told.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::{Value, json};
use wharf_trust::Signer;

use super::{PASSPHRASE, file};

const WRONG: &str = "wrong passphrase or damaged file";

/// The document in an encrypted key.
fn document(name: &str) -> Value {
    let text = String::from_utf8(file(name)).unwrap();
    let lines = text.lines().filter(|line| !line.starts_with("-----"));
    serde_json::from_slice(&STANDARD.decode(lines.collect::<String>()).unwrap()).unwrap()
}

fn pem(content: &str) -> String {
    let base64 = STANDARD.encode(content);
    format!(
        "-----BEGIN ENCRYPTED COSIGN PRIVATE KEY-----\n{base64}\n-----END ENCRYPTED COSIGN PRIVATE KEY-----\n"
    )
}

fn opened(text: impl AsRef<[u8]>, passphrase: &str) -> Result<(), String> {
    let signer = Signer::cosign(text, &passphrase.into());
    signer.map(drop).map_err(|problem| problem.to_string())
}

fn changed(pointer: &str, value: Value) -> String {
    let mut document = document("p256.key");
    *document.pointer_mut(pointer).unwrap() = value;
    pem(&document.to_string())
}

#[test]
fn t184_parameters_of_scrypt_are_refused_before_anything_is_derived() {
    let costs = [
        0,
        1,
        2,
        16384,
        32767,
        65535,
        65537,
        262_144,
        1 << 30,
        1 << 40,
        u64::MAX,
    ];
    for (pointer, values) in [
        ("/kdf/params/N", costs.to_vec()),
        ("/kdf/params/r", vec![0, 1, 7, 9, 1 << 20, 1 << 32]),
        ("/kdf/params/p", vec![0, 2, 1 << 20, 1 << 32]),
    ] {
        for value in values {
            let said = opened(changed(pointer, value.into()), PASSPHRASE).unwrap_err();
            assert!(
                said.contains("N must be 32768, 65536 or 131072, r 8 and p 1"),
                "{pointer} {value}: {said}"
            );
        }
        for value in [
            json!("65536"),
            json!(-1),
            json!(8.5),
            json!("1e400"),
            json!(null),
            json!([]),
        ] {
            let said = opened(changed(pointer, value.clone()), PASSPHRASE).unwrap_err();
            assert!(said.contains("is no number"), "{pointer} {value}: {said}");
        }
    }
}

#[test]
fn documents_have_one_form() {
    let good = document("p256.key").to_string();
    assert_eq!(opened(pem(&good), PASSPHRASE), Ok(()));
    let bytes = |count: usize| json!(STANDARD.encode(vec![7; count]));
    for (text, words) in [
        (changed("/kdf/name", json!("pbkdf2")), "\"pbkdf2\""),
        (changed("/kdf/name", json!("Scrypt")), "\"Scrypt\""),
        (changed("/cipher/name", json!("nacl/box")), "\"nacl/box\""),
        (changed("/kdf/salt", bytes(31)), "not 32 bytes"),
        (changed("/kdf/salt", bytes(33)), "not 32 bytes"),
        (changed("/kdf/salt", bytes(0)), "not 32 bytes"),
        (changed("/kdf/salt", json!("AA=")), "not base64"),
        (changed("/cipher/nonce", bytes(23)), "not 24 bytes"),
        (changed("/cipher/nonce", bytes(25)), "not 24 bytes"),
        (changed("/ciphertext", json!("====")), "not base64"),
        (changed("/ciphertext", json!(1)), "`ciphertext` is a number"),
        (changed("/kdf", json!(null)), "`kdf` is null"),
        (pem("{}"), "has no `kdf`"),
        (pem("[]"), "is a list"),
        (pem(""), "the encrypted key"),
        (pem(&format!("{good}{{}}")), "the encrypted key"),
        (pem(&good.replacen('{', r#"{"x":1,"#, 1)), "unknown member \"x\""),
        (
            pem(&good.replacen(r#""N":65536"#, r#""N":65536,"N":65536"#, 1)),
            "is there twice",
        ),
        (
            pem(&good.replacen(r#""N":65536"#, r#""N":65536,"n":65536"#, 1)),
            "unknown member \"n\"",
        ),
        (pem(&"[".repeat(100_000)), "the encrypted key"),
        (format!("{0}{0}", pem(&good)), "PEM block"),
        (format!("x\n{}", pem(&good)), "no PEM block"),
        (
            pem(&good).replace("END ENCRYPTED COSIGN", "END ENCRYPTED SIGSTORE"),
            "another label",
        ),
        (pem(&good).replace("COSIGN", "OTHER"), "no encrypted private key"),
        (String::new(), "no PEM block"),
    ] {
        let said = opened(&text, PASSPHRASE).unwrap_err();
        assert!(said.contains(words) && said.len() < 400, "{words}: {said}");
    }
    assert!(opened([0xff, 0xfe], PASSPHRASE).is_err());
}

/// Who tries learns nothing but that it is wrong: neither whether the passphrase or the file is, nor where.
#[test]
fn t185_a_wrong_passphrase_and_a_damaged_file_are_one_failure() {
    for passphrase in ["", "Canary", "canary ", "canary\n", "x"] {
        assert_eq!(
            opened(file("p256.key"), passphrase),
            Err(WRONG.to_owned()),
            "{passphrase:?}"
        );
    }
    assert_eq!(opened(file("p256-empty.key"), PASSPHRASE), Err(WRONG.to_owned()));
    let flipped = |pointer: &str, at: usize| {
        let document = document("p256.key");
        let mut bytes = STANDARD
            .decode(document.pointer(pointer).unwrap().as_str().unwrap())
            .unwrap();
        bytes[at] ^= 1;
        changed(pointer, json!(STANDARD.encode(bytes)))
    };
    for (pointer, at) in [
        ("/kdf/salt", 0),
        ("/cipher/nonce", 0),
        ("/cipher/nonce", 23),
        ("/ciphertext", 0),
        ("/ciphertext", 15),
        ("/ciphertext", 16),
        ("/ciphertext", 100),
    ] {
        assert_eq!(
            opened(flipped(pointer, at), PASSPHRASE),
            Err(WRONG.to_owned()),
            "{pointer} {at}"
        );
    }
    for count in [0, 1, 15, 16] {
        let short = changed("/ciphertext", json!(STANDARD.encode(vec![0; count])));
        assert_eq!(opened(short, PASSPHRASE), Err(WRONG.to_owned()), "{count} bytes");
    }
    let other_cost = changed("/kdf/params/N", json!(32768));
    assert_eq!(opened(other_cost, PASSPHRASE), Err(WRONG.to_owned()));
}
