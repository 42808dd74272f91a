use std::fmt;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use http::HeaderValue;
use wharf_http::Origin;
use wharf_reference::{Registry, Repository};

use crate::{Scopes, Secret, refusal};

/// Whom a request is for.
#[derive(Debug, Clone, Copy)]
pub struct Subject<'a> {
    /// The registry that is contacted; of a mirror, the mirror.
    pub registry: &'a Registry,
    /// The repository, if one is known.
    pub repository: Option<&'a Repository>,
    /// Where the registry is.
    pub origin: &'a Origin,
    /// The actions that the request needs to be allowed, such as to pull from a repository.
    pub scopes: &'a Scopes,
    /// Whether credentials may go over plain http although the registry is not this machine.
    pub allow_plaintext: bool,
}

/// An `Authorization` header and what it came from.
#[derive(Clone)]
pub struct Authorization {
    pub(crate) header: HeaderValue,
    pub(crate) token: Option<Secret>,
    pub(crate) anonymous: bool,
    /// Whether the provider was asked for this one.
    pub(crate) fresh: bool,
}

impl Authorization {
    /// The header's value, marked sensitive. It may be sent to the subject's origin only.
    #[must_use]
    pub const fn header(&self) -> &HeaderValue {
        &self.header
    }

    /// Whether it is a token that a token server has just issued.
    #[must_use]
    pub const fn is_issued(&self) -> bool {
        self.token.is_some()
    }

    /// Whether no credential is behind it.
    #[must_use]
    pub const fn is_anonymous(&self) -> bool {
        self.anonymous
    }

    /// The text of a server without this authorization, and without the password in it, should it repeat them.
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
