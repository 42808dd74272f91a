use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, header};
use wharf_auth::Action;
use wharf_config::Intent;
use wharf_content::{Descriptor, ErrorKind, Hasher, MAX_MANIFEST_SIZE, Manifest, MediaType, Target};
use wharf_http::Redacted;
use wharf_reference::Digest;

use crate::{
    Remote,
    endpoint::Endpoint,
    error::{Error, Operation},
    send::{Call, RegistryAnswer},
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
