//! What a rule demands. Requirements of signatures are read as strictly as if they were evaluated: a policy that
//! upstream refuses is refused here.

use std::fmt;

use base64::Engine as _;
use wharf_reference::{Reference, Registry, Repository};

use super::document::{Object, string};
use crate::{
    document::quoted,
    host,
    json::{Problem, Value},
};

/// What a rule of a [`Policy`](super::Policy) demands of an image (containers-policy.json(5), *Policy Requirements*).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Requirement {
    /// `insecureAcceptAnything`: nothing. No signature was looked for.
    InsecureAcceptAnything,
    /// `reject`: no image is accepted.
    Reject,
    /// `signedBy`: a signature by a GPG key.
    SignedBy,
    /// `sigstoreSigned`: a sigstore signature.
    SigstoreSigned,
    /// `signedBaseLayer`: which no implementation evaluates.
    SignedBaseLayer,
}

impl fmt::Display for Requirement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::InsecureAcceptAnything => "insecureAcceptAnything",
            Self::Reject => "reject",
            Self::SignedBy => "signedBy",
            Self::SigstoreSigned => "sigstoreSigned",
            Self::SignedBaseLayer => "signedBaseLayer",
        })
    }
}

impl Requirement {
    pub(super) fn read(value: Value<'_>) -> Result<Self, Problem> {
        let mut object = Object::read(value, "a requirement")?;
        let requirement = match object.string("type")?.as_str() {
            "insecureAcceptAnything" => Self::InsecureAcceptAnything,
            "reject" => Self::Reject,
            "signedBy" => {
                signed_by(&mut object)?;
                Self::SignedBy
            }
            "sigstoreSigned" => {
                sigstore_signed(&mut object)?;
                Self::SigstoreSigned
            }
            "signedBaseLayer" => {
                identity(object.required("baseLayerIdentity")?)?;
                Self::SignedBaseLayer
            }
            other => return Err(object.problem(format!("unknown type of requirement {}", quoted(other)))),
        };
        object.finish()?;
        Ok(requirement)
    }
}

fn signed_by(object: &mut Object<'_>) -> Result<(), Problem> {
    const TYPES: [&str; 4] = [
        "GPGKeys",
        "signedByGPGKeys",
        "X509Certificates",
        "signedByX509CAs",
    ];
    let key_type = object.string("keyType")?;
    if !TYPES.contains(&key_type.as_str()) {
        return Err(object.problem(format!("unknown keyType {}", quoted(&key_type))));
    }
    let (key, value) = object.one_of(&["keyPath", "keyPaths", "keyData"])?;
    source(key, value)?;
    object.optional("signedIdentity").map_or(Ok(()), identity)
}

fn sigstore_signed(object: &mut Object<'_>) -> Result<(), Problem> {
    const REKOR: [&str; 4] = [
        "rekorPublicKeyPath",
        "rekorPublicKeyPaths",
        "rekorPublicKeyData",
        "rekorPublicKeyDatas",
    ];
    let (key, value) = object.one_of(&["keyPath", "keyPaths", "keyData", "keyDatas", "fulcio", "pki"])?;
    let rekor = object.at_most_one_of(&REKOR)?;
    if let Some((key, value)) = rekor {
        sources(key, value)?;
    }
    match (key, rekor) {
        ("fulcio", None) => return Err(object.problem("`fulcio` needs a public key of Rekor")),
        ("pki", Some(_)) => return Err(object.problem("`pki` and a public key of Rekor exclude each other")),
        ("fulcio", Some(_)) => fulcio(value)?,
        ("pki", None) => pki(value)?,
        _ => sources(key, value)?,
    }
    object.optional("signedIdentity").map_or(Ok(()), identity)
}

fn fulcio(value: Value<'_>) -> Result<(), Problem> {
    let mut object = Object::read(value, "`fulcio`")?;
    let (key, value) = object.one_of(&["caPath", "caData"])?;
    source(key, value)?;
    for key in ["oidcIssuer", "subjectEmail"] {
        object.string(key)?;
    }
    object.finish()
}

fn pki(value: Value<'_>) -> Result<(), Problem> {
    let mut object = Object::read(value, "`pki`")?;
    let (key, value) = object.one_of(&["caRootsPath", "caRootsData"])?;
    source(key, value)?;
    if let Some((key, value)) = object.at_most_one_of(&["caIntermediatesPath", "caIntermediatesData"])? {
        source(key, value)?;
    }
    let subjects = ["subjectEmail", "subjectHostname"].map(|key| Some((key, object.optional(key)?)));
    if subjects.iter().all(Option::is_none) {
        return Err(object.problem("`pki` has neither `subjectEmail` nor `subjectHostname`"));
    }
    for (key, value) in subjects.into_iter().flatten() {
        string(value, key)?;
    }
    object.finish()
}

/// Where a key is: a path, paths, or base64 of it.
fn source(key: &str, value: Value<'_>) -> Result<(), Problem> {
    if key.ends_with('s') {
        for element in value.array(&format!("`{key}`"))? {
            one_source(key, element)?;
        }
        return Ok(());
    }
    one_source(key, value)
}

/// The same, where a list is never empty.
fn sources(key: &str, value: Value<'_>) -> Result<(), Problem> {
    if key.ends_with('s') && value.array(&format!("`{key}`"))?.is_empty() {
        return Err(value.problem(format!("`{key}` is empty")));
    }
    source(key, value)
}

fn one_source(key: &str, value: Value<'_>) -> Result<(), Problem> {
    let text = string(value, key)?;
    let is_data = key.contains("Data");
    if is_data && base64::engine::general_purpose::STANDARD.decode(&text).is_err() {
        return Err(value.problem(format!("`{key}` is not base64")));
    }
    if !is_data && text.is_empty() {
        return Err(value.problem(format!("`{key}` is empty")));
    }
    Ok(())
}

/// Which name a signature must be for.
fn identity(value: Value<'_>) -> Result<(), Problem> {
    let mut object = Object::read(value, "an identity")?;
    match object.string("type")?.as_str() {
        "matchExact" | "matchRepoDigestOrExact" | "matchRepository" => {}
        "exactReference" => {
            let text = object.string("dockerReference")?;
            let reference = Reference::parse(&text).ok();
            if !reference.is_some_and(|reference| reference.has_tag() || reference.has_digest()) {
                let text = quoted(&text);
                return Err(object.problem(format!("{text} is no reference with a tag or digest")));
            }
        }
        "exactRepository" => {
            let text = object.string("dockerRepository")?;
            // With a tag or digest too, which count for nothing.
            if Reference::parse(&text).is_err() {
                return Err(object.problem(format!("{} is no repository", quoted(&text))));
            }
        }
        "remapIdentity" => {
            for key in ["prefix", "signedPrefix"] {
                let text = object.string(key)?;
                if !is_prefix(&text) {
                    let text = quoted(&text);
                    return Err(object.problem(format!("{text} is no registry, namespace or repository")));
                }
            }
        }
        other => return Err(object.problem(format!("unknown type of identity {}", quoted(other)))),
    }
    object.finish()
}

/// Whether the names of images may begin with this text: a host, perhaps with components of a path
/// (`docker.io/library`). As upstream, the host needs no dot, and an address in brackets is refused.
fn is_prefix(text: &str) -> bool {
    let (host, path) = match text.split_once('/') {
        Some((host, path)) => (host, Some(path)),
        None => (text, None),
    };
    let registry = Registry::parse(host).is_ok() && !host.starts_with('[');
    if !registry && !host::is_plain_label(host) {
        return false;
    }
    // Components are the same below every host.
    path.is_none_or(|path| Registry::parse("localhost").is_ok_and(|any| Repository::new(&any, path).is_ok()))
}
