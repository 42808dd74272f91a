//! Writing manifests.

use std::collections::HashSet;

use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use wharf_auth::Action;
use wharf_content::{Descriptor, ErrorKind, Hint, Manifest, RegistryError, Target};
use wharf_http::{Redacted, RetryLimit, WebPage};
use wharf_reference::Tag;

use crate::{
    Remote,
    endpoint::Endpoint,
    error::{Error, Operation},
    manifests::stated_digest,
    send::{Call, Payload, RegistryAnswer},
    single_flight::Content,
};

const OPERATION: Operation = Operation::PushManifest;
/// The most blobs and manifests that the registry is asked for after it refused a manifest for lack of them.
const MAX_ASKED: usize = 32;

impl Remote {
    /// Writes a manifest, its exact bytes, under the tag if there is one, and under its digest otherwise.
    /// The content that it refers to must have been pushed before.
    ///
    /// A manifest with a subject is added to the list of referrers at the fallback tag, if the registry has
    /// no referrers API (distribution-spec, *Pushing Manifests with Subject*). Without tag and subject, a manifest that
    /// this client has written or found in this repository before is sent only if the registry has it no more.
    ///
    /// A registry that refuses the manifest because it lacks content is sent it again, within the retry policy, if this
    /// client has written or found that content there, or if the registry confirms that it has it.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Mismatch`] if the registry stored another digest; [`ErrorKind::Conflict`] if the list
    /// of referrers cannot be changed. Otherwise see [`Error::kind`].
    pub async fn push_manifest(&self, manifest: &Manifest, tag: Option<&Tag>) -> Result<(), Error> {
        if tag.is_some() || manifest.subject().is_some() {
            let headers = self.put_manifest(manifest, tag, &[]).await?;
            return self.after_push(manifest, &headers).await;
        }
        // Several indices that are pushed at once may have this manifest.
        let endpoint = self.primary(OPERATION)?;
        let content = Content::manifest(&endpoint, manifest.digest());
        let put = async { self.put_manifest(manifest, None, &[]).await.map(drop) };
        self.write_once(content, OPERATION, true, put).await
    }

    /// Writes a manifest under its digest and several tags: in one request if the registry supports that
    /// (`?tag=`), and in one more for each tag that it did not set.
    ///
    /// # Errors
    ///
    /// As [`Remote::push_manifest`].
    pub async fn push_manifest_tags(&self, manifest: &Manifest, tags: &[Tag]) -> Result<(), Error> {
        if tags.len() < 2 {
            return self.push_manifest(manifest, tags.first()).await;
        }
        let headers = match self.put_manifest(manifest, None, tags).await {
            // Several tags in one request only save requests: if that is refused, the requests for single
            // tags decide.
            Err(error)
                if error.status().is_some_and(|status| !matches!(status, 401 | 429))
                    && !lacks_content(&error) =>
            {
                self.put_manifest(manifest, None, &[]).await?
            }
            headers => headers?,
        };
        let set = tags_set(&headers);
        for tag in tags.iter().filter(|tag| !set.contains(tag.as_str())) {
            self.put_manifest(manifest, Some(tag), &[]).await?;
        }
        self.after_push(manifest, &headers).await
    }

    async fn after_push(&self, manifest: &Manifest, headers: &HeaderMap) -> Result<(), Error> {
        match manifest.subject() {
            Some(subject) if !headers.contains_key("oci-subject") => {
                self.add_referrer(subject.digest(), manifest).await
            }
            _ => Ok(()),
        }
    }

    /// Sends the PUT request, and returns the headers of its answer after checking it.
    pub(crate) async fn put_manifest(
        &self,
        manifest: &Manifest,
        tag: Option<&Tag>,
        more_tags: &[Tag],
    ) -> Result<HeaderMap, Error> {
        let target = tag.map_or_else(
            || Target::Digest(manifest.digest().clone()),
            |tag| tag.clone().into(),
        );
        let subject = self.name_of(&target);
        let operation = OPERATION;
        let endpoint = self.primary(operation)?;
        let content_type = HeaderValue::from_str(manifest.media_type().as_str()).map_err(|_| {
            Error::new(
                ErrorKind::Invalid,
                operation,
                &subject,
                "its media type cannot be put into a header",
            )
        })?;
        let mut path = self.path(&endpoint, &format!("manifests/{target}"));
        if !more_tags.is_empty() {
            let tags: Vec<String> = more_tags.iter().map(|tag| format!("tag={tag}")).collect();
            path.push('?');
            path.push_str(&tags.join("&"));
        }
        let path = &*path;
        let call = || {
            Call::new(operation, &subject, Method::PUT, path, &[200, 201, 202, 204])
                .with_scopes(self.scopes(&endpoint, Action::Push))
                .with_header(header::CONTENT_TYPE, content_type.clone())
                .with_body(Payload::Bytes(manifest.bytes().clone()))
        };
        let answer = self.put_until_complete(&endpoint, manifest, call).await?;
        answer.check_home(operation, &subject)?;
        let refers_to = manifest.subject().map(Descriptor::digest);
        for digest in refers_to.into_iter().chain([manifest.digest()]) {
            self.served().written(digest, &endpoint);
        }
        // Some registries send `text/html` with the empty answer of a success. But with status 200 and
        // without the headers of a success, something else may have answered.
        let is_bare =
            !answer.headers.contains_key(header::LOCATION) && stated_digest(&answer.headers).is_none();
        if answer.status == StatusCode::OK
            && is_bare
            && let Some(page) = WebPage::of(&answer.headers, b"")
        {
            let reason = format!("the server sent {page} and does not say that it has the manifest");
            let error = Error::new(ErrorKind::Server, operation, subject, reason).at(Redacted(&answer.url));
            return Err(error.with_hint(Hint::CheckNetwork));
        }
        if let Some(stated) = stated_digest(&answer.headers)
            && stated.algorithm() == manifest.digest().algorithm()
            && stated != *manifest.digest()
        {
            let reason = format!("the registry stored {stated} instead of {}", manifest.digest());
            return Err(Error::new(ErrorKind::Mismatch, operation, subject, reason).at(Redacted(&answer.url)));
        }
        self.record_stored(Content::manifest(&endpoint, manifest.digest()));
        Ok(answer.headers)
    }

    /// Sends the PUT request again, after a wait, for as long as the registry says that it lacks content of the
    /// manifest although it has it: another process pushes the same content at this moment, or the registry needs time
    /// to find what it has stored.
    async fn put_until_complete<'a>(
        &self,
        endpoint: &Endpoint,
        manifest: &Manifest,
        call: impl Fn() -> Call<'a>,
    ) -> Result<RegistryAnswer, Error> {
        let mut budget = self.client().budget();
        loop {
            let error = match self.client().send_within(endpoint, call(), &mut budget).await {
                Ok(answer) => return Ok(answer),
                Err(error) => error,
            };
            if !lacks_content(&error) || !self.has_content(endpoint, manifest, &error).await {
                return Err(error);
            }
            let Some(wait) = budget.next_wait(RetryLimit::Policy, error.retry_after()) else {
                return Err(error);
            };
            tracing::debug!(%error, ?wait, "sending the manifest again");
            self.client().shared().counting.wait(wait).await;
        }
    }

    /// True if the registry has the content of the manifest that it says it lacks; all of it, if it does not say which.
    /// It is asked for what this client has not written or found.
    async fn has_content(&self, endpoint: &Endpoint, manifest: &Manifest, error: &Error) -> bool {
        let all = || manifest.blobs().chain(manifest.manifests());
        let mut lacking: Vec<&Descriptor> = all().filter(|part| names(error, part)).collect();
        if lacking.is_empty() {
            lacking = all().collect();
        }
        let unknown: Vec<Content<'_>> = lacking
            .into_iter()
            .map(|part| Content::of(endpoint, part))
            .filter(|content| !self.was_stored(*content))
            .collect();
        if unknown.len() > MAX_ASKED {
            return false;
        }
        for content in unknown {
            if !self.is_there(content).await {
                return false;
            }
            self.record_stored(content);
        }
        true
    }
}

/// The tags that the registry set, by the header `OCI-Tag`: repeated, separated by commas, or both.
fn tags_set(headers: &HeaderMap) -> HashSet<String> {
    let values = headers
        .get_all("oci-tag")
        .iter()
        .filter_map(|value| value.to_str().ok());
    let tags = values.flat_map(|value| value.split(','));
    tags.map(|tag| tag.trim().to_owned()).collect()
}

/// True if the registry refuses a manifest because it does not have content that the manifest refers to.
fn lacks_content(error: &Error) -> bool {
    let codes = ["MANIFEST_BLOB_UNKNOWN", "BLOB_UNKNOWN", "MANIFEST_UNKNOWN"];
    let is_one = |said: &RegistryError| codes.iter().any(|code| said.code.eq_ignore_ascii_case(code));
    matches!(error.status(), Some(400..=499)) && error.registry_errors().iter().any(is_one)
}

/// True if a message of the registry has the digest of this content.
fn names(error: &Error, part: &Descriptor) -> bool {
    let digest = part.digest().as_str();
    let has_it = |said: &RegistryError| said.message.contains(digest) || said.detail.contains(digest);
    error.registry_errors().iter().any(has_it)
}
