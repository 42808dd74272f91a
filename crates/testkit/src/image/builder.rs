use std::{collections::BTreeMap, io::Write as _, path::Path};

use bytes::Bytes;
use serde_json::{Value, json};
use wharf_content::{Descriptor, Hasher, Manifest, MediaType, Platform};
use wharf_reference::{Algorithm, Digest};

/// An image in memory: a manifest and every blob it names, in the manifest's order (config first).
#[derive(Debug, Clone)]
pub struct Image {
    manifest: Manifest,
    platform: Platform,
    blobs: Vec<(Descriptor, Bytes)>,
}

impl Image {
    /// Starts an OCI image for linux/amd64 without layers.
    pub fn builder() -> ImageBuilder {
        ImageBuilder::default()
    }

    /// An image of two small layers; other names give other content.
    pub fn small(name: &str) -> Self {
        Self::builder()
            .files(&[("etc/os-release", b"ID=wharf\n"), ("bin/", b"")])
            .files(&[("etc/hostname", name.as_bytes())])
            .finish()
    }

    /// The manifest.
    pub const fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// The platform the config states.
    pub const fn platform(&self) -> &Platform {
        &self.platform
    }

    /// The blobs with their descriptors: the config, then the layers.
    pub fn blobs(&self) -> &[(Descriptor, Bytes)] {
        &self.blobs
    }

    /// The bytes of the blob with this digest.
    pub fn blob(&self, digest: &Digest) -> Option<Bytes> {
        let found = self
            .blobs
            .iter()
            .find(|(descriptor, _)| descriptor.digest() == digest);
        found.map(|(_, bytes)| bytes.clone())
    }

    /// The manifest's descriptor with the platform, as an index lists it.
    pub fn index_entry(&self) -> Descriptor {
        self.manifest
            .descriptor()
            .clone()
            .with_platform(self.platform.clone())
    }

    /// Writes the image into a new OCI layout at `directory` under the name `tag`.
    pub fn write_layout(&self, directory: &Path, tag: &str) {
        let blobs = self
            .blobs
            .iter()
            .map(|(descriptor, bytes)| (descriptor.digest(), bytes));
        super::write_layout(directory, &[(&self.manifest, tag)], blobs);
    }
}

/// Makes an [`Image`] piece by piece.
#[derive(Debug, Clone)]
pub struct ImageBuilder {
    layers: Vec<(Vec<u8>, bool)>,
    docker: bool,
    algorithm: Algorithm,
    platform: Platform,
    annotations: BTreeMap<String, String>,
    subject: Option<Descriptor>,
    artifact_type: Option<MediaType>,
}

impl Default for ImageBuilder {
    fn default() -> Self {
        Self {
            layers: Vec::new(),
            docker: false,
            algorithm: Algorithm::Sha256,
            platform: Platform::new("linux", "amd64"),
            annotations: BTreeMap::new(),
            subject: None,
            artifact_type: None,
        }
    }
}

impl ImageBuilder {
    /// Adds a gzip layer with these files; a path that ends in `/` is a directory.
    #[must_use]
    pub fn files(mut self, files: &[(&str, &[u8])]) -> Self {
        self.layers.push((tar_of(files), true));
        self
    }

    /// Adds a layer stored as plain tar.
    #[must_use]
    pub fn plain_files(mut self, files: &[(&str, &[u8])]) -> Self {
        self.layers.push((tar_of(files), false));
        self
    }

    /// Adds a gzip layer whose blob is a little longer than `length` bytes; it does not compress.
    #[must_use]
    pub fn noise(self, seed: u64, length: usize) -> Self {
        let content = super::noise(seed, length);
        self.files(&[("var/noise", &content)])
    }

    /// Docker's media types instead of OCI's.
    #[must_use]
    pub fn docker(mut self) -> Self {
        self.docker = true;
        self
    }

    /// The algorithm of the blobs' digests in the manifest.
    #[must_use]
    pub fn algorithm(mut self, algorithm: Algorithm) -> Self {
        self.algorithm = algorithm;
        self
    }

    /// The platform in the config.
    #[must_use]
    pub fn platform(mut self, platform: Platform) -> Self {
        self.platform = platform;
        self
    }

    /// Adds an annotation to the manifest.
    #[must_use]
    pub fn annotation(mut self, key: &str, value: &str) -> Self {
        self.annotations.insert(key.to_owned(), value.to_owned());
        self
    }

    /// The content that the manifest refers to.
    #[must_use]
    pub fn subject(mut self, subject: &Descriptor) -> Self {
        self.subject = Some(subject.clone());
        self
    }

    /// Makes an artifact of this type: the config is the empty object.
    #[must_use]
    pub fn artifact_type(mut self, artifact_type: MediaType) -> Self {
        self.artifact_type = Some(artifact_type);
        self
    }

    /// Makes the image.
    pub fn finish(self) -> Image {
        let mut blobs = Vec::new();
        let mut diff_ids = Vec::new();
        for (tar, compressed) in &self.layers {
            diff_ids.push(self.digest(tar).to_string());
            let (media_type, bytes) = match (compressed, self.docker) {
                (false, _) => (MediaType::OCI_LAYER, tar.clone()),
                (true, false) => (MediaType::OCI_LAYER_GZIP, gzip(tar)),
                (true, true) => (MediaType::DOCKER_LAYER_GZIP, gzip(tar)),
            };
            blobs.push(self.describe(media_type, bytes));
        }
        blobs.insert(0, self.config(&diff_ids));
        let manifest = self.manifest(&blobs);
        Image {
            manifest,
            platform: self.platform,
            blobs,
        }
    }

    fn config(&self, diff_ids: &[String]) -> (Descriptor, Bytes) {
        if self.artifact_type.is_some() {
            return self.describe(MediaType::OCI_EMPTY, b"{}".to_vec());
        }
        let mut config = json!({
            "created": "2024-01-01T00:00:00Z",
            "architecture": self.platform.architecture,
            "os": self.platform.os,
            "config": { "Env": ["PATH=/usr/bin:/bin"], "Cmd": ["/bin/sh"] },
            "rootfs": { "type": "layers", "diff_ids": diff_ids },
            "history": vec![json!({ "created": "2024-01-01T00:00:00Z", "created_by": "wharf" }); diff_ids.len()],
        });
        if let Some(variant) = &self.platform.variant {
            config["variant"] = json!(variant);
        }
        let media_type = if self.docker {
            MediaType::DOCKER_CONFIG
        } else {
            MediaType::OCI_CONFIG
        };
        self.describe(media_type, config.to_string().into_bytes())
    }

    fn manifest(&self, blobs: &[(Descriptor, Bytes)]) -> Manifest {
        let media_type = if self.docker {
            MediaType::DOCKER_MANIFEST
        } else {
            MediaType::OCI_MANIFEST
        };
        let descriptors: Vec<&Descriptor> = blobs.iter().map(|(descriptor, _)| descriptor).collect();
        let mut document = json!({
            "schemaVersion": 2,
            "mediaType": media_type,
            "config": descriptors[0],
            "layers": descriptors[1..],
        });
        let optional: [(&str, Option<Value>); 3] = [
            (
                "artifactType",
                self.artifact_type.as_ref().map(|value| json!(value)),
            ),
            ("subject", self.subject.as_ref().map(|value| json!(value))),
            (
                "annotations",
                (!self.annotations.is_empty()).then(|| json!(self.annotations)),
            ),
        ];
        for (key, value) in optional {
            if let Some(value) = value {
                document[key] = value;
            }
        }
        Manifest::parse(document.to_string().into(), Some(&media_type)).expect("the manifest is valid")
    }

    fn digest(&self, bytes: &[u8]) -> Digest {
        Hasher::digest(self.algorithm, bytes).expect("a supported algorithm")
    }

    fn describe(&self, media_type: MediaType, bytes: Vec<u8>) -> (Descriptor, Bytes) {
        let descriptor =
            Descriptor::new(media_type, self.digest(&bytes), bytes.len() as u64).expect("a fitting size");
        (descriptor, bytes.into())
    }
}

fn tar_of(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for (path, content) in files {
        let mut header = tar::Header::new_gnu();
        let directory = path.ends_with('/');
        header.set_entry_type(if directory {
            tar::EntryType::Directory
        } else {
            tar::EntryType::Regular
        });
        header.set_mode(if directory { 0o755 } else { 0o644 });
        header.set_mtime(0);
        header.set_size(content.len() as u64);
        builder
            .append_data(&mut header, path, *content)
            .expect("a tar in memory");
    }
    builder.into_inner().expect("a tar in memory")
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).expect("gzip in memory");
    encoder.finish().expect("gzip in memory")
}
