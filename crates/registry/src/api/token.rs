//! The token endpoint: clients exchange credentials and scopes for a token (Docker's token authentication
//! specification).

use std::time::Duration;

use http::{Method, header, request::Parts};
use serde_json::json;

use super::{answer::User, document, receive};
use crate::{
    ErrorCode, Registry,
    auth::{Grant, basic_challenge},
    body::RequestBody,
    client::ClientNetwork,
    error::{ApiError, ApiResult},
    query::Query,
};

/// The longest form that asks for a token, in bytes.
const MAX_FORM: u64 = 64 * 1024;
/// The time for a form that asks for a token, from its first byte to its last. The form comes before any
/// credentials, and a server that shuts down waits for it.
const FORM_TIMEOUT: Duration = Duration::from_secs(10);
/// The most scopes of one token.
const MAX_SCOPES: usize = 64;

pub(super) async fn answer(
    registry: &Registry,
    parts: &Parts,
    query: &Query<'_>,
    body: RequestBody,
) -> ApiResult {
    let authentication = &registry.config.authentication;
    let Some(issuer) = &authentication.issuer else {
        return Err(ApiError::missing(
            ErrorCode::Unsupported,
            "this registry issues no tokens",
        ));
    };
    let denied = || ApiError::unauthorized(basic_challenge(), "wrong user name or password");
    let is_form = parts.method == Method::POST;
    let form = if is_form {
        let bytes = receive::within(FORM_TIMEOUT, body, MAX_FORM, registry.config.limits.idle).await?;
        String::from_utf8(bytes.to_vec())
            .map_err(|_| ApiError::bad(ErrorCode::Unsupported, "the form is not UTF-8"))?
    } else {
        String::new()
    };
    let form = Query::parse(&form);
    let parameters = if is_form { &form } else { query };
    let client = ClientNetwork::of(parts);
    let user = match (authentication.login(&parts.headers), form.value("grant_type")) {
        (Some(value), _) => Some(authentication.basic(&client, value).await?.ok_or_else(denied)?),
        (None, Some("password")) => {
            let user = form.value("username").unwrap_or_default();
            let password = form.value("password").unwrap_or_default();
            if !authentication.users.verify(&client, user, password).await? {
                return Err(denied());
            }
            Some(user.into())
        }
        (None, Some(_)) => {
            return Err(ApiError::bad(
                ErrorCode::Unsupported,
                "this grant type is not offered",
            ));
        }
        (None, None) => None,
    };
    if user.is_none() && !authentication.users.is_empty() && !authentication.anonymous {
        return Err(denied());
    }
    let scopes = parameters.values("scope").flat_map(|scopes| scopes.split(' '));
    let grants = scopes
        .take(MAX_SCOPES)
        .filter_map(|scope| Grant::of(scope, user.as_deref(), authentication))
        .collect::<Vec<_>>();
    let token = issuer.issue(user.as_deref(), &grants).await?;
    let mut response = document(&json!({
        "token": token,
        "access_token": token,
        "expires_in": issuer.lifetime().as_secs(),
    }));
    // RFC 6749, 5.1: no cache keeps a token.
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, http::HeaderValue::from_static("no-store"));
    if let Some(user) = user {
        response.extensions_mut().insert(User(user));
    }
    Ok(response)
}
