use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use wharf_content::{Descriptor, Error, ErrorKind, Manifest, Source};
use wharf_reference::{Digest, Tag};

/// The largest config that is read into memory, in bytes (threat row X1).
pub(crate) const MAX_CONFIG_SIZE: u64 = 8 * 1024 * 1024;

/// What `skopeo inspect` says of an image; serialises with the same keys.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
#[non_exhaustive]
pub struct Inspection {
    /// Registry and repository; absent for an image in a store.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The digest of what was named: of the index, if it was one.
    pub digest: Digest,
    /// The tags of the repository; empty for an image in a store.
    pub repo_tags: Vec<Tag>,
    /// When the image was made, as its config says it.
    pub created: Option<String>,
    /// The version of Docker that made it, if it says so.
    pub docker_version: String,
    /// The labels.
    pub labels: Option<BTreeMap<String, String>>,
    /// The CPU architecture it runs on.
    pub architecture: String,
    /// The operating system it runs on.
    pub os: String,
    /// The digests of the layers, lowest first.
    pub layers: Vec<Digest>,
    /// The layers with type and size, lowest first.
    pub layers_data: Vec<Layer>,
    /// The environment.
    pub env: Option<Vec<String>>,
}

/// A layer, as `skopeo inspect` prints it.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
#[non_exhaustive]
pub struct Layer {
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

impl From<&Descriptor> for Layer {
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
    /// Reads the config of an image and says what there is to say; `digest` is of what was named.
    pub(crate) async fn of(source: &dyn Source, image: &Manifest, digest: Digest) -> Result<Self, Error> {
        let bytes = read_config(source, image).await?;
        let config: Config = serde_json::from_slice(&bytes).map_err(|error| {
            // Not what serde says: it quotes the config, at any length.
            let message = format!(
                "{} is not a container image: its config cannot be read (line {}, column {})",
                image.digest(),
                error.line(),
                error.column()
            );
            Error::new(ErrorKind::Invalid, message)
        })?;
        let runtime = config.config.unwrap_or_default();
        Ok(Self {
            name: None,
            digest,
            repo_tags: Vec::new(),
            created: config.created,
            docker_version: config.docker_version,
            labels: runtime.labels,
            architecture: config.architecture,
            os: config.os,
            layers: image
                .layers()
                .iter()
                .map(|layer| layer.digest().clone())
                .collect(),
            layers_data: image.layers().iter().map(Layer::from).collect(),
            env: runtime.env,
        })
    }
}

/// The bytes of an image's config.
pub(crate) async fn read_config(source: &dyn Source, image: &Manifest) -> Result<bytes::Bytes, Error> {
    let descriptor = image.config().ok_or_else(|| {
        Error::new(
            ErrorKind::Invalid,
            format!("{} is an index, which has no config", image.digest()),
        )
    })?;
    source.blob(descriptor).await?.read_to_end(MAX_CONFIG_SIZE).await
}

/// The parts of an image config that are shown. Lenient: what old tools left out is empty.
#[derive(Deserialize)]
#[expect(clippy::struct_field_names, reason = "the key is called that")]
struct Config {
    created: Option<String>,
    #[serde(default)]
    docker_version: String,
    #[serde(default)]
    architecture: String,
    #[serde(default)]
    os: String,
    config: Option<Runtime>,
}

#[derive(Default, Deserialize)]
struct Runtime {
    #[serde(rename = "Labels")]
    labels: Option<BTreeMap<String, String>>,
    #[serde(rename = "Env")]
    env: Option<Vec<String>>,
}
