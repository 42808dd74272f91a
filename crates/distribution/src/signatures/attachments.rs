//! Signatures that cosign attaches: the layers of a manifest under a tag that is made of the image's digest.

use bytes::Bytes;
use http::Method;
use wharf_auth::Action;
use wharf_content::{
    Descriptor, ErrorKind, Hasher, MAX_CONFIG_SIZE, Manifest, Signature, Target, Wanted, attachments,
};
use wharf_http::Redacted;
use wharf_reference::{Digest, Tag};

use super::OPERATION;
use crate::{
    Remote,
    endpoint::Endpoint,
    error::{Error, Operation},
    send::Call,
};

/// The most times that the manifest is written while other programs change it.
const MAX_ROUNDS: usize = 5;

impl Remote {
    /// The attachments of a manifest at an endpoint; none if there is no such tag.
    pub(super) async fn attachments(
        &self,
        endpoint: &Endpoint,
        manifest: &Digest,
        wanted: Wanted,
    ) -> Result<Vec<Signature>, Error> {
        let subject = self.blob_name(manifest);
        let tag = tag(manifest, OPERATION, &subject)?;
        let Some(attached) = self.attached(endpoint, &tag, OPERATION).await? else {
            return Ok(Vec::new());
        };
        let layers = attachments::layers(&attached, wanted).map_err(|error| {
            let at = format!("{}:{tag}", self.repository());
            Error::from_content(OPERATION, &subject, &error).at(at)
        })?;
        let mut signatures = Vec::new();
        for layer in layers {
            let payload = if attachments::is_fetched(layer, wanted) {
                self.payload(endpoint, &subject, layer).await?
            } else {
                Bytes::new()
            };
            signatures.push(attachments::signature(layer, payload));
        }
        Ok(signatures)
    }

    /// The manifest of attachments under a tag; `None` if there is no such tag.
    async fn attached(
        &self,
        endpoint: &Endpoint,
        tag: &Tag,
        operation: Operation,
    ) -> Result<Option<Manifest>, Error> {
        let target = Target::Name(tag.clone().into());
        match self.manifest_at(endpoint.clone(), &target).await {
            Ok(attached) => Ok(Some(attached)),
            Err(error) if is_absent(&error) => Ok(None),
            Err(error) => Err(error.edit(|inner| inner.operation = operation)),
        }
    }

    /// Adds attachments to those that are there, and returns the number of new ones. The manifest is read again after it
    /// was written: another program may have replaced it with one that it had read before.
    pub(super) async fn push_attachments(
        &self,
        endpoint: &Endpoint,
        manifest: &Digest,
        signatures: &[Signature],
    ) -> Result<usize, Error> {
        let operation = Operation::PushSignatures;
        let subject = self.blob_name(manifest);
        let tag = tag(manifest, operation, &subject)?;
        let at = format!("{}:{tag}", self.repository());
        let _one_at_a_time = self.client().shared().locks.lock(&at).await;
        let mut added = None;
        for round in 0..=MAX_ROUNDS {
            let held = match self.attached(endpoint, &tag, operation).await? {
                Some(attached) => Some((self.config_of(endpoint, &subject, &attached).await?, attached)),
                None => None,
            };
            let held = held.as_ref().map(|(config, attached)| (attached, &**config));
            let merged = attachments::merge(held, signatures)
                .map_err(|error| Error::from_content(operation, &subject, &error).at(&at))?;
            let Some(merged) = merged else {
                return Ok(added.unwrap_or(0));
            };
            if round == MAX_ROUNDS {
                break;
            }
            added.get_or_insert(merged.added());
            for (descriptor, bytes) in merged.blobs() {
                self.push_if_absent(descriptor, bytes).await?;
            }
            self.put_manifest(merged.manifest(), Some(&tag), &[]).await?;
        }
        let reason = "its attachments change faster than they can be written";
        Err(Error::new(ErrorKind::Conflict, operation, subject, reason).at(at))
    }

    /// The config of a manifest of attachments, if it is one that changes with them; empty otherwise.
    async fn config_of(
        &self,
        endpoint: &Endpoint,
        subject: &str,
        attached: &Manifest,
    ) -> Result<Bytes, Error> {
        match attached.config() {
            Some(config) if !attachments::is_changed(config) => Ok(Bytes::new()),
            Some(config) if config.size() <= MAX_CONFIG_SIZE => self.payload(endpoint, subject, config).await,
            Some(config) => {
                let reason = format!(
                    "the config of its attachments has {} bytes, more than the limit of {MAX_CONFIG_SIZE}",
                    config.size()
                );
                Err(Error::new(
                    ErrorKind::TooLarge,
                    Operation::PushSignatures,
                    subject,
                    reason,
                ))
            }
            None => Ok(Bytes::new()),
        }
    }

    /// The payload of a signature, with the size and the digest of its descriptor.
    pub(super) async fn payload(
        &self,
        endpoint: &Endpoint,
        subject: &str,
        layer: &Descriptor,
    ) -> Result<Bytes, Error> {
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

/// cosign's tag for the signatures of a manifest.
fn tag(manifest: &Digest, operation: Operation, subject: &str) -> Result<Tag, Error> {
    let tag = attachments::name(manifest).and_then(|name| name.to_tag());
    tag.map_err(|error| Error::from_content(operation, subject, &error))
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
        (ErrorKind::Invalid | ErrorKind::Conflict, Some(400..=499)) => says_so(),
        _ => false,
    }
}
