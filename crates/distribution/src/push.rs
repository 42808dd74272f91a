//! Uploads of blobs.

use std::{
    pin::Pin,
    sync::{Mutex, PoisonError},
    task::{Context, Poll},
};

use bytes::Bytes;
use futures_core::Stream;
use http::{HeaderValue, Method, header};
use url::Url;
use wharf_auth::Action;
use wharf_content::{Blob, ErrorKind};
use wharf_http::{Redacted, RequestBody, RetryBudget};

use crate::{
    Remote,
    error::{Detail, Error, Operation},
    location::{upload_location, with_digest},
    send::{Call, Payload},
    site::Site,
};

const OPERATION: Operation = Operation::PushBlob;

impl Remote {
    /// Writes a blob, unless the registry has it: a session is opened and the bytes are sent in one request
    /// (distribution-spec, *POST then PUT*). A try that fails is made again with the bytes from their start, if
    /// the blob can be reopened.
    ///
    /// A blob that [`Remote::has_blob`] has just not found is not asked for again.
    pub async fn push_blob(&self, blob: Blob) -> Result<(), Error> {
        let digest = blob.descriptor().digest().clone();
        if !self.take_missing(&digest) && self.has_blob(blob.descriptor()).await? {
            return Ok(());
        }
        let site = self.primary(OPERATION)?;
        let mut budget = self.client().budget();
        let mut next = Some(blob);
        loop {
            let Some(blob) = next.take() else {
                let reason = "the bytes to send come only once and were used up by a try that failed";
                return Err(Error::new(
                    ErrorKind::Network,
                    OPERATION,
                    self.blob_name(&digest),
                    reason,
                ));
            };
            let again = blob.reopen();
            let session = match self.take_session(&digest) {
                Some(session) => session,
                None => self.open_session(&site, &digest, &mut budget).await?,
            };
            let Err(error) = self.put(&site, &session, blob, &mut budget).await else {
                return Ok(());
            };
            // The reply may be lost and not the blob: only the registry knows (X5).
            if is_ambiguous(&error) && self.is_there(&site, &digest, &mut budget).await {
                return Ok(());
            }
            if !may_try_again(&error) {
                return Err(error);
            }
            let Some(wait) = budget.next_wait(error.retry_after()) else {
                return Err(error);
            };
            if again.is_none() {
                return Err(error);
            }
            tracing::debug!(%error, ?wait, "sending the blob again");
            tokio::time::sleep(wait).await;
            next = again;
        }
    }

    async fn open_session(
        &self,
        site: &Site,
        digest: &wharf_reference::Digest,
        budget: &mut RetryBudget,
    ) -> Result<Url, Error> {
        let subject = self.blob_name(digest);
        let path = self.path(site, "blobs/uploads/");
        let call = Call::new(OPERATION, &subject, Method::POST, &path, &[202])
            .with_scopes(self.scopes(site, Action::Push))
            .with_header(header::CONTENT_LENGTH, HeaderValue::from_static("0"));
        let answer = self.client().send(site, call, budget).await?;
        self.check_home(&answer, OPERATION, &subject)?;
        upload_location(&answer).map_err(|error| {
            Error::new(ErrorKind::Server, OPERATION, &subject, error.to_string())
                .at(Redacted(&answer.url))
                .with_detail(Detail::Http(error.kind()))
        })
    }

    async fn put(
        &self,
        site: &Site,
        session: &Url,
        blob: Blob,
        budget: &mut RetryBudget,
    ) -> Result<(), Error> {
        let digest = blob.descriptor().digest().clone();
        let size = blob.descriptor().size();
        let subject = self.blob_name(&digest);
        let url = with_digest(session, digest.as_str());
        let next = Mutex::new(Some(blob));
        let body = || {
            let mut next = next.lock().unwrap_or_else(PoisonError::into_inner);
            let blob = next.take()?;
            // A blob that can be reopened survives a refused first try (an expired token).
            *next = blob.reopen();
            Some(RequestBody::Stream {
                bytes: Box::pin(Sending(blob)),
                length: Some(size),
            })
        };
        let call = Call::new(OPERATION, &subject, Method::PUT, "", &[201, 204])
            .to_url(url)
            .once()
            .with_scopes(self.scopes(site, Action::Push))
            .with_header(
                header::CONTENT_TYPE,
                HeaderValue::from_static("application/octet-stream"),
            )
            .with_body(Payload::Stream(&body));
        let answer = self.client().send(site, call, budget).await?;
        self.check_home(&answer, OPERATION, &subject)
    }

    async fn is_there(
        &self,
        site: &Site,
        digest: &wharf_reference::Digest,
        budget: &mut RetryBudget,
    ) -> bool {
        let path = self.path(site, &format!("blobs/{digest}"));
        let call = Call::new(
            Operation::Look,
            self.blob_name(digest),
            Method::HEAD,
            &path,
            &[200],
        )
        .with_scopes(self.scopes(site, Action::Push));
        self.client().send(site, call, budget).await.is_ok()
    }
}

/// Whether the upload may have had its effect although it failed here.
fn is_ambiguous(error: &Error) -> bool {
    use wharf_http::ErrorKind as Http;
    matches!(
        error.detail(),
        Some(Detail::Http(
            Http::Broken | Http::Timeout | Http::Protocol | Http::Other
        ))
    ) || error
        .status()
        .is_some_and(|status| status >= 500 || status == 408)
}

fn may_try_again(error: &Error) -> bool {
    use wharf_http::ErrorKind as Http;
    match (error.status(), error.detail()) {
        (Some(status), _) => {
            matches!(
                status,
                404 | 408 | 416 | 425 | 429 | 499 | 500 | 502 | 503 | 504 | 520..=524
            )
        }
        (None, Some(Detail::Http(kind))) => {
            matches!(kind, Http::Broken | Http::Timeout | Http::ConnectTimeout)
        }
        _ => false,
    }
}

/// A blob as a request's body.
struct Sending(Blob);

impl Stream for Sending {
    type Item = Result<Bytes, Box<dyn std::error::Error + Send + Sync>>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        Pin::new(&mut self.0).poll_next(context).map_err(Into::into)
    }
}
