//! Signatures that cosign attaches: the layers of a manifest under a tag that is made of the image's digest.

use std::fmt;

use bytes::Bytes;
use http::Method;
use wharf_auth::Action;
use wharf_content::{Descriptor, ErrorKind, Hasher, Manifest, MediaType, Signature, Target};
use wharf_http::Redacted;
use wharf_reference::{Digest, Tag};

use super::{MAX_SIGNATURE_SIZE, MAX_SIGNATURES, MAX_SIGNATURES_SIZE, OPERATION};
use crate::{Remote, endpoint::Endpoint, error::Error, send::Call};

/// The type of the payloads that sign an image.
const PAYLOAD: &str = "application/vnd.dev.cosign.simplesigning.v1+json";

impl Remote {
    /// The attachments of a manifest at an endpoint; none if there is no such tag. Those of other types than signatures
    /// are not fetched: they are there with an empty payload, so that a refusal can count them.
    pub(super) async fn attachments(
        &self,
        endpoint: &Endpoint,
        manifest: &Digest,
    ) -> Result<Vec<Signature>, Error> {
        let subject = self.blob_name(manifest);
        let fail = |kind, reason: &dyn fmt::Display| {
            let at = format!("{}:{}", self.repository(), tag_text(manifest));
            Error::new(kind, OPERATION, &subject, reason.to_string()).at(at)
        };
        let tag = Tag::parse(&tag_text(manifest)).map_err(|error| {
            fail(ErrorKind::Invalid, &"no tag can be made of its digest").with_source(error)
        })?;
        let attached = match self
            .manifest_at(endpoint.clone(), &Target::Name(tag.into()))
            .await
        {
            Ok(attached) => attached,
            Err(error) if is_absent(&error) => return Ok(Vec::new()),
            Err(error) => return Err(error.edit(|inner| inner.operation = OPERATION)),
        };
        check_type(&attached).map_err(|reason| fail(ErrorKind::Invalid, &reason))?;
        let layers = attached.layers();
        if layers.len() > MAX_SIGNATURES {
            let reason = format!("it has more than {MAX_SIGNATURES} attachments");
            return Err(fail(ErrorKind::TooLarge, &reason));
        }
        let mut signatures = Vec::new();
        let mut room = MAX_SIGNATURES_SIZE;
        for layer in layers {
            let payload = if layer.media_type().as_str() == PAYLOAD {
                let limit = room.min(MAX_SIGNATURE_SIZE);
                if layer.size() > limit {
                    let reason = format!(
                        "the attachment {} is larger than the limit of {limit} bytes",
                        layer.digest()
                    );
                    return Err(fail(ErrorKind::TooLarge, &reason));
                }
                room -= layer.size();
                self.payload(endpoint, &subject, layer).await?
            } else {
                Bytes::new()
            };
            signatures.push(Signature::Attachment {
                media_type: layer.media_type().clone(),
                payload,
                annotations: layer.annotations().clone(),
            });
        }
        Ok(signatures)
    }

    /// The payload of a signature, with the size and the digest of its descriptor.
    async fn payload(&self, endpoint: &Endpoint, subject: &str, layer: &Descriptor) -> Result<Bytes, Error> {
        let path = self.path(endpoint, &format!("blobs/{}", layer.digest()));
        let call = Call::new(OPERATION, subject, Method::GET, &path, &[200])
            .with_scopes(self.scopes(endpoint, Action::Pull))
            .read_whole(layer.size());
        let answer = self.client().send(endpoint, call).await?;
        let actual = Hasher::digest(layer.digest().algorithm(), &answer.bytes)
            .map_err(|error| Error::from_content(OPERATION, subject, &error).at(Redacted(&answer.url)))?;
        if answer.bytes.len() as u64 == layer.size() && actual == *layer.digest() {
            return Ok(answer.bytes);
        }
        let reason = format!("the registry sent other bytes than {}", layer.digest());
        Err(Error::new(ErrorKind::Mismatch, OPERATION, subject, reason).at(Redacted(&answer.url)))
    }
}

/// cosign's tag for the signatures of a manifest. A digest has no characters that a tag may not have, but its colon.
fn tag_text(manifest: &Digest) -> String {
    format!("{}-{}.sig", manifest.algorithm_name(), manifest.encoded())
}

/// Docker's type is accepted as well, which cosign writes for registries that take no other.
fn check_type(attached: &Manifest) -> Result<(), String> {
    if [MediaType::OCI_MANIFEST, MediaType::DOCKER_MANIFEST].contains(attached.media_type()) {
        return Ok(());
    }
    Err(format!(
        "what is attached to it is no image manifest, but {}",
        attached.media_type()
    ))
}

/// True if the registry says that there is no such tag.
///
/// | answer | |
/// |---|---|
/// | 404; `MANIFEST_UNKNOWN`, `NAME_UNKNOWN` or the message `Not Found` with a status of 4xx | absent |
/// | 4xx, code `UNKNOWN` and a message with `not found` (Harbor) | absent |
/// | 401, 403, 5xx, or anything else | an error |
fn is_absent(error: &Error) -> bool {
    let says_so = || {
        error.registry_errors().iter().any(|said| {
            said.code.eq_ignore_ascii_case("UNKNOWN")
                && said.message.to_ascii_lowercase().contains("not found")
        })
    };
    match (error.kind(), error.status()) {
        (ErrorKind::NotFound, Some(status)) => !matches!(status, 401 | 403),
        (ErrorKind::Invalid, Some(400..=499)) => says_so(),
        _ => false,
    }
}
