//! What a failure means in words, and what the user can do about it.

use http::{Method, StatusCode};
use wharf_auth::{AuthError, AuthErrorKind, Authorization};
use wharf_content::ErrorKind;

use crate::{
    RegistryError,
    error::{Error, Operation},
    send::Call,
    site::Site,
};

/// The error of a status that is not an answer.
///
/// | status | codes | kind |
/// |---|---|---|
/// | 404 or any | `MANIFEST_UNKNOWN`, `NAME_UNKNOWN`, `BLOB_UNKNOWN` ... | not found |
/// | 401 | any | unauthorized |
/// | 403 or any | `DENIED` | denied |
/// | 429 or any | `TOOMANYREQUESTS` | rate limited |
/// | 413 or any | `SIZE_INVALID` on a manifest | too large |
/// | 400 | `DIGEST_INVALID` | mismatch |
/// | 405, 501 or any | `UNSUPPORTED` | unsupported |
/// | other 4xx | | invalid |
/// | 408, 504 | | timeout |
/// | 5xx, 3xx | | server |
pub(crate) fn status_error(
    call: &Call<'_>,
    site: &Site,
    sent: Option<&Authorization>,
    status: StatusCode,
    codes: Vec<RegistryError>,
) -> Error {
    let has = |wanted: &[&str]| codes.iter().any(|error| wanted.contains(&error.code.as_str()));
    let says_not_found = || {
        codes
            .iter()
            .any(|error| error.message.eq_ignore_ascii_case("not found"))
    };
    let kind = match status.as_u16() {
        401 => ErrorKind::Unauthorized,
        429 => ErrorKind::RateLimited,
        _ if has(&["TOOMANYREQUESTS"]) => ErrorKind::RateLimited,
        404 => ErrorKind::NotFound,
        400..=499
            if has(&[
                "MANIFEST_UNKNOWN",
                "NAME_UNKNOWN",
                "BLOB_UNKNOWN",
                "BLOB_UPLOAD_UNKNOWN",
            ]) =>
        {
            ErrorKind::NotFound
        }
        403 => ErrorKind::Denied,
        400..=499 if has(&["DENIED"]) => ErrorKind::Denied,
        413 => ErrorKind::TooLarge,
        405 | 501 => ErrorKind::Unsupported,
        400..=499 if has(&["UNSUPPORTED"]) => ErrorKind::Unsupported,
        400 if has(&["DIGEST_INVALID"]) => ErrorKind::Mismatch,
        408 | 504 => ErrorKind::Timeout,
        400..=499 if says_not_found() => ErrorKind::NotFound,
        400..=499 => ErrorKind::Invalid,
        _ => ErrorKind::Server,
    };
    let error = Error::new(kind, call.operation, &call.subject, reason(kind, status, &codes));
    let hint = hint_of_status(kind, call, site, sent, &codes);
    let error = error.edit(|inner| {
        inner.status = Some(status.as_u16());
        inner.codes = codes;
    });
    match hint {
        Some(hint) => error.with_hint(hint),
        None => error,
    }
}

/// Whether a registry refuses a login for its age and not for its rights, which only its words tell (Amazon's
/// answers 403).
pub(crate) fn says_expired(error: &Error) -> bool {
    let expired = |said: &RegistryError| said.message.to_ascii_lowercase().contains("expired");
    error.status() == Some(403) && error.registry_errors().iter().any(expired)
}

/// The error for what is not there, where that was an expected answer.
pub(crate) fn not_there(operation: Operation, subject: &str, url: &url::Url) -> Error {
    Error::new(
        ErrorKind::NotFound,
        operation,
        subject,
        ErrorKind::NotFound.to_string(),
    )
    .at(wharf_http::Redacted(url))
    .edit(|inner| inner.status = Some(404))
}

/// The registry's own words if it has any; the status otherwise.
fn reason(kind: ErrorKind, status: StatusCode, codes: &[RegistryError]) -> String {
    let mut reason = match kind {
        ErrorKind::Server | ErrorKind::Invalid | ErrorKind::Other => {
            format!("the server answered {}", status.as_u16())
        }
        kind => kind.to_string(),
    };
    let mut said = codes
        .iter()
        .map(|error| match (error.code.as_str(), error.message.as_str()) {
            ("", message) => message.to_owned(),
            (code, "") => code.to_owned(),
            (code, message) => format!("{code}: {message}"),
        });
    if let Some(first) = said.next() {
        reason.push_str(" (");
        reason.push_str(&first);
        for more in said {
            reason.push_str("; ");
            reason.push_str(&more);
        }
        reason.push(')');
    }
    reason
}

fn hint_of_status(
    kind: ErrorKind,
    call: &Call<'_>,
    site: &Site,
    sent: Option<&Authorization>,
    codes: &[RegistryError],
) -> Option<String> {
    let registry = &site.registry;
    let anonymous = sent.is_none_or(Authorization::is_anonymous);
    Some(match kind {
        ErrorKind::NotFound if call.operation == Operation::PullManifest => {
            if codes.iter().any(|error| error.code == "NAME_UNKNOWN") {
                "check the name of the repository".to_owned()
            } else {
                "check the name and the tag".to_owned()
            }
        }
        ErrorKind::NotFound if call.operation == Operation::ListTags => {
            "check the name of the repository".to_owned()
        }
        ErrorKind::NotFound
            if matches!(call.operation, Operation::PushBlob | Operation::PushManifest)
                && codes.iter().any(|error| error.code == "NAME_UNKNOWN") =>
        {
            format!("create the repository at {registry} first, or check its name: it is not made by pushing")
        }
        ErrorKind::Unauthorized | ErrorKind::Denied if anonymous => {
            format!("it may not exist, or need a login to {registry}")
        }
        ErrorKind::Denied => {
            format!("the login for {registry} is not allowed to do this; check its permissions")
        }
        ErrorKind::RateLimited if anonymous => format!("wait, or log in to {registry} for a higher limit"),
        ErrorKind::TooLarge if call.operation == Operation::PushManifest => {
            "the registry does not take manifests of this size".to_owned()
        }
        ErrorKind::TooLarge => {
            "the registry, or a proxy before it, does not take uploads of this size".to_owned()
        }
        ErrorKind::Unsupported if call.method == Method::DELETE => {
            "the registry has deleting switched off".to_owned()
        }
        _ => return None,
    })
}

pub(crate) fn of_http(kind: wharf_http::ErrorKind, site: &Site) -> Option<String> {
    use wharf_http::ErrorKind as Http;
    let registry = &site.registry;
    Some(match kind {
        Http::Dns => "check the spelling of the registry's name, and the network".to_owned(),
        Http::Connect => "check that the registry is running and that the port is right".to_owned(),
        Http::NotTls => format!(
            "it seems to speak plain http; if that is intended, use --tls-verify=false or set insecure = true for \
             {registry} in registries.conf"
        ),
        Http::Certificate => format!(
            "put the certificate of its authority into /etc/containers/certs.d/{registry}/ca.crt (or a directory \
             given with --cert-dir), or use --tls-verify=false to trust anyone"
        ),
        Http::CertificateName => {
            "check the spelling of the registry's name and its port; what answers there is another server, or has \
             no certificate for this name"
                .to_owned()
        }
        Http::CertificateTime => "check this machine's clock; if it is right, the registry needs a new certificate"
            .to_owned(),
        _ => return None,
    })
}

pub(crate) fn of_auth(error: &AuthError, site: &Site) -> Option<String> {
    let registry = &site.registry;
    Some(match error.kind() {
        AuthErrorKind::NoCredential => format!("log in to {registry} first"),
        AuthErrorKind::Rejected => {
            format!("check the user name and password, or the access token, for {registry}")
        }
        AuthErrorKind::Provider => "nothing was tried without it; repair it or log out".to_owned(),
        AuthErrorKind::UntrustedRealm => {
            "if it is the right token server, name it as trusted (RealmPolicy::trust)".to_owned()
        }
        AuthErrorKind::Plaintext => format!(
            "logins are sent in clear text only to this machine; use https, or allow it for {registry} \
             (allow_plaintext_credentials)"
        ),
        _ => return None,
    })
}
