use std::{
    fmt,
    sync::Arc,
    time::{Duration, SystemTime},
};

use async_trait::async_trait;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use url::Url;
use wharf_content::{Diagnostic, Error, ErrorKind, Hasher};
use wharf_http::{ErrorKind as Failure, HttpService, Origin, Request};
use wharf_registry::{Delivery, Event, EventFormat, Subscriber};

use crate::{WebhookBuilder, signature::SigningKey};

const NUMBER: HeaderName = HeaderName::from_static("x-wharf-event-number");
const SIGNATURE: HeaderName = HeaderName::from_static("x-wharf-signature-256");

/// An endpoint to which events are sent. See the [crate](crate) for what it gets.
pub struct Webhook {
    pub(crate) url: Url,
    pub(crate) origin: Origin,
    pub(crate) service: Arc<dyn HttpService>,
    pub(crate) format: EventFormat,
    pub(crate) headers: HeaderMap,
    pub(crate) key: Option<SigningKey>,
}

impl Webhook {
    /// A webhook at this URL, with settings to be made.
    #[must_use]
    pub fn builder(url: &str) -> WebhookBuilder {
        WebhookBuilder::new(url)
    }

    /// A name for [`Registry::with_subscriber`](wharf_registry::Registry::with_subscriber): scheme, host and port, and
    /// digits by which it differs from the names of other URLs. Paths and queries of webhooks often hold a secret.
    #[must_use]
    pub fn name(&self) -> String {
        let digest = Hasher::sha256(self.url.as_str().as_bytes());
        let digits = digest.encoded().get(..12).unwrap_or_default();
        format!("{} {digits}", self.origin)
    }

    fn request(&self, event: &Event) -> Result<Request, Error> {
        let body = self.format.body(event)?;
        let mut request = Request::new(Method::POST, self.url.clone());
        request.headers.clone_from(&self.headers);
        let headers = &mut request.headers;
        headers.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static(self.format.media_type()),
        );
        if let Some(number) = event.number {
            headers.insert(NUMBER, HeaderValue::from(number));
        }
        if let Some(key) = &self.key {
            let value = HeaderValue::try_from(key.header(&body));
            headers.insert(
                SIGNATURE,
                value.map_err(|error| Error::wrap(ErrorKind::Other, error))?,
            );
        }
        Ok(request.with_body(body))
    }

    fn judge(&self, status: StatusCode, headers: &HeaderMap) -> Result<Delivery, Error> {
        let kind = match status {
            StatusCode::GONE => return Ok(Delivery::Unsubscribe),
            _ if status.is_success() => return Ok(Delivery::Accepted),
            StatusCode::UNAUTHORIZED => ErrorKind::Unauthorized,
            StatusCode::FORBIDDEN => ErrorKind::Denied,
            StatusCode::NOT_FOUND => ErrorKind::NotFound,
            StatusCode::TOO_MANY_REQUESTS => ErrorKind::RateLimited,
            _ if status.is_server_error() => ErrorKind::Server,
            _ => ErrorKind::Invalid,
        };
        let code = status.as_u16();
        let note = if status.is_redirection() {
            ": redirects are not followed, so set the URL to which it leads"
        } else {
            ""
        };
        let message = format!(
            "the webhook at {} answered {code} instead of 2xx{note}",
            self.origin
        );
        let wait = wharf_http::retry_after(headers, SystemTime::now());
        Err(Error::diagnosed(kind, Refusal { message, code, wait }))
    }
}

/// An answer that accepts nothing.
#[derive(Debug)]
struct Refusal {
    message: String,
    code: u16,
    /// The time after which the endpoint wants to be asked again.
    wait: Option<Duration>,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Refusal {}

impl Diagnostic for Refusal {
    fn status(&self) -> Option<u16> {
        Some(self.code)
    }

    fn retry_after(&self) -> Option<Duration> {
        self.wait
    }
}

#[async_trait]
impl Subscriber for Webhook {
    async fn deliver(&self, event: &Event) -> Result<Delivery, Error> {
        let answered = self.service.call(self.request(event)?).await;
        let response = answered.map_err(|error| {
            let kind = match error.kind() {
                Failure::Timeout | Failure::ConnectTimeout => ErrorKind::Timeout,
                Failure::Tls
                | Failure::NotTls
                | Failure::Certificate
                | Failure::CertificateName
                | Failure::CertificateTime => ErrorKind::Tls,
                _ => ErrorKind::Network,
            };
            Error::new(kind, format!("the webhook at {}: {error}", self.origin)).with_source(error)
        })?;
        self.judge(response.status(), response.headers()) // the body is dropped unread: it says nothing, and may have no end
    }
}

impl fmt::Debug for Webhook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Webhook")
            .field("origin", &self.origin)
            .field("format", &self.format)
            .finish_non_exhaustive()
    }
}
