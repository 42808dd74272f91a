use std::collections::HashSet;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use wharf_auth::Action;
use wharf_config::Intent;
use wharf_content::{Descriptor, ErrorKind, Hasher, Hint, MAX_MANIFEST_SIZE, Manifest, MediaType, Target};
use wharf_http::{Redacted, WebPage};
use wharf_reference::{Digest, Tag};

use crate::{
    Remote,
    endpoint::Endpoint,
    error::{Error, Operation},
    send::{Call, Payload, RegistryAnswer},
    wire::UnexpectedBody,
};

/// The manifest types that are accepted, best first.
pub(crate) const ACCEPT: &str = "application/vnd.oci.image.manifest.v1+json, application/vnd.oci.image.index.v1+json, \
                      application/vnd.docker.distribution.manifest.v2+json, \
                      application/vnd.docker.distribution.manifest.list.v2+json, \
                      application/vnd.oci.artifact.manifest.v1+json";
pub(crate) const CONTENT_DIGEST: &str = "docker-content-digest";

impl Remote {
    /// Reads a manifest. It is verified against the digest, if the target is one, and against the header
    /// `Docker-Content-Digest`, if the registry sends it (docs/threats.md, I2).
    ///
    /// # Errors
    ///
    /// [`ErrorKind::NotFound`] if no candidate has it; [`ErrorKind::Mismatch`] for another digest;
    /// [`ErrorKind::TooLarge`] for more than [`MAX_MANIFEST_SIZE`] bytes; and the errors of
    /// [`Manifest::parse`].
    pub async fn manifest(&self, target: &Target) -> Result<Manifest, Error> {
        let intent = intent_of(target);
        self.first_of(intent, Operation::PullManifest, |endpoint| async move {
            let manifest = self.manifest_and_offer(&endpoint, target).await?;
            self.served().record(target, &manifest, endpoint);
            Ok(manifest)
        })
        .await
    }

    /// The descriptor of a target, from the headers of a HEAD request. The registry is not verified to have
    /// content with that digest; reading the manifest does that. If the headers are incomplete, or the
    /// registry refuses HEAD, the manifest itself is read.
    ///
    /// # Errors
    ///
    /// As [`Remote::manifest`].
    pub async fn resolve(&self, target: &Target) -> Result<Descriptor, Error> {
        let intent = intent_of(target);
        self.first_of(intent, Operation::PullManifest, |endpoint| async move {
            let described = self.describe(&endpoint, target).await?;
            match described {
                Some(descriptor) => Ok(descriptor),
                None => Ok(self.manifest_at(endpoint, target).await?.descriptor().clone()),
            }
        })
        .await
    }

    /// The descriptor of a target from the headers of an answer to HEAD; `None` if they do not suffice, or
    /// if the registry does not answer HEAD.
    async fn describe(&self, endpoint: &Endpoint, target: &Target) -> Result<Option<Descriptor>, Error> {
        if self.client().host(&endpoint.registry).unanswered.heads {
            return Ok(None);
        }
        let asked = self.ask(endpoint, Method::HEAD, target).await;
        let answer = self
            .client()
            .unless_decisive(endpoint, asked, |unanswered| unanswered.heads = true)?;
        Ok(answer.and_then(|answer| described(&answer.headers, target)))
    }

    /// Writes a manifest, its exact bytes, under the tag if there is one, and under its digest otherwise.
    /// The content that it refers to must have been pushed before.
    ///
    /// A manifest with a subject is added to the list of referrers at the fallback tag, if the registry has
    /// no referrers API (distribution-spec, *Pushing Manifests with Subject*).
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Mismatch`] if the registry stored another digest; [`ErrorKind::Conflict`] if the list
    /// of referrers cannot be changed. Otherwise see [`Error::kind`].
    pub async fn push_manifest(&self, manifest: &Manifest, tag: Option<&Tag>) -> Result<(), Error> {
        let headers = self.put_manifest(manifest, tag, &[]).await?;
        self.after_push(manifest, &headers).await
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
            Err(error) if error.status().is_some_and(|status| !matches!(status, 401 | 429)) => {
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
        let operation = Operation::PushManifest;
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
        let call = Call::new(operation, &subject, Method::PUT, &path, &[200, 201, 202, 204])
            .with_scopes(self.scopes(&endpoint, Action::Push))
            .with_header(header::CONTENT_TYPE, content_type)
            .with_body(Payload::Bytes(manifest.bytes().clone()));
        let answer = self.client().send(&endpoint, call).await?;
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
        Ok(answer.headers)
    }

    pub(crate) async fn manifest_at(&self, endpoint: Endpoint, target: &Target) -> Result<Manifest, Error> {
        let operation = Operation::PullManifest;
        let answer = self.ask(&endpoint, Method::GET, target).await?;
        let (url, headers, bytes) = (answer.url, answer.headers, answer.bytes);
        let subject = self.name_of(target);
        let fail =
            |error: &wharf_content::Error| Error::from_content(operation, &subject, error).at(Redacted(&url));
        check_stated(&headers, &bytes).map_err(|error| fail(&error))?;
        let declared = content_type(&headers);
        match target {
            Target::Digest(digest) => Manifest::parse_pinned(bytes.clone(), declared.as_ref(), digest),
            Target::Name(_) => Manifest::parse(bytes.clone(), declared.as_ref()),
        }
        .map_err(|error| {
            let unreadable = error.kind() == ErrorKind::Invalid;
            let instead = unreadable
                .then(|| UnexpectedBody::of("a manifest", &headers, &bytes))
                .flatten();
            instead.map_or_else(|| fail(&error), |it| it.into_error(operation, &subject, &url))
        })
    }

    /// Requests a manifest, or by HEAD only its headers.
    async fn ask(
        &self,
        endpoint: &Endpoint,
        method: Method,
        target: &Target,
    ) -> Result<RegistryAnswer, Error> {
        let operation = Operation::PullManifest;
        let subject = self.name_of(target);
        if let Target::Name(name) = target {
            name.to_tag()
                .map_err(|error| Error::from_content(operation, &subject, &error))?;
        }
        let path = self.path(endpoint, &format!("manifests/{target}"));
        let is_optional = method == Method::HEAD;
        let call = Call::new(operation, subject, method, &path, &[200])
            .with_scopes(self.scopes(endpoint, Action::Pull))
            .with_header(header::ACCEPT, HeaderValue::from_static(ACCEPT))
            .read_whole(MAX_MANIFEST_SIZE);
        let call = if is_optional { call.optional() } else { call };
        self.client()
            .send_within(endpoint, call, &mut self.client().budget_at(endpoint))
            .await
    }
}

const fn intent_of(target: &Target) -> Intent {
    match target {
        Target::Name(_) => Intent::PullTag,
        Target::Digest(_) => Intent::PullDigest,
    }
}

/// The media type in the header. Media types compare without regard to case; those of manifests are
/// returned in lower case.
pub(crate) fn content_type(headers: &HeaderMap) -> Option<MediaType> {
    let text = headers.get(header::CONTENT_TYPE)?.to_str().ok()?;
    let small = MediaType::parse(&text.to_ascii_lowercase()).ok()?;
    if small.is_manifest() {
        return Some(small);
    }
    MediaType::parse(text).ok()
}

/// The digest in the header, which may be quoted; `None` if there is none, or two, or one of an unsupported
/// algorithm.
pub(crate) fn stated_digest(headers: &HeaderMap) -> Option<Digest> {
    let mut values = headers.get_all(CONTENT_DIGEST).iter();
    let value = values.next()?;
    if values.any(|other| other != value) {
        return None;
    }
    Digest::parse(value.to_str().ok()?.trim_matches([' ', '\t', '"', '\'']))
        .ok()
        .filter(|digest| digest.algorithm().is_supported())
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

fn check_stated(headers: &HeaderMap, bytes: &Bytes) -> Result<(), wharf_content::Error> {
    let Some(stated) = stated_digest(headers) else {
        return Ok(());
    };
    let actual = Hasher::digest(stated.algorithm(), bytes)?;
    if actual == stated {
        return Ok(());
    }
    let message = format!("the registry says it is {stated}, but its digest is {actual}");
    Err(wharf_content::Error::new(ErrorKind::Mismatch, message))
}

/// A descriptor from headers, if they are complete and match the target.
fn described(headers: &HeaderMap, target: &Target) -> Option<Descriptor> {
    let media_type = content_type(headers).filter(MediaType::is_manifest)?;
    let size: u64 = headers.get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()?;
    let digest = match (target, stated_digest(headers)) {
        (Target::Digest(digest), None) => digest.clone(),
        (Target::Digest(digest), Some(stated)) if stated == *digest => stated,
        (Target::Digest(_), Some(_)) => return None,
        (Target::Name(_), stated) => stated?,
    };
    if size == 0 || size > MAX_MANIFEST_SIZE {
        return None;
    }
    Descriptor::new(media_type, digest, size).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digests_as_registries_state_them() {
        let digest = format!("sha256:{}", "a".repeat(64));
        let other = format!("sha256:{}", "b".repeat(64));
        let (quoted, single, spaced) = (
            format!("\"{digest}\""),
            format!("'{digest}'"),
            format!(" {digest} "),
        );
        let upper = digest.to_uppercase();
        let table: [(&[&str], bool); 10] = [
            (&[&digest], true),
            (&[&quoted], true),
            (&[&single], true),
            (&[&spaced], true),
            (&[&digest, &digest], true),
            (&[&digest, &other], false),
            (&[&upper], false),
            (&["md5:d41d8cd98f00b204e9800998ecf8427e"], false),
            (&["sha256:short"], false),
            (&[""], false),
        ];
        for (values, is_stated) in table {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append(CONTENT_DIGEST, value.parse().unwrap());
            }
            let stated = stated_digest(&headers);
            assert_eq!(
                stated.as_ref().map(Digest::as_str),
                is_stated.then_some(digest.as_str()),
                "{values:?}"
            );
        }
    }
}
