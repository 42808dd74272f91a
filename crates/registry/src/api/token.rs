//! The token endpoint: credentials and scopes in, a token out (the Docker token authentication protocol).

use http::{HeaderMap, Method, StatusCode, header};
use serde_json::json;

use super::{RequestBody, document, receive};
use crate::{
    ErrorCode, Registry,
    auth::Grant,
    error::{Answer, Failure},
    query::Query,
};

const MAX_FORM: u64 = 64 * 1024;
const MAX_SCOPES: usize = 64;

pub(super) async fn answer(
    registry: &Registry,
    method: &Method,
    headers: &HeaderMap,
    query: &Query<'_>,
    body: RequestBody,
) -> Answer {
    let authentication = &registry.config.authentication;
    let Some(issuer) = &authentication.issuer else {
        return Err(Failure::missing(
            ErrorCode::Unsupported,
            "this registry issues no tokens",
        ));
    };
    let denied = || {
        Failure::new(
            StatusCode::UNAUTHORIZED,
            ErrorCode::Unauthorized,
            "wrong user name or password",
        )
    };
    let form = match *method {
        Method::GET => String::new(),
        Method::POST => {
            let bytes = receive::whole(body, MAX_FORM, registry.config.limits.idle).await?;
            String::from_utf8(bytes.to_vec())
                .map_err(|_| Failure::bad(ErrorCode::Unsupported, "the form is not UTF-8"))?
        }
        _ => return Err(Failure::method_not_allowed()),
    };
    let form = Query::parse(&form);
    let parameters = if *method == Method::POST { &form } else { query };
    let user = match (headers.get(header::AUTHORIZATION), form.value("grant_type")) {
        (Some(value), _) => Some(authentication.basic(value).await?.ok_or_else(denied)?),
        (None, Some("password")) => {
            let user = form.value("username").unwrap_or_default();
            let password = form.value("password").unwrap_or_default();
            if !authentication.users.verify(user, password).await? {
                return Err(denied());
            }
            Some(user.into())
        }
        (None, Some(_)) => {
            return Err(Failure::bad(
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
        .collect();
    let Some(token) = issuer.issue(user, grants)? else {
        return Err(Failure::new(
            StatusCode::TOO_MANY_REQUESTS,
            ErrorCode::TooManyRequests,
            "too many tokens are valid",
        ));
    };
    Ok(document(&json!({
        "token": token,
        "access_token": token,
        "expires_in": issuer.lifetime().as_secs(),
    })))
}
