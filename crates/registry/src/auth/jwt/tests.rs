use ring::{
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _},
};
use serde_json::{Value, json};

use super::*;
use crate::RepositoryPath;

const NOW: u64 = 1_700_000_000;

fn encode(bytes: &[u8]) -> String {
    BASE64.encode(bytes)
}

struct Signer {
    ed: Ed25519KeyPair,
    ec: EcdsaKeyPair,
}

impl Signer {
    fn new() -> Self {
        let random = SystemRandom::new();
        let ed = Ed25519KeyPair::generate_pkcs8(&random).unwrap();
        let ec = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random).unwrap();
        Self {
            ed: Ed25519KeyPair::from_pkcs8(ed.as_ref()).unwrap(),
            ec: EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, ec.as_ref(), &random).unwrap(),
        }
    }

    fn jwks(&self) -> Value {
        let point = self.ec.public_key().as_ref();
        json!({ "keys": [
            { "kty": "OKP", "crv": "Ed25519", "kid": "ed", "use": "sig", "x": encode(self.ed.public_key().as_ref()) },
            { "kty": "EC", "crv": "P-256", "kid": "ec", "alg": "ES256",
              "x": encode(&point[1..33]), "y": encode(&point[33..]) },
            { "kty": "oct", "kid": "shared", "k": "c2VjcmV0" },
        ]})
    }

    fn verifier(&self) -> Verifier {
        Verifier {
            realm: "https://tokens.example/token".into(),
            issuer: "issuer".into(),
            service: "registry.example".into(),
            keys: TokenKeys::from_jwks(self.jwks().to_string().as_bytes()).unwrap(),
        }
    }

    fn token(&self, header: &Value, claims: &Value) -> String {
        let message = format!(
            "{}.{}",
            encode(header.to_string().as_bytes()),
            encode(claims.to_string().as_bytes())
        );
        let signature = if header["kid"] == "ec" {
            let signature = self.ec.sign(&SystemRandom::new(), message.as_bytes()).unwrap();
            encode(signature.as_ref())
        } else {
            encode(self.ed.sign(message.as_bytes()).as_ref())
        };
        format!("{message}.{signature}")
    }
}

fn claims() -> Value {
    json!({
        "iss": "issuer", "sub": "ada", "aud": "registry.example",
        "exp": NOW + 300, "nbf": NOW, "iat": NOW,
        "access": [
            { "type": "repository", "name": "lib/app", "actions": ["pull", "*"] },
            { "type": "registry", "name": "lib/other", "actions": ["pull"] },
        ],
    })
}

#[test]
fn a_good_token_allows_what_it_names_and_no_more() {
    let signer = Signer::new();
    for (alg, kid) in [("EdDSA", "ed"), ("ES256", "ec")] {
        let token = signer.token(&json!({ "alg": alg, "kid": kid, "typ": "JWT" }), &claims());
        let principal = signer.verifier().verify_at(&token, NOW).unwrap();
        assert_eq!(principal.user.as_deref(), Some("ada"));
        let authentication = super::super::Authentication::default();
        let allows = |path: &str, action| {
            authentication.allows(&principal, &RepositoryPath::parse(path).unwrap(), action)
        };
        assert!(allows("lib/app", Action::Pull));
        assert!(!allows("lib/app", Action::Push));
        assert!(!allows("lib/app", Action::Delete));
        assert!(!allows("lib/app/more", Action::Pull));
        assert!(!allows("lib/other", Action::Pull));
    }
}

#[test]
fn claims_are_checked() {
    let signer = Signer::new();
    let verifier = signer.verifier();
    let valid = |changes: Value, now: u64| {
        let mut claims = claims();
        for (key, value) in changes.as_object().unwrap() {
            claims[key] = value.clone();
        }
        let token = signer.token(&json!({ "alg": "EdDSA", "kid": "ed" }), &claims);
        verifier.verify_at(&token, now).is_some()
    };
    assert!(valid(json!({ "aud": ["x", "registry.example"] }), NOW));
    assert!(valid(json!({ "sub": "u".repeat(1024) }), NOW));
    assert!(valid(json!({ "sub": "Ada \u{e9}" }), NOW));
    assert!(valid(json!({ "sub": "a\nb" }), NOW));
    assert!(valid(json!({}), NOW + 359));
    assert!(!valid(json!({}), NOW + 360));
    assert!(valid(json!({}), NOW - 60));
    assert!(!valid(json!({}), NOW - 61));
    for wrong in [
        json!({ "iss": "other" }),
        json!({ "aud": "other" }),
        json!({ "aud": [] }),
        json!({ "aud": null }),
        json!({ "exp": null }),
        json!({ "exp": "soon" }),
        json!({ "exp": -1 }),
        json!({ "nbf": NOW + 1000 }),
        json!({ "iat": NOW + 1000 }),
        json!({ "access": "all" }),
        json!({ "sub": "a\0b" }),
        json!({ "sub": "u".repeat(1025) }),
    ] {
        assert!(!valid(wrong.clone(), NOW), "{wrong}");
    }
}

#[test]
fn the_key_is_ours_and_not_the_tokens() {
    let (signer, stranger) = (Signer::new(), Signer::new());
    let verifier = signer.verifier();
    let accepted = |token: &str| verifier.verify_at(token, NOW).is_some();
    let header = |extra: Value| {
        let mut header = json!({ "alg": "EdDSA", "kid": "ed" });
        for (key, value) in extra.as_object().unwrap() {
            header[key] = value.clone();
        }
        header
    };
    assert!(accepted(&signer.token(&header(json!({})), &claims())));
    let own = stranger.jwks()["keys"][0].clone();
    for extra in [
        json!({}),
        json!({ "jwk": own }),
        json!({ "jku": "https://evil.example/keys" }),
        json!({ "x5u": "https://evil.example/chain" }),
        json!({ "kid": "stranger" }),
    ] {
        assert!(
            !accepted(&stranger.token(&header(extra.clone()), &claims())),
            "{extra}"
        );
    }
    for extra in [
        json!({ "alg": "none" }),
        json!({ "alg": "HS256" }),
        json!({ "alg": "HS256", "kid": "shared" }),
        json!({ "alg": "ES256" }),
        json!({ "alg": "RS256" }),
        json!({ "alg": "EdDSA", "kid": "ec" }),
        json!({ "kid": "shared" }),
        json!({ "kid": null }),
        json!({ "crit": ["exp"] }),
    ] {
        assert!(
            !accepted(&signer.token(&header(extra.clone()), &claims())),
            "{extra}"
        );
    }
    let good = signer.token(&header(json!({})), &claims());
    let (message, _) = good.rsplit_once('.').unwrap();
    for bad in [
        String::new(),
        "..".to_owned(),
        message.to_owned(),
        format!("{message}."),
        format!("{good}A"),
        format!("{good}.x"),
        good.replace('.', ""),
        format!("{good}{}", "A".repeat(MAX_TOKEN)),
    ] {
        assert!(!accepted(&bad));
    }
}

#[test]
fn weak_and_unusable_keys_are_refused() {
    for set in [
        json!({}),
        json!({ "keys": [] }),
        json!({ "keys": [{ "kty": "oct", "kid": "a", "k": "c2VjcmV0" }] }),
        json!({ "keys": [{ "kty": "RSA", "kid": "a", "n": encode(&[0xff; 128]), "e": "AQAB" }] }),
        json!({ "keys": [{ "kty": "OKP", "crv": "Ed25519", "x": encode(&[1; 32]) }] }),
        json!({ "keys": [{ "kty": "OKP", "crv": "Ed25519", "kid": "a", "x": encode(&[1; 31]) }] }),
        json!({ "keys": [{ "kty": "OKP", "crv": "Ed25519", "kid": "a", "use": "enc", "x": encode(&[1; 32]) }] }),
        json!({ "keys": [
            { "kty": "OKP", "crv": "Ed25519", "kid": "a", "x": encode(&[1; 32]) },
            { "kty": "OKP", "crv": "Ed25519", "kid": "a", "x": encode(&[2; 32]) },
        ]}),
    ] {
        assert!(TokenKeys::from_jwks(set.to_string().as_bytes()).is_err(), "{set}");
    }
}

/// A key and a token that openssl made; the private key is gone.
#[test]
fn rsa_signatures_are_verified() {
    let n = "lUX980dpAWEtRiztrZFiLDZOn-V-Hj8RvFMDas4Nk-swQnvH1FUzpU8UvbYaZnzM0MLsl0-RARMamHfEGQ8AKjR2X4\
        uMcRkU67bi8nQF4rhTo4tX7aaF9uuoiQ3PyL1vWHLYdR4S0mNtxOzEhaY0S61NKZPTPLBNU7Z-xhTvEdn50O638AhW\
        CMIGYpTcy2fAuacbIzYQMZJnqYoHh4NIEt9geor3VO3D4XzNGSE7P1G4QoQXlm46x9C2SWP0IxThoW1wrg9zk-qi_J\
        8MXWm98Yj4GiC5uZG0sAwvXtSYpYX1GVvDYcJUXn3_SYyNeP0K9vBoAzwFpvyghkToH9fBnw";
    let token = "eyJhbGciOiJSUzI1NiIsImtpZCI6InJzYSJ9.eyJpc3MiOiAiaXNzdWVyIiwgInN1YiI6ICJhZGEiLCAiYXVkIjogI\
        nJlZ2lzdHJ5LmV4YW1wbGUiLCAiZXhwIjogMTcwMDAwMDMwMH0.i118PuiFLnznEXqOoLBDUe31pgYqonWTtm2YwfE\
        3mroo7XNcnlJsTA1u9V_WH-4bbbZ6C2S_mzEFOU1Knf59SeWprVBtV0Cfgxa8ypTg89PdZKKffj0nuIAQQxuvaABhC\
        TBZ1yHdQxRqAD5Rqe0pujauia9cCNjkoqYvqg16tqLjt15sJkVzBvAKpCaOTb_-prfW1U2p672GSB8In4inveKzFe3\
        exrS7Y4bdM5BQPGy4l19OYAyK3I-_nmA3qn00T94GLUVtzCdro3yTcos2TA759jRM34XOhKPa6Fyv8Fzd9cYr5MVoU\
        1o6cQLKFb7lZrVrLppyGsTTU5Nrm7JHjQ";
    let mut verifier = Signer::new().verifier();
    let jwks = json!({ "keys": [{ "kty": "RSA", "kid": "rsa", "n": n, "e": "AQAB" }] });
    verifier.keys.replace(jwks.to_string().as_bytes()).unwrap();
    assert_eq!(
        verifier.verify_at(token, NOW).unwrap().user.as_deref(),
        Some("ada")
    );
    verifier.issuer = "other".into();
    assert!(verifier.verify_at(token, NOW).is_none());
    verifier.issuer = "issuer".into();
    let (message, _) = token.rsplit_once('.').unwrap();
    let forged = format!("{message}.{}", encode(&[0; 256]));
    assert!(verifier.verify_at(&forged, NOW).is_none());
}
