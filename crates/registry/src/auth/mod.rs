//! Authentication (who sends a request) and authorization (what the user may do).

mod access;
#[cfg(feature = "htpasswd")]
mod htpasswd;
#[cfg(feature = "jwt")]
mod jwt;
mod mac;
#[cfg_attr(
    not(feature = "htpasswd"),
    expect(dead_code, reason = "only slow hashes wait for their turn")
)]
mod passwords;
mod signing;
mod tokens;
mod users;
mod wanted;

use std::{
    fmt::{self, Write as _},
    sync::Arc,
};

use base64::Engine as _;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use wharf_content::Error;

pub use self::access::{Access, Action};
#[cfg(feature = "htpasswd")]
pub use self::htpasswd::Htpasswd;
#[cfg(feature = "jwt")]
pub use self::jwt::TokenKeys;
#[cfg(feature = "jwt")]
pub(crate) use self::jwt::Verifier;
#[cfg(feature = "htpasswd")]
pub(crate) use self::passwords::PasswordQueue;
use self::{passwords::Busy, wanted::Scopes};
pub(crate) use self::{
    tokens::{Grant, Issuer},
    users::Users,
    wanted::{Mount, Wanted},
};
use crate::{ErrorCode, RepositoryPath, client::ClientNetwork, error::ApiError};

/// The longest name of a user, in bytes. An index of a database has no room for names that are a few times as long.
const MAX_USER: usize = 1024;

/// Whether a user can have this name, which backends record: a short one without NUL, which PostgreSQL cannot hold.
fn is_user_name(name: &str) -> bool {
    name.len() <= MAX_USER && !name.contains('\0')
}

/// The challenge of Basic authentication.
pub(crate) fn basic_challenge() -> HeaderValue {
    HeaderValue::from_static("Basic realm=\"registry\"")
}

/// The settings of authentication and authorization.
#[derive(Clone, Default)]
pub(crate) struct Authentication {
    pub(crate) users: Users,
    /// Issues the tokens for which clients exchange their credentials; `None` if credentials are sent with
    /// every request.
    pub(crate) issuer: Option<Arc<Issuer>>,
    /// Verifies tokens that another party issues.
    #[cfg(feature = "jwt")]
    pub(crate) verifier: Option<Arc<Verifier>>,
    /// Whether clients without credentials are admitted; `access` decides what these may do.
    pub(crate) anonymous: bool,
    pub(crate) access: Option<Arc<dyn Access>>,
}

/// The sender of a request.
#[derive(Debug, Clone, Default)]
pub(crate) struct Principal {
    pub(crate) user: Option<Arc<str>>,
    /// The rights in the token; without a token, [`Access`] alone decides.
    grants: Option<Arc<[Grant]>>,
}

impl Principal {
    fn granted(user: Option<Arc<str>>, grants: Arc<[Grant]>) -> Self {
        Self {
            user,
            grants: Some(grants),
        }
    }
}

impl Authentication {
    fn is_open(&self) -> bool {
        self.users.is_empty() && !self.wants_tokens()
    }

    fn wants_tokens(&self) -> bool {
        self.has_verifier() || self.issuer.is_some()
    }

    #[cfg_attr(
        not(feature = "jwt"),
        expect(clippy::unused_self, reason = "there is no other party then")
    )]
    fn has_verifier(&self) -> bool {
        #[cfg(feature = "jwt")]
        return self.verifier.is_some();
        #[cfg(not(feature = "jwt"))]
        false
    }

    /// The principal of a token, of ours or of the other party; `None` if the token is not valid.
    async fn principal_of(&self, token: &str) -> Result<Option<Principal>, Error> {
        #[cfg(feature = "jwt")]
        if let Some(verifier) = &self.verifier {
            return Ok(verifier.verify(token));
        }
        match &self.issuer {
            Some(issuer) => issuer.verify(token).await,
            None => Ok(None),
        }
    }

    /// The realm from which clients get tokens, and the service that these are for.
    fn token_source(&self, external: &str) -> Option<(String, &str)> {
        #[cfg(feature = "jwt")]
        if let Some(verifier) = &self.verifier {
            return Some((verifier.realm.clone(), &verifier.service));
        }
        let issuer = self.issuer.as_ref()?;
        Some((format!("{external}/token"), issuer.service()))
    }

    /// Whether an authenticated user may do this.
    pub(crate) fn permits(&self, user: Option<&str>, path: &str, action: Action) -> bool {
        match &self.access {
            Some(access) => access.allows(user, path, action),
            None => user.is_some() || self.is_open() || action == Action::Pull,
        }
    }

    pub(crate) fn allows(&self, principal: &Principal, path: &RepositoryPath, action: Action) -> bool {
        match &principal.grants {
            Some(grants) => grants.iter().any(|grant| grant.covers(path.as_str(), action)),
            None => self.permits(principal.user.as_deref(), path.as_str(), action),
        }
    }

    /// Whether a client may mount a blob of the repository at `path` without naming the repository.
    pub(crate) fn lends(&self, principal: &Principal, path: &RepositoryPath) -> bool {
        let mounts = principal
            .grants
            .as_ref()
            .is_some_and(|grants| grants.contains(&Grant::Mounts));
        self.allows(principal, path, Action::Pull)
            || mounts && self.permits(principal.user.as_deref(), path.as_str(), Action::Pull)
    }

    /// Whether a mount needs another token of ours than the client has, and the user has the right to such a
    /// token. The answer does not depend on what exists.
    fn needs_more(&self, principal: &Principal, mount: &Mount) -> bool {
        let Some(grants) = principal.grants.as_ref().filter(|_| !self.has_verifier()) else {
            return false;
        };
        match mount {
            Mount::From(from) => {
                !self.allows(principal, from, Action::Pull)
                    && self.permits(principal.user.as_deref(), from.as_str(), Action::Pull)
            }
            Mount::Anywhere => !grants.contains(&Grant::Mounts),
        }
    }

    /// Whether a list of repositories may show this one. With tokens of our own the user's rights decide,
    /// whatever the scope of the token.
    pub(crate) fn shows(&self, principal: &Principal, path: &RepositoryPath) -> bool {
        match &self.issuer {
            Some(_) if !self.has_verifier() => {
                self.permits(principal.user.as_deref(), path.as_str(), Action::Pull)
            }
            _ => self.allows(principal, path, Action::Pull),
        }
    }

    /// Authenticates the sender of a request, and refuses the request if the sender may not do `wanted`,
    /// which is `None` for the version check.
    pub(crate) async fn admit(
        &self,
        client: &ClientNetwork,
        headers: &HeaderMap,
        wanted: Option<Wanted<'_>>,
        external: Option<&str>,
    ) -> Result<Principal, ApiError> {
        let challenge = |error: Option<&str>| self.challenge(wanted, external, error);
        let sent = self.login(headers);
        let principal = match (self.wants_tokens(), sent) {
            (true, Some(value)) => {
                let token = strip_scheme(value, "bearer").ok_or_else(|| challenge(None))?;
                self.principal_of(token)
                    .await?
                    .ok_or_else(|| challenge(Some("invalid_token")))?
            }
            (true, None) => return Err(challenge(None)),
            (false, Some(value)) if !self.is_open() => {
                let user = self.basic(client, value).await?.ok_or_else(|| challenge(None))?;
                Principal {
                    user: Some(user),
                    grants: None,
                }
            }
            (false, None) if !self.is_open() && !self.anonymous => return Err(challenge(None)),
            (false, _) => Principal::default(),
        };
        let Some(Wanted { path, action, mount }) = wanted else {
            return Ok(principal);
        };
        if self.allows(&principal, path, action) {
            return match mount {
                Some(mount) if self.needs_more(&principal, mount) => {
                    Err(challenge(Some("insufficient_scope")))
                }
                _ => Ok(principal),
            };
        }
        match (&principal.grants, &principal.user) {
            (Some(_), _) => Err(challenge(Some("insufficient_scope"))),
            (None, None) if !self.is_open() => Err(challenge(None)),
            _ => Err(ApiError::new(
                StatusCode::FORBIDDEN,
                ErrorCode::Denied,
                "these credentials do not allow this",
            )),
        }
    }

    /// Asks for a login at the version check although clients may pull without one: some clients only learn
    /// from this challenge that a push needs a login.
    pub(crate) fn greet(&self, principal: &Principal) -> Result<(), ApiError> {
        let has_users = !self.is_open() && !self.wants_tokens();
        match principal.user {
            None if has_users => Err(self.challenge(None, None, None)),
            _ => Ok(()),
        }
    }

    /// The login that a request carries. If clients need none, a Basic header with an empty name and password
    /// is no login: some clients send it when they are asked for a login and have none.
    pub(crate) fn login<'h>(&self, headers: &'h HeaderMap) -> Option<&'h HeaderValue> {
        let sent = headers.get(header::AUTHORIZATION)?;
        let is_empty = || decode(sent).is_some_and(|login| login == ":");
        (!(self.anonymous && is_empty())).then_some(sent)
    }

    /// The user of a Basic header, if the name and password are right.
    pub(crate) async fn basic(
        &self,
        client: &ClientNetwork,
        value: &HeaderValue,
    ) -> Result<Option<Arc<str>>, Busy> {
        let Some(decoded) = decode(value) else {
            return Ok(None);
        };
        let Some((user, password)) = decoded.split_once(':') else {
            return Ok(None);
        };
        let right = self.users.verify(client, user, password).await?;
        Ok((right && is_user_name(user)).then(|| Arc::from(user)))
    }

    fn challenge(&self, wanted: Option<Wanted<'_>>, external: Option<&str>, error: Option<&str>) -> ApiError {
        let text = match self.token_source(external.unwrap_or_default()) {
            None => return ApiError::unauthorized(basic_challenge(), "authentication required"),
            Some((realm, service)) => {
                let (realm, service) = (quoted(&realm), quoted(service));
                let mut text = format!("Bearer realm=\"{realm}\",service=\"{service}\"");
                if let Some(wanted) = wanted {
                    let ours = !self.has_verifier();
                    let _ = write!(text, ",scope=\"{}\"", Scopes { wanted, ours });
                }
                if let Some(error) = error {
                    let _ = write!(text, ",error=\"{error}\"");
                }
                text
            }
        };
        let challenge = HeaderValue::try_from(text).unwrap_or_else(|_| basic_challenge());
        ApiError::unauthorized(challenge, "authentication required")
    }
}

impl fmt::Debug for Authentication {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Authentication")
            .field("bearer", &self.wants_tokens())
            .field("anonymous", &self.anonymous)
            .finish_non_exhaustive()
    }
}

/// Text for the inside of a quoted string (RFC 9110, 5.6.4). Characters that a header cannot have are left
/// out.
fn quoted(text: &str) -> String {
    text.chars()
        .fold(String::with_capacity(text.len()), |mut quoted, character| {
            match character {
                '"' | '\\' => quoted.extend(['\\', character]),
                ' '..='~' => quoted.push(character),
                _ => {}
            }
            quoted
        })
}

/// The decoded name and password of a Basic header, with a colon between them.
fn decode(value: &HeaderValue) -> Option<String> {
    let encoded = strip_scheme(value, "basic")?;
    let decoded = base64::engine::general_purpose::STANDARD.decode(encoded).ok()?;
    String::from_utf8(decoded).ok()
}

fn strip_scheme<'a>(value: &'a HeaderValue, scheme: &str) -> Option<&'a str> {
    let (name, rest) = value.to_str().ok()?.split_once(' ')?;
    name.eq_ignore_ascii_case(scheme).then(|| rest.trim())
}
