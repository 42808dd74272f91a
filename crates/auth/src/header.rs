//! Values of the `Authorization` header (RFC 9110, section 11.6.2).

use base64::{Engine as _, engine::general_purpose::STANDARD};
use http::HeaderValue;
use zeroize::Zeroizing;

use crate::{AuthError, AuthErrorKind, Credential, Secret};

impl Credential {
    /// The value of the `Authorization` header that sends this credential itself, marked sensitive: `Basic`
    /// for a user name and password (RFC 7617), `Bearer` for a ready-made token (RFC 6750). `None` for an
    /// identity token, which is only ever exchanged at the token server.
    ///
    /// # Errors
    ///
    /// [`AuthErrorKind::Mismatch`] if the user name contains a colon, which separates it from the password,
    /// or if a part has characters that no header can carry.
    pub fn authorization(&self) -> Result<Option<HeaderValue>, AuthError> {
        match self {
            Self::Basic { username, password } => basic(username, password).map(Some),
            Self::Bearer(token) => bearer(token).map(Some),
            Self::Identity(_) => Ok(None),
        }
    }
}

fn basic(username: &str, password: &Secret) -> Result<HeaderValue, AuthError> {
    if username.contains(':') {
        let message = "a user name with a colon cannot be sent to a registry";
        return Err(AuthError::new(AuthErrorKind::Mismatch, message));
    }
    let pair = Zeroizing::new(format!("{username}:{}", password.expose()));
    header_value("Basic", &STANDARD.encode(pair.as_bytes()))
}

/// The value that sends a token.
pub(crate) fn bearer(token: &Secret) -> Result<HeaderValue, AuthError> {
    header_value("Bearer", token.expose())
}

fn header_value(scheme: &str, value: &str) -> Result<HeaderValue, AuthError> {
    let text = Zeroizing::new(format!("{scheme} {value}"));
    let mut header = HeaderValue::from_str(&text).map_err(|_| {
        let message = "the token or password has characters that no header can carry";
        AuthError::new(AuthErrorKind::Mismatch, message)
    })?;
    header.set_sensitive(true);
    Ok(header)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_of_credential_has_its_header() {
        use AuthErrorKind::Mismatch;
        let table = [
            (Credential::basic("ada", "pw"), Ok(Some("Basic YWRhOnB3"))),
            (Credential::basic("", "pw"), Ok(Some("Basic OnB3"))),
            (Credential::basic("ada", "p:w"), Ok(Some("Basic YWRhOnA6dw=="))),
            (Credential::basic("a:da", "pw"), Err(Mismatch)),
            (Credential::Bearer("t.0-k".into()), Ok(Some("Bearer t.0-k"))),
            (Credential::Bearer("t\r\nx: y".into()), Err(Mismatch)),
            (Credential::Identity("refresh".into()), Ok(None)),
        ];
        for (credential, expected) in table {
            let header = credential.authorization();
            if let Ok(Some(header)) = &header {
                assert!(header.is_sensitive(), "{expected:?}");
            }
            let text = header
                .as_ref()
                .map(|header| header.as_ref().map(|value| value.to_str().unwrap()));
            assert_eq!(text.map_err(AuthError::kind), expected);
        }
    }
}
