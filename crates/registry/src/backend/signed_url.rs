use std::fmt;

use http::{HeaderValue, Uri};
use wharf_content::{Error, ErrorKind};

/// A URL at which content can be read without the registry. Whoever has the URL has the content until the URL
/// expires: it is a secret, and is never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct SignedUrl(Uri);

impl SignedUrl {
    /// A signed URL.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Invalid`] if the URL is not absolute.
    pub fn new(url: Uri) -> Result<Self, Error> {
        if url.scheme().is_none() || url.authority().is_none() {
            let message = "the URL of content that a client is to be led to is not absolute";
            return Err(Error::new(ErrorKind::Invalid, message));
        }
        Ok(Self(url))
    }

    /// The URL with its secrets.
    #[must_use]
    pub const fn reveal(&self) -> &Uri {
        &self.0
    }

    /// The URL as the value of a header that is not printed.
    pub(crate) fn location(&self) -> Option<HeaderValue> {
        let mut value = HeaderValue::try_from(self.0.to_string()).ok()?;
        value.set_sensitive(true);
        Some(value)
    }
}

impl fmt::Debug for SignedUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let host = self.0.host().unwrap_or_default();
        f.debug_tuple("SignedUrl").field(&host).finish()
    }
}
