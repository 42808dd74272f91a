use std::time::SystemTime;

use bytes::Bytes;
use wharf_auth::Authorization;
use wharf_http::{
    FollowError, Followed, Redacted, ResponseBody, RetryLimit, coding_of_json, error_entries,
    is_transient_status, retry_after,
};

use super::{
    Call, MAX_ERROR, RegistryAnswer,
    failure::{AttemptFailure, compressed, is_definite, transport_failure},
    status::status_error,
};
use crate::{Client, endpoint::Endpoint};

impl Client {
    /// Turns a response into an expected answer, or into the error for its status.
    pub(super) async fn judge(
        call: &Call<'_>,
        endpoint: &Endpoint,
        sent: Option<&Authorization>,
        followed: Followed,
    ) -> Result<RegistryAnswer, AttemptFailure> {
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
                    let bytes = bytes.map_err(|failed| transport_failure(call, endpoint, failed))?;
                    if let Some(coding) = coding_of_json(&parts.headers, &bytes).filter(|_| !is_error) {
                        return Err(compressed(call, &followed.url, &coding));
                    }
                    (ResponseBody::empty(), bytes)
                }
            };
            return Ok(RegistryAnswer {
                status: parts.status,
                headers: parts.headers,
                body,
                bytes,
                url: followed.url,
                is_home: followed.is_home,
            });
        }
        let wait = retry_after(&parts.headers, SystemTime::now());
        let redact = |text: &str| sent.map_or_else(|| text.to_owned(), |sent| sent.redact(text));
        let entries = error_entries(&body.read_prefix(MAX_ERROR).await, &redact);
        let error = status_error(call, endpoint, sent, parts.status, &entries);
        let is_definite = is_definite(error.registry_errors());
        let error = error
            .at(Redacted(&followed.url))
            .edit(|inner| inner.retry_after = wait);
        if is_transient_status(parts.status) && call.repeatable && !is_definite {
            Err(AttemptFailure::Transient(error, RetryLimit::Policy))
        } else {
            Err(AttemptFailure::Final(error))
        }
    }
}
