use std::{collections::BTreeMap, path::Path};

use bytes::Bytes;
use wharf_content::{Descriptor, MediaType};

use super::ArtifactContent;

/// An artifact that is pushed by [`Client::push_artifact`](crate::Client::push_artifact).
///
/// ```no_run
/// # async fn example(client: wharf::Client, image: wharf::Manifest) -> Result<(), wharf::Error> {
/// use wharf::{MediaType, artifact::Artifact};
///
/// let spdx = MediaType::parse("application/spdx+json")?;
/// let sbom = Artifact::new(spdx.clone())
///     .with_file("sbom.spdx.json", spdx)
///     .with_annotation("com.example.tool", "scan 1.0")
///     .with_subject(image.descriptor().clone());
/// client.push_artifact(sbom, "registry.example.com/team/app:sbom").await?;
/// # Ok(())
/// # }
/// ```
///
/// A Helm chart and a WASM component have no artifact type but a config of a type of their own, and contents without
/// titles:
///
/// ```no_run
/// # async fn example(client: wharf::Client, chart_json: Vec<u8>) -> Result<(), wharf::Error> {
/// use wharf::{MediaType, artifact::{Artifact, ArtifactContent}};
///
/// let chart = MediaType::parse("application/vnd.cncf.helm.chart.content.v1.tar+gzip")?;
/// let config = MediaType::parse("application/vnd.cncf.helm.config.v1+json")?;
/// let artifact = Artifact::from_config(config, chart_json) // Chart.yaml as JSON
///     .with_content(ArtifactContent::file("app-1.0.0.tgz", chart).without_title());
/// client.push_artifact(artifact, "registry.example.com/charts/app:1.0.0").await?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
#[must_use = "an artifact is nowhere until it is pushed"]
pub struct Artifact {
    pub(super) kind: Option<MediaType>,
    /// The empty object if there is none.
    pub(super) config: Option<(MediaType, Bytes)>,
    pub(super) contents: Vec<ArtifactContent>,
    pub(super) annotations: BTreeMap<String, String>,
    pub(super) subject: Option<Descriptor>,
}

impl Artifact {
    /// Makes an artifact of this type, with an empty config and no content.
    pub fn new(artifact_type: MediaType) -> Self {
        Self {
            kind: Some(artifact_type),
            config: None,
            contents: Vec::new(),
            annotations: BTreeMap::new(),
            subject: None,
        }
    }

    /// Makes an artifact that states its type by that of its config alone, as Helm charts and WASM components do.
    pub fn from_config(media_type: MediaType, bytes: impl Into<Bytes>) -> Self {
        Self {
            kind: None,
            config: Some((media_type, bytes.into())),
            contents: Vec::new(),
            annotations: BTreeMap::new(),
            subject: None,
        }
    }

    /// Sets the config, beside the artifact type.
    pub fn with_config(mut self, media_type: MediaType, bytes: impl Into<Bytes>) -> Self {
        self.config = Some((media_type, bytes.into()));
        self
    }

    /// Adds a file, whose title is its name without directories. It is read when the artifact is pushed.
    pub fn with_file(self, path: impl AsRef<Path>, media_type: MediaType) -> Self {
        self.with_content(ArtifactContent::file(path, media_type))
    }

    /// Adds content: a file with another title or with annotations, bytes, or a stream.
    pub fn with_content(mut self, content: ArtifactContent) -> Self {
        self.contents.push(content);
        self
    }

    /// Adds or replaces an annotation of the artifact.
    pub fn with_annotation(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.annotations.insert(key.into(), value.into());
        self
    }

    /// Sets the manifest that the artifact refers to; [`Client::attach`](crate::Client::attach) finds it by its
    /// reference.
    pub fn with_subject(mut self, subject: Descriptor) -> Self {
        self.subject = Some(subject);
        self
    }
}
