//! Token requests and answers, without any I/O.

use std::time::Duration;

use http::{HeaderValue, Method, header};
use serde::Deserialize;
use serde_json::Value;
use url::{Url, form_urlencoded};
use wharf_http::Request;

use crate::{AuthError, AuthErrorKind, Credential, Scopes, Secret};

/// The longest token, in bytes.
const MAX_TOKEN: usize = 64 * 1024;
/// How long a token lives if the server does not say (Docker's token specification).
const DEFAULT_LIFETIME: Duration = Duration::from_secs(60);
/// The longest life of a token that is believed.
const MAX_LIFETIME: Duration = Duration::from_secs(24 * 60 * 60);

/// A request for a token.
///
/// ```
/// use wharf_auth::{Credential, Scopes, TokenRequest};
///
/// let realm = "https://auth.example/token".parse()?;
/// let credential = Credential::basic("ada", "s3cret");
/// let scopes = Scopes::parse_lenient("repository:app:pull");
/// let request = TokenRequest {
///     realm: &realm,
///     service: Some("registry.example"),
///     scopes: &scopes,
///     credential: Some(&credential),
///     client_id: "my-program",
/// };
/// let built = request.build(request.grant())?;
/// assert_eq!(built.url.query(), Some("account=ada&service=registry.example&scope=repository%3Aapp%3Apull"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct TokenRequest<'a> {
    /// The URL of the token server. Its query is kept.
    pub realm: &'a Url,
    /// The name of the registry at the token server, from the challenge.
    pub service: Option<&'a str>,
    /// The permissions to ask for.
    pub scopes: &'a Scopes,
    /// The credential; `None` for an anonymous token.
    pub credential: Option<&'a Credential>,
    /// The name of the program, which OAuth2 asks for (`client_id`).
    pub client_id: &'a str,
}

/// The form of a token request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Grant {
    /// GET, with the credential in an `Authorization: Basic` header (Docker's token specification).
    Get,
    /// POST of a form (OAuth2, RFC 6749), for refresh tokens and for servers that refuse GET.
    Post,
}

impl TokenRequest<'_> {
    /// The form in which this credential is exchanged first.
    #[must_use]
    pub const fn grant(&self) -> Grant {
        match self.credential {
            Some(Credential::Identity(_)) => Grant::Post,
            _ => Grant::Get,
        }
    }

    /// The HTTP request in this form.
    ///
    /// # Errors
    ///
    /// [`AuthErrorKind::Mismatch`] if the credential cannot be put into a header;
    /// [`AuthErrorKind::NoCredential`] for an anonymous request by [`Grant::Post`], which OAuth2 does not
    /// have.
    pub fn build(&self, grant: Grant) -> Result<Request, AuthError> {
        match grant {
            Grant::Get => self.get(),
            Grant::Post => self.post(),
        }
    }

    fn get(&self) -> Result<Request, AuthError> {
        let mut url = self.realm.clone();
        {
            let mut query = url.query_pairs_mut();
            if let Some(Credential::Basic { username, .. }) = self.credential
                && !username.is_empty()
            {
                query.append_pair("account", username);
            }
            if let Some(service) = self.service {
                query.append_pair("service", service);
            }
            for scope in self.scopes.iter() {
                query.append_pair("scope", &scope);
            }
        }
        if url.query() == Some("") {
            url.set_query(None);
        }
        let mut request = Request::new(Method::GET, url);
        if let Some(login @ Credential::Basic { .. }) = self.credential
            && let Some(value) = login.authorization()?
        {
            request.headers.insert(header::AUTHORIZATION, value);
        }
        Ok(request)
    }

    fn post(&self) -> Result<Request, AuthError> {
        let mut form = form_urlencoded::Serializer::new(String::new());
        match self.credential {
            Some(Credential::Identity(token)) => {
                form.append_pair("grant_type", "refresh_token");
                form.append_pair("refresh_token", token.expose());
            }
            Some(Credential::Basic { username, password }) => {
                form.append_pair("grant_type", "password");
                form.append_pair("username", username);
                form.append_pair("password", password.expose());
            }
            _ => {
                let message = "the token server takes no anonymous requests";
                return Err(AuthError::new(AuthErrorKind::NoCredential, message));
            }
        }
        form.append_pair("client_id", self.client_id);
        if let Some(service) = self.service {
            form.append_pair("service", service);
        }
        if !self.scopes.is_empty() {
            form.append_pair("scope", &self.scopes.to_string());
        }
        let body = form.finish().into_bytes();
        let mut request = Request::new(Method::POST, self.realm.clone()).with_body(bytes_of(body));
        let form_type = HeaderValue::from_static("application/x-www-form-urlencoded");
        request.headers.insert(header::CONTENT_TYPE, form_type);
        Ok(request)
    }
}

fn bytes_of(body: Vec<u8>) -> wharf_http::RequestBody {
    wharf_http::RequestBody::Bytes(body.into())
}

/// A token and its lifetime.
#[derive(Debug, Clone)]
pub struct TokenResponse {
    /// The token.
    pub token: Secret,
    /// The lifetime from the moment of receipt: as the server states it, within 1 s and 24 h; 60 s if it
    /// states none.
    pub lifetime: Duration,
}

#[derive(Deserialize)]
struct TokenBody {
    #[serde(default)]
    token: Value,
    #[serde(default)]
    access_token: Value,
    #[serde(default)]
    expires_in: Value,
}

impl TokenResponse {
    /// The most bytes of a successful answer that are read: 1 MiB.
    pub const MAX_SIZE: u64 = 1024 * 1024;
    /// The most bytes of an error answer that are read: 64 KiB.
    pub const MAX_ERROR_SIZE: usize = 64 * 1024;

    /// Parses the body of a successful answer.
    ///
    /// # Errors
    ///
    /// [`AuthErrorKind::InvalidToken`] if it is not JSON or has no token that a header can carry. The error
    /// contains no part of the body.
    pub fn parse(body: &[u8]) -> Result<Self, AuthError> {
        let invalid = |message: &str| Err(AuthError::new(AuthErrorKind::InvalidToken, message));
        // serde would also take a list, whose entries would be the members.
        let is_object = body.trim_ascii_start().starts_with(b"{");
        let read = || serde_json::from_slice::<TokenBody>(body).ok();
        let Some(raw) = is_object.then(read).flatten() else {
            return invalid("the token server's answer is not the JSON it should be");
        };
        let text = |value: Value| match value {
            Value::String(text) if !text.is_empty() => Some(Secret::new(text)),
            _ => None,
        };
        let (token, access_token) = (text(raw.token), text(raw.access_token));
        if let (Some(token), Some(access_token)) = (&token, &access_token)
            && token != access_token
        {
            tracing::warn!("the token server sent two different tokens; the one called token is used");
        }
        let Some(token) = token.or(access_token) else {
            return invalid("the token server's answer has no token in it");
        };
        if token.expose().len() > MAX_TOKEN || !token.expose().bytes().all(|byte| byte.is_ascii_graphic()) {
            return invalid("the token server's answer has a token that no header can carry");
        }
        Ok(Self {
            token,
            lifetime: lifetime(&raw.expires_in),
        })
    }
}

/// The lifetime from `expires_in`, a number or a text of seconds: within 1 s and 24 h, or the default
/// (docs/threats.md, N13).
fn lifetime(expires_in: &Value) -> Duration {
    let seconds = match expires_in {
        Value::Number(number) => number.as_f64(),
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    };
    match seconds {
        Some(seconds) if seconds.is_finite() => {
            Duration::try_from_secs_f64(seconds.clamp(1.0, MAX_LIFETIME.as_secs_f64()))
                .unwrap_or(DEFAULT_LIFETIME)
        }
        _ => DEFAULT_LIFETIME,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn get_keeps_the_query_and_encodes() {
        let realm = Url::parse("https://a.example/token?x=1").unwrap();
        let credential = Credential::basic("ada", "pw");
        let scopes = Scopes::parse_lenient("repository:a/b:pull,push repository:c:pull");
        let mut request = TokenRequest {
            realm: &realm,
            service: Some("r & s"),
            scopes: &scopes,
            credential: Some(&credential),
            client_id: "wharf",
        };
        let built = request.build(request.grant()).unwrap();
        assert_eq!(
            built.url.as_str(),
            "https://a.example/token?x=1&account=ada&service=r+%26+s&scope=repository%3Aa%2Fb%3Apull%2Cpush\
             &scope=repository%3Ac%3Apull"
        );
        assert_eq!(built.headers["authorization"], "Basic YWRhOnB3");
        assert!(built.headers["authorization"].is_sensitive());

        let anonymous = Url::parse("https://a.example/token").unwrap();
        request.realm = &anonymous;
        request.service = None;
        request.credential = None;
        let none = Scopes::none();
        request.scopes = &none;
        let built = request.build(Grant::Get).unwrap();
        assert_eq!(built.url.as_str(), "https://a.example/token");
        assert!(built.headers.is_empty());
    }

    #[test]
    fn identity_tokens_are_posted() {
        let realm = Url::parse("https://a.example/token").unwrap();
        let credential = Credential::Identity("refresh".into());
        let scopes = Scopes::parse_lenient("repository:a:pull repository:b:pull");
        let request = TokenRequest {
            realm: &realm,
            service: Some("s"),
            scopes: &scopes,
            credential: Some(&credential),
            client_id: "wharf",
        };
        let built = request.build(request.grant()).unwrap();
        let wharf_http::RequestBody::Bytes(body) = built.body else {
            panic!("no body");
        };
        assert_eq!(
            std::str::from_utf8(&body).unwrap(),
            "grant_type=refresh_token&refresh_token=refresh&client_id=wharf&service=s\
             &scope=repository%3Aa%3Apull+repository%3Ab%3Apull"
        );
    }

    #[test]
    fn answers() {
        let table = [
            (r#"{"token":"t"}"#, Ok(("t", 60))),
            (r#"{"access_token":"a","expires_in":300}"#, Ok(("a", 300))),
            (r#"{"token":"t","access_token":"a","expires_in":0}"#, Ok(("t", 1))),
            (r#"{"token":"","access_token":"a","expires_in":-1}"#, Ok(("a", 1))),
            (r#"{"token":"t","expires_in":1e308}"#, Ok(("t", 86_400))),
            (
                r#"{"token":"t","expires_in":9223372036854775808}"#,
                Ok(("t", 86_400)),
            ),
            (r#"{"token":"t","expires_in":"90"}"#, Ok(("t", 90))),
            (r#"{"token":"t","expires_in":null,"issued_at":7}"#, Ok(("t", 60))),
            (r#"{"token":"t","expires_in":[]}"#, Ok(("t", 60))),
            (r#"{"refresh_token":"CANARY"}"#, Err(())),
            (r#"{"token":"CANARY\r\nx: y"}"#, Err(())),
            (r#"{"token":"CANARY\u0000"}"#, Err(())),
            (r#"{"token":"CANARYé"}"#, Err(())),
            (r#"{"token":7}"#, Err(())),
            ("[]", Err(())),
            (r#"["CANARY"]"#, Err(())),
            (r#"["CANARY","CANARY",300]"#, Err(())),
            (r#"[{"token":"CANARY"}]"#, Err(())),
            ("<html>CANARY</html>", Err(())),
            ("", Err(())),
        ];
        for (body, expected) in table {
            let got = TokenResponse::parse(body.as_bytes());
            if let Err(error) = &got {
                assert!(!format!("{error:?} {error}").contains("CANARY"), "{body}");
            }
            let got = got.map(|token| (token.token.expose().to_owned(), token.lifetime.as_secs()));
            assert_eq!(
                got.map_err(|_| ()),
                expected.map(|(token, life)| (token.to_owned(), life)),
                "{body}"
            );
        }
        let long = format!(r#"{{"token":"{}"}}"#, "x".repeat(MAX_TOKEN + 1));
        assert!(TokenResponse::parse(long.as_bytes()).is_err());
    }
}
