//! The memory of a process does not grow with the size of a layer.

use std::{
    fs::{self, File},
    io::Write as _,
    path::Path,
    process::Command,
    sync::Arc,
};

use async_trait::async_trait;
use bytes::Bytes;
use tempfile::TempDir;
use wharf_archive::{Archive, Dir, Form, Writer, WriterForm, WriterOptions, load, read_stream};
use wharf_content::{
    Blob, ByteStream, Descriptor, Error, Hasher, Manifest, MediaType, OpenBlob, Sink, Source as _,
};
use wharf_reference::Algorithm;

use crate::tarball::{header, padded};

const CASE: &str = "WHARF_TEST_MEMORY";
const LIMIT_MIB: u64 = 64;
const MIB: u64 = 1 << 20;

/// The work of each process, with a layer of so many MiB.
const CASES: &[(&str, u64)] = &[
    ("an archive is written to a stream", 512),
    ("an archive is written to a file", 192),
    ("a blob of unknown digest is written to an archive", 192),
    ("a layer is decompressed for Docker's old form", 192),
    ("a directory is written", 192),
    ("a blob of unknown digest is written to a directory", 192),
    ("an archive is read", 512),
    ("a directory is read", 512),
    ("a stream is loaded", 512),
    ("a compressed stream is loaded", 512),
    ("a stream without digests is loaded", 192),
];

#[test]
fn memory_is_bounded_whatever_the_size_of_a_layer() {
    for (case, _) in CASES {
        let child = Command::new(std::env::current_exe().unwrap())
            .args([
                "--exact",
                "--ignored",
                "--nocapture",
                "memory::child_does_one_case",
            ])
            .env(CASE, case)
            .output()
            .unwrap();
        let stdout = String::from_utf8_lossy(&child.stdout).into_owned();
        assert!(
            child.status.success(),
            "{case}: {stdout}{}",
            String::from_utf8_lossy(&child.stderr)
        );
        let peak = stdout.lines().find_map(|line| line.strip_prefix("peak "));
        let peak: u64 = peak
            .unwrap_or_else(|| panic!("{case}: {stdout}"))
            .parse()
            .unwrap();
        assert!(
            peak < LIMIT_MIB * 1024,
            "{case}: {peak} KiB, and {LIMIT_MIB} MiB are allowed"
        );
    }
}

/// Not a test of its own: the process that is measured.
#[tokio::test]
#[ignore = "started by the other test as a process of its own"]
async fn child_does_one_case() {
    let Ok(wanted) = std::env::var(CASE) else { return };
    let (case, size) = CASES.iter().find(|(case, _)| *case == wanted).unwrap();
    let scratch = tempfile::tempdir().unwrap();
    run(case, &Layer::of(size * MIB), &scratch).await;
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let peak = peak.and_then(|line| line.split_whitespace().next());
    println!("peak {}", peak.unwrap());
}

async fn run(case: &str, layer: &Layer, scratch: &TempDir) {
    let path = scratch.path().join("image");
    match case {
        "an archive is written to a stream" => {
            let writer = Writer::stream(std::io::sink(), WriterOptions::default()).await;
            let writer = writer.unwrap();
            layer.push(&writer).await;
            writer.finish().await.unwrap();
        }
        "an archive is written to a file" => {
            let writer = Writer::create(&path).await.unwrap();
            layer.push(&writer).await;
            writer.finish().await.unwrap();
        }
        "a blob of unknown digest is written to an archive" => {
            let writer = Writer::create(&path).await.unwrap();
            layer.ingest(&writer).await;
            writer.push_manifest(&layer.manifest, None).await.unwrap();
            writer.finish().await.unwrap();
        }
        "a layer is decompressed for Docker's old form" => {
            let options = WriterOptions::default().with_form(WriterForm::DockerLegacy);
            let writer = Writer::create_with(&path, options).await.unwrap();
            layer.push_compressed(&writer).await;
            writer.finish().await.unwrap();
        }
        "a directory is written" => {
            let writer = Dir::create(&path).await.unwrap();
            layer.push(&writer).await;
            writer.finish().await.unwrap();
        }
        "a blob of unknown digest is written to a directory" => {
            let writer = Dir::create(&path).await.unwrap();
            layer.ingest(&writer).await;
        }
        "an archive is read" => {
            layer.sparse_archive(&path);
            let archive = Archive::open(&path, Form::Detect).await.unwrap();
            drain(archive.blob(&layer.descriptor).await.unwrap()).await;
        }
        "a directory is read" => {
            let writer = Dir::create(&path).await.unwrap();
            writer.push_manifest(&layer.manifest, None).await.unwrap();
            let dir = writer.finish().await.unwrap();
            let file = File::create(path.join(layer.descriptor.digest().encoded())).unwrap();
            file.set_len(layer.descriptor.size()).unwrap();
            drain(dir.blob(&layer.descriptor).await.unwrap()).await;
        }
        "a stream is loaded" => {
            layer.sparse_archive(&path);
            let writer = Writer::stream(std::io::sink(), WriterOptions::default()).await;
            let writer = writer.unwrap();
            let stream = read_stream(File::open(&path).unwrap());
            assert_eq!(load(stream, &writer).await.unwrap().len(), 1);
        }
        "a compressed stream is loaded" => {
            layer.sparse_archive(&path);
            let compressed = compressed(&path);
            let writer = Writer::stream(std::io::sink(), WriterOptions::default()).await;
            let writer = writer.unwrap();
            let stream = read_stream(std::io::Cursor::new(compressed));
            assert_eq!(load(stream, &writer).await.unwrap().len(), 1);
        }
        "a stream without digests is loaded" => {
            layer.sparse_docker_archive(&path);
            let writer = Dir::create(scratch.path().join("loaded")).await.unwrap();
            let stream = read_stream(File::open(&path).unwrap());
            assert_eq!(load(stream, &writer).await.unwrap().len(), 1);
        }
        other => panic!("no case {other}"),
    }
}

async fn drain(mut blob: Blob) {
    let mut length = 0;
    while let Some(chunk) = blob.next().await {
        length += chunk.unwrap().len() as u64;
    }
    assert_eq!(length, blob.descriptor().size());
}

/// The bytes of a file, compressed by gzip.
fn compressed(path: &Path) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    std::io::copy(&mut File::open(path).unwrap(), &mut encoder).unwrap();
    encoder.finish().unwrap()
}

/// An image with one layer of zeros.
struct Layer {
    descriptor: Descriptor,
    config: Descriptor,
    config_bytes: Bytes,
    manifest: Manifest,
}

/// The manifest of an image with one layer.
fn image(config: &Descriptor, layer: &Descriptor) -> Manifest {
    let manifest = serde_json::json!({
        "schemaVersion": 2, "mediaType": MediaType::OCI_MANIFEST.as_str(),
        "config": config, "layers": [layer],
    });
    Manifest::parse(manifest.to_string().into(), None).unwrap()
}

impl Layer {
    fn of(size: u64) -> Self {
        let mut hasher = Hasher::new(Algorithm::Sha256).unwrap();
        let zeros = vec![0; 1 << 20];
        (0..size / MIB).for_each(|_| hasher.update(&zeros));
        let digest = hasher.prove().unwrap().digest().clone();
        let config = serde_json::json!({
            "architecture": "amd64", "os": "linux", "config": {},
            "rootfs": { "type": "layers", "diff_ids": [digest] },
        });
        let config_bytes = Bytes::from(config.to_string());
        let config = Descriptor::of(MediaType::OCI_CONFIG, &config_bytes);
        let descriptor = Descriptor::new(MediaType::OCI_LAYER, digest, size).unwrap();
        let manifest = image(&config, &descriptor);
        Self {
            descriptor,
            config,
            config_bytes,
            manifest,
        }
    }

    async fn push(&self, sink: &dyn Sink) {
        let config = Blob::from_bytes(self.config.clone(), self.config_bytes.clone()).unwrap();
        sink.push_blob(config).await.unwrap();
        let zeros = Zeros(self.descriptor.size());
        let blob = Blob::new(self.descriptor.clone(), Arc::new(zeros)).unwrap();
        sink.push_blob(blob).await.unwrap();
        sink.push_manifest(&self.manifest, None).await.unwrap();
    }

    async fn push_compressed(&self, sink: &dyn Sink) {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        let mut zeros = std::io::Read::take(std::io::repeat(0), self.descriptor.size());
        std::io::copy(&mut zeros, &mut encoder).unwrap();
        let bytes = encoder.finish().unwrap();
        let descriptor = Descriptor::of(MediaType::OCI_LAYER_GZIP, &bytes);
        let config = Blob::from_bytes(self.config.clone(), self.config_bytes.clone()).unwrap();
        sink.push_blob(config).await.unwrap();
        let manifest = image(&self.config, &descriptor);
        sink.push_blob(Blob::from_bytes(descriptor, bytes.into()).unwrap())
            .await
            .unwrap();
        sink.push_manifest(&manifest, None).await.unwrap();
    }

    async fn ingest(&self, sink: &dyn Sink) {
        let ingested = sink
            .ingest(
                MediaType::OCI_LAYER,
                Algorithm::Sha256,
                zeros(self.descriptor.size()),
            )
            .await;
        assert_eq!(ingested.unwrap().digest(), self.descriptor.digest());
    }

    /// An OCI archive in which the layer is a hole.
    fn sparse_archive(&self, path: &Path) {
        let index = serde_json::json!({ "schemaVersion": 2, "manifests": [self.manifest.descriptor()] });
        let blob = |descriptor: &Descriptor| format!("blobs/sha256/{}", descriptor.digest().encoded());
        self.write(
            path,
            &blob(&self.descriptor),
            &[
                ("oci-layout", br#"{"imageLayoutVersion":"1.0.0"}"#.to_vec()),
                (&blob(&self.config), self.config_bytes.to_vec()),
                (&blob(self.manifest.descriptor()), self.manifest.bytes().to_vec()),
                ("index.json", index.to_string().into_bytes()),
            ],
        );
    }

    /// A docker-archive in which the layer is a hole.
    fn sparse_docker_archive(&self, path: &Path) {
        let manifest = serde_json::json!([{ "Config": "config.json", "Layers": ["layer.tar"] }]);
        self.write(
            path,
            "layer.tar",
            &[
                ("config.json", self.config_bytes.to_vec()),
                ("manifest.json", manifest.to_string().into_bytes()),
            ],
        );
    }

    fn write(&self, path: &Path, layer: &str, documents: &[(&str, Vec<u8>)]) {
        use std::io::Seek as _;
        let mut file = File::create(path).unwrap();
        file.write_all(&header(layer, b'0', "", self.descriptor.size()))
            .unwrap();
        let size = i64::try_from(self.descriptor.size()).unwrap();
        file.seek_relative(size).unwrap();
        for (name, content) in documents {
            file.write_all(&header(name, b'0', "", content.len() as u64))
                .unwrap();
            file.write_all(&padded(content)).unwrap();
        }
        file.write_all(&[0; 1024]).unwrap();
    }
}

/// So many zeros.
struct Zeros(u64);

#[async_trait]
impl OpenBlob for Zeros {
    async fn open(&self, offset: u64) -> Result<ByteStream, Error> {
        assert_eq!(offset, 0, "nothing is resumed");
        Ok(zeros(self.0))
    }
}

fn zeros(size: u64) -> ByteStream {
    let chunk = Bytes::from(vec![0; 1 << 20]);
    let chunks = (0..size / MIB).map(move |_| Ok(chunk.clone()));
    Box::pin(futures_util::stream::iter(chunks))
}
