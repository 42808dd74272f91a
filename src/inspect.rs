use std::collections::BTreeMap;

use serde::Serialize;
use wharf_content::{Descriptor, Error, Manifest, Source, SourceExt as _};
use wharf_reference::{Digest, Tag};

/// The description of an image by [`Client::inspect`](crate::Client::inspect). It serialises with the keys of
/// `skopeo inspect`.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
#[non_exhaustive]
pub struct Inspection {
    /// Registry and repository; absent for an image in a store.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The digest of the image that was named: of the index, if it was one.
    pub digest: Digest,
    /// The tags of the repository; empty for an image in a store.
    pub repo_tags: Vec<Tag>,
    /// The time when the image was made, as the config states it (RFC 3339).
    pub created: Option<String>,
    /// The version of Docker that made the image; empty if the config has none.
    pub docker_version: String,
    /// The labels; `None` if the config has none.
    pub labels: Option<BTreeMap<String, String>>,
    /// The CPU architecture that the image runs on, in Go's names.
    pub architecture: String,
    /// The operating system that the image runs on, in Go's names.
    pub os: String,
    /// The digests of the layers, lowest first.
    pub layers: Vec<Digest>,
    /// The layers with type and size, lowest first.
    pub layers_data: Vec<InspectedLayer>,
    /// The environment variables, as `NAME=VALUE`.
    pub env: Option<Vec<String>>,
}

/// A layer, as `skopeo inspect` prints it.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
#[non_exhaustive]
pub struct InspectedLayer {
    /// The media type.
    #[serde(rename = "MIMEType")]
    pub media_type: String,
    /// The digest.
    pub digest: Digest,
    /// The size in bytes.
    pub size: u64,
    /// The annotations; null if there are none.
    pub annotations: Option<BTreeMap<String, String>>,
}

impl From<&Descriptor> for InspectedLayer {
    fn from(descriptor: &Descriptor) -> Self {
        let annotations = descriptor.annotations();
        Self {
            media_type: descriptor.media_type().as_str().to_owned(),
            digest: descriptor.digest().clone(),
            size: descriptor.size(),
            annotations: (!annotations.is_empty()).then(|| annotations.clone()),
        }
    }
}

impl Inspection {
    /// Reads the config of an image; `digest` is that of the image or index that was named.
    pub(crate) async fn of(source: &dyn Source, image: &Manifest, digest: Digest) -> Result<Self, Error> {
        let config = source.config(image).await?;
        Ok(Self {
            name: None,
            digest,
            repo_tags: Vec::new(),
            created: config.created().map(str::to_owned),
            docker_version: config.docker_version().unwrap_or_default().to_owned(),
            labels: config.labels().cloned(),
            architecture: config.architecture().to_owned(),
            os: config.os().to_owned(),
            layers: image
                .layers()
                .iter()
                .map(|layer| layer.digest().clone())
                .collect(),
            layers_data: image.layers().iter().map(InspectedLayer::from).collect(),
            env: config.env().map(<[String]>::to_vec),
        })
    }
}
