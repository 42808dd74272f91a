use std::{fmt, sync::Arc};

use http::{HeaderMap, HeaderName, HeaderValue, header};
use url::Url;
use wharf_content::{Error, ErrorKind};
use wharf_http::{Connect, Origin, Peer, TlsSettings};
use wharf_registry::EventFormat;

use crate::{Webhook, signature::SigningKey};

/// The prefix of the headers that a webhook sets by itself.
const OWN: &str = "x-wharf-";
/// The other headers that are not the caller's to set.
const REFUSED: [HeaderName; 7] = [
    header::CONNECTION,
    header::CONTENT_LENGTH,
    header::CONTENT_TYPE,
    header::HOST,
    header::TE,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
];

/// The settings of a [`Webhook`]. What is wrong with them [`WebhookBuilder::build`] tells.
pub struct WebhookBuilder {
    url: String,
    format: EventFormat,
    headers: Vec<(String, String)>,
    key: Option<SigningKey>,
    has_empty_key: bool,
    tls: TlsSettings,
    plain: bool,
}

impl WebhookBuilder {
    pub(crate) fn new(url: &str) -> Self {
        Self {
            url: url.to_owned(),
            format: EventFormat::default(),
            headers: Vec::new(),
            key: None,
            has_empty_key: false,
            tls: TlsSettings::default(),
            plain: false,
        }
    }

    /// Sets the shape of events. Default: [`EventFormat::Distribution`].
    #[must_use]
    pub const fn with_format(mut self, format: EventFormat) -> Self {
        self.format = format;
        self
    }

    /// Adds a header to each request, such as `Authorization`. Its value is never shown.
    #[must_use]
    pub fn with_header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Signs each body with this key, which is not empty. It should have 32 random bytes. It is never shown.
    #[must_use]
    pub fn with_key(mut self, key: impl AsRef<[u8]>) -> Self {
        self.has_empty_key = key.as_ref().is_empty();
        self.key = Some(SigningKey::new(key.as_ref()));
        self
    }

    /// Sets which certificates of the endpoint are accepted, and the client certificate.
    #[must_use]
    pub fn with_tls(mut self, tls: TlsSettings) -> Self {
        self.tls = tls;
        self
    }

    /// Allows a URL with `http`: whoever is on the way reads and changes events and headers.
    #[must_use]
    pub const fn dangerous_plain_http(mut self) -> Self {
        self.plain = true;
        self
    }

    /// Makes the webhook. Nothing is sent yet.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Invalid`] for a URL that is neither https nor, where that is allowed, http, or that has a user or
    /// a password; for an empty key; for a header that is none, or that a webhook sets by itself.
    pub fn build(self, connect: &dyn Connect) -> Result<Webhook, Error> {
        let invalid = |message: String| Error::new(ErrorKind::Invalid, message);
        let url = Url::parse(&self.url).map_err(|error| invalid(format!("the URL of a webhook: {error}")))?;
        let origin = Origin::of(&url).map_err(|error| invalid(format!("the URL of a webhook: {error}")))?;
        if !url.username().is_empty() || url.password().is_some() {
            let message = "has a user or a password; send them in a header";
            return Err(invalid(format!("the URL of the webhook at {origin} {message}")));
        }
        if !origin.is_encrypted() && !self.plain {
            let message = "is not https, so that others could read and change what is sent";
            return Err(invalid(format!("the URL of the webhook at {origin} {message}")));
        }
        if self.has_empty_key {
            let message = "would sign with an empty key, as everybody can";
            return Err(invalid(format!("the webhook at {origin} {message}")));
        }
        let mut headers = HeaderMap::new();
        for (name, value) in &self.headers {
            let (name, value) = checked(name, value).map_err(invalid)?;
            headers.append(name, value);
        }
        headers
            .entry(header::USER_AGENT)
            .or_insert(HeaderValue::from_static(concat!(
                "wharf/",
                env!("CARGO_PKG_VERSION")
            )));
        let peer = Peer::named(origin.clone(), Arc::new(self.tls));
        let service = connect.connect(&peer).map_err(|error| {
            Error::new(ErrorKind::Invalid, format!("the webhook at {origin}: {error}")).with_source(error)
        })?;
        Ok(Webhook {
            url,
            origin,
            service,
            format: self.format,
            headers,
            key: self.key,
        })
    }
}

/// A header that a caller may set. The value is in no message.
fn checked(name: &str, value: &str) -> Result<(HeaderName, HeaderValue), String> {
    let shown = || wharf_http::printable(name, 64);
    let parsed =
        HeaderName::try_from(name).map_err(|_| format!("{:?} is not the name of a header", shown()))?;
    if REFUSED.contains(&parsed) || parsed.as_str().starts_with(OWN) {
        return Err(format!("the header {parsed} of a webhook cannot be set"));
    }
    let mut value = HeaderValue::try_from(value)
        .map_err(|_| format!("the value of the header {parsed} has characters that a header cannot have"))?;
    value.set_sensitive(true);
    Ok((parsed, value))
}

impl fmt::Debug for WebhookBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WebhookBuilder")
            .field("format", &self.format)
            .field("headers", &self.headers.len())
            .finish_non_exhaustive()
    }
}
