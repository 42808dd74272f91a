use std::time::SystemTime;

use async_trait::async_trait;
use http::header;
use wharf_auth::TokenResponse;
use wharf_http::{
    AddressClass, HttpService, Peer, Request, Response, RetryBudget, RetryLimit, RetryPolicy, coding_of_json,
    is_transient_status, retry_after,
};

use crate::Client;

/// Sends requests to token servers for the authenticator, and repeats them within a budget of their own.
#[derive(Debug)]
pub(super) struct TokenService<'a> {
    pub(super) client: &'a Client,
    pub(super) home: &'a Peer,
    pub(super) class: Option<AddressClass>,
    /// True if the token is for an optional request.
    pub(super) is_optional: bool,
}

#[async_trait]
impl HttpService for TokenService<'_> {
    async fn call(&self, mut request: Request) -> Result<Response, wharf_http::Error> {
        let shared = self.client.shared();
        request
            .headers
            .insert(header::USER_AGENT, shared.user_agent.clone());
        let mut budget = if self.is_optional {
            RetryBudget::new(RetryPolicy::never())
        } else {
            self.client.budget()
        };
        loop {
            let again = request.replay();
            shared.counting.token_requests.add();
            let answer = shared
                .transport
                .call_within_origin(self.home, self.class, request)
                .await;
            let answer = match answer {
                Ok(response) => whole(response).await,
                Err(error) => Err(error),
            };
            let (limit, asked) = match &answer {
                Ok(response) if is_transient_status(response.status()) => (
                    RetryLimit::Policy,
                    retry_after(response.headers(), SystemTime::now()),
                ),
                Ok(_) => return answer,
                Err(error) => (RetryLimit::of(error.kind()), None),
            };
            let Some(again) = again else { return answer };
            let Some(wait) = budget.next_wait(limit, asked) else {
                return answer;
            };
            shared.counting.wait(wait).await;
            request = again;
        }
    }
}

/// Reads the whole body of an answer of a token server, so that a truncated body is a failed attempt.
async fn whole(response: Response) -> Result<Response, wharf_http::Error> {
    let (parts, body) = response.into_parts();
    let bytes = if parts.status.is_success() {
        body.read(TokenResponse::MAX_SIZE).await?
    } else {
        body.read_prefix(TokenResponse::MAX_ERROR_SIZE).await
    };
    if let Some(coding) = coding_of_json(&parts.headers, &bytes).filter(|_| parts.status.is_success()) {
        let message =
            format!("the token server compressed its answer ({coding}) although it was asked not to");
        return Err(wharf_http::Error::new(wharf_http::ErrorKind::Protocol, message));
    }
    Ok(Response::from_parts(parts, bytes.into()))
}
