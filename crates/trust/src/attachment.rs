//! Signatures as cosign attaches them to an image: a payload, and its signature in annotations beside it.

mod annotations;

use std::collections::BTreeMap;

use rustls_pki_types::ServerName;

use crate::{
    KeyFile, Problem, PublicKey, Reason, ReasonKind,
    fulcio::{is_email, is_issuer},
    paths::{self, Purpose},
    rekor::{self, Logged, Verifier},
    time::Seconds,
    x509::Certificate,
};
#[cfg(feature = "sign")]
pub(crate) use annotations::SIGNATURE;
use annotations::{Annotations, SET};

/// The type of the payloads that sign an image. Attachments of other types are something else, such as lists
/// of components.
pub(crate) const PAYLOAD: &str = "application/vnd.dev.cosign.simplesigning.v1+json";

/// The signer that a `sigstoreSigned` requirement wants, with its keys and certificates read.
#[derive(Debug)]
pub(crate) struct Signer {
    pub(crate) kind: Kind,
}

#[derive(Debug)]
pub(crate) enum Kind {
    Keys {
        keys: Vec<PublicKey>,
        /// No log is asked for if there are none.
        rekor: Vec<PublicKey>,
    },
    Fulcio {
        authorities: Vec<Certificate>,
        issuer: String,
        email: String,
        rekor: Vec<PublicKey>,
    },
    Pki {
        roots: Vec<Certificate>,
        intermediates: Vec<Certificate>,
        email: Option<String>,
        host: Option<String>,
    },
}

/// A signature whose cryptography holds. What it is for stands in the payload, which is judged next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Accepted {
    pub(crate) by: By,
    /// When a transparency log recorded it, if one was asked for.
    pub(crate) logged: Option<Seconds>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum By {
    /// A public key.
    Key(PublicKey),
    /// The subjects of a certificate, as the policy demands them, and the issuer of the identity for one of
    /// Fulcio.
    Certificate {
        subjects: Vec<String>,
        issuer: Option<String>,
    },
}

impl Signer {
    /// A signer with one of some keys, recorded by one of some logs if any are given.
    ///
    /// All must be usable: one that cannot be read fails the requirement, as upstream (row T21).
    pub(crate) fn keys(keys: &[KeyFile], rekor: &[KeyFile]) -> Result<Self, Problem> {
        let keys = keys_of(keys, "key")?;
        let rekor = logs_of(rekor)?;
        Ok(Self {
            kind: Kind::Keys { keys, rekor },
        })
    }

    /// The subject of a certificate of Fulcio's, recorded by one of some logs.
    pub(crate) fn fulcio(
        authorities: &KeyFile,
        issuer: &str,
        email: &str,
        rekor: &[KeyFile],
    ) -> Result<Self, Problem> {
        let rekor = logs_of(rekor)?;
        if rekor.is_empty() {
            return Err(Problem::new(
                "a certificate of Fulcio's needs the public key of a log",
            ));
        }
        Ok(Self {
            kind: Kind::Fulcio {
                authorities: certificates_of(authorities)?,
                issuer: issuer.to_owned(),
                email: email.to_owned(),
                rekor,
            },
        })
    }

    /// The subject of a certificate of an authority of one's own; at least one of email and host must be
    /// given.
    pub(crate) fn pki(
        roots: &KeyFile,
        intermediates: Option<&KeyFile>,
        email: Option<&str>,
        host: Option<&str>,
    ) -> Result<Self, Problem> {
        if email.is_none() && host.is_none() {
            return Err(Problem::new(
                "a certificate needs a subject, which is an email or a host name",
            ));
        }
        if host.is_some_and(|host| ServerName::try_from(host).is_err()) {
            return Err(Problem::new("the host name that is demanded is none"));
        }
        Ok(Self {
            kind: Kind::Pki {
                roots: certificates_of(roots)?,
                intermediates: intermediates
                    .map(certificates_of)
                    .transpose()?
                    .unwrap_or_default(),
                email: email.map(str::to_owned),
                host: host.map(str::to_owned),
            },
        })
    }

    /// Verifies the cryptography of a signature: that this signer made it over the bytes of `payload`, and
    /// everything that the requirement asks of key, certificate and log. The payload is not read.
    pub(crate) fn verify(
        &self,
        payload: &[u8],
        annotations: &BTreeMap<String, String>,
        now: Seconds,
    ) -> Result<Accepted, Reason> {
        let annotations = Annotations(annotations);
        let signature = annotations.signature().map_err(ReasonKind::Format.of())?;
        let signed = Signed {
            payload,
            signature: &signature,
        };
        match &self.kind {
            Kind::Keys { keys, rekor } if rekor.is_empty() => by_key(keys, signed),
            Kind::Keys { keys, rekor } => by_logged_key(keys, &logged(&annotations, rekor)?, signed),
            Kind::Fulcio {
                authorities,
                issuer,
                email,
                rekor,
            } => {
                let logged = logged(&annotations, rekor)?;
                let (leaf, chain) = annotations.certificates().map_err(ReasonKind::Format.of())?;
                paths::verify(&leaf, authorities, &chain, Purpose::CodeSigning, logged.time)
                    .and_then(|_| is_issuer(&leaf, issuer))
                    .and_then(|()| is_email(&leaf, email))
                    .map_err(ReasonKind::Certificate.of())?;
                signed
                    .is_logged(&logged, Verifier::Certificate(&leaf))
                    .map_err(ReasonKind::Log.of())?;
                signed.is_by(&leaf.key().map_err(ReasonKind::Algorithm.of())?)?;
                Ok(Accepted {
                    by: By::Certificate {
                        subjects: vec![email.clone()],
                        issuer: Some(issuer.clone()),
                    },
                    logged: Some(logged.time),
                })
            }
            Kind::Pki {
                roots,
                intermediates,
                email,
                host,
            } => {
                let (leaf, mut chain) = annotations.certificates().map_err(ReasonKind::Format.of())?;
                chain.extend_from_slice(intermediates);
                paths::verify(&leaf, roots, &chain, Purpose::CodeSigningOrAny, now)
                    .and_then(|_| is_subject(&leaf, email.as_deref(), host.as_deref()))
                    .map_err(ReasonKind::Certificate.of())?;
                signed.is_by(&leaf.key().map_err(ReasonKind::Algorithm.of())?)?;
                Ok(Accepted {
                    by: By::Certificate {
                        subjects: email.iter().chain(host).cloned().collect(),
                        issuer: None,
                    },
                    logged: None,
                })
            }
        }
    }
}

/// The entry of a trusted log that comes with a signature.
fn logged(annotations: &Annotations<'_>, rekor: &[PublicKey]) -> Result<Logged, Reason> {
    let set = annotations.required(SET).map_err(ReasonKind::Log.of())?;
    rekor::verify_set(set.as_bytes(), rekor).map_err(ReasonKind::Log.of())
}

/// A payload with its signature.
#[derive(Clone, Copy)]
struct Signed<'a> {
    payload: &'a [u8],
    signature: &'a [u8],
}

impl Signed<'_> {
    fn is_logged(self, logged: &Logged, verifier: Verifier<'_>) -> Result<(), Problem> {
        rekor::verify_body(&logged.body, self.payload, self.signature, verifier)
    }

    fn is_by(self, key: &PublicKey) -> Result<(), Reason> {
        if key.verifies(self.payload, self.signature) {
            return Ok(());
        }
        Err(Reason::new(
            ReasonKind::Forged,
            "the signature is not valid for the payload",
        ))
    }
}

/// Any of the keys will do.
fn by_key(keys: &[PublicKey], signed: Signed<'_>) -> Result<Accepted, Reason> {
    if let Some(key) = keys
        .iter()
        .find(|key| key.verifies(signed.payload, signed.signature))
    {
        return Ok(Accepted {
            by: By::Key(key.clone()),
            logged: None,
        });
    }
    Err(made_by_none(keys))
}

/// The reason why a signature does not count that none of the keys made.
pub(crate) fn made_by_none(keys: &[PublicKey]) -> Reason {
    let known: Vec<String> = keys.iter().take(5).map(ToString::to_string).collect();
    let keys_of = if known.len() == 1 {
        "the key"
    } else {
        "any of the keys"
    };
    let mut text = format!(
        "the signature was not made by {keys_of} {}, or its payload was changed",
        known.join(", ")
    );
    if keys.iter().any(PublicKey::is_ed25519) {
        text.push_str("; Ed25519ph, the prehashed form, is not supported");
    }
    Reason::new(ReasonKind::UnknownKey, text)
}

/// Only the key that the log's entry names may verify then.
fn by_logged_key(keys: &[PublicKey], logged: &Logged, signed: Signed<'_>) -> Result<Accepted, Reason> {
    let mut refused = None;
    for key in keys {
        match signed.is_logged(logged, Verifier::Key(key)) {
            Ok(()) => {
                signed.is_by(key)?;
                return Ok(Accepted {
                    by: By::Key(key.clone()),
                    logged: Some(logged.time),
                });
            }
            Err(problem) => refused = refused.or(Some(problem)),
        }
    }
    let refused = refused.unwrap_or_else(|| Problem::new("there is no key"));
    Err(ReasonKind::Log.of()(refused))
}

/// Both must hold where both are demanded.
fn is_subject(leaf: &Certificate, email: Option<&str>, host: Option<&str>) -> Result<(), Problem> {
    if let Some(email) = email {
        is_email(leaf, email)?;
    }
    if let Some(host) = host
        && !paths::is_for_host(leaf, host)?
    {
        return Err(Problem::new(format!(
            "the certificate is not for the host {host}"
        )));
    }
    Ok(())
}

fn keys_of(files: &[KeyFile], what: &str) -> Result<Vec<PublicKey>, Problem> {
    let keys = files.iter().map(|file| {
        PublicKey::from_pem(&file.content)
            .map_err(|problem| problem.within(&format!("the {what} of {}", file.name)))
    });
    keys.collect()
}

fn logs_of(files: &[KeyFile]) -> Result<Vec<PublicKey>, Problem> {
    let keys = keys_of(files, "log's key")?;
    if let Some(position) = keys.iter().position(|key| !key.is_ecdsa()) {
        let origin = files.get(position).map_or("", |file| file.name.as_str());
        return Err(Problem::new(format!(
            "the log's key of {origin} must be an ECDSA key"
        )));
    }
    Ok(keys)
}

fn certificates_of(file: &KeyFile) -> Result<Vec<Certificate>, Problem> {
    Certificate::file(&file.content)
        .map_err(|problem| problem.within(&format!("the authorities of {}", file.name)))
}

#[cfg(test)]
mod tests;
