//! The one loop that sends: authentication inside, retries outside.

mod call;
mod failure;
mod foreign;
mod tokens;

use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::{StatusCode, header};
use tracing::Instrument as _;
use url::Url;
use wharf_auth::{Authorization, Subject};
use wharf_content::ErrorKind;
use wharf_http::{
    AddressClass, FollowError, Followed, Origin, Redacted, Request, RequestBody, ResponseBody, RetryBudget,
    RetryPolicy, Scheme, is_transient_status, retry_after,
};

pub(crate) use self::call::{Answer, Call, Payload};
use self::{
    call::{BULK, To},
    failure::{
        Failure, asks_for_more, auth_failure, cannot_speak, finish, foreign_challenge, is_push_back, refused,
        transport_failure,
    },
    tokens::TokenService,
};
use crate::{Client, beneath::beneath, error::Error, hint, site::Site, wire};

/// The most bytes read of an error answer (X1).
const MAX_ERROR: usize = 64 * 1024;

impl Client {
    pub(crate) fn budget(&self) -> RetryBudget {
        RetryBudget::new(self.shared().retry)
    }

    /// What a pull may try at this place. A mirror that is down or busy does not hold it up: the next place is
    /// the second try, and only the last one is waited for.
    pub(crate) fn budget_at(&self, site: &Site) -> RetryBudget {
        if site.has_next {
            RetryBudget::new(RetryPolicy::never())
        } else {
            self.budget()
        }
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
        if let To::Elsewhere(url) = &call.to {
            return self.attempt_elsewhere(site, call, url).await;
        }
        let learned = self.host(&site.registry).scheme;
        let fixed = match &call.to {
            To::Elsewhere(url) | To::Url(url) => Origin::of(url).ok().map(|origin| origin.scheme()),
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
            let ours = call.error(ErrorKind::Invalid, error.to_string());
            Failure::Final(beneath(ours, error))
        };
        let base = site.base(scheme).map_err(|error| settings(call, error))?;
        let url = match &call.to {
            To::Elsewhere(url) | To::Url(url) => url.clone(),
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
            let request = self.request(site, call, url.clone())?;
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
            let is_home = followed.is_home;
            if followed.response.status() != StatusCode::UNAUTHORIZED {
                let judged = Self::judge(call, site, sent.as_ref(), followed).await;
                if let (Err(Failure::Final(error)), Some(old)) = (&judged, &sent)
                    && challenges == 0
                    && is_home
                    && hint::says_expired(error)
                    && let Some(renewed) = authenticator
                        .renew(subject, old, &tokens)
                        .await
                        .map_err(|error| auth_error(call, error))?
                {
                    challenges += 1;
                    sent = Some(renewed);
                    continue;
                }
                return judged;
            }
            if !is_home {
                return Err(foreign_challenge(call, &followed.url));
            }
            // A token that was fetched for this very request is not refused for its age; only for its scope.
            let asks_for_more = challenges == 1 && asks_for_more(call, followed.response.headers());
            if let Some(refused_one) = sent.as_ref().filter(|_| challenges > 0 && !asks_for_more) {
                let refusal = authenticator.rejected(subject, refused_one);
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

    /// One try at another host that the registry names: it gets no credentials, no client certificate, and leads
    /// nowhere else.
    async fn attempt_elsewhere(&self, site: &Site, call: &Call<'_>, url: &Url) -> Result<Answer, Failure> {
        let request = self.request(site, call, url.clone())?;
        self.shared().counting.requests.add();
        let response = self.call_elsewhere(site, request).await.map_err(|error| {
            transport_failure(
                call,
                site,
                FollowError {
                    error,
                    url: url.clone(),
                },
            )
        })?;
        let status = response.status().as_u16();
        tracing::debug!(method = %call.method, endpoint = %Redacted(url), status, "answer of another host");
        let followed = Followed {
            response,
            url: url.clone(),
            is_home: false,
            home_class: None,
        };
        Self::judge(call, site, None, followed).await
    }

    fn request(&self, site: &Site, call: &Call<'_>, url: Url) -> Result<Request, Failure> {
        let mut request = Request::new(call.method.clone(), url);
        request.bulk = call.volume >= BULK;
        request.class = call.class();
        request.has_alternative = site.has_next;
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
                    let is_error = parts.status.is_client_error() || parts.status.is_server_error();
                    let limit = if is_error {
                        limit.min(MAX_ERROR as u64)
                    } else {
                        limit
                    };
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
