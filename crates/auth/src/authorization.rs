use std::fmt;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use http::HeaderValue;
use wharf_http::Origin;
use wharf_reference::{Registry, Repository};

use crate::{Scopes, Secret, refusal};

/// The registry that a request goes to, and the permissions that the request needs.
#[derive(Debug, Clone, Copy)]
pub struct RequestedAccess<'a> {
    /// The registry that is contacted: for a request to a mirror, the mirror.
    pub registry: &'a Registry,
    /// The repository; `None` for a request about the registry itself.
    pub repository: Option<&'a Repository>,
    /// The origin that the request is sent to.
    pub origin: &'a Origin,
    /// The permissions that the request needs, such as to pull from a repository.
    pub scopes: &'a Scopes,
    /// True if credentials may be sent over plain http although the registry is not on this machine.
    pub allow_plaintext: bool,
}

/// The value of an `Authorization` header, and where it comes from.
#[derive(Clone)]
pub struct Authorization {
    pub(crate) header: HeaderValue,
    pub(crate) token: Option<Secret>,
    pub(crate) anonymous: bool,
    /// True if the provider was asked for this very request, so that to ask again would bring nothing new.
    pub(crate) fresh: bool,
}

impl Authorization {
    /// The value of the header, marked sensitive. Send it to the origin of the [`RequestedAccess`] only.
    #[must_use]
    pub const fn header(&self) -> &HeaderValue {
        &self.header
    }

    /// True for a token that a token server issued, false for a login that is sent as it is.
    #[must_use]
    pub const fn is_issued(&self) -> bool {
        self.token.is_some()
    }

    /// True if no credential was used: the token was issued to an anonymous request.
    #[must_use]
    pub const fn is_anonymous(&self) -> bool {
        self.anonymous
    }

    /// `text` with this authorization, and the password in it, replaced by `[redacted]`: a server may
    /// repeat in its error what it was sent.
    #[must_use]
    pub fn redact(&self, text: &str) -> String {
        let header = self.header.to_str().unwrap_or_default();
        let value = header.split_once(' ').map_or(header, |(_, value)| value);
        let pair = STANDARD
            .decode(value)
            .ok()
            .and_then(|pair| String::from_utf8(pair).ok());
        let pair = pair.map(zeroize::Zeroizing::new);
        let password = pair.as_ref().and_then(|pair| Some(pair.split_once(':')?.1));
        refusal::without(text, std::iter::once(value).chain(password))
    }
}

impl fmt::Debug for Authorization {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Authorization([redacted])")
    }
}
