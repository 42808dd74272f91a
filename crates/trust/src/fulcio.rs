//! The subject of a certificate: its names, and the extensions of Fulcio's certificates.

use crate::{
    der::{Reader, UTF8_STRING},
    problem::{Problem, quoted},
    x509::{Certificate, Name},
};

/// The OIDC issuer that vouched for the identity: the extension .8, the older .1, or both if they agree.
pub(crate) fn issuer_of(leaf: &Certificate) -> Result<String, Problem> {
    let old = leaf.fulcio(1).map(|bytes| text(bytes.to_vec())).transpose()?;
    let new = leaf.fulcio(8).map(utf8_string).transpose()?;
    match (old, new) {
        (Some(old), Some(new)) if old != new => {
            Err(Problem::new("the certificate names two issuers of the identity"))
        }
        (old, new) => new
            .or(old)
            .ok_or_else(|| Problem::new("the certificate names no issuer of the identity")),
    }
}

fn text(bytes: Vec<u8>) -> Result<String, Problem> {
    String::from_utf8(bytes).map_err(|_| Problem::new("an extension of the certificate is not text"))
}

/// The text of an extension that is a `UTF8String`.
pub(crate) fn utf8_string(value: &[u8]) -> Result<String, Problem> {
    let mut reader = Reader::new(value, "extension of the certificate");
    let bytes = reader.expect(UTF8_STRING)?.contents.to_vec();
    reader.finish()?;
    text(bytes)
}

pub(crate) fn is_issuer(leaf: &Certificate, issuer: &str) -> Result<(), Problem> {
    let found = issuer_of(leaf)?;
    if found == issuer {
        return Ok(());
    }
    Err(Problem::new(format!(
        "the identity was issued by {} and not by {}",
        quoted(&found),
        quoted(issuer)
    )))
}

pub(crate) fn is_email(leaf: &Certificate, email: &str) -> Result<(), Problem> {
    let is_wanted = |name: &Name| matches!(name, Name::Email(found) if found == email);
    if leaf.names.iter().any(is_wanted) {
        return Ok(());
    }
    let found: Vec<String> = leaf
        .names
        .iter()
        .take(5)
        .map(|name| match name {
            Name::Email(email) => format!("the email {}", quoted(email)),
            Name::Uri(uri) => format!("the URI {}, which no policy.json can name", quoted(uri)),
            Name::Other(other) => format!("the name {}, which no policy.json can name", quoted(other)),
        })
        .collect();
    let found = if found.is_empty() {
        "no email".to_owned()
    } else {
        found.join(", ")
    };
    Err(Problem::new(format!(
        "the certificate is not for the email {}; it is for {found}",
        quoted(email)
    )))
}
