use http::{HeaderMap, Method, header};
use wharf_auth::Action;
use wharf_content::{Descriptor, ErrorKind};
use wharf_http::Redacted;
use wharf_reference::{Digest, Repository};

use crate::{
    Remote,
    error::{Error, Operation},
    push::Session,
    send::{Answer, Call},
};

impl Remote {
    /// Whether the registry itself, not a mirror, has this blob.
    ///
    /// Fails with [`ErrorKind::Mismatch`] if it has one of another size under this digest.
    pub async fn has_blob(&self, descriptor: &Descriptor) -> Result<bool, Error> {
        let digest = descriptor.digest();
        let subject = self.blob_name(digest);
        let site = self.primary(Operation::Look)?;
        let path = self.path(&site, &format!("blobs/{digest}"));
        let call = Call::new(Operation::Look, &subject, Method::HEAD, &path, &[200, 404])
            .with_scopes(self.scopes(&site, Action::Push));
        let answer = self
            .client()
            .send(&site, call, &mut self.client().budget())
            .await?;
        if answer.status != 200 {
            return Ok(false);
        }
        match content_length(&answer.headers) {
            Some(size) if size != descriptor.size() => {
                let reason = format!(
                    "the registry has {size} bytes under this digest instead of {}",
                    descriptor.size()
                );
                Err(Error::new(ErrorKind::Mismatch, Operation::Look, subject, reason)
                    .at(Redacted(&answer.url)))
            }
            _ => Ok(true),
        }
    }

    /// Takes a blob from another repository of the same registry without moving its bytes
    /// (distribution-spec, *Mounting a blob from another repository*). `false` if the registry does not do it;
    /// it is never an error that the other repository cannot be read.
    ///
    /// An answer that says it is done must name the blob, by `Location` or `Docker-Content-Digest`. One that names
    /// another is not believed, and one that names none only if the registry has the blob when asked.
    pub async fn mount(&self, descriptor: &Descriptor, from: &Repository) -> Result<bool, Error> {
        let digest = descriptor.digest();
        let subject = self.blob_name(digest);
        let operation = Operation::Mount;
        let site = self.primary(operation)?;
        let query = url::form_urlencoded::Serializer::new(String::new())
            .append_pair("mount", digest.as_str())
            .append_pair("from", from.path())
            .finish();
        let path = self.path(&site, &format!("blobs/uploads/?{query}"));
        let scopes = self
            .scopes(&site, Action::Push)
            .union(&wharf_auth::Scopes::repository(from, Action::Pull));
        let call = Call::new(operation, &subject, Method::POST, &path, &[201, 202])
            .with_scopes(scopes)
            .with_header(header::CONTENT_LENGTH, 0.into());
        let answer = match self.client().send(&site, call, &mut self.client().budget()).await {
            Ok(answer) => answer,
            Err(error) if matches!(error.kind(), ErrorKind::RateLimited | ErrorKind::Blocked) => {
                return Err(error);
            }
            Err(error) => {
                tracing::debug!(%error, "the mount failed; the blob will be sent");
                return Ok(false);
            }
        };
        answer.check_home(operation, &subject)?;
        if answer.status == 201 {
            let named = named_digest(&answer.headers);
            return Ok(
                match named.filter(|named| named.algorithm() == digest.algorithm()) {
                    Some(named) => named == *digest,
                    None => self.is_there(&site, digest).await,
                },
            );
        }
        if let Ok(session) =
            Session::of_answer(self, &site, subject, self.scopes(&site, Action::Push), &answer)
        {
            self.keep_session(digest, session);
        }
        Ok(false)
    }

    pub(crate) fn blob_name(&self, digest: &Digest) -> String {
        format!("{}@{digest}", self.repository())
    }
}

/// The digest of the blob that an answer is about.
fn named_digest(headers: &HeaderMap) -> Option<Digest> {
    let text = |name: header::HeaderName| headers.get(name)?.to_str().ok();
    let stated = text(header::HeaderName::from_static("docker-content-digest"));
    let stated = stated.and_then(|digest| Digest::parse(digest).ok());
    stated.or_else(|| {
        let location = text(header::LOCATION)?;
        let path = location.split(['?', '#']).next()?;
        let last = path.rsplit('/').next()?.replace("%3A", ":").replace("%3a", ":");
        Digest::parse(&last).ok()
    })
}

pub(crate) fn content_length(headers: &HeaderMap) -> Option<u64> {
    headers.get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

/// Whether the body is what the registry stores: no coding was applied to it (I4).
pub(crate) fn is_identity(answer: &Answer) -> bool {
    answer
        .headers
        .get_all(header::CONTENT_ENCODING)
        .iter()
        .all(|value| value.as_bytes().eq_ignore_ascii_case(b"identity"))
}
