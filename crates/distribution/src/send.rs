//! The one loop that sends: authentication inside, retries outside.

use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use bytes::Bytes;
use http::{HeaderMap, Method, StatusCode, header};
use tracing::Instrument as _;
use url::Url;
use wharf_auth::{Authorization, Scopes, Subject};
use wharf_content::ErrorKind;
use wharf_http::{
    AddressClass, FollowError, Followed, HttpService, Origin, Peer, Redacted, Request, RequestBody, Response,
    ResponseBody, RetryBudget, Scheme, is_transient_status, retries_of, retry_after,
};

use crate::{
    Client,
    error::{Detail, Error, Operation, kind_of_auth, kind_of_http},
    hint,
    site::Site,
    wire,
};

/// The most bytes read of an error answer (X1).
const MAX_ERROR: usize = 64 * 1024;
/// The most bytes read of a token server's answer (X1).
const MAX_TOKEN: u64 = 1024 * 1024;

/// One request of the protocol, before it is known where it goes.
pub(crate) struct Call<'a> {
    pub(crate) operation: Operation,
    /// What it is about, for errors.
    pub(crate) subject: String,
    pub(crate) method: Method,
    pub(crate) to: To<'a>,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Payload<'a>,
    pub(crate) scopes: Scopes,
    /// The statuses that are answers; all others are errors.
    pub(crate) expect: &'static [u16],
    /// Whether it may be sent again although the first may have had an effect (X5).
    pub(crate) repeatable: bool,
    /// The most bytes of an answer that is read whole: a body that breaks off is a try that failed.
    pub(crate) whole: Option<u64>,
    /// How many bytes will move, as far as it is known.
    pub(crate) volume: u64,
}

/// From so many bytes on, a request gets a connection of its own.
pub(crate) const BULK: u64 = 4 * 1024 * 1024;

pub(crate) enum To<'a> {
    /// Below the root of the API.
    Path(&'a str),
    /// Exactly here, on the site's own origin.
    Url(Url),
}

pub(crate) enum Payload<'a> {
    Empty,
    Bytes(Bytes),
    /// Makes the body, once per try; `None` if it cannot be made again.
    Stream(&'a (dyn Fn() -> Option<RequestBody> + Send + Sync)),
}

/// An expected answer.
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: ResponseBody,
    /// The body, if the call reads it whole.
    pub(crate) bytes: Bytes,
    /// The URL that gave it.
    pub(crate) url: Url,
    /// Whether it was the registry itself, without a redirect through another host.
    pub(crate) is_home: bool,
}

impl Answer {
    /// An effect counts only if the registry itself confirms it (N6).
    pub(crate) fn check_home(&self, operation: Operation, subject: &str) -> Result<(), Error> {
        if self.is_home {
            return Ok(());
        }
        let reason = "another host than the registry answered";
        Err(Error::new(ErrorKind::Server, operation, subject, reason).at(Redacted(&self.url)))
    }
}

impl<'a> Call<'a> {
    pub(crate) fn new(
        operation: Operation,
        subject: impl std::fmt::Display,
        method: Method,
        path: &'a str,
        expect: &'static [u16],
    ) -> Self {
        Self {
            operation,
            subject: subject.to_string(),
            method,
            to: To::Path(path),
            headers: HeaderMap::new(),
            body: Payload::Empty,
            scopes: Scopes::none(),
            expect,
            repeatable: true,
            whole: None,
            volume: 0,
        }
    }

    pub(crate) fn with_scopes(mut self, scopes: Scopes) -> Self {
        self.scopes = scopes;
        self
    }

    pub(crate) fn with_header(mut self, name: header::HeaderName, value: header::HeaderValue) -> Self {
        self.headers.append(name, value);
        self
    }

    pub(crate) fn with_body(mut self, body: Payload<'a>) -> Self {
        self.body = body;
        self
    }

    pub(crate) fn at_url(mut self, url: Url) -> Self {
        self.to = To::Url(url);
        self
    }

    /// Reads the answer's body whole, at most `limit` bytes (X1).
    pub(crate) fn read_whole(mut self, limit: u64) -> Self {
        self.whole = Some(limit);
        self
    }

    pub(crate) const fn with_volume(mut self, bytes: u64) -> Self {
        self.volume = bytes;
        self
    }

    pub(crate) fn once(mut self) -> Self {
        self.repeatable = false;
        self
    }

    fn error(&self, kind: ErrorKind, reason: impl Into<String>) -> Error {
        Error::new(kind, self.operation, &self.subject, reason)
    }
}

/// What ended a try.
enum Failure {
    /// Try again if there is budget: this many times more at most for its kind.
    Transient(Error, u32),
    Final(Error),
}

impl Client {
    pub(crate) fn budget(&self) -> RetryBudget {
        RetryBudget::new(self.shared().retry)
    }

    /// Sends a call to a site until there is an expected answer, an error that will not change, or the budget
    /// is spent.
    pub(crate) async fn send(
        &self,
        site: &Site,
        call: Call<'_>,
        budget: &mut RetryBudget,
    ) -> Result<Answer, Error> {
        let span = tracing::debug_span!("request", operation = ?call.operation, subject = %call.subject);
        self.send_until_answered(site, call, budget)
            .instrument(span)
            .await
    }

    async fn send_until_answered(
        &self,
        site: &Site,
        call: Call<'_>,
        budget: &mut RetryBudget,
    ) -> Result<Answer, Error> {
        let pace = self.shared().paces.of(&site.registry);
        loop {
            pace.ready().await;
            let (error, limit) = match self.attempt(site, &call).await {
                Ok(answer) => return Ok(answer),
                Err(Failure::Final(error)) => return Err(finish(error, budget)),
                Err(Failure::Transient(error, limit)) => (error, limit),
            };
            if is_push_back(&error) {
                let bearable = |wait: &Duration| *wait <= self.shared().retry.longest_wait;
                pace.pushed_back(error.retry_after().filter(bearable));
            }
            if budget.attempts() > limit {
                return Err(finish(error, budget));
            }
            let Some(wait) = budget.next_wait(error.retry_after()) else {
                return Err(finish(error, budget));
            };
            tracing::debug!(endpoint = error.endpoint(), ?wait, reason = %error, "trying again");
            self.shared().counting.wait(wait).await;
        }
    }

    /// One try, over each scheme that the site may be spoken to with.
    async fn attempt(&self, site: &Site, call: &Call<'_>) -> Result<Answer, Failure> {
        let learned = self.host(&site.registry).scheme;
        let fixed = match &call.to {
            To::Url(url) => Origin::of(url).ok().map(|origin| origin.scheme()),
            To::Path(_) => learned,
        };
        if let Some(scheme) = fixed.filter(|scheme| site.schemes.contains(scheme)) {
            return self.attempt_over(site, call, scheme).await;
        }
        let mut first_error = None;
        for scheme in site.schemes {
            match self.attempt_over(site, call, *scheme).await {
                Err(Failure::Transient(error, limit)) if cannot_speak(&error) => {
                    first_error.get_or_insert(Failure::Transient(error, limit));
                }
                Err(Failure::Final(error)) if cannot_speak(&error) => {
                    first_error.get_or_insert(Failure::Final(error));
                }
                other => return other,
            }
        }
        Err(first_error.unwrap_or_else(|| Failure::Final(call.error(ErrorKind::Other, "it has no address"))))
    }

    /// One try with authentication: as it is known to be wanted, then as the registry asks for it.
    async fn attempt_over(&self, site: &Site, call: &Call<'_>, scheme: Scheme) -> Result<Answer, Failure> {
        let settings = |call: &Call<'_>, error: wharf_http::Error| {
            Failure::Final(
                call.error(ErrorKind::Invalid, error.to_string())
                    .with_source(error),
            )
        };
        let base = site.base(scheme).map_err(|error| settings(call, error))?;
        let url = match &call.to {
            To::Url(url) => url.clone(),
            To::Path(path) => base.join(path).map_err(|error| {
                Failure::Final(
                    call.error(ErrorKind::Invalid, "the URL cannot be formed")
                        .with_source(error),
                )
            })?,
        };
        let home = site.peer(&base).map_err(|error| settings(call, error))?;
        let scopes = call.scopes.clone();
        let subject = Subject {
            registry: &site.registry,
            repository: site.repository.as_ref(),
            origin: &home.origin,
            scopes: &scopes,
            allow_plaintext: site.allow_plaintext,
        };
        let mut tokens = TokenService {
            client: self,
            home: &home,
            class: self.class_of(site, &home.origin),
        };
        let auth_error =
            |call: &Call<'_>, error: wharf_auth::AuthError| auth_failure(call, site, &base, error);
        let authenticator = &self.shared().authenticator;
        let mut sent = authenticator
            .authorize(subject, &tokens)
            .await
            .map_err(|error| auth_error(call, error))?;
        let mut challenges = 0;
        loop {
            let request = self.request(call, url.clone())?;
            self.shared().counting.requests.add();
            let header = sent.as_ref().map(Authorization::header);
            let followed = self
                .shared()
                .transport
                .follow(&home, request, header)
                .await
                .map_err(|failed| transport_failure(call, site, failed))?;
            self.learn_from(site, &home.origin, &followed);
            tracing::debug!(
                method = %call.method,
                endpoint = %Redacted(&followed.url),
                status = followed.response.status().as_u16(),
                authenticated = sent.is_some(),
                "answer"
            );
            if followed.is_home {
                self.shared()
                    .warnings
                    .hear(site.registry.as_str(), followed.response.headers());
            }
            tokens.class = followed.home_class.or(tokens.class);
            if followed.response.status() != StatusCode::UNAUTHORIZED {
                return Self::judge(call, site, sent.as_ref(), followed).await;
            }
            if !followed.is_home {
                let reason =
                    "another host that the registry redirects to asks for a login, which it does not get";
                let error = call
                    .error(ErrorKind::Blocked, reason)
                    .at(Redacted(&followed.url))
                    .with_detail(Detail::Auth(wharf_auth::AuthErrorKind::ForeignChallenge));
                return Err(Failure::Final(error));
            }
            // A token that was fetched for this very request is not refused for its age; only for its scope.
            let asks_for_more = challenges == 1
                && wharf_auth::Challenge::strongest(followed.response.headers()).is_ok_and(|challenge| {
                    matches!(challenge, wharf_auth::Challenge::Bearer { scopes, .. } if !call.scopes.contains(&scopes))
                });
            if challenges > 0 && !asks_for_more {
                let refusal = authenticator.rejected(subject).await;
                let failure = Self::judge(call, site, sent.as_ref(), followed).await;
                return Err(refused(failure, call, site, &refusal));
            }
            challenges += 1;
            sent = Some(
                authenticator
                    .challenged(subject, followed.response.headers(), sent.as_ref(), &tokens)
                    .await
                    .map_err(|error| auth_error(call, error))?,
            );
        }
    }

    /// Reads a URL of another host that the registry redirected to before, without credentials and without
    /// redirects. `None` if that fails.
    pub(crate) async fn ask_elsewhere(
        &self,
        site: &Site,
        url: &Url,
        header: (header::HeaderName, header::HeaderValue),
    ) -> Option<Answer> {
        let scheme = self.host(&site.registry).scheme?;
        let home = site.peer(&site.base(scheme).ok()?).ok()?;
        let mut request = Request::new(Method::GET, url.clone());
        request.bulk = true;
        request.headers.insert(header.0, header.1);
        request
            .headers
            .insert(header::USER_AGENT, self.shared().user_agent.clone());
        let class = self.class_of(site, &home.origin);
        let answer = self
            .shared()
            .transport
            .call_foreign(&home, class, request)
            .await
            .ok()?;
        let (parts, body) = answer.into_parts();
        Some(Answer {
            status: parts.status,
            headers: parts.headers,
            body,
            bytes: Bytes::new(),
            url: url.clone(),
            is_home: false,
        })
    }

    /// Reads a URL that the content itself names: https only, without credentials, redirects followed, and no
    /// further inward than the registry. `None` if that fails.
    pub(crate) async fn ask_foreign(&self, site: &Site, url: &str, range: Option<String>) -> Option<Answer> {
        let url = Url::parse(url)
            .ok()
            .filter(|url| url.scheme() == "https" && url.username().is_empty())?;
        let scheme = self.host(&site.registry).scheme?;
        let home = site.peer(&site.base(scheme).ok()?).ok()?;
        let floor = self.class_of(site, &home.origin)?;
        if AddressClass::of_host(&url).is_some_and(|class| class > floor) {
            return None;
        }
        let tls = std::sync::Arc::new(home.tls.for_others());
        let peer = Peer::named(Origin::of(&url).ok()?, tls).with_floor(floor);
        let mut request = Request::new(Method::GET, url);
        request.bulk = true;
        request
            .headers
            .insert(header::USER_AGENT, self.shared().user_agent.clone());
        if let Some(range) = range {
            request
                .headers
                .insert(header::RANGE, header::HeaderValue::try_from(range).ok()?);
        }
        let followed = self.shared().transport.follow(&peer, request, None).await.ok()?;
        let (parts, body) = followed.response.into_parts();
        Some(Answer {
            status: parts.status,
            headers: parts.headers,
            body,
            bytes: Bytes::new(),
            url: followed.url,
            is_home: false,
        })
    }

    fn request(&self, call: &Call<'_>, url: Url) -> Result<Request, Failure> {
        let mut request = Request::new(call.method.clone(), url);
        request.bulk = call.volume >= BULK;
        request.headers.clone_from(&call.headers);
        request
            .headers
            .insert(header::USER_AGENT, self.shared().user_agent.clone());
        request.body = match &call.body {
            Payload::Empty => RequestBody::Empty,
            Payload::Bytes(bytes) => RequestBody::Bytes(bytes.clone()),
            Payload::Stream(make) => {
                if let Some(body) = make() {
                    body
                } else {
                    let reason = "the bytes to send come only once and were used up by a try that failed";
                    return Err(Failure::Final(call.error(ErrorKind::Network, reason)));
                }
            }
        };
        Ok(request)
    }

    /// An expected answer, or the error that the status means.
    async fn judge(
        call: &Call<'_>,
        site: &Site,
        sent: Option<&Authorization>,
        followed: Followed,
    ) -> Result<Answer, Failure> {
        let (parts, body) = followed.response.into_parts();
        if call.expect.contains(&parts.status.as_u16()) {
            let (body, bytes) = match call.whole {
                None => (body, Bytes::new()),
                Some(limit) => {
                    let failed = |error| FollowError {
                        error,
                        url: followed.url.clone(),
                    };
                    let bytes = body.read(limit).await.map_err(failed);
                    let bytes = bytes.map_err(|failed| transport_failure(call, site, failed))?;
                    (ResponseBody::empty(), bytes)
                }
            };
            return Ok(Answer {
                status: parts.status,
                headers: parts.headers,
                body,
                bytes,
                url: followed.url,
                is_home: followed.is_home,
            });
        }
        let wait = retry_after(&parts.headers, SystemTime::now());
        let codes = wire::registry_errors(&body.read_prefix(MAX_ERROR).await);
        let error = hint::status_error(call, site, sent, parts.status, codes)
            .at(Redacted(&followed.url))
            .edit(|inner| inner.retry_after = wait);
        if is_transient_status(parts.status) && call.repeatable {
            Err(Failure::Transient(error, u32::MAX))
        } else {
            Err(Failure::Final(error))
        }
    }

    fn class_of(&self, site: &Site, origin: &Origin) -> Option<AddressClass> {
        let learned = self.host(&site.registry).class;
        learned
            .filter(|(learned, _)| learned == origin)
            .map(|(_, class)| class)
    }

    fn learn_from(&self, site: &Site, origin: &Origin, followed: &Followed) {
        let known = self.host(&site.registry);
        let class = followed.home_class.map(|class| (origin.clone(), class));
        if known.scheme.is_some() && (class.is_none() || known.class == class) {
            return;
        }
        self.learn(&site.registry, |host| {
            host.scheme = Some(origin.scheme());
            if class.is_some() {
                host.class = class;
            }
        });
    }
}

/// Sends requests to token servers for the authenticator.
#[derive(Debug)]
struct TokenService<'a> {
    client: &'a Client,
    home: &'a Peer,
    class: Option<AddressClass>,
}

#[async_trait]
impl HttpService for TokenService<'_> {
    async fn call(&self, mut request: Request) -> Result<Response, wharf_http::Error> {
        let shared = self.client.shared();
        request
            .headers
            .insert(header::USER_AGENT, shared.user_agent.clone());
        let mut budget = self.client.budget();
        loop {
            let again = request.replay();
            shared.counting.token_requests.add();
            let answer = shared
                .transport
                .call_foreign(self.home, self.class, request)
                .await;
            let answer = match answer {
                Ok(response) => whole(response).await,
                Err(error) => Err(error),
            };
            let (limit, asked) = match &answer {
                Ok(response) if is_transient_status(response.status()) => {
                    (u32::MAX, retry_after(response.headers(), SystemTime::now()))
                }
                Ok(_) => return answer,
                Err(error) => (retries_of(error.kind()), None),
            };
            let (Some(again), true) = (again, budget.attempts() <= limit) else {
                return answer;
            };
            let Some(wait) = budget.next_wait(asked) else {
                return answer;
            };
            shared.counting.wait(wait).await;
            request = again;
        }
    }
}

/// An answer of a token server with all of its body: one that breaks off is a try that failed.
async fn whole(response: Response) -> Result<Response, wharf_http::Error> {
    let (parts, body) = response.into_parts();
    let bytes = if parts.status.is_success() {
        body.read(MAX_TOKEN).await?
    } else {
        body.read_prefix(MAX_ERROR).await
    };
    Ok(Response::from_parts(parts, bytes.into()))
}

/// Whether the registry, not the network, wants fewer requests.
fn is_push_back(error: &Error) -> bool {
    error.status() == Some(429)
        || (error.status() == Some(503) && error.retry_after().is_some())
        || error.detail() == Some(Detail::Http(wharf_http::ErrorKind::Overloaded))
}

fn finish(error: Error, budget: &RetryBudget) -> Error {
    error.edit(|inner| inner.attempts = budget.attempts())
}

/// Whether the connection failed in a way that plain http might not.
fn cannot_speak(error: &Error) -> bool {
    use wharf_http::ErrorKind as Http;
    matches!(
        error.detail(),
        Some(Detail::Http(
            Http::Connect | Http::ConnectTimeout | Http::NotTls | Http::Tls
        ))
    )
}

fn transport_failure(call: &Call<'_>, site: &Site, failed: FollowError) -> Failure {
    let FollowError { error, url } = failed;
    let kind = error.kind();
    let hint = hint::of_http(kind, site);
    let mut ours = call
        .error(kind_of_http(kind), error.to_string())
        .at(Redacted(&url))
        .with_detail(Detail::Http(kind));
    if let Some(hint) = hint {
        ours = ours.with_hint(hint);
    }
    ours = ours.with_source(Deeper(error));
    if call.repeatable || kind.is_before_request() {
        Failure::Transient(ours, retries_of(kind))
    } else {
        Failure::Final(ours)
    }
}

fn auth_failure(call: &Call<'_>, site: &Site, base: &Url, error: wharf_auth::AuthError) -> Failure {
    let hint = hint::of_auth(&error, site);
    let retry_after = match error.kind() {
        wharf_auth::AuthErrorKind::RateLimited(wait) => wait,
        _ => None,
    };
    let mut ours = call
        .error(kind_of_auth(&error), error.to_string())
        .at(Redacted(base))
        .with_detail(Detail::Auth(error.kind()))
        .edit(|inner| inner.retry_after = retry_after);
    if let Some(hint) = hint {
        ours = ours.with_hint(hint);
    }
    Failure::Final(ours.with_source(Deeper(error)))
}

/// The registry's own words about the refusal, with our knowledge of whether there was a login.
fn refused(
    judged: Result<Answer, Failure>,
    call: &Call<'_>,
    site: &Site,
    refusal: &wharf_auth::AuthError,
) -> Failure {
    let error = match judged {
        Err(Failure::Final(error) | Failure::Transient(error, _)) => error,
        Ok(_) => call.error(ErrorKind::Unauthorized, refusal.to_string()),
    };
    let hint = hint::of_auth(refusal, site);
    let error = error.with_detail(Detail::Auth(refusal.kind())).edit(|inner| {
        inner.kind = ErrorKind::Unauthorized;
        if let Some(hint) = hint {
            inner.hint = Some(hint);
        }
    });
    Failure::Final(error)
}

/// A lower error whose words are in ours already: only what lies beneath it is left to tell.
#[derive(Debug)]
struct Deeper<E>(E);

impl<E: std::error::Error> std::fmt::Display for Deeper<E> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.0.source() {
            Some(source) => std::fmt::Display::fmt(source, f),
            None => std::fmt::Display::fmt(&self.0, f),
        }
    }
}

impl<E: std::error::Error> std::error::Error for Deeper<E> {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.0.source()?.source()
    }
}
