//! Chooses the hint for a failure: the remedy that the user can try.

use http::Method;
use wharf_auth::{AuthError, AuthErrorKind};
use wharf_content::{ErrorKind, Hint, RegistryError};
use wharf_reference::Registry;

use crate::error::Operation;

/// Replaces a hint to log in: a login is there, and was not sent because the registry did not ask for one.
pub(crate) fn without_login(hint: Hint) -> Hint {
    match hint {
        Hint::LogIn { registry } | Hint::CheckNameOrLogIn { registry } | Hint::LogInForMore { registry } => {
            Hint::LoginNotAsked { registry }
        }
        hint => hint,
    }
}

/// The hint for a status. `anonymous` is true if no login was sent with the request.
pub(crate) fn of_status(
    kind: ErrorKind,
    operation: Operation,
    method: &Method,
    registry: &Registry,
    anonymous: bool,
    codes: &[RegistryError],
) -> Option<Hint> {
    let registry = registry.clone();
    Some(match kind {
        ErrorKind::NotFound if operation == Operation::PullManifest => {
            if codes.iter().any(|error| error.code == "NAME_UNKNOWN") {
                Hint::CheckName
            } else {
                Hint::CheckTag
            }
        }
        ErrorKind::NotFound if operation == Operation::ListTags => Hint::CheckName,
        ErrorKind::NotFound
            if matches!(operation, Operation::PushBlob | Operation::PushManifest)
                && codes.iter().any(|error| error.code == "NAME_UNKNOWN") =>
        {
            Hint::CreateRepository { registry }
        }
        ErrorKind::Unauthorized | ErrorKind::Denied if anonymous => Hint::CheckNameOrLogIn { registry },
        ErrorKind::Denied => Hint::CheckPermissions { registry },
        ErrorKind::RateLimited if anonymous => Hint::LogInForMore { registry },
        ErrorKind::TooLarge if operation == Operation::PushManifest => Hint::ManifestLimit,
        ErrorKind::TooLarge => Hint::UploadLimit,
        ErrorKind::Unsupported if method == Method::DELETE => Hint::DeletionDisabled,
        _ => return None,
    })
}

/// The hint for a failed request. `is_elsewhere` is true if it was sent to another host that the registry
/// redirected to.
pub(crate) fn of_http(kind: wharf_http::ErrorKind, registry: &Registry, is_elsewhere: bool) -> Option<Hint> {
    use wharf_http::ErrorKind as Http;
    let registry = registry.clone();
    Some(match kind {
        Http::Dns | Http::Connect | Http::NotTls if is_elsewhere => return None,
        Http::Dns => Hint::CheckHostName,
        Http::Connect => Hint::CheckPort,
        Http::NotTls => Hint::PlainHttp { registry },
        Http::Certificate if is_elsewhere => Hint::AddForeignCertificate { registry },
        Http::Certificate => Hint::AddCertificate { registry },
        Http::CertificateName => Hint::CheckCertificateName,
        Http::CertificateTime => Hint::CheckClock,
        _ => return None,
    })
}

/// The hint for failed authentication.
pub(crate) fn of_auth(error: &AuthError, registry: &Registry) -> Option<Hint> {
    let registry = registry.clone();
    Some(match error.kind() {
        AuthErrorKind::NoCredential => Hint::LogIn { registry },
        AuthErrorKind::Rejected => Hint::CheckCredentials { registry },
        AuthErrorKind::Denied => Hint::CheckPermissions { registry },
        AuthErrorKind::Provider => Hint::RepairCredentials { registry },
        AuthErrorKind::UntrustedRealm => Hint::TrustTokenServer { registry },
        AuthErrorKind::Plaintext => Hint::AllowPlaintextLogin { registry },
        AuthErrorKind::WebPage => Hint::CheckNetwork,
        _ => return None,
    })
}
