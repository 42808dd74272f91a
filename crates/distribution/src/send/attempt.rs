use http::{HeaderMap, Method, StatusCode, header};
use url::Url;
use wharf_auth::{AuthError, AuthErrorKind, Authorization, Challenge, RequestedAccess, RootAnswer};
use wharf_content::ErrorKind;
use wharf_http::{
    FollowError, Followed, Peer, Redacted, Request, RequestBody, RequestClass, Scheme, WebPage,
    is_transient_status,
};

use super::{
    Call, Payload, RegistryAnswer,
    call::{Access, BULK, Destination},
    failure::{
        AttemptFailure, asks_for_more, auth_failure, foreign_challenge, not_allowed, refused,
        transport_failure,
    },
    status::says_expired,
    tokens::TokenService,
};
use crate::{
    Client, endpoint::Endpoint, error::Operation, push::SOURCE_IS_USED_UP,
    repeated_source::skip_repeated_source,
};

impl Client {
    /// One attempt with authentication: with the authorization that the registry is known to ask for, and
    /// then with the one that it asks for.
    pub(super) async fn attempt_over(
        &self,
        endpoint: &Endpoint,
        call: &Call<'_>,
        scheme: Scheme,
    ) -> Result<RegistryAnswer, AttemptFailure> {
        let settings = |call: &Call<'_>, error: wharf_http::Error| {
            let ours = call.error(ErrorKind::Invalid, error.to_string());
            AttemptFailure::Final(skip_repeated_source(ours, error))
        };
        let base = endpoint.base(scheme).map_err(|error| settings(call, error))?;
        let url = match &call.to {
            Destination::Elsewhere(url) | Destination::Url(url) => url.clone(),
            Destination::Path(path) => base.join(path).map_err(|error| {
                AttemptFailure::Final(
                    call.error(ErrorKind::Invalid, "the URL cannot be formed")
                        .with_source(error),
                )
            })?,
        };
        let home = endpoint.peer(&base).map_err(|error| settings(call, error))?;
        if call.is_anonymous() {
            let followed = self.exchange(endpoint, call, &home, url, None).await?;
            return Self::judge(call, endpoint, None, followed).await;
        }
        let scopes = call.scopes.clone();
        let access = RequestedAccess {
            registry: &endpoint.registry,
            repository: endpoint.repository.as_ref(),
            origin: &home.origin,
            scopes: &scopes,
            allow_plaintext: endpoint.allow_plaintext,
        };
        let mut tokens = TokenService {
            client: self,
            home: &home,
            class: self.class_of(endpoint, &home.origin),
            is_optional: call.is_optional,
        };
        let auth_error = |error: AuthError| auth_failure(call, endpoint, &base, error);
        let authenticator = &self.shared().authenticator;
        let mut sent = authenticator
            .authorize(access, &tokens)
            .await
            .map_err(auth_error)?;
        let mut challenges = 0;
        loop {
            let followed = self
                .exchange(endpoint, call, &home, url.clone(), sent.as_ref())
                .await?;
            tokens.class = followed.home_class.or(tokens.class);
            let is_home = followed.is_home;
            if sent.is_none() && may_hide(call, &followed) {
                let decision = self.beyond_anonymous(endpoint, call, &base, access, &tokens, followed);
                match decision.await? {
                    Beyond::SendAgain(other) => sent = Some(other),
                    Beyond::Final(answer) => return Ok(answer),
                }
                challenges += 1;
                continue;
            }
            if followed.response.status() != StatusCode::UNAUTHORIZED {
                let judged = Self::judge(call, endpoint, sent.as_ref(), followed).await;
                let has_expired = challenges == 0
                    && is_home
                    && matches!(&judged, Err(AttemptFailure::Final(error)) if says_expired(error));
                let Some(old) = sent.as_ref().filter(|_| has_expired) else {
                    return judged;
                };
                let renewed = authenticator.renew(access, old, &tokens).await;
                let Some(other) = renewed.map_err(auth_error)? else {
                    return judged;
                };
                challenges += 1;
                sent = Some(other);
                continue;
            }
            if !is_home {
                return Err(foreign_challenge(call, &followed.url));
            }
            // A token that was fetched for this request is not too old. It can only lack a scope.
            let asks_for_more = challenges == 1 && asks_for_more(call, followed.response.headers());
            if let Some(refused_login) = sent.as_ref().filter(|_| challenges > 0 && !asks_for_more) {
                if call.is_optional && refused_login.is_issued() {
                    return Err(not_allowed(
                        Self::judge(call, endpoint, sent.as_ref(), followed).await,
                        call,
                    ));
                }
                let refusal = authenticator.rejected(access, refused_login);
                let failure = Self::judge(call, endpoint, sent.as_ref(), followed).await;
                return Err(refused(failure, call, endpoint, &refusal));
            }
            challenges += 1;
            let headers = followed.response.headers();
            let response = authenticator.challenged(access, headers, sent.as_ref(), &tokens);
            sent = match response.await {
                Ok(authorization) => Some(authorization),
                Err(error) if is_of_registry(&error, headers) => {
                    let judged = Self::judge(call, endpoint, sent.as_ref(), followed).await;
                    return Err(refused(judged, call, endpoint, &error));
                }
                Err(error) => return Err(auth_error(error)),
            };
        }
    }

    /// Sends one request and follows redirects.
    async fn exchange(
        &self,
        endpoint: &Endpoint,
        call: &Call<'_>,
        home: &Peer,
        url: Url,
        sent: Option<&Authorization>,
    ) -> Result<Followed, AttemptFailure> {
        let request = self.request(endpoint, call, url)?;
        self.shared().counting.requests.add();
        let header = sent.map(Authorization::header);
        let answer = if call.access == Access::AnonymousAtHome {
            self.stay(home, request).await
        } else {
            self.shared().transport.follow(home, request, header).await
        };
        let followed = answer.map_err(|failed| transport_failure(call, endpoint, failed))?;
        if !call.is_anonymous() {
            self.learn_from(endpoint, &home.origin, &followed);
        }
        tracing::debug!(
            method = %call.method,
            endpoint = %Redacted(&followed.url),
            status = followed.response.status().as_u16(),
            authenticated = sent.is_some(),
            "answer"
        );
        if followed.is_home && !call.is_anonymous() {
            self.shared()
                .warnings
                .warn_of_headers(endpoint.registry.as_str(), followed.response.headers());
        }
        Ok(followed)
    }

    /// Sends one request to its origin without a login, and follows no redirect.
    async fn stay(&self, home: &Peer, request: Request) -> Result<Followed, FollowError> {
        let url = request.url.clone();
        let sent = self.shared().transport.call_foreign(home, None, request).await;
        match sent {
            Ok(response) => Ok(Followed {
                response,
                url,
                is_home: true,
                home_class: None,
            }),
            Err(error) => Err(FollowError { error, url }),
        }
    }

    /// Judges an answer to a request without a login, if a login might change the answer.
    async fn beyond_anonymous(
        &self,
        endpoint: &Endpoint,
        call: &Call<'_>,
        base: &Url,
        access: RequestedAccess<'_>,
        tokens: &TokenService<'_>,
        followed: Followed,
    ) -> Result<Beyond, AttemptFailure> {
        let (status, headers) = (followed.response.status(), followed.response.headers().clone());
        let judged = Self::judge(call, endpoint, None, followed).await;
        let authenticator = &self.shared().authenticator;
        let root = self.ask_root(tokens.home, base);
        let other = authenticator
            .discover(access, status, &headers, root, tokens)
            .await
            .map_err(|error| auth_failure(call, endpoint, base, error))?;
        if let Some(other) = other {
            return Ok(Beyond::SendAgain(other));
        }
        let failure = match (judged, Challenge::strongest(&headers)) {
            (judged, Err(error)) if status == StatusCode::UNAUTHORIZED => {
                refused(judged, call, endpoint, &error)
            }
            (Ok(answer), _) => return Ok(Beyond::Final(answer)),
            (Err(failure), _) => failure,
        };
        let login = authenticator.credential_for(&endpoint.registry, endpoint.repository.as_ref());
        let has_login = login.await.is_ok_and(|login| login.is_some());
        Err(if has_login { failure.with_login() } else { failure })
    }

    /// Requests the root of the API without a login. The request is sent once, with a short time limit,
    /// because the call already has an answer.
    async fn ask_root(&self, home: &Peer, base: &Url) -> RootAnswer {
        let Ok(url) = base.join("v2/") else {
            return RootAnswer::Unclear;
        };
        let request = self.request_to(Method::GET, url, RequestClass::Optional);
        self.shared().counting.requests.add();
        let Ok(followed) = self.shared().transport.follow(home, request, None).await else {
            return RootAnswer::Unclear;
        };
        match followed.response.status() {
            StatusCode::UNAUTHORIZED if followed.is_home => {
                RootAnswer::Challenge(followed.response.headers().clone())
            }
            status if is_transient_status(status) => RootAnswer::Unclear,
            _ => RootAnswer::Open,
        }
    }

    /// A request with the headers that every request has.
    pub(super) fn request_to(&self, method: Method, url: Url, class: RequestClass) -> Request {
        let mut request = Request::new(method, url);
        request.class = class;
        request
            .headers
            .insert(header::USER_AGENT, self.shared().user_agent.clone());
        request
    }

    pub(super) fn request(
        &self,
        endpoint: &Endpoint,
        call: &Call<'_>,
        url: Url,
    ) -> Result<Request, AttemptFailure> {
        let mut request = self.request_to(call.method.clone(), url, call.class());
        request.bulk = call.volume >= BULK;
        request.has_alternative = endpoint.has_next;
        request.headers.extend(
            call.headers
                .iter()
                .map(|(name, value)| (name.clone(), value.clone())),
        );
        request.body = match &call.body {
            Payload::Empty => RequestBody::Empty,
            Payload::Bytes(bytes) => RequestBody::Bytes(bytes.clone()),
            Payload::Stream(make) => {
                if let Some(body) = make() {
                    body
                } else {
                    return Err(AttemptFailure::Final(
                        call.error(ErrorKind::Network, SOURCE_IS_USED_UP),
                    ));
                }
            }
        };
        Ok(request)
    }
}

/// The decision of `beyond_anonymous`.
enum Beyond {
    /// The answer is final.
    Final(RegistryAnswer),
    /// Send the request again with this authorization.
    SendAgain(Authorization),
}

/// True if the refusal comes from the registry alone, so that its message is the one to show.
fn is_of_registry(error: &AuthError, headers: &HeaderMap) -> bool {
    let asks_token_server = matches!(Challenge::strongest(headers), Ok(Challenge::Bearer { .. }));
    matches!(
        error.kind(),
        AuthErrorKind::NoCredential | AuthErrorKind::Challenge
    ) && !asks_token_server
}

/// True if the answer might be another one with a login: some registries hide content from anonymous
/// clients without a challenge, or send them a web page.
fn may_hide(call: &Call<'_>, followed: &Followed) -> bool {
    let (status, headers) = (followed.response.status(), followed.response.headers());
    let is_refusal = match status.as_u16() {
        401 => Challenge::strongest(headers).is_err(),
        // These are independent of the login.
        408 | 413 | 416 | 425 => false,
        400..=500 => true,
        _ => false,
    };
    let is_page = call.method == Method::GET && status.is_success() && WebPage::of(headers, b"").is_some();
    call.operation != Operation::Login && ((followed.is_home && is_refusal) || is_page)
}
