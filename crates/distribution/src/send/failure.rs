use http::HeaderMap;
use url::Url;
use wharf_auth::{AuthErrorKind, Challenge};
use wharf_content::{ErrorKind, Hint};
use wharf_http::{FollowError, Redacted, RetryBudget, RetryLimit};

use super::call::{Call, RegistryAnswer};
use crate::{
    RegistryError,
    endpoint::Endpoint,
    error::{Detail, Error, kind_of_auth, kind_of_http},
    hint,
    repeated_source::skip_repeated_source,
};

/// The failure of one attempt.
pub(super) enum AttemptFailure {
    /// A repetition may succeed; this many are worth it.
    Transient(Error, RetryLimit),
    /// A repetition would fail in the same way.
    Final(Error),
}

impl AttemptFailure {
    pub(super) const fn error(&self) -> &Error {
        match self {
            Self::Transient(error, _) | Self::Final(error) => error,
        }
    }

    fn into_error(self) -> Error {
        match self {
            Self::Transient(error, _) | Self::Final(error) => error,
        }
    }

    fn map(self, change: impl FnOnce(Error) -> Error) -> Self {
        match self {
            Self::Transient(error, limit) => Self::Transient(change(error), limit),
            Self::Final(error) => Self::Final(change(error)),
        }
    }

    /// This failure, with an earlier one in it.
    fn after(self, earlier: Error) -> Self {
        self.map(|error| error.edit(|inner| inner.earlier.push(earlier)))
    }

    /// This failure, without the hint to log in: a login is there, and was not sent because the registry
    /// did not ask for one.
    pub(super) fn with_login(self) -> Self {
        self.map(|error| error.edit(|inner| inner.hint = inner.hint.take().map(hint::without_login)))
    }
}

/// Combines the failures of an attempt with https and then with http: the more informative one, with the
/// other in it.
///
/// | with https | with http | result |
/// |---|---|---|
/// | the name does not resolve | the name does not resolve | https alone |
/// | no connection | no connection | https |
/// | the handshake failed, so the server speaks TLS | no HTTP answer | https |
/// | the server does not speak TLS | an HTTP answer | http alone |
/// | any other | any other | http |
pub(super) fn over_both(https: AttemptFailure, http: AttemptFailure) -> AttemptFailure {
    use wharf_http::ErrorKind as Http;
    let is = |failure: &AttemptFailure, kind| failure.error().detail() == Some(Detail::Http(kind));
    let is_tls = is(&https, Http::Tls);
    let is_answered = !matches!(http.error().detail(), Some(Detail::Http(_)));
    if is(&https, Http::Dns) && is(&http, Http::Dns) {
        https
    } else if is(&https, Http::NotTls) && is_answered {
        http
    } else if cannot_speak(http.error()) || (is_tls && !is_answered) {
        https.after(http.into_error())
    } else {
        http.after(https.into_error())
    }
}

/// True if the registry, not the network, asks for fewer requests.
pub(super) fn is_push_back(error: &Error) -> bool {
    error.status() == Some(429)
        || (error.status() == Some(503) && error.retry_after().is_some())
        || error.detail() == Some(Detail::Http(wharf_http::ErrorKind::Overloaded))
}

pub(super) fn finish(error: Error, budget: &RetryBudget) -> Error {
    error.edit(|inner| inner.attempts = budget.attempts())
}

/// True if the connection failed in a way that plain http might not.
pub(super) fn cannot_speak(error: &Error) -> bool {
    use wharf_http::ErrorKind as Http;
    let may_depend_on_scheme = matches!(
        error.detail(),
        Some(Detail::Http(
            Http::Dns // of what a proxy for http may resolve
                | Http::Connect
                | Http::ConnectTimeout
                | Http::NotTls
                | Http::Tls
                | Http::Proxy
                | Http::ProxyLogin
        ))
    );
    may_depend_on_scheme && !error.is_elsewhere()
}

pub(super) fn transport_failure(call: &Call<'_>, endpoint: &Endpoint, failed: FollowError) -> AttemptFailure {
    let FollowError { error, url } = failed;
    let kind = error.kind();
    let is_elsewhere = !endpoint.is_at(&url);
    let hint = match kind {
        wharf_http::ErrorKind::Dns | wharf_http::ErrorKind::Connect | wharf_http::ErrorKind::NotTls
            if call.is_to_store() =>
        {
            Some(Hint::CheckSignatureStore)
        }
        kind => {
            let hint = hint::of_http(kind, &endpoint.registry, is_elsewhere);
            hint.or(call.is_to_store().then_some(Hint::CheckSignatureStore))
        }
    };
    let mut ours = call
        .error(kind_of_http(kind), error.to_string())
        .at(Redacted(&url))
        .with_detail(Detail::Http(kind))
        .with_hint(hint);
    ours = skip_repeated_source(ours, error).edit(|inner| inner.is_elsewhere = is_elsewhere);
    if call.repeatable || kind.is_before_request() {
        AttemptFailure::Transient(ours, RetryLimit::of(kind))
    } else {
        AttemptFailure::Final(ours)
    }
}

pub(super) fn auth_failure(
    call: &Call<'_>,
    endpoint: &Endpoint,
    base: &Url,
    error: wharf_auth::AuthError,
) -> AttemptFailure {
    let retry_after = match error.kind() {
        AuthErrorKind::RateLimited(wait) => wait,
        _ => None,
    };
    let ours = call
        .error(kind_of_auth(&error), error.to_string())
        .at(Redacted(base))
        .with_detail(Detail::Auth(error.kind()))
        .with_hint(hint::of_auth(&error, &endpoint.registry))
        .edit(|inner| inner.retry_after = retry_after);
    AttemptFailure::Final(skip_repeated_source(ours, error))
}

/// The server compressed a document although it was asked not to: the digest and the content would be those
/// of other bytes.
pub(super) fn compressed(call: &Call<'_>, url: &Url, coding: &str) -> AttemptFailure {
    let reason = format!("the server compressed its answer ({coding}) although it was asked not to");
    let error = call.error(ErrorKind::Server, reason).at(Redacted(url));
    AttemptFailure::Final(error.with_hint(Hint::SwitchOffCompression))
}

/// The error for a challenge of a host that is not the registry (docs/threats.md, N3).
pub(super) fn foreign_challenge(call: &Call<'_>, url: &Url) -> AttemptFailure {
    let reason = "another host that the registry redirects to asks for a login, which it does not get";
    let error = call
        .error(ErrorKind::Blocked, reason)
        .at(Redacted(url))
        .with_detail(Detail::Auth(AuthErrorKind::ForeignChallenge));
    AttemptFailure::Final(error)
}

/// True if a challenge names a scope that the call did not ask for.
pub(super) fn asks_for_more(call: &Call<'_>, headers: &HeaderMap) -> bool {
    let challenge = Challenge::strongest(headers);
    matches!(challenge, Ok(Challenge::Bearer { scopes, .. }) if !call.scopes.contains(&scopes))
}

/// The failure of an optional request that is refused although a token was issued for it. The login is
/// valid: the right to this request is not the right to the operation.
pub(super) fn not_allowed(judged: Result<RegistryAnswer, AttemptFailure>, call: &Call<'_>) -> AttemptFailure {
    let error = match judged {
        Err(AttemptFailure::Final(error) | AttemptFailure::Transient(error, _)) => error,
        Ok(_) => call.error(ErrorKind::Denied, ErrorKind::Denied.to_string()),
    };
    AttemptFailure::Final(error.edit(|inner| inner.kind = ErrorKind::Denied))
}

/// True if the registry states a reason for which the same request fails again, whatever the status.
pub(super) fn is_definite(codes: &[RegistryError]) -> bool {
    denies_repository(codes) || has_code(codes, &["UNSUPPORTED"])
}

/// True if the registry states that there is no such repository, or no right to it. Then no other request to
/// the repository succeeds either.
pub(crate) fn denies_repository(codes: &[RegistryError]) -> bool {
    has_code(codes, &["NAME_UNKNOWN", "NAME_INVALID", "DENIED", "UNAUTHORIZED"])
}

fn has_code(errors: &[RegistryError], codes: &[&str]) -> bool {
    errors
        .iter()
        .any(|error| codes.iter().any(|code| error.code.eq_ignore_ascii_case(code)))
}

/// The failure for a refused login, with the message of the registry and a hint that depends on whether
/// there was a login.
pub(super) fn refused(
    judged: Result<RegistryAnswer, AttemptFailure>,
    call: &Call<'_>,
    endpoint: &Endpoint,
    refusal: &wharf_auth::AuthError,
) -> AttemptFailure {
    let error = match judged {
        Err(AttemptFailure::Final(error) | AttemptFailure::Transient(error, _)) => error,
        Ok(_) => call.error(ErrorKind::Unauthorized, refusal.to_string()),
    };
    let hint = hint::of_auth(refusal, &endpoint.registry);
    let is_unclear = refusal.kind() == AuthErrorKind::Challenge;
    let error = error.with_detail(Detail::Auth(refusal.kind())).edit(|inner| {
        inner.kind = ErrorKind::Unauthorized;
        let messages = inner.reason.strip_prefix(&inner.kind.to_string());
        if let Some(messages) = messages.filter(|_| is_unclear) {
            inner.reason = format!("{refusal}{messages}");
        }
        if let Some(hint) = hint {
            inner.hint = Some(hint);
        }
    });
    AttemptFailure::Final(skip_repeated_source(error, refusal.clone()))
}
