//! The order of verification (sigstore's client specification, 4): log entries, times, the certificate at
//! each time, its CT log, the signature, the statement, the identity.

use std::time::{Duration, UNIX_EPOCH};

use super::{
    document::{Content, Document, Material},
    entry::{self, Proven, Rules},
    policy::{BundlePolicy, CertificateIdentity, Wanted},
    sct,
    statement::{PAYLOAD_TYPE, Statement},
    timestamp::Timestamp,
};
use crate::{
    Reason, ReasonKind, SignedTime, VerifiedSigner,
    fulcio::{is_email, issuer_of, utf8_string},
    paths::{self, Purpose},
    problem::{Problem, quoted},
    public_key::{Hash, PublicKey, hex},
    rekor::Verifier,
    root::{Authority, Range, TrustedRoot},
    time::Seconds,
    x509::{Certificate, Name},
};

/// The most bytes of an artifact that is verified in memory.
const MAX_ARTIFACT: usize = 64 << 20;

/// The artifact that a bundle must be for.
pub(super) enum Target<'a> {
    Image {
        sha256: &'a str,
        predicate: &'a str,
    },
    Blob {
        artifact: &'a [u8],
        predicate: Option<&'a str>,
    },
    Digest {
        sha256: &'a str,
        predicate: Option<&'a str>,
    },
}

/// A bundle that was verified: only [`BundlePolicy`] makes one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifiedBundle {
    signer: VerifiedSigner,
    times: Vec<SignedTime>,
    predicate_type: Option<String>,
}

impl VerifiedBundle {
    /// The signer.
    #[must_use]
    pub const fn signer(&self) -> &VerifiedSigner {
        &self.signer
    }

    /// When; at least one time for a certificate, perhaps none for a key.
    #[must_use]
    pub fn times(&self) -> &[SignedTime] {
        &self.times
    }

    /// The `predicateType` of the statement that was signed, or `None` for a signature over the artifact
    /// itself.
    #[must_use]
    pub fn predicate_type(&self) -> Option<&str> {
        self.predicate_type.as_deref()
    }
}

pub(super) fn verify(
    policy: &BundlePolicy,
    document: &Document,
    target: &Target<'_>,
    now: Seconds,
) -> Result<VerifiedBundle, Reason> {
    let signed = signed(&document.content, target).map_err(ReasonKind::Format.of())?;
    let key = key_of(policy, &document.material)?;
    let verifier = match &document.material {
        Material::Key { .. } => Verifier::Key(&key),
        Material::Certificate { leaf, .. } => Verifier::Certificate(leaf),
    };
    let times = match &policy.root {
        None => Vec::new(),
        Some(root) => {
            let rules = Rules {
                old_versions: policy.old_versions,
                now,
            };
            entry::verify(document, root, verifier, &signed, rules)
                .and_then(|proven| times(policy, document, root, &proven, now))
                .map_err(ReasonKind::Log.of())?
        }
    };
    if let Material::Certificate { leaf, chain } = &document.material {
        let root = policy.root.as_ref();
        root.ok_or_else(|| Problem::new("there is no trusted root"))
            .and_then(|root| certificate(policy, root, leaf, chain, &times, now))
            .map_err(ReasonKind::Certificate.of())?;
    }
    if !key.verifies(&signed, document.content.signature()) {
        let text = "the signature is not valid for the content";
        return Err(Reason::new(ReasonKind::Forged, text));
    }
    let fingerprint = key.fingerprint();
    let predicate_type = content(&document.content, target)
        .map_err(|reason| reason.with_key(format!("sha256:{fingerprint}")))?;
    let signer = match (&policy.signer, &document.material) {
        (Wanted::Identity(identity), Material::Certificate { leaf, .. }) => {
            is_identity(leaf, identity).map_err(ReasonKind::Certificate.of())?;
            VerifiedSigner::Certificate {
                subjects: vec![identity.san.clone()],
                issuer: Some(identity.issuer.clone()),
            }
        }
        (Wanted::Key(_), _) => VerifiedSigner::Key { fingerprint },
        _ => return Err(Reason::new(ReasonKind::Format, "the bundle has no certificate")),
    };
    Ok(VerifiedBundle {
        signer,
        times: times.into_iter().map(Time::public).collect(),
        predicate_type,
    })
}

/// The bytes that the signature is over.
fn signed(content: &Content, target: &Target<'_>) -> Result<Vec<u8>, Problem> {
    match (content, target) {
        (Content::Envelope(envelope), _) => Ok(envelope.signed()),
        (Content::Message { digest, .. }, Target::Blob { artifact, .. }) => {
            if artifact.len() > MAX_ARTIFACT {
                return Err(Problem::new(format!(
                    "the artifact is larger than {MAX_ARTIFACT} bytes"
                )));
            }
            let same = digest.as_ref().is_none_or(|(name, digest)| {
                let hash = match name.as_str() {
                    "SHA2_256" => Hash::Sha256,
                    "SHA2_384" => Hash::Sha384,
                    "SHA2_512" => Hash::Sha512,
                    _ => return false,
                };
                hash.of(artifact) == *digest
            });
            if !same {
                return Err(Problem::new("the bundle is for an artifact with another digest"));
            }
            Ok(artifact.to_vec())
        }
        (Content::Message { .. }, Target::Image { .. }) => Err(Problem::new(
            "the bundle signs a message, which says nothing about an image",
        )),
        (Content::Message { .. }, Target::Digest { .. }) => Err(Problem::new(
            "the bundle signs the bytes of the artifact, so that the artifact itself is needed and not its digest",
        )),
    }
}

/// The key that must have signed: the one that is demanded, or the certificate's.
fn key_of(policy: &BundlePolicy, material: &Material) -> Result<PublicKey, Reason> {
    match (&policy.signer, material) {
        (Wanted::Key(key), Material::Key { .. }) => Ok(key.clone()),
        (Wanted::Identity(_), Material::Certificate { leaf, .. }) => {
            leaf.key().map_err(ReasonKind::Algorithm.of())
        }
        (Wanted::Key(_), Material::Certificate { .. }) => Err(Reason::new(
            ReasonKind::UnknownKey,
            "the bundle is signed with a certificate, and a key is demanded",
        )),
        (Wanted::Identity(_), Material::Key { .. }) => Err(Reason::new(
            ReasonKind::Certificate,
            "the bundle is signed with a key, and an identity is demanded",
        )),
    }
}

#[derive(Debug, Clone, Copy)]
enum Time {
    Log(Seconds),
    Authority(Seconds),
}

impl Time {
    const fn seconds(self) -> Seconds {
        match self {
            Self::Log(seconds) | Self::Authority(seconds) => seconds,
        }
    }

    fn public(self) -> SignedTime {
        let time = UNIX_EPOCH + Duration::from_secs(self.seconds().try_into().unwrap_or_default());
        match self {
            Self::Log(_) => SignedTime::Log(time),
            Self::Authority(_) => SignedTime::Authority(time),
        }
    }
}

/// The times at which the signature is known to have existed, after checking that the logs' keys counted
/// then.
fn times(
    policy: &BundlePolicy,
    document: &Document,
    root: &TrustedRoot,
    proven: &Proven<'_>,
    now: Seconds,
) -> Result<Vec<Time>, Problem> {
    if policy.log && proven.logs.is_empty() {
        return Err(Problem::new("no log of the trusted root has the signature"));
    }
    let mut times: Vec<Time> = proven.times.iter().copied().map(Time::Log).collect();
    let mut counted = Vec::new();
    for timestamp in &document.timestamps {
        let timestamp = Timestamp::parse(timestamp)?;
        match timestamp.verify(document.content.signature(), &root.timestamp_authorities)? {
            Some((_, time)) if time > now => return Err(Problem::new("a timestamp is from the future")),
            // Threat row T166: one authority counts once.
            Some((authority, time)) if !counted.contains(&authority) => {
                counted.push(authority);
                times.push(Time::Authority(time));
            }
            _ => {}
        }
    }
    if times.is_empty() && matches!(policy.signer, Wanted::Identity(_)) {
        return Err(Problem::new(
            "no log or timestamp authority of the trusted root says when the signature was made",
        ));
    }
    // Threat row T165: without a time, the log's key must count now, so that it did when it signed.
    let counts = |valid: &Range| {
        if times.is_empty() {
            return valid.contains(now);
        }
        times.iter().all(|time| valid.contains(time.seconds()))
    };
    if !proven.logs.iter().all(|log| counts(&log.valid)) {
        return Err(Problem::new(
            "the log's key was not valid when the signature was made",
        ));
    }
    Ok(times)
}

/// The certificate must be an authority's of the root at every time, and a CT log must have it.
fn certificate(
    policy: &BundlePolicy,
    root: &TrustedRoot,
    leaf: &Certificate,
    chain: &[Certificate],
    times: &[Time],
    now: Seconds,
) -> Result<(), Problem> {
    let mut last = Problem::new("the trusted root has no certificate authority");
    for authority in &root.authorities {
        match issuer(authority, leaf, chain, times) {
            Ok(issuer) => {
                if root.ct_logs.is_empty() && !policy.ct {
                    return Ok(());
                }
                return sct::verify(leaf, &issuer, &root.ct_logs, now);
            }
            Err(problem) => last = problem,
        }
    }
    Err(last)
}

/// The certificate that issued the leaf, if it was valid up to the authority at all times.
fn issuer(
    authority: &Authority,
    leaf: &Certificate,
    chain: &[Certificate],
    times: &[Time],
) -> Result<Certificate, Problem> {
    let intermediates: Vec<Certificate> = authority.others.iter().chain(chain).cloned().collect();
    let anchors = std::slice::from_ref(&authority.anchor);
    let mut issuer = Err(Problem::new("no time is known at which the certificate was used"));
    for time in times {
        let time = time.seconds();
        if !authority.valid.contains(time) {
            return Err(Problem::new(
                "the certificate authority was not valid when the signature was made",
            ));
        }
        issuer = Ok(paths::verify(leaf, anchors, &intermediates, Purpose::CodeSigning, time)?.clone());
    }
    issuer
}

/// Checks that the signed content is for the target. Returns the type of the statement.
fn content(content: &Content, target: &Target<'_>) -> Result<Option<String>, Reason> {
    let Content::Envelope(envelope) = content else {
        return Ok(None);
    };
    if envelope.payload_type != PAYLOAD_TYPE {
        let text = "the envelope has no statement of in-toto";
        return Err(Reason::new(ReasonKind::Payload, text));
    }
    let statement = Statement::parse(&envelope.payload).map_err(ReasonKind::Payload.of())?;
    let (wanted, predicate) = match target {
        Target::Image { sha256, predicate } => (vec![("sha256", (*sha256).to_owned())], Some(*predicate)),
        Target::Digest { sha256, predicate } => (vec![("sha256", (*sha256).to_owned())], *predicate),
        Target::Blob { artifact, predicate } => {
            let wanted = [
                ("sha256", Hash::Sha256),
                ("sha384", Hash::Sha384),
                ("sha512", Hash::Sha512),
            ];
            let wanted = wanted.map(|(name, hash)| (name, hex(&hash.of(artifact))));
            (wanted.to_vec(), *predicate)
        }
    };
    if !statement.is_about(&wanted) {
        let text = "the statement is about other content";
        return Err(Reason::new(ReasonKind::Digest, text));
    }
    if predicate.is_some_and(|predicate| predicate != statement.predicate_type) {
        let text = format!(
            "the statement is of the type {}, which is not the one that is demanded",
            quoted(&statement.predicate_type)
        );
        return Err(Reason::new(ReasonKind::Payload, text));
    }
    Ok(Some(statement.predicate_type))
}

fn is_identity(leaf: &Certificate, identity: &CertificateIdentity) -> Result<(), Problem> {
    if identity.is_email {
        is_email(leaf, &identity.san)?;
    }
    let names = leaf.names.iter().map(|name| match name {
        Name::Email(name) | Name::Uri(name) | Name::Other(name) => name,
    });
    if !names.clone().any(|name| *name == identity.san) {
        let found: Vec<String> = names.take(5).map(|name| quoted(name)).collect();
        return Err(Problem::new(format!(
            "the certificate is for {} and not for {}",
            found.join(", "),
            quoted(&identity.san)
        )));
    }
    let issuer = issuer_of(leaf)?;
    if issuer != identity.issuer {
        return Err(Problem::new(format!(
            "the identity was issued by {} and not by {}",
            quoted(&issuer),
            quoted(&identity.issuer)
        )));
    }
    for (number, wanted) in &identity.extensions {
        let value = leaf.fulcio(*number).map(utf8_string).transpose()?;
        if value.as_ref() != Some(wanted) {
            return Err(Problem::new(format!(
                "the extension {number} of the certificate is not {}",
                quoted(wanted)
            )));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
