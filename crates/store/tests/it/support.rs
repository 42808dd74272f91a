//! Small images to put into stores.

use bytes::Bytes;
use wharf_content::{Blob, Descriptor, Hasher, Manifest, MediaType, Name, Sink};
use wharf_reference::Algorithm;

pub(crate) fn name(text: &str) -> Name {
    Name::parse(text).unwrap()
}

pub(crate) fn describe(media_type: MediaType, bytes: &[u8]) -> Descriptor {
    let digest = Hasher::digest(Algorithm::Sha256, bytes).unwrap();
    Descriptor::new(media_type, digest, bytes.len() as u64).unwrap()
}

pub(crate) fn layer(bytes: impl Into<Bytes>) -> (Descriptor, Bytes) {
    let bytes = bytes.into();
    (describe(MediaType::OCI_LAYER, &bytes), bytes)
}

pub(crate) fn blob((descriptor, bytes): &(Descriptor, Bytes)) -> Blob {
    Blob::from_bytes(descriptor.clone(), bytes.clone()).unwrap()
}

/// An image and everything it needs.
pub(crate) struct TestImage {
    pub(crate) blobs: Vec<(Descriptor, Bytes)>,
    pub(crate) manifest: Manifest,
}

impl TestImage {
    /// An image whose layers have these bytes: empty tar archives with a trailer, as far as tools care.
    pub(crate) fn new(layers: &[&[u8]]) -> Self {
        let layers: Vec<_> = layers.iter().map(|bytes| layer(bytes.to_vec())).collect();
        let diff_ids: Vec<_> = layers
            .iter()
            .map(|(descriptor, _)| format!("{:?}", descriptor.digest().as_str()))
            .collect();
        let config = format!(
            r#"{{"architecture":"amd64","os":"linux","rootfs":{{"type":"layers","diff_ids":[{}]}}}}"#,
            diff_ids.join(",")
        );
        let config = (
            describe(MediaType::OCI_CONFIG, config.as_bytes()),
            Bytes::from(config),
        );
        let json = |descriptor: &Descriptor| serde_json::to_string(descriptor).unwrap();
        let listed: Vec<_> = layers.iter().map(|(descriptor, _)| json(descriptor)).collect();
        let manifest = format!(
            r#"{{"schemaVersion":2,"mediaType":"{}","config":{},"layers":[{}]}}"#,
            MediaType::OCI_MANIFEST,
            json(&config.0),
            listed.join(",")
        );
        let mut blobs = layers;
        blobs.push(config);
        Self {
            blobs,
            manifest: Manifest::parse(manifest.into(), None).unwrap(),
        }
    }

    pub(crate) async fn push(&self, sink: &dyn Sink, as_name: Option<&str>) {
        for content in &self.blobs {
            sink.push_blob(blob(content)).await.unwrap();
        }
        let as_name = as_name.map(name);
        sink.push_manifest(&self.manifest, as_name.as_ref())
            .await
            .unwrap();
    }
}

/// A layer that is an archive, so that tools which look inside are content.
pub(crate) fn tar(content: &[u8]) -> Vec<u8> {
    let mut header = [0_u8; 512];
    header[..4].copy_from_slice(b"file");
    header[100..108].copy_from_slice(b"0000644\0");
    header[108..116].copy_from_slice(b"0000000\0");
    header[116..124].copy_from_slice(b"0000000\0");
    header[124..136].copy_from_slice(format!("{:011o}\0", content.len()).as_bytes());
    header[136..148].copy_from_slice(b"00000000000\0");
    header[148..156].copy_from_slice(b"        ");
    header[156] = b'0';
    header[257..265].copy_from_slice(b"ustar\x0000");
    let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
    header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    let mut archive = header.to_vec();
    archive.extend_from_slice(content);
    archive.resize(archive.len().next_multiple_of(512) + 1024, 0);
    archive
}
