//! The loop that sends requests: authentication and redirects within an attempt, repetitions around it.

mod attempt;
mod call;
mod failure;
mod foreign;
mod judge;
mod status;
mod tokens;

use std::time::Duration;

use tracing::Instrument as _;
use url::Url;
use wharf_content::ErrorKind;
use wharf_http::{AddressClass, FollowError, Followed, Origin, Redacted, RetryBudget, RetryPolicy};

use self::{
    call::Destination,
    failure::{AttemptFailure, cannot_speak, finish, is_push_back, over_both, transport_failure},
};
pub(crate) use self::{
    call::{Call, Payload, RegistryAnswer},
    failure::denies_repository,
    status::not_there,
};
use crate::{Client, endpoint::Endpoint, error::Error};

/// The most bytes read of an error answer (docs/threats.md, X1).
const MAX_ERROR: usize = 64 * 1024;

impl Client {
    /// The budget of one operation.
    pub(crate) fn budget(&self) -> RetryBudget {
        RetryBudget::new(self.shared().retry)
    }

    /// The budget of a pull at this endpoint. If another endpoint follows, there is one attempt: the next
    /// endpoint is the second attempt, and only the last one is waited for.
    pub(crate) fn budget_at(&self, endpoint: &Endpoint) -> RetryBudget {
        if endpoint.has_next {
            RetryBudget::new(RetryPolicy::never())
        } else {
            self.budget()
        }
    }

    /// Sends a call to an endpoint within a budget of its own; see [`send_within`](Self::send_within).
    pub(crate) async fn send(&self, endpoint: &Endpoint, call: Call<'_>) -> Result<RegistryAnswer, Error> {
        self.send_within(endpoint, call, &mut self.budget()).await
    }

    /// Sends a call to an endpoint, until there is an expected answer, an error that a repetition cannot
    /// change, or the end of the budget.
    pub(crate) async fn send_within(
        &self,
        endpoint: &Endpoint,
        call: Call<'_>,
        budget: &mut RetryBudget,
    ) -> Result<RegistryAnswer, Error> {
        let span = tracing::debug_span!("request", operation = ?call.operation, subject = %call.subject);
        // On the heap, because this future is the largest part of every future that awaits it.
        let sent = Box::pin(self.send_until_answered(endpoint, &call, budget));
        sent.instrument(span).await
    }

    async fn send_until_answered(
        &self,
        endpoint: &Endpoint,
        call: &Call<'_>,
        budget: &mut RetryBudget,
    ) -> Result<RegistryAnswer, Error> {
        let limiter = self.shared().limiters.of(&endpoint.registry);
        loop {
            limiter.ready().await;
            let (error, limit) = match self.attempt(endpoint, call).await {
                Ok(answer) => return Ok(answer),
                Err(AttemptFailure::Final(error)) => return Err(finish(error, budget)),
                Err(AttemptFailure::Transient(error, limit)) => (error, limit),
            };
            if is_push_back(&error) {
                let allowed = |wait: &Duration| *wait <= self.shared().retry.max_retry_after();
                limiter.pushed_back(error.retry_after().filter(allowed));
            }
            if call.is_optional && !cannot_speak(&error) {
                return Err(finish(error, budget));
            }
            let Some(wait) = budget.next_wait(limit, error.retry_after()) else {
                return Err(finish(error, budget));
            };
            tracing::debug!(endpoint = error.endpoint(), ?wait, reason = %error, "trying again");
            self.shared().counting.wait(wait).await;
        }
    }

    /// One attempt, with each scheme that the endpoint may have.
    async fn attempt(&self, endpoint: &Endpoint, call: &Call<'_>) -> Result<RegistryAnswer, AttemptFailure> {
        if let Destination::Elsewhere(url) = &call.to {
            return self.attempt_elsewhere(endpoint, call, url).await;
        }
        let learned = self.host(&endpoint.registry).scheme;
        let fixed = match &call.to {
            Destination::Elsewhere(url) | Destination::Url(url) => {
                Origin::of(url).ok().map(|origin| origin.scheme())
            }
            Destination::Path(_) => learned,
        };
        if let Some(scheme) = fixed.filter(|scheme| endpoint.schemes.contains(scheme)) {
            return self.attempt_over(endpoint, call, scheme).await;
        }
        let mut failed: Option<AttemptFailure> = None;
        for scheme in endpoint.schemes {
            let failure = match self.attempt_over(endpoint, call, *scheme).await {
                Ok(answer) => return Ok(answer),
                Err(failure) => failure,
            };
            let is_last = !cannot_speak(failure.error());
            let both = match failed.take() {
                Some(https) => over_both(https, failure),
                None => failure,
            };
            if is_last {
                return Err(both);
            }
            failed = Some(both);
        }
        Err(failed
            .unwrap_or_else(|| AttemptFailure::Final(call.error(ErrorKind::Other, "it has no address"))))
    }

    /// One attempt at another host that the registry names. It gets no credentials and no client
    /// certificate, and its redirects are not followed.
    async fn attempt_elsewhere(
        &self,
        endpoint: &Endpoint,
        call: &Call<'_>,
        url: &Url,
    ) -> Result<RegistryAnswer, AttemptFailure> {
        let request = self.request(endpoint, call, url.clone())?;
        self.shared().counting.requests.add();
        let response = self.call_elsewhere(endpoint, request).await.map_err(|error| {
            transport_failure(
                call,
                endpoint,
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
        Self::judge(call, endpoint, None, followed).await
    }

    fn class_of(&self, endpoint: &Endpoint, origin: &Origin) -> Option<AddressClass> {
        let learned = self.host(&endpoint.registry).class;
        learned
            .filter(|(learned, _)| learned == origin)
            .map(|(_, class)| class)
    }

    fn learn_from(&self, endpoint: &Endpoint, origin: &Origin, followed: &Followed) {
        let known = self.host(&endpoint.registry);
        let class = followed.home_class.map(|class| (origin.clone(), class));
        if known.scheme.is_some() && (class.is_none() || known.class == class) {
            return;
        }
        self.learn(&endpoint.registry, |host| {
            host.scheme = Some(origin.scheme());
            if class.is_some() {
                host.class = class;
            }
        });
    }
}
