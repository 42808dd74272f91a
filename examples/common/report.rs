//! A failure in words, with what the flags of these programs can do about it.

use std::process::ExitCode;

use wharf::{Error, ErrorKind, Hint, WithCauses};

/// Says why a program failed: 3 when there is no such thing, 1 otherwise.
pub(crate) fn report(error: &Error) -> ExitCode {
    super::note(format_args!("error: {}", WithCauses(error)));
    if let Some(way) = error.hint().and_then(with_flags) {
        super::note(format_args!("  hint: {way}"));
    }
    match error.kind() {
        ErrorKind::NotFound => ExitCode::from(3),
        _ => ExitCode::FAILURE,
    }
}

/// How to follow a hint with these programs.
fn with_flags(hint: &Hint) -> Option<String> {
    Some(match hint {
        Hint::LogIn { registry } | Hint::CheckNameOrLogIn { registry } | Hint::LogInForMore { registry } => {
            format!("to log in, use `login {registry}` or --creds USER:PASS")
        }
        Hint::PlainHttp { registry } => {
            format!("use --tls-verify=false, or set insecure = true for {registry} in registries.conf")
        }
        Hint::AddCertificate { registry } => format!(
            "put the certificate into /etc/containers/certs.d/{registry}/ca.crt or a directory given with \
             --cert-dir, or use --tls-verify=false to trust any server"
        ),
        Hint::AddForeignCertificate { registry } => format!(
            "put the certificate into /etc/containers/certs.d/{registry}/ca.crt or a directory given with --cert-dir"
        ),
        Hint::RepairCredentials { registry } => {
            format!("use --creds USER:PASS, or `logout {registry}`")
        }
        Hint::TrustTokenServer { .. } => "use --trust-realm with the host of the token server".to_owned(),
        _ => return None,
    })
}
