//! No private key and no passphrase is in what anything prints.

use std::fmt::{Debug, Display};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use wharf_trust::{KeyPair, SecretFile, Signer};

use super::{PASSPHRASE, file, path, program, signed};

/// The secret bytes of the keys of these tests, in the spellings in which they could be printed.
fn canaries() -> Vec<String> {
    let mut canaries = vec![PASSPHRASE.to_owned()];
    for name in ["p256.pem", "ed25519.pem", "rsa2048.pem"] {
        let text = String::from_utf8(file(name)).unwrap();
        let lines: Vec<&str> = text.lines().filter(|line| !line.starts_with("-----")).collect();
        let key = STANDARD.decode(lines.concat()).unwrap();
        // The last bytes of an Ed25519 key are the seed, and the middle of the others.
        let middle = key.len() - key.len() / 3;
        let secret = &key[middle - 8..middle + 8];
        canaries.extend(spellings(secret));
        canaries.push(lines[lines.len() / 2].to_owned());
    }
    let secret = file("ed25519.gpg");
    let size = usize::from(secret[1]);
    canaries.extend(spellings(&secret[size - 20..size - 4]));
    canaries
}

fn spellings(bytes: &[u8]) -> Vec<String> {
    let lower: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    let list = format!("{bytes:?}");
    vec![
        lower.to_uppercase(),
        lower,
        STANDARD.encode(bytes),
        list.trim_matches(['[', ']']).to_owned(),
    ]
}

fn printed(value: &impl Debug) -> String {
    format!("{value:?} {value:#?}")
}

fn told(error: &(impl Debug + Display)) -> String {
    format!("{error} {error:?} {error:#?}")
}

#[test]
fn t185_nothing_that_is_printed_has_a_secret_in_it() {
    let mut texts = Vec::new();
    for name in ["p256", "ed25519", "rsa2048"] {
        let plain = Signer::pkcs8(file(&format!("{name}.pem"))).unwrap();
        let encrypted = Signer::cosign(file(&format!("{name}.key")), &PASSPHRASE.into()).unwrap();
        texts.extend([
            printed(&plain),
            printed(&encrypted),
            printed(&signed(&plain).unwrap()),
        ]);
        texts.push(told(
            &Signer::cosign(file(&format!("{name}.key")), &"canary ".into()).unwrap_err(),
        ));
        texts.push(told(
            &Signer::cosign(file(&format!("{name}.pem")), &PASSPHRASE.into()).unwrap_err(),
        ));
        texts.push(told(&Signer::openpgp(file(&format!("{name}.pem"))).unwrap_err()));
        let text = String::from_utf8(file(&format!("{name}.pem"))).unwrap();
        for broken in [
            text.replace("PRIVATE KEY", "OTHER KEY"),
            text.replace("-----END", "-----END X"),
            text.replacen("MC", "", 1).replacen("MI", "", 1),
            text.replace('\n', " "),
        ] {
            texts.push(told(&Signer::pkcs8(&broken).unwrap_err()));
            texts.push(told(&Signer::openpgp(&broken).unwrap_err()));
        }
    }
    let openpgp = Signer::openpgp(file("ed25519.gpg")).unwrap();
    texts.extend([
        printed(&openpgp),
        told(&Signer::pkcs8(file("ed25519.gpg")).unwrap_err()),
    ]);
    let mut damaged = file("ed25519.gpg");
    let size = usize::from(damaged[1]);
    damaged[size] ^= 1;
    texts.push(told(&Signer::openpgp(&damaged).unwrap_err()));
    texts.push(printed(&SecretFile::read(path("p256.pem")).unwrap()));
    texts.push(printed(&KeyPair::generate(&PASSPHRASE.into()).unwrap()));
    let gpg = Signer::gpg(
        "key",
        program()
            .with_path("/nonexistent/gpg")
            .with_passphrase(PASSPHRASE.into()),
    );
    texts.extend([printed(&gpg), told(&signed(&gpg).unwrap_err())]);
    let canaries = canaries();
    assert!(canaries.len() > 15);
    for text in &texts {
        for canary in &canaries {
            assert!(!text.contains(canary), "{canary} is in {text}");
        }
    }
}
