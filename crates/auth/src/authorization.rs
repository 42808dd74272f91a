use std::fmt;

use http::HeaderValue;
use wharf_http::Origin;
use wharf_reference::{Registry, Repository};

use crate::{Scopes, Secret};

/// Whom a request is for.
#[derive(Debug, Clone, Copy)]
pub struct Subject<'a> {
    /// The registry that is contacted; of a mirror, the mirror.
    pub registry: &'a Registry,
    /// The repository, if one is known.
    pub repository: Option<&'a Repository>,
    /// Where the registry is.
    pub origin: &'a Origin,
    /// What is to be done.
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
}

impl fmt::Debug for Authorization {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Authorization([redacted])")
    }
}
