use http::{HeaderMap, HeaderValue, Method, header};
use url::Url;
use wharf_auth::{Action, Scopes};
use wharf_content::ErrorKind;
use wharf_http::{Redacted, RequestBody, RetryBudget, RetryPolicy};
use wharf_reference::{Algorithm, Digest};

use super::{Confirmation, OPERATION};
use crate::{
    Remote,
    endpoint::Endpoint,
    error::{Detail, Error},
    location::{upload_location, upload_location_anywhere, with_digest},
    manifests::stated_digest,
    send::{Call, Payload, RegistryAnswer},
};

/// The largest minimum chunk size of a registry that is respected, in bytes.
const MAX_MINIMUM: u64 = 512 * 1024 * 1024;

/// An upload session at a registry. A session that is dropped before it is committed is cancelled at the
/// registry (distribution-spec, *Cancelling a blob upload*).
pub(crate) struct Session {
    remote: Remote,
    endpoint: Endpoint,
    /// The URL of the next request; every answer may change it. It may contain state: never show its query.
    url: Url,
    /// True once the session is at another host, which the user has allowed. From then on no credentials
    /// are sent, even if the session returns, and answers of other hosts do not confirm anything.
    is_elsewhere: bool,
    subject: String,
    scopes: Scopes,
    /// The smallest chunk that the registry accepts, in bytes, except for the last.
    pub(super) smallest_chunk: u64,
    is_open: bool,
    /// True if the answer that opened the session says that the registry implements Docker's API.
    has_docker_api: bool,
}

impl Session {
    pub(super) async fn open(
        remote: &Remote,
        endpoint: &Endpoint,
        digest: &Digest,
        in_chunks: bool,
        budget: &mut RetryBudget,
    ) -> Result<Self, Error> {
        let algorithm = digest.algorithm();
        Self::open_for(
            remote,
            endpoint,
            remote.blob_name(digest),
            algorithm,
            in_chunks,
            budget,
        )
        .await
    }

    pub(super) async fn open_for(
        remote: &Remote,
        endpoint: &Endpoint,
        subject: String,
        algorithm: Algorithm,
        in_chunks: bool,
        budget: &mut RetryBudget,
    ) -> Result<Self, Error> {
        let mut path = remote.path(endpoint, "blobs/uploads/");
        if in_chunks && algorithm != Algorithm::Sha256 {
            path.push_str("?digest-algorithm=");
            path.push_str(algorithm.name().unwrap_or_default());
        }
        let scopes = remote.scopes(endpoint, Action::Push);
        let call = Call::new(OPERATION, &subject, Method::POST, &path, &[202])
            .with_scopes(scopes.clone())
            .with_header(header::CONTENT_LENGTH, HeaderValue::from_static("0"));
        let answer = remote.client().send_within(endpoint, call, budget).await?;
        answer.check_home(OPERATION, &subject)?;
        Self::of_answer(remote, endpoint, subject, scopes, &answer)
    }

    /// The session that an answer with status 202 opened.
    pub(crate) fn of_answer(
        remote: &Remote,
        endpoint: &Endpoint,
        subject: String,
        scopes: Scopes,
        answer: &RegistryAnswer,
    ) -> Result<Self, Error> {
        let mut session = Self {
            remote: remote.clone(),
            endpoint: endpoint.clone(),
            url: answer.url.clone(),
            is_elsewhere: false,
            subject,
            scopes,
            smallest_chunk: smallest_chunk(&answer.headers),
            is_open: false,
            has_docker_api: has_docker_api(&answer.headers),
        };
        session.locate(answer)?;
        session.is_open = true;
        Ok(session)
    }

    pub(super) const fn remote(&self) -> &Remote {
        &self.remote
    }

    pub(super) fn subject(&self) -> &str {
        &self.subject
    }

    /// True if the registry has directed the upload to another host.
    pub(super) const fn is_elsewhere(&self) -> bool {
        self.is_elsewhere
    }

    /// True if the registry says that it verifies what it is sent here.
    pub(super) const fn verifies(&self) -> bool {
        self.has_docker_api && !self.is_elsewhere
    }

    /// Sends bytes to the session. `range` is the range of the chunk, its last byte included; `None` sends
    /// the whole blob.
    pub(super) async fn patch(
        &mut self,
        range: Option<(u64, u64)>,
        body: &(dyn Fn() -> Option<RequestBody> + Send + Sync),
        budget: &mut RetryBudget,
    ) -> Result<(), Error> {
        let mut call = self
            .call(Method::PATCH, self.url.clone(), &[200, 201, 202, 204])
            .once()
            .with_header(
                header::CONTENT_TYPE,
                HeaderValue::from_static("application/octet-stream"),
            )
            .with_volume(range.map_or(u64::MAX, |(first, last)| last - first))
            .with_body(Payload::Stream(body));
        if let Some((first, last)) = range
            && let Ok(range) = HeaderValue::try_from(format!("{first}-{last}"))
        {
            call = call.with_header(header::CONTENT_RANGE, range);
        }
        let answer = self
            .remote
            .client()
            .send_within(&self.endpoint, call, budget)
            .await?;
        self.follow(&answer)
    }

    /// Closes the session with the digest of the blob, and with the rest of its bytes, whose number is
    /// `volume`.
    pub(super) async fn commit(
        &mut self,
        digest: &Digest,
        body: Payload<'_>,
        volume: u64,
        budget: &mut RetryBudget,
    ) -> Result<Confirmation, Error> {
        let is_empty = matches!(body, Payload::Empty);
        let mut call = self
            .call(
                Method::PUT,
                with_digest(&self.url, digest.as_str()),
                &[200, 201, 202, 204],
            )
            .once()
            .with_header(
                header::CONTENT_TYPE,
                HeaderValue::from_static("application/octet-stream"),
            )
            .with_volume(volume)
            .with_body(body);
        if is_empty {
            call = call.with_header(header::CONTENT_LENGTH, HeaderValue::from_static("0"));
        }
        let answer = self
            .remote
            .client()
            .send_within(&self.endpoint, call, budget)
            .await?;
        if !self.is_elsewhere {
            answer.check_home(OPERATION, &self.subject)?;
        }
        // The specified statuses confirm the blob; after others that some registries send, the registry is
        // asked.
        let is_confirmed = !self.is_elsewhere && matches!(answer.status.as_u16(), 201 | 204);
        if !is_confirmed && !self.remote.has_stored(&self.endpoint, digest).await? {
            let reason = if self.is_elsewhere {
                "the host that the registry named took the bytes, but the registry does not have them"
                    .to_owned()
            } else {
                format!(
                    "the server answered {}, but does not have the blob",
                    answer.status.as_u16()
                )
            };
            let error = Error::new(ErrorKind::Server, OPERATION, &self.subject, reason);
            return Err(error.at(Redacted(&answer.url)));
        }
        self.is_open = false;
        Ok(
            if is_confirmed && stated_digest(&answer.headers).as_ref() == Some(digest) {
                Confirmation::Digest
            } else {
                Confirmation::Presence
            },
        )
    }

    /// The number of bytes that the registry has (distribution-spec, *Get the status of a blob upload*).
    pub(super) async fn status(&mut self) -> Result<u64, Error> {
        let call = self
            .call(Method::GET, self.url.clone(), &[204, 200, 202])
            .optional();
        let client = self.remote.client();
        let answer = client.send(&self.endpoint, call).await?;
        if !self.is_elsewhere {
            answer.check_home(OPERATION, &self.subject)?;
        }
        let received = received(&answer.headers).ok_or_else(|| {
            let reason = "the registry does not say how much of the upload it has";
            Error::new(ErrorKind::Server, OPERATION, &self.subject, reason).at(Redacted(&answer.url))
        })?;
        if answer.headers.contains_key(header::LOCATION) {
            self.follow(&answer)?;
        }
        Ok(received)
    }

    /// Marks the session as unknown to the registry, so that dropping it sends nothing.
    pub(super) const fn abandon(&mut self) {
        self.is_open = false;
    }

    fn call(&self, method: Method, url: Url, expect: &'static [u16]) -> Call<'static> {
        let call = Call::new(OPERATION, &self.subject, method, "", expect);
        if self.is_elsewhere {
            call.elsewhere(url)
        } else {
            call.at_url(url).with_scopes(self.scopes.clone())
        }
    }

    /// Reads the URL of the next request from an answer, if it has one.
    fn follow(&mut self, answer: &RegistryAnswer) -> Result<(), Error> {
        if !self.is_elsewhere {
            answer.check_home(OPERATION, &self.subject)?;
        }
        if answer.headers.contains_key(header::LOCATION) {
            self.locate(answer)?;
        }
        Ok(())
    }

    /// Reads the URL of the next request from an answer.
    fn locate(&mut self, answer: &RegistryAnswer) -> Result<(), Error> {
        let at_home = match upload_location(answer) {
            Ok(url) if !self.is_elsewhere => {
                self.url = url;
                return Ok(());
            }
            at_home => at_home,
        };
        let may_leave = self
            .remote
            .client()
            .shared()
            .foreign_uploads
            .contains(&self.endpoint.registry);
        let found = if may_leave {
            upload_location_anywhere(answer)
        } else {
            at_home
        };
        self.url = found.map_err(|error| {
            Error::new(ErrorKind::Server, OPERATION, &self.subject, error.to_string())
                .at(Redacted(&answer.url))
                .with_detail(Detail::Http(error.kind()))
        })?;
        self.is_elsewhere = true;
        Ok(())
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        if !self.is_open {
            return;
        }
        let Ok(runtime) = tokio::runtime::Handle::try_current() else {
            return;
        };
        let (client, endpoint) = (self.remote.client().clone(), self.endpoint.clone());
        let call = self.call(Method::DELETE, self.url.clone(), &[200, 202, 204, 404]);
        let call = call.once();
        runtime.spawn(async move {
            let mut budget = RetryBudget::new(RetryPolicy::never());
            if let Err(error) = client.send_within(&endpoint, call, &mut budget).await {
                tracing::debug!(%error, "an upload session could not be cancelled; it will expire");
            }
        });
    }
}

/// True for the header with which Docker's HTTP API V2 is found (distribution-spec, *Legacy Docker support HTTP headers*).
fn has_docker_api(headers: &HeaderMap) -> bool {
    let mut stated = headers.get_all("docker-distribution-api-version").iter();
    stated.any(|value| {
        value
            .as_bytes()
            .trim_ascii()
            .eq_ignore_ascii_case(b"registry/2.0")
    })
}

fn smallest_chunk(headers: &HeaderMap) -> u64 {
    let stated = headers
        .get("oci-chunk-min-length")
        .and_then(|value| value.to_str().ok()?.parse().ok());
    stated
        .filter(|minimum| *minimum <= MAX_MINIMUM)
        .unwrap_or_default()
}

/// The number of bytes by the header `Range: 0-<last>`. `0-0` means none or one; it is taken as none where
/// the registry has nothing yet, because sending one byte twice is refused, and the registry is then asked
/// again. Some registries begin with `bytes=`, and write `0--1` for none.
fn received(headers: &HeaderMap) -> Option<u64> {
    let mut values = headers.get_all(header::RANGE).iter();
    let Some(value) = values.next() else {
        return Some(0);
    };
    if values.any(|other| other != value) {
        return None;
    }
    let text = value.to_str().ok()?.trim();
    let text = match text.split_once([' ', '=']) {
        Some((unit, range)) if unit.eq_ignore_ascii_case("bytes") => range.trim(),
        _ => text,
    };
    let (first, last) = text.split_once('-')?;
    let (first, last) = (first.trim(), last.trim());
    if first != "0" || (last != "-1" && !last.bytes().all(|byte| byte.is_ascii_digit())) {
        return None;
    }
    let last: i128 = last.parse().ok()?;
    let count = if last == 0 { 0 } else { last.checked_add(1)? };
    u64::try_from(count).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_registry_has() {
        let table = [
            (Some("0-0"), Some(0)),
            (Some("0-9"), Some(10)),
            (Some("bytes=0-9"), Some(10)),
            (Some("1-9"), None),
            (Some("0-"), None),
            (Some("0--1"), Some(0)),
            (Some("bytes=0--1"), Some(0)),
            (Some("Bytes 0-9"), Some(10)),
            (Some(" bytes= 0 - 9 "), Some(10)),
            (Some("0--2"), None),
            (Some("0-18446744073709551615"), None),
            (Some("junk"), None),
            (None, Some(0)),
        ];
        for (value, expected) in table {
            let mut headers = HeaderMap::new();
            if let Some(value) = value {
                headers.insert(header::RANGE, value.parse().unwrap());
            }
            assert_eq!(received(&headers), expected, "{value:?}");
        }
    }

    #[test]
    fn minimums_are_bounded() {
        for (value, expected) in [("1024", 1024), ("-1", 0), ("99999999999999", 0), ("x", 0)] {
            let mut headers = HeaderMap::new();
            headers.insert("oci-chunk-min-length", value.parse().unwrap());
            assert_eq!(smallest_chunk(&headers), expected, "{value}");
        }
    }
}
