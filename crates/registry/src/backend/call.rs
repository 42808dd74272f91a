/// A call of a [`Backend`](crate::Backend) that may wait for its engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum BackendCall {
    /// [`Records::values`](crate::Records::values)
    Values,
    /// [`Records::touch`](crate::Records::touch)
    Touch,
    /// [`Records::range`](crate::Records::range)
    Range,
    /// [`Records::exists`](crate::Records::exists)
    Exists,
    /// [`Records::repositories`](crate::Records::repositories)
    Repositories,
    /// [`Records::holders`](crate::Records::holders)
    Holders,
    /// [`Records::usage`](crate::Records::usage)
    Usage,
    /// [`Records::commit`](crate::Records::commit)
    Commit,
    /// [`Content::are_present`](crate::Content::are_present)
    ArePresent,
    /// [`Content::probe`](crate::Content::probe)
    Probe,
    /// [`Content::read`](crate::Content::read), until the stream is there
    Read,
    /// [`Content::verify`](crate::Content::verify)
    Verify,
    /// [`Content::quarantine`](crate::Content::quarantine)
    Quarantine,
    /// [`Content::url`](crate::Content::url)
    Url,
    /// [`Content::link`](crate::Content::link)
    Link,
    /// [`Uploads::begin`](crate::Uploads::begin) or [`Uploads::begin_within`](crate::Uploads::begin_within)
    Begin,
    /// [`Uploads::resume`](crate::Uploads::resume)
    Resume,
    /// [`Uploads::status`](crate::Uploads::status)
    Status,
    /// [`Uploads::write`](crate::Uploads::write), which lasts as long as the client sends
    Write,
    /// [`Uploads::read_upload`](crate::Uploads::read_upload), until the stream is there
    ReadUpload,
    /// [`Uploads::discard`](crate::Uploads::discard)
    Discard,
    /// [`Uploads::open`](crate::Uploads::open)
    Open,
    /// [`Uploads::expire`](crate::Uploads::expire)
    Expire,
    /// [`Backend::collect`](crate::Backend::collect)
    Collect,
    /// [`Backend::ping`](crate::Backend::ping)
    Ping,
    /// [`Backend::token_secret`](crate::Backend::token_secret)
    TokenSecret,
    /// [`Backend::revoke_tokens`](crate::Backend::revoke_tokens)
    RevokeTokens,
}

impl BackendCall {
    /// All calls.
    pub const ALL: [Self; 27] = [
        Self::Values,
        Self::Touch,
        Self::Range,
        Self::Exists,
        Self::Repositories,
        Self::Holders,
        Self::Usage,
        Self::Commit,
        Self::ArePresent,
        Self::Probe,
        Self::Read,
        Self::Verify,
        Self::Quarantine,
        Self::Url,
        Self::Link,
        Self::Begin,
        Self::Resume,
        Self::Status,
        Self::Write,
        Self::ReadUpload,
        Self::Discard,
        Self::Open,
        Self::Expire,
        Self::Collect,
        Self::Ping,
        Self::TokenSecret,
        Self::RevokeTokens,
    ];

    /// The name of the method, for metrics and logs.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Values => "values",
            Self::Touch => "touch",
            Self::Range => "range",
            Self::Exists => "exists",
            Self::Repositories => "repositories",
            Self::Holders => "holders",
            Self::Usage => "usage",
            Self::Commit => "commit",
            Self::ArePresent => "are_present",
            Self::Probe => "probe",
            Self::Read => "read",
            Self::Verify => "verify",
            Self::Quarantine => "quarantine",
            Self::Url => "url",
            Self::Link => "link",
            Self::Begin => "begin",
            Self::Resume => "resume",
            Self::Status => "status",
            Self::Write => "write",
            Self::ReadUpload => "read_upload",
            Self::Discard => "discard",
            Self::Open => "open",
            Self::Expire => "expire",
            Self::Collect => "collect",
            Self::Ping => "ping",
            Self::TokenSecret => "token_secret",
            Self::RevokeTokens => "revoke_tokens",
        }
    }
}
