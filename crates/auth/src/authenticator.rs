use std::{
    collections::HashMap,
    fmt,
    future::Future,
    sync::{Arc, Mutex, MutexGuard},
};

use http::{HeaderMap, StatusCode};
use url::Url;
use wharf_http::{HttpService, Origin, retry_after};
use wharf_reference::{Registry, Repository};

use crate::{
    AuthError, AuthErrorKind, Authorization, Challenge, Credential, CredentialProvider, Realm, RealmPolicy,
    RequestedAccess, Scopes, TokenCache, TokenKey, TokenResponse,
    exchange::{Grant, TokenRequest},
    header::bearer,
    logins::{Login, LoginKey, Logins, no_credential},
    refusal,
    root_probes::{RootAnswer, RootProbes},
    sync::LockExt as _,
};

/// Answers the challenges of registries: finds the credential, fetches tokens and stores them.
///
/// | challenge | credential | sent |
/// |---|---|---|
/// | none yet | any | nothing: the registry must ask first (docs/threats.md, N16) |
/// | none, but a refusal such as 404 or 403 | none | nothing more |
/// | none, but 401 | any | nothing; the registry is asked at `/v2/` which authentication it wants |
/// | none, but a refusal such as 404 or 403 | any | nothing; the registry is asked once, at `/v2/`, whether it wants a login: see [`discover`](Authenticator::discover) |
/// | Basic | user name and password | the user name and password |
/// | Basic | none, or one that is only exchanged for tokens | nothing: an error |
/// | Bearer | user name and password | a token, fetched with them from a realm that may have them (docs/threats.md, N4) |
/// | Bearer | refresh token | a token, fetched by OAuth2 |
/// | Bearer | ready-made token | the ready-made token |
/// | Bearer | none | an anonymous token |
///
/// After the first challenge of a registry, later requests are authenticated at once. A credential that
/// cannot be read, or that is refused, is an error: the request is never sent anonymously instead
/// (docs/threats.md, N15). If a credential is refused that was accepted before, the provider is asked for
/// it once more, as credential helpers issue passwords that expire after some hours.
///
/// ```
/// use std::sync::Arc;
/// use wharf_auth::{Anonymous, Authenticator, RealmPolicy};
///
/// let authenticator = Authenticator::new(Arc::new(Anonymous))
///     .with_realms(RealmPolicy::default().trust("sso.example"));
/// ```
pub struct Authenticator {
    logins: Logins,
    realms: RealmPolicy,
    client_id: String,
    tokens: TokenCache,
    /// The last challenge of each registry.
    known: Mutex<HashMap<Origin, Known>>,
    root_probes: RootProbes,
}

#[derive(Debug, Clone)]
enum Known {
    Basic,
    Bearer { realm: Realm, service: Option<String> },
}

impl Authenticator {
    /// An authenticator with the credentials of this provider.
    pub fn new(provider: impl CredentialProvider + 'static) -> Self {
        Self {
            logins: Logins::new(Arc::new(provider)),
            realms: RealmPolicy::default(),
            client_id: "wharf".to_owned(),
            tokens: TokenCache::default(),
            known: Mutex::default(),
            root_probes: RootProbes::default(),
        }
    }

    /// Sets which token servers may be sent credentials.
    #[must_use]
    pub fn with_realms(mut self, realms: RealmPolicy) -> Self {
        self.realms = realms;
        self
    }

    /// The authorization to send with a request; `None` if the registry has not asked for one yet.
    ///
    /// `send` sends requests to token servers.
    ///
    /// # Errors
    ///
    /// See [`AuthErrorKind`]: the credential cannot be read, is missing or may not be sent, or no token
    /// could be fetched.
    pub async fn authorize(
        &self,
        access: RequestedAccess<'_>,
        send: &dyn HttpService,
    ) -> Result<Option<Authorization>, AuthError> {
        let known = self.lock_known().get(access.origin).cloned();
        match known {
            None => Ok(None),
            Some(known) => self.respond(access, &known, access.scopes, send).await.map(Some),
        }
    }

    /// The authorization with which to repeat a request that the registry itself answered with 401 and
    /// these headers. `sent` is the authorization of the refused request.
    ///
    /// The caller must have made sure that the answer came from the origin of `access`, without a redirect
    /// to another (docs/threats.md, N3).
    ///
    /// # Errors
    ///
    /// As [`Authenticator::authorize`]; [`AuthErrorKind::Challenge`] if the headers have no challenge that
    /// can be met and none was sent before; [`AuthErrorKind::Rejected`] if a user name and password were
    /// refused that the provider has just given.
    pub async fn challenged(
        &self,
        access: RequestedAccess<'_>,
        headers: &HeaderMap,
        sent: Option<&Authorization>,
        send: &dyn HttpService,
    ) -> Result<Authorization, AuthError> {
        let challenge = Challenge::strongest(headers);
        if let Some(token) = sent.and_then(|sent| sent.token.as_ref()) {
            self.tokens.forget(token);
        }
        let (known, asked) = match challenge {
            Ok(challenge) => self.remember_challenge(access, challenge)?,
            // A registry that leaves the challenge out means its last one.
            Err(error) => {
                let known = self.lock_known().get(access.origin).cloned();
                (known.ok_or(error)?, Scopes::none())
            }
        };
        if let (Known::Basic, Some(sent)) = (&known, sent) {
            let renewed = self.renew(access, sent, send).await?;
            return renewed.ok_or_else(|| self.rejected(access, sent));
        }
        self.respond(access, &known, &access.scopes.union(&asked), send)
            .await
    }

    /// Remembers a challenge, and returns the scopes that it names.
    fn remember_challenge(
        &self,
        access: RequestedAccess<'_>,
        challenge: Challenge,
    ) -> Result<(Known, Scopes), AuthError> {
        let (known, scopes) = match challenge {
            Challenge::Basic => (Known::Basic, Scopes::none()),
            Challenge::Bearer {
                realm,
                service,
                scopes,
                ..
            } => {
                let realm = self.realms.judge(access.origin, &realm)?;
                (Known::Bearer { realm, service }, scopes)
            }
        };
        self.remember(access.origin, known.clone());
        Ok((known, scopes))
    }

    /// The authorization with which to repeat a request that was refused without a challenge and had none;
    /// `None` if the refusal is final. Some registries answer 404 or 403 to anonymous requests for existing
    /// content, and some answer 401 without a challenge.
    ///
    /// Only a client with a login for the registry asks further; after 401, every client does. A challenge
    /// in `headers`, those of the refusal, counts as after 401. Otherwise `root` asks the registry for
    /// `/v2/` without a login: once, however many requests wait for the result. If the answer is no
    /// challenge, the registry answers everybody alike, and its refusals are final from then on. If there
    /// is no answer, the next refusal asks again, a minute later at the earliest.
    ///
    /// # Errors
    ///
    /// As [`Authenticator::authorize`], if the registry wants a login.
    pub async fn discover(
        &self,
        access: RequestedAccess<'_>,
        status: StatusCode,
        headers: &HeaderMap,
        root: impl Future<Output = RootAnswer>,
        send: &dyn HttpService,
    ) -> Result<Option<Authorization>, AuthError> {
        // An unreadable login is an error only if the registry turns out to want one.
        let login = self.logins.find(login_key(access)).await;
        if status != StatusCode::UNAUTHORIZED && login.is_ok_and(|login| login.credential.is_none()) {
            return Ok(None);
        }
        if Challenge::strongest(headers).is_ok() {
            return self.challenged(access, headers, None, send).await.map(Some);
        }
        let remember = |headers: &HeaderMap| match Challenge::strongest(headers) {
            Ok(challenge) => self.remember_challenge(access, challenge).map(|_| true),
            Err(_) => Ok(false),
        };
        let is_known = || self.lock_known().contains_key(access.origin);
        if !self
            .root_probes
            .wants_login(access.origin, is_known, root, remember)
            .await?
        {
            return Ok(None);
        }
        let authorized = self.authorize(access, send).await;
        if authorized.is_err() {
            // Requests that need no login must not fail because of it.
            self.lock_known().remove(access.origin);
        }
        authorized
    }

    /// Another authorization in place of `sent`, which the registry accepted before and refuses now; `None`
    /// if there is no other. Use this for a 403 whose message says that a password or token has expired;
    /// after a 401, use [`Authenticator::challenged`].
    ///
    /// # Errors
    ///
    /// As [`Authenticator::authorize`].
    pub async fn renew(
        &self,
        access: RequestedAccess<'_>,
        sent: &Authorization,
        send: &dyn HttpService,
    ) -> Result<Option<Authorization>, AuthError> {
        match &sent.token {
            Some(token) => self.tokens.forget(token),
            None if sent.fresh => return Ok(None),
            None => self.logins.forget(&login_key(access), |held| {
                held.authorization()
                    .is_ok_and(|header| header.as_ref() == Some(&sent.header))
            }),
        }
        let renewed = self.authorize(access, send).await?;
        Ok(renewed.filter(|renewed| renewed.header != sent.header))
    }

    /// The error for an authorization that the registry refused. The next request asks the provider again.
    pub fn rejected(&self, access: RequestedAccess<'_>, sent: &Authorization) -> AuthError {
        let key = login_key(access);
        let missing = self.logins.missing(&key, "the registry wants a login");
        self.logins.forget(&key, |_| true);
        if sent.anonymous {
            missing
        } else if sent.token.is_some() {
            AuthError::new(
                AuthErrorKind::Denied,
                "the registry refused the token that its token server gave for the login",
            )
        } else {
            AuthError::new(
                AuthErrorKind::Rejected,
                "the registry refused the user name or password",
            )
        }
    }

    fn remember(&self, origin: &Origin, known: Known) {
        self.lock_known().insert(origin.clone(), known);
    }

    fn lock_known(&self) -> MutexGuard<'_, HashMap<Origin, Known>> {
        self.known.locked()
    }

    async fn respond(
        &self,
        access: RequestedAccess<'_>,
        known: &Known,
        scopes: &Scopes,
        send: &dyn HttpService,
    ) -> Result<Authorization, AuthError> {
        let login = self.logins.find(login_key(access)).await?;
        let (refused, fresh) = (login.credential.clone(), login.fresh);
        let response = self.respond_with(access, known, scopes, login, send).await;
        let Err(error) = &response else {
            return response;
        };
        if !matches!(error.kind(), AuthErrorKind::Rejected | AuthErrorKind::Denied) {
            return response;
        }
        let key = login_key(access);
        self.logins.forget(&key, |held| Some(held) == refused.as_ref());
        if fresh {
            return response;
        }
        match self.logins.find(key).await {
            Ok(login) if login.credential.is_some() && login.credential != refused => {
                self.respond_with(access, known, scopes, login, send).await
            }
            _ => response,
        }
    }

    async fn respond_with(
        &self,
        access: RequestedAccess<'_>,
        known: &Known,
        scopes: &Scopes,
        login: Login,
        send: &dyn HttpService,
    ) -> Result<Authorization, AuthError> {
        let Login {
            credential,
            unanswered,
            fresh,
        } = login;
        if credential.is_some() {
            check_plaintext(access)?;
        }
        let anonymous = credential.is_none();
        let as_it_is = |login: &Credential| match login.authorization()? {
            Some(header) => Ok(Authorization {
                header,
                token: None,
                anonymous,
                fresh,
            }),
            None => Err(not_a_password()),
        };
        match (known, credential) {
            (Known::Basic, Some(login @ Credential::Basic { .. }))
            | (Known::Bearer { .. }, Some(login @ Credential::Bearer(_))) => as_it_is(&login),
            (Known::Basic, Some(_)) => Err(not_a_password()),
            (Known::Basic, None) => Err(no_credential("the registry wants a login", unanswered)),
            (Known::Bearer { realm, service }, credential) => {
                if credential.is_some() && !realm.may_have_credentials {
                    return Err(untrusted(&realm.url));
                }
                let key = TokenKey {
                    credential,
                    origin: access.origin.clone(),
                    realm: realm.url.clone(),
                    service: service.clone(),
                    scopes: scopes.clone(),
                };
                let token = self.tokens.token(&key, || self.fetch(&key, send)).await;
                let token = token.map_err(|error| match error.kind() {
                    AuthErrorKind::NoCredential => no_credential(&error.to_string(), unanswered),
                    _ => error,
                })?;
                Ok(Authorization {
                    header: bearer(&token)?,
                    token: Some(token),
                    anonymous,
                    fresh,
                })
            }
        }
    }

    async fn fetch(&self, key: &TokenKey, send: &dyn HttpService) -> Result<TokenResponse, AuthError> {
        let request = TokenRequest {
            realm: &key.realm,
            service: key.service.as_deref(),
            scopes: &key.scopes,
            credential: key.credential.as_ref(),
            client_id: &self.client_id,
        };
        let grant = request.grant();
        let answer = Self::exchange(&request, grant, send).await;
        let wants_post = |error: &AuthError| matches!(error.kind(), AuthErrorKind::TokenServer(404 | 405));
        match answer {
            // Some token servers take the POST of OAuth2 only.
            Err(error) if grant == Grant::Get && key.credential.is_some() && wants_post(&error) => {
                Self::exchange(&request, Grant::Post, send)
                    .await
                    .map_err(|_| error)
            }
            answer => answer,
        }
    }

    async fn exchange(
        request: &TokenRequest<'_>,
        grant: Grant,
        send: &dyn HttpService,
    ) -> Result<TokenResponse, AuthError> {
        let server = host_of(request.realm);
        tracing::debug!(%server, scopes = %request.scopes, anonymous = request.credential.is_none(), "fetching a token");
        let unreachable = |error: wharf_http::Error| {
            let message = format!("the token server at {server} could not be asked");
            AuthError::with_cause(AuthErrorKind::Transport(error.kind()), message, error)
        };
        let response = send.call(request.build(grant)?).await.map_err(unreachable)?;
        let (parts, body) = response.into_parts();
        let wait = retry_after(&parts.headers, std::time::SystemTime::now());
        if !parts.status.is_success() {
            let said = body.read_prefix(TokenResponse::MAX_ERROR_SIZE).await;
            return Err(refusal::status_error(
                parts.status,
                request.credential,
                wait,
                &said,
            ));
        }
        let body = body.read(TokenResponse::MAX_SIZE).await.map_err(unreachable)?;
        TokenResponse::parse(&body)
            .map_err(|error| refusal::unusable(error, &parts.headers, &body, request.credential))
    }

    /// The form of authentication that the registry at this origin asked for last, in words for a user;
    /// `None` if it has not asked.
    #[must_use]
    pub fn known(&self, origin: &Origin) -> Option<String> {
        let known = self.lock_known();
        Some(match known.get(origin)? {
            Known::Basic => "a user name and password".to_owned(),
            Known::Bearer { realm, .. } if realm.may_have_credentials => {
                format!("a token of {}", host_of(&realm.url))
            }
            Known::Bearer { realm, .. } => {
                format!("a token of {}, which gets no login", host_of(&realm.url))
            }
        })
    }

    /// The credential that a request would use, from the provider or from an earlier answer of it; `None`
    /// for an anonymous request.
    ///
    /// # Errors
    ///
    /// [`AuthErrorKind::Provider`] if the provider fails.
    pub async fn credential_for(
        &self,
        registry: &Registry,
        repository: Option<&Repository>,
    ) -> Result<Option<Credential>, AuthError> {
        let key = (registry.clone(), repository.cloned());
        Ok(self.logins.find(key).await?.credential)
    }
}

impl fmt::Debug for Authenticator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Authenticator")
            .field("logins", &self.logins)
            .field("realms", &self.realms)
            .finish_non_exhaustive()
    }
}

fn login_key(access: RequestedAccess<'_>) -> LoginKey {
    (access.registry.clone(), access.repository.cloned())
}

fn check_plaintext(access: RequestedAccess<'_>) -> Result<(), AuthError> {
    let origin = access.origin;
    if origin.is_encrypted() || origin.is_loopback() || access.allow_plaintext {
        return Ok(());
    }
    let message = format!(
        "a login is stored for {}, but {origin} is plain http",
        access.registry
    );
    Err(AuthError::new(AuthErrorKind::Plaintext, message))
}

fn not_a_password() -> AuthError {
    let message = "the registry wants a user name and password, but the login stored for it is a token";
    AuthError::new(AuthErrorKind::Mismatch, message)
}

fn untrusted(realm: &Url) -> AuthError {
    let host = host_of(realm);
    let message =
        format!("the registry asks to send the login to {host}, which is not known to belong to it");
    AuthError::new(AuthErrorKind::UntrustedRealm, message)
}

fn host_of(realm: &Url) -> String {
    realm.host_str().unwrap_or_default().to_owned()
}
