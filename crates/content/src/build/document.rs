//! The document of an image or index, as it is written.

use std::collections::BTreeMap;

use serde::Serialize;

use super::invalid;
use crate::{Descriptor, Error, ErrorKind, MAX_MANIFEST_SIZE, Manifest, MediaType};

/// The members that images and indexes have in common.
#[derive(Debug, Clone, Default)]
pub(super) struct Common {
    pub(super) docker: bool,
    pub(super) artifact_type: Option<MediaType>,
    pub(super) subject: Option<Descriptor>,
    pub(super) annotations: BTreeMap<String, String>,
}

/// The members in which an image and an index differ.
#[derive(Serialize)]
#[serde(untagged)]
pub(super) enum Members<'a> {
    Image {
        config: &'a Descriptor,
        layers: &'a [Descriptor],
    },
    Index {
        manifests: &'a [Descriptor],
    },
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Document<'a> {
    schema_version: u8,
    media_type: &'a MediaType,
    #[serde(skip_serializing_if = "Option::is_none")]
    artifact_type: Option<&'a MediaType>,
    #[serde(flatten)]
    members: Members<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    subject: Option<&'a Descriptor>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    annotations: &'a BTreeMap<String, String>,
}

impl Common {
    pub(super) fn check(&self) -> Result<(), Error> {
        if self.docker
            && (self.artifact_type.is_some() || self.subject.is_some() || !self.annotations.is_empty())
        {
            return Err(invalid(
                "Docker's manifests have no artifact type, subject or annotations; use OCI's types",
            ));
        }
        if self.artifact_type.as_ref().is_some_and(MediaType::is_unset) {
            return Err(invalid("the artifact type is empty"));
        }
        if self.annotations.contains_key("") {
            return Err(invalid("an annotation has no key"));
        }
        match &self.subject {
            Some(subject) if !subject.media_type().is_manifest() => {
                let media_type = subject.media_type();
                Err(invalid(format!(
                    "the subject is of type {media_type}, which is no manifest"
                )))
            }
            _ => Ok(()),
        }
    }

    /// Writes the document, and parses it as a foreign one.
    pub(super) fn manifest(&self, members: Members<'_>) -> Result<Manifest, Error> {
        let media_type = match (&members, self.docker) {
            (Members::Image { .. }, false) => MediaType::OCI_MANIFEST,
            (Members::Image { .. }, true) => MediaType::DOCKER_MANIFEST,
            (Members::Index { .. }, false) => MediaType::OCI_INDEX,
            (Members::Index { .. }, true) => MediaType::DOCKER_INDEX,
        };
        let document = Document {
            schema_version: 2,
            media_type: &media_type,
            artifact_type: self.artifact_type.as_ref(),
            members,
            subject: self.subject.as_ref(),
            annotations: &self.annotations,
        };
        let bytes = serde_json::to_vec(&document).map_err(|error| Error::wrap(ErrorKind::Other, error))?;
        if bytes.len() as u64 > MAX_MANIFEST_SIZE {
            let message = format!(
                "the manifest has {} bytes, and registries need not accept more than {MAX_MANIFEST_SIZE}",
                bytes.len()
            );
            return Err(Error::new(ErrorKind::TooLarge, message));
        }
        Manifest::parse(bytes.into(), Some(&media_type))
    }
}
