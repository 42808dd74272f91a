//! Tokens that another party has signed (RFC 7519), with keys from a JWKS (RFC 7517).
//!
//! A key is found by its `kid` among the configured keys, and the algorithm is the key's. Keys, URLs and
//! algorithms that the token itself names are ignored.

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, RwLock},
    time::{SystemTime, UNIX_EPOCH},
};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD as BASE64};
use ring::signature::{
    ECDSA_P256_SHA256_FIXED, ED25519, RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents, UnparsedPublicKey,
};
use serde::Deserialize;
use wharf_content::{Error, ErrorKind};

use super::{Action, Grant, Principal, is_user_name};
use crate::sync::RwLockExt as _;

/// The tolerance for the difference between two clocks, in seconds.
const SKEW: u64 = 60;
/// The longest token that is parsed, in bytes.
const MAX_TOKEN: usize = 64 * 1024;

/// The public keys with which tokens of another party are verified. Clones share them.
#[derive(Clone)]
pub struct TokenKeys {
    keys: Arc<RwLock<HashMap<String, Key>>>,
}

#[derive(Clone)]
enum Key {
    Es256(Vec<u8>),
    EdDsa(Vec<u8>),
    Rs256 { n: Vec<u8>, e: Vec<u8> },
}

impl TokenKeys {
    /// Reads a JSON Web Key Set: EC keys on P-256 (for ES256), OKP keys on Ed25519 (for `EdDSA`), RSA keys of
    /// 2048 to 8192 bits (RS256), each with a `kid`. Keys for other uses are skipped.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Invalid`] if the set cannot be read, or has no key that can be used.
    pub fn from_jwks(json: &[u8]) -> Result<Self, Error> {
        Ok(Self {
            keys: Arc::new(RwLock::new(read(json)?)),
        })
    }

    /// Replaces the keys from now on.
    ///
    /// # Errors
    ///
    /// As [`TokenKeys::from_jwks`]; the old keys stay then.
    pub fn replace(&self, json: &[u8]) -> Result<(), Error> {
        let keys = read(json)?;
        *self.keys.write_locked() = keys;
        Ok(())
    }

    fn key(&self, kid: &str) -> Option<Key> {
        self.keys.read_locked().get(kid).cloned()
    }
}

impl fmt::Debug for TokenKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenKeys").finish_non_exhaustive()
    }
}

#[derive(Deserialize)]
struct KeySet {
    keys: Vec<Jwk>,
}

#[derive(Deserialize)]
struct Jwk {
    kty: String,
    kid: Option<String>,
    #[serde(rename = "use")]
    purpose: Option<String>,
    alg: Option<String>,
    crv: Option<String>,
    x: Option<String>,
    y: Option<String>,
    n: Option<String>,
    e: Option<String>,
}

fn read(json: &[u8]) -> Result<HashMap<String, Key>, Error> {
    let invalid = |message: &str| Error::new(ErrorKind::Invalid, message);
    let set: KeySet = serde_json::from_slice(json).map_err(|_| invalid("not a JSON Web Key Set"))?;
    let mut keys = HashMap::new();
    for jwk in set.keys {
        let Some((kid, key)) = jwk.kid.clone().zip(jwk.key()) else {
            continue;
        };
        if keys.insert(kid, key).is_some() {
            return Err(invalid("two keys of the set have the same kid"));
        }
    }
    if keys.is_empty() {
        return Err(invalid(
            "no key of the set can verify ES256, EdDSA or RS256 and has a kid",
        ));
    }
    Ok(keys)
}

impl Jwk {
    fn key(&self) -> Option<Key> {
        let decode = |text: &Option<String>| BASE64.decode(text.as_deref()?).ok();
        if self.purpose.as_deref().is_some_and(|purpose| purpose != "sig") {
            return None;
        }
        let fits = |algorithm: &str| self.alg.as_deref().is_none_or(|stated| stated == algorithm);
        match (self.kty.as_str(), self.crv.as_deref()) {
            ("EC", Some("P-256")) if fits("ES256") => {
                let (x, y) = (decode(&self.x)?, decode(&self.y)?);
                let point = [&[4], x.as_slice(), &y].concat();
                (x.len() == 32 && y.len() == 32).then_some(Key::Es256(point))
            }
            ("OKP", Some("Ed25519")) if fits("EdDSA") => {
                decode(&self.x).filter(|x| x.len() == 32).map(Key::EdDsa)
            }
            ("RSA", _) if fits("RS256") => {
                let (n, e) = (decode(&self.n)?, decode(&self.e)?);
                let bits = n.len() * 8;
                (2048..=8192).contains(&bits).then_some(Key::Rs256 { n, e })
            }
            _ => None,
        }
    }
}

impl Key {
    fn verifies(&self, algorithm: &str, message: &[u8], signature: &[u8]) -> bool {
        match (self, algorithm) {
            (Self::Es256(key), "ES256") => UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, key)
                .verify(message, signature)
                .is_ok(),
            (Self::EdDsa(key), "EdDSA") => UnparsedPublicKey::new(&ED25519, key)
                .verify(message, signature)
                .is_ok(),
            (Self::Rs256 { n, e }, "RS256") => RsaPublicKeyComponents { n, e }
                .verify(&RSA_PKCS1_2048_8192_SHA256, message, signature)
                .is_ok(),
            _ => false,
        }
    }
}

/// The claims that a token of another party must have, and the keys that sign it.
#[derive(Debug, Clone)]
pub(crate) struct Verifier {
    pub(crate) realm: String,
    pub(crate) issuer: String,
    pub(crate) service: String,
    pub(crate) keys: TokenKeys,
}

#[derive(Deserialize)]
struct Header {
    alg: String,
    kid: String,
    crit: Option<serde::de::IgnoredAny>,
}

#[derive(Deserialize)]
struct Claims {
    iss: String,
    sub: Option<String>,
    aud: Audience,
    exp: f64,
    nbf: Option<f64>,
    iat: Option<f64>,
    #[serde(default)]
    access: Vec<AccessEntry>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Audience {
    One(String),
    Many(Vec<String>),
}

#[derive(Deserialize)]
struct AccessEntry {
    #[serde(rename = "type")]
    kind: String,
    name: String,
    #[serde(default)]
    actions: Vec<String>,
}

impl Verifier {
    /// The principal of a token, if its signature and claims are valid now.
    pub(crate) fn verify(&self, token: &str) -> Option<Principal> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).ok()?.as_secs();
        self.verify_at(token, now)
    }

    fn verify_at(&self, token: &str, now: u64) -> Option<Principal> {
        if token.len() > MAX_TOKEN {
            return None;
        }
        let (message, signature) = token.rsplit_once('.')?;
        let (header, claims) = message.split_once('.')?;
        let header: Header = serde_json::from_slice(&BASE64.decode(header).ok()?).ok()?;
        if header.crit.is_some() {
            return None;
        }
        let signature = BASE64.decode(signature).ok()?;
        let key = self.keys.key(&header.kid)?;
        if !key.verifies(&header.alg, message.as_bytes(), &signature) {
            return None;
        }
        let claims: Claims = serde_json::from_slice(&BASE64.decode(claims).ok()?).ok()?;
        let for_us = match &claims.aud {
            Audience::One(audience) => *audience == self.service,
            Audience::Many(audiences) => audiences.contains(&self.service),
        };
        #[expect(clippy::cast_precision_loss, reason = "seconds of this age are exact")]
        let (early, late) = ((now + SKEW) as f64, now.saturating_sub(SKEW) as f64);
        let begun = |time: Option<f64>| time.is_none_or(|time| time <= early);
        if claims.iss != self.issuer
            || !for_us
            || claims.exp <= late
            || !begun(claims.nbf)
            || !begun(claims.iat)
        {
            return None;
        }
        let user = claims.sub.filter(|user| !user.is_empty());
        if !user.as_deref().is_none_or(is_user_name) {
            return None;
        }
        let user = user.map(Arc::from);
        let grants = claims.access.iter().filter_map(AccessEntry::grant).collect();
        Some(Principal::granted(user, grants))
    }
}

impl AccessEntry {
    /// The grants of a claim: the actions that it names, and no others.
    fn grant(&self) -> Option<Grant> {
        let named = |action: &Action| self.actions.iter().any(|name| name == action.as_str());
        (self.kind == "repository").then(|| Grant::Repository {
            path: self.name.clone(),
            actions: Action::ALL.into_iter().filter(named).collect(),
        })
    }
}

#[cfg(test)]
mod tests;
