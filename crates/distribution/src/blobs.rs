use http::{HeaderMap, Method, header};
use wharf_auth::Action;
use wharf_content::Descriptor;
use wharf_reference::{Digest, Repository};

use crate::{
    Remote,
    error::{Error, Operation},
    manifests::stated_digest,
    push::Session,
    send::Call,
    single_flight::{Content, Flight, Outcome},
};

impl Remote {
    /// Mounts a blob from another repository of the same registry, without moving its bytes
    /// (distribution-spec, *Mounting a blob from another repository*). `false` if the registry does not do
    /// so, for any reason: the upload that follows then decides. The request is sent once, with the short
    /// time limit of [`RequestClass::Optional`](wharf_http::RequestClass::Optional). It is not sent if another
    /// task of this client is mounting or writing the blob, or if the client has done so before and the
    /// registry still has it.
    ///
    /// An answer with status 201 must name the blob, by `Location` or `Docker-Content-Digest`. If it names
    /// another blob, the result is `false`; if it names none, the registry is asked whether it has the
    /// blob.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Blocked`](wharf_content::ErrorKind::Blocked) or
    /// [`ErrorKind::Invalid`](wharf_content::ErrorKind::Invalid) if the configuration has no endpoint for
    /// writes to this repository.
    pub async fn mount(&self, descriptor: &Descriptor, from: &Repository) -> Result<bool, Error> {
        let digest = descriptor.digest();
        let endpoint = self.primary(Operation::Mount)?;
        if self.client().host(&endpoint.registry).unanswered.mounts {
            return Ok(false);
        }
        let content = Content::blob(&endpoint, digest);
        // A mount from another repository is not tried after one that was refused: a task that was refused sends the
        // blob.
        let accepts = |outcome: &Outcome| matches!(outcome, Outcome::Stored | Outcome::NotMounted);
        let lead = match self.join_flight(content, accepts).await {
            Flight::Leads(lead) => lead,
            Flight::Followed(outcome) => return Ok(matches!(outcome, Outcome::Stored)),
        };
        let is_mounted = self.is_there_still(&lead, content).await || self.try_mount(content, from).await;
        lead.end(if is_mounted {
            Outcome::Stored
        } else {
            Outcome::NotMounted
        });
        Ok(is_mounted)
    }

    /// Requests a mount. If the registry opens an upload session instead, it is stored for the upload that follows.
    async fn try_mount(&self, content: Content<'_>, from: &Repository) -> bool {
        let Content { endpoint, digest, .. } = content;
        let subject = self.blob_name(digest);
        let query = url::form_urlencoded::Serializer::new(String::new())
            .append_pair("mount", digest.as_str())
            .append_pair("from", from.path())
            .finish();
        let path = self.path(endpoint, &format!("blobs/uploads/?{query}"));
        let scopes = self
            .scopes(endpoint, Action::Push)
            .union(&wharf_auth::Scopes::repository(from, Action::Pull));
        let call = Call::new(Operation::Mount, &subject, Method::POST, &path, &[201, 202])
            .with_scopes(scopes)
            .with_header(header::CONTENT_LENGTH, 0.into())
            .optional();
        let asked = self.client().send(endpoint, call).await;
        let answer = match self
            .client()
            .unless_decisive(endpoint, asked, |unanswered| unanswered.mounts = true)
        {
            Ok(Some(answer)) if answer.is_home => answer,
            // A login may have failed because of the scope for the other repository.
            _ => return false,
        };
        if answer.status == 201 {
            let named = named_digest(&answer.headers);
            return match named.filter(|named| named.algorithm() == digest.algorithm()) {
                Some(named) => named == *digest,
                None => self.is_there(content).await,
            };
        }
        if let Ok(session) = Session::of_answer(
            self,
            endpoint,
            subject,
            self.scopes(endpoint, Action::Push),
            &answer,
        ) {
            self.store_session(digest, session);
        }
        false
    }

    pub(crate) fn blob_name(&self, digest: &Digest) -> String {
        format!("{}@{digest}", self.repository())
    }
}

/// The digest of the blob that an answer names.
fn named_digest(headers: &HeaderMap) -> Option<Digest> {
    stated_digest(headers).or_else(|| {
        let location = headers.get(header::LOCATION)?.to_str().ok()?;
        let path = location.split(['?', '#']).next()?;
        let last = path.rsplit('/').next()?.replace("%3A", ":").replace("%3a", ":");
        Digest::parse(&last).ok()
    })
}

pub(crate) fn content_length(headers: &HeaderMap) -> Option<u64> {
    headers.get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}
