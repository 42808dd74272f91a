//! Checks whether the registry has some content.
//!
//! Most of these checks only save work: an answer to them, other than a failed login, fails nothing,
//! because the request that does the work decides. Such a check is sent once, with a short time limit, and
//! not sent again to a registry that did not answer one.

use http::{HeaderMap, HeaderValue, Method, header};
use wharf_auth::{Action, AuthErrorKind};
use wharf_content::{Descriptor, ErrorKind};
use wharf_reference::Digest;

use crate::{
    Client, Remote,
    blobs::content_length,
    endpoint::Endpoint,
    error::{Detail, Error, Operation},
    manifests::{ACCEPT, stated_digest},
    send::{Call, RegistryAnswer},
    single_flight::{Content, Flight, Outcome},
};

const OPERATION: Operation = Operation::CheckExistence;

/// The kinds of optional requests that a registry did not answer. They are not sent to it again.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Unanswered {
    pub(crate) mounts: bool,
    pub(crate) heads: bool,
}

impl Remote {
    /// True if the registry itself, not a mirror, has this blob; false also if the size or digest in its
    /// answer is another.
    ///
    /// # Errors
    ///
    /// See [`Error::kind`]. A missing repository is no error.
    pub async fn has_blob(&self, descriptor: &Descriptor) -> Result<bool, Error> {
        let endpoint = self.primary(OPERATION)?;
        let blob = Content::blob(&endpoint, descriptor.digest());
        let answer = self.head(blob, false).await?;
        Ok(describes(&answer, descriptor.digest(), Some(descriptor.size())))
    }

    /// True if the registry itself, not a mirror, has the manifest with this digest.
    ///
    /// # Errors
    ///
    /// See [`Error::kind`]. A missing repository is no error.
    pub async fn has_manifest(&self, digest: &Digest) -> Result<bool, Error> {
        let endpoint = self.primary(OPERATION)?;
        let answer = self.head(Content::manifest(&endpoint, digest), false).await?;
        Ok(describes(&answer, digest, None))
    }

    /// True if the registry has the blob or manifest, so that it need not be sent. A task of this client that is
    /// sending it is waited for.
    ///
    /// # Errors
    ///
    /// If the registry cannot be reached or refuses the login.
    pub(crate) async fn is_sent_already(&self, descriptor: &Descriptor) -> Result<bool, Error> {
        let endpoint = self.primary(OPERATION)?;
        if self.client().host(&endpoint.registry).unanswered.heads {
            return Ok(false);
        }
        let content = Content::of(&endpoint, descriptor);
        let accepts = |outcome: &Outcome| match outcome {
            Outcome::Stored | Outcome::NotFound => true,
            Outcome::Failed(error) => error.operation() == OPERATION,
            Outcome::NotMounted => false,
        };
        let lead = match self.join_flight(content, accepts).await {
            Flight::Leads(lead) => lead,
            Flight::Followed(Outcome::Failed(error)) => return Err(error),
            Flight::Followed(outcome) => return Ok(matches!(outcome, Outcome::Stored)),
        };
        let asked = self.head(content, true).await;
        let learned = |unanswered: &mut Unanswered| unanswered.heads = true;
        let answer = match self.client().unless_decisive(&endpoint, asked, learned) {
            Ok(answer) => answer,
            Err(error) => {
                lead.end(Outcome::Failed(error.clone()));
                return Err(error);
            }
        };
        let is_there =
            answer.is_some_and(|answer| describes(&answer, descriptor.digest(), Some(descriptor.size())));
        lead.end(if is_there {
            Outcome::Stored
        } else {
            Outcome::NotFound
        });
        Ok(is_there)
    }

    /// True if the registry has the content, after a push whose answer was lost. False also if the registry
    /// does not answer.
    pub(crate) async fn is_there(&self, content: Content<'_>) -> bool {
        let asked = self.head(content, true).await;
        asked.is_ok_and(|answer| describes(&answer, content.digest, None))
    }

    /// True if the registry has the blob, for a push that nothing else confirmed. Unlike `is_there`, this
    /// fails if the registry does not answer.
    pub(crate) async fn has_stored(&self, endpoint: &Endpoint, digest: &Digest) -> Result<bool, Error> {
        let answer = self.head(Content::blob(endpoint, digest), false).await?;
        Ok(describes(&answer, digest, None))
    }

    /// Requests the headers of a blob or manifest.
    async fn head(&self, content: Content<'_>, is_optional: bool) -> Result<RegistryAnswer, Error> {
        let Content {
            endpoint,
            folder,
            digest,
        } = content;
        let path = self.path(endpoint, &format!("{folder}/{digest}"));
        let call = Call::new(
            OPERATION,
            self.blob_name(digest),
            Method::HEAD,
            &path,
            &[200, 404],
        )
        .with_scopes(self.scopes(endpoint, Action::Push))
        .with_header(header::ACCEPT, HeaderValue::from_static(ACCEPT));
        let call = if is_optional { call.optional() } else { call };
        self.client().send(endpoint, call).await
    }
}

impl Client {
    /// The answer to an optional request; `None` if it failed in a way that says nothing about the request
    /// that does the work. `learn` records that the registry did not answer.
    pub(crate) fn unless_decisive(
        &self,
        endpoint: &Endpoint,
        asked: Result<RegistryAnswer, Error>,
        learn: impl FnOnce(&mut Unanswered),
    ) -> Result<Option<RegistryAnswer>, Error> {
        let error = match asked {
            Ok(answer) => return Ok(Some(answer)),
            Err(error) if is_decisive(&error) => return Err(error),
            Err(error) => error,
        };
        tracing::debug!(%error, "an optional request failed");
        if error.detail() == Some(Detail::Http(wharf_http::ErrorKind::Timeout)) {
            self.learn(&endpoint.registry, |host| learn(&mut host.unanswered));
        }
        Ok(None)
    }
}

/// True if the request that does the work would fail with the same error as an optional one: the login
/// fails, or the registry cannot be reached.
fn is_decisive(error: &Error) -> bool {
    use wharf_http::ErrorKind as Http;
    match error.detail() {
        _ if error.is_elsewhere() => false,
        Some(Detail::Auth(kind)) => !matches!(
            kind,
            AuthErrorKind::Transport(_)
                | AuthErrorKind::TokenServer(_)
                | AuthErrorKind::RateLimited(_)
                | AuthErrorKind::InvalidToken
                | AuthErrorKind::ForeignChallenge
                | AuthErrorKind::Challenge
        ),
        Some(Detail::Http(kind)) => matches!(
            kind,
            Http::Dns
                | Http::Connect
                | Http::ConnectTimeout
                | Http::NotTls
                | Http::Tls
                | Http::Certificate
                | Http::CertificateName
                | Http::CertificateTime
                | Http::Proxy
                | Http::ProxyLogin
                | Http::Settings
                | Http::Forbidden
        ),
        _ => error.kind() == ErrorKind::Unauthorized,
    }
}

/// True if the answer confirms the content. Digest and size are compared if the answer has them.
fn describes(answer: &RegistryAnswer, digest: &Digest, size: Option<u64>) -> bool {
    answer.status == 200 && !contradicts(&answer.headers, digest, size)
}

fn contradicts(headers: &HeaderMap, digest: &Digest, size: Option<u64>) -> bool {
    let is_other = |stated: Digest| stated.algorithm() == digest.algorithm() && stated != *digest;
    let has_other_size = content_length(headers)
        .zip(size)
        .is_some_and(|(stated, size)| stated != size);
    stated_digest(headers).is_some_and(is_other) || has_other_size
}
