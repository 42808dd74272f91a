//! Images unpacked to a directory.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use tokio::{runtime, sync::Notify};
use wharf_content::{
    Blob, BuiltImage, ByteStream, Descriptor, Error, ErrorKind, Event, Gate, Hasher, ImageBuilder,
    IndexBuilder, Location, Manifest, MediaType, OpenBlob, Outcome, Platform, Rejection, Role, Source,
    Target,
};
use wharf_image::{Codec, Level, Options, UnpackOptions, UnpackedImage, unpack};
use wharf_layer::{ApplyOptions, Encoder, Ownership, Profile, tar::of_files};

use crate::support::{OCI_CONFIG, OCI_MANIFEST, Store};

fn tar(files: &[(&str, &str)]) -> Vec<u8> {
    of_files(files.iter().copied()).unwrap()
}

fn gzip(tar: &[u8]) -> Vec<u8> {
    let mut layer = Vec::new();
    let mut encoder = Encoder::new(Profile::V1, Level::default_of(Codec::Gzip), 1);
    encoder.encode(tar, &mut layer).unwrap();
    encoder.finish(&mut layer).unwrap();
    layer
}

fn builder() -> ImageBuilder {
    ImageBuilder::for_platform(Platform::new("linux", "amd64"))
}

fn options() -> UnpackOptions {
    UnpackOptions::default().with_apply(ApplyOptions::default().with_ownership(Ownership::Current))
}

/// The fault of a source.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Fault {
    None,
    /// Its last byte is another one.
    Flipped,
    /// It is not there.
    Missing,
    /// It ends nowhere.
    Endless,
}

/// A source that counts what is asked, and has a fault in one of the layers.
struct Faulty {
    image: BuiltImage,
    layer: usize,
    fault: Fault,
    requests: AtomicUsize,
    /// Is told when the blob that does not end is read.
    reading: Arc<Notify>,
}

impl Faulty {
    fn new(image: BuiltImage, layer: usize, fault: Fault) -> Arc<Self> {
        Arc::new(Self {
            image,
            layer,
            fault,
            requests: AtomicUsize::new(0),
            reading: Arc::default(),
        })
    }

    fn target(&self) -> Target {
        self.image.digest().into()
    }
}

#[async_trait]
impl Source for Faulty {
    async fn resolve(&self, target: &Target) -> Result<Descriptor, Error> {
        self.requests.fetch_add(1, Ordering::Relaxed);
        self.image.resolve(target).await
    }

    async fn manifest(&self, target: &Target) -> Result<Manifest, Error> {
        self.requests.fetch_add(1, Ordering::Relaxed);
        self.image.manifest(target).await
    }

    async fn blob(&self, descriptor: &Descriptor) -> Result<Blob, Error> {
        let faulty = self.image.root().layers().get(self.layer);
        let bytes = self.image.blob(descriptor).await?.read_to_end(1 << 20).await?;
        if faulty.map(Descriptor::digest) != Some(descriptor.digest()) {
            return Blob::from_bytes(descriptor.clone(), bytes);
        }
        match self.fault {
            Fault::None => Blob::from_bytes(descriptor.clone(), bytes),
            Fault::Missing => Err(Error::new(ErrorKind::NotFound, "the layer is gone")),
            Fault::Flipped => {
                let mut bytes = bytes.to_vec();
                *bytes.last_mut().unwrap() ^= 1;
                Blob::from_bytes(descriptor.clone(), Bytes::from(bytes))
            }
            Fault::Endless => {
                let reading = Arc::clone(&self.reading);
                let start = bytes.slice(..bytes.len() / 2);
                Blob::new(descriptor.clone(), Endless { start, reading })
            }
        }
    }

    fn location(&self) -> Location {
        Location::Memory
    }
}

/// The first bytes of a blob, after which nothing comes.
struct Endless {
    start: Bytes,
    reading: Arc<Notify>,
}

#[async_trait]
impl OpenBlob for Endless {
    async fn open(&self, _: u64) -> Result<ByteStream, Error> {
        let reading = Arc::clone(&self.reading);
        let rest = stream::poll_fn(move |_| {
            reading.notify_one();
            std::task::Poll::Pending
        });
        Ok(Box::pin(stream::iter([Ok(self.start.clone())]).chain(rest)))
    }
}

/// A directory, and the path of a root in it.
fn place() -> (tempfile::TempDir, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path().join("root");
    (directory, root)
}

fn is_empty(directory: &Path) -> bool {
    fs::read_dir(directory).unwrap().next().is_none()
}

async fn unpacked(
    source: Arc<dyn Source>,
    target: &Target,
    options: &UnpackOptions,
) -> Result<UnpackedImage, Error> {
    let (directory, root) = place();
    let result = unpack(source, target, &root, options).await;
    let there = fs::read_dir(directory.path()).unwrap().count();
    assert_eq!(
        there,
        usize::from(result.is_ok()),
        "the root alone is there, if it is whole"
    );
    assert_eq!(root.exists(), result.is_ok());
    result
}

/// Asserts that nothing is unpacked, and what the error says.
#[track_caller]
fn assert_fails(result: Result<UnpackedImage, Error>, kind: ErrorKind, words: &[&str]) {
    let error = result.unwrap_err();
    assert_eq!(error.kind(), kind, "{error}");
    for word in words {
        assert!(error.to_string().contains(word), "{error} does not say {word:?}");
    }
}

#[tokio::test]
async fn layers_of_any_codec_become_one_tree() {
    let lower = tar(&[("a", "1"), ("b", "1"), ("d/e", "1"), ("d/f", "1")]);
    let upper = tar(&[(".wh.a", ""), ("b", "22"), ("d/.wh..wh..opq", ""), ("d/g", "3")]);
    let image = builder()
        .with_tar(lower)
        .with_tar_gzip(gzip(&upper), &Hasher::sha256(&upper))
        .with_env("PATH", "/bin")
        .build()
        .unwrap();
    let (target, digest) = (image.digest().into(), image.digest().clone());
    let (_directory, root) = place();
    let done = unpack(Arc::new(image), &target, &root, &options()).await.unwrap();
    assert!(!root.join("a").exists() && !root.join("d/e").exists() && !root.join("d/f").exists());
    assert_eq!(fs::read_to_string(root.join("b")).unwrap(), "22");
    assert_eq!(fs::read_to_string(root.join("d/g")).unwrap(), "3");
    assert_eq!(*done.image.digest(), digest);
    assert_eq!(done.config.env().unwrap(), ["PATH=/bin"]);
    let counts: Vec<_> = done
        .layers
        .iter()
        .map(|layer| (layer.members, layer.bytes, layer.whiteouts))
        .collect();
    assert_eq!(counts, [(4, 4, 0), (4, 3, 2)]);
}

#[tokio::test]
async fn a_directory_that_is_taken_is_refused_before_the_first_request() {
    let source = Faulty::new(builder().with_tar(tar(&[])).build().unwrap(), 0, Fault::None);
    let (directory, root) = place();
    fs::create_dir(&root).unwrap();
    fs::write(root.join("file"), "").unwrap();
    let target = source.target();
    let taken = unpack(source.clone(), &target, &root, &options()).await;
    assert_fails(taken, ErrorKind::Conflict, &["not empty"]);
    let file = unpack(source.clone(), &target, root.join("file"), &options()).await;
    assert_fails(file, ErrorKind::Invalid, &["must be a directory"]);
    let nowhere = directory.path().join("missing/root");
    let nowhere = unpack(source.clone(), &target, nowhere, &options()).await;
    assert_fails(nowhere, ErrorKind::NotFound, &["missing"]);
    assert_eq!(source.requests.load(Ordering::Relaxed), 0);
}

#[tokio::test]
async fn a_layer_that_is_not_what_the_image_says_leaves_nothing() {
    let (good, other) = (tar(&[("a", "1")]), tar(&[("a", "2")]));
    let lying = builder()
        .with_tar(good.clone())
        .with_tar_gzip(gzip(&good), &Hasher::sha256(&other))
        .build()
        .unwrap();
    let source = Faulty::new(lying, 9, Fault::None);
    let result = unpacked(source.clone(), &source.target(), &options()).await;
    let digest = source.image.digest().to_string();
    assert_fails(
        result,
        ErrorKind::Mismatch,
        &["layer 2 of ", &digest, "uncompressed"],
    );

    let image = || {
        let upper = tar(&[("b", "1")]);
        let builder = builder().with_tar(good.clone());
        builder
            .with_tar_gzip(gzip(&upper), &Hasher::sha256(&upper))
            .build()
            .unwrap()
    };
    for (fault, kind, words) in [
        (Fault::Flipped, ErrorKind::Mismatch, "layer 2 of "),
        (Fault::Missing, ErrorKind::NotFound, "the layer is gone"),
    ] {
        let source = Faulty::new(image(), 1, fault);
        assert_fails(
            unpacked(source.clone(), &source.target(), &options()).await,
            kind,
            &[words],
        );
    }

    let cut = gzip(&good)[..20].to_vec();
    let cut = builder()
        .with_tar_gzip(cut, &Hasher::sha256(&good))
        .build()
        .unwrap();
    let source = Faulty::new(cut, 9, Fault::None);
    let result = unpacked(source.clone(), &source.target(), &options()).await;
    assert_fails(result, ErrorKind::Corrupt, &["layer 1 of "]);

    // The type says gzip.
    let plain = builder()
        .with_tar_gzip(good.clone(), &Hasher::sha256(&good))
        .build()
        .unwrap();
    let source = Faulty::new(plain, 9, Fault::None);
    let result = unpacked(source.clone(), &source.target(), &options()).await;
    assert_fails(result, ErrorKind::Corrupt, &["layer 1 of "]);
    let by_magic = options().with_trust_magic(true);
    unpacked(source.clone(), &source.target(), &by_magic)
        .await
        .unwrap();
}

#[tokio::test]
async fn a_member_that_is_refused_is_named_with_its_layer() {
    let mut outside = tar(&[("aa/x", "1")]);
    outside[..4].copy_from_slice(b"../x");
    let sum: u32 = outside[..512]
        .iter()
        .enumerate()
        .map(|(at, byte)| {
            if (148..156).contains(&at) {
                32
            } else {
                u32::from(*byte)
            }
        })
        .sum();
    outside[148..154].copy_from_slice(format!("{sum:06o}").as_bytes());
    let image = builder()
        .with_tar(tar(&[("a", "1")]))
        .with_tar(outside)
        .build()
        .unwrap();
    let source = Faulty::new(image, 9, Fault::None);
    let result = unpacked(source.clone(), &source.target(), &options()).await;
    assert_fails(result, ErrorKind::Invalid, &["layer 2 of ", "../x"]);
}

#[tokio::test]
async fn the_first_layer_that_failed_is_reported() {
    let (good, other) = (tar(&[("a", "1")]), tar(&[("b", "1")]));
    let image = builder()
        .with_tar_gzip(gzip(&good), &Hasher::sha256(&other))
        .with_tar(other)
        .build()
        .unwrap();
    let source = Faulty::new(image, 1, Fault::Missing);
    let result = unpacked(source.clone(), &source.target(), &options()).await;
    assert_fails(result, ErrorKind::Mismatch, &["layer 1 of "]);
}

#[tokio::test]
async fn an_index_needs_a_platform() {
    let image = |architecture: &str| {
        let builder = ImageBuilder::for_platform(Platform::new("linux", architecture));
        builder
            .with_tar(tar(&[("etc/arch", architecture)]))
            .build()
            .unwrap()
    };
    let index = IndexBuilder::new()
        .with_image(&image("amd64"))
        .with_image(&image("arm64"))
        .build()
        .unwrap();
    let target = index.digest().into();
    let index: Arc<dyn Source> = Arc::new(index);
    let none = unpacked(Arc::clone(&index), &target, &options()).await;
    assert_fails(none, ErrorKind::Invalid, &["is an index", "platform"]);
    let absent = options().with_platform(Platform::new("linux", "s390x"));
    let absent = unpacked(Arc::clone(&index), &target, &absent).await;
    assert_fails(absent, ErrorKind::NotFound, &["s390x"]);
    let (_directory, root) = place();
    let arm = options().with_platform(Platform::new("linux", "arm64"));
    let done = unpack(index, &target, &root, &arm).await.unwrap();
    assert_eq!(fs::read_to_string(root.join("etc/arch")).unwrap(), "arm64");
    assert_eq!(done.config.architecture(), "arm64");
}

#[tokio::test]
async fn what_has_no_file_system_is_refused() {
    let wasm = MediaType::from_document("application/wasm");
    let artifact = ImageBuilder::new().with_artifact_type(wasm).build().unwrap();
    let source = Faulty::new(artifact, 9, Fault::None);
    let result = unpacked(source.clone(), &source.target(), &options()).await;
    assert_fails(result, ErrorKind::Unsupported, &["artifact"]);
    let store = Store::default();
    let image = store.image(OCI_MANIFEST, OCI_CONFIG, "application/wasm").await;
    let result = unpacked(store.0.clone(), &image.digest().into(), &options()).await;
    assert_fails(
        result,
        ErrorKind::Unsupported,
        &["layer 1 of ", "application/wasm"],
    );
}

/// Rejects everything.
struct Closed;

#[async_trait]
impl Gate for Closed {
    async fn admit(&self, _: &Manifest, _: &Role) -> Result<(), Rejection> {
        Err(Rejection::new("it is not signed"))
    }
}

#[tokio::test]
async fn gates_and_limits_hold() {
    let image = builder()
        .with_tar(tar(&[("a", "1")]))
        .with_tar(tar(&[("b", "1")]))
        .build()
        .unwrap();
    let source = Faulty::new(image, 9, Fault::None);
    let with = |reading: Options| options().with_reading(reading);
    let gate = with(Options::default().with_gate(Closed));
    let rejected = unpacked(source.clone(), &source.target(), &gate).await;
    assert_fails(rejected, ErrorKind::Rejected, &["it is not signed"]);
    let size = with(Options::default().with_max_size(100));
    assert_fails(
        unpacked(source.clone(), &source.target(), &size).await,
        ErrorKind::TooLarge,
        &["100"],
    );
    let tars = 2 * tar(&[("a", "1")]).len() as u64;
    let unpacked_size = with(Options::default().with_max_unpacked(tars - 1));
    let result = unpacked(source.clone(), &source.target(), &unpacked_size).await;
    assert_fails(result, ErrorKind::TooLarge, &["layer 2 of ", "max_unpacked"]);
    let fits = with(Options::default().with_max_unpacked(tars));
    unpacked(source.clone(), &source.target(), &fits).await.unwrap();
}

#[tokio::test]
async fn each_layer_is_reported() {
    let (lower, upper) = (tar(&[("a", "1")]), gzip(&tar(&[("b", "2")])));
    let sizes = [lower.len() as u64, upper.len() as u64];
    let image = builder()
        .with_tar(lower)
        .with_tar_gzip(upper, &Hasher::sha256(&tar(&[("b", "2")])))
        .build()
        .unwrap();
    let events: Arc<Mutex<Vec<String>>> = Arc::default();
    let seen = Arc::clone(&events);
    let options = options().with_progress(move |event: Event<'_>| {
        let line = match event {
            Event::Planned { count, bytes } => format!("planned {count} {bytes}"),
            Event::Started { descriptor } => format!("started {}", descriptor.size()),
            Event::Advanced { descriptor, bytes } => format!("advanced {} {bytes}", descriptor.size()),
            Event::Finished {
                descriptor,
                outcome: Outcome::Copied,
            } => format!("finished {}", descriptor.size()),
            other => format!("{other:?}"),
        };
        seen.lock().unwrap().push(line);
    });
    let target = image.digest().into();
    unpacked(Arc::new(image), &target, &options).await.unwrap();
    let events = events.lock().unwrap();
    assert_eq!(events[0], format!("planned 2 {}", sizes[0] + sizes[1]));
    for size in sizes {
        let of_layer: Vec<_> = events
            .iter()
            .filter(|line| line.split(' ').nth(1) == Some(&size.to_string()))
            .collect();
        let expected = [
            format!("started {size}"),
            format!("advanced {size} {size}"),
            format!("finished {size}"),
        ];
        assert_eq!(of_layer, expected.iter().collect::<Vec<_>>());
    }
}

#[test]
fn an_unpacking_that_is_dropped_leaves_nothing() {
    let (directory, root) = place();
    let runtime = runtime::Builder::new_current_thread().build().unwrap();
    let image = builder()
        .with_tar(tar(&[("a", "1")]))
        .with_tar(tar(&[("b", "1")]))
        .build()
        .unwrap();
    runtime.block_on(async {
        let source = Faulty::new(image, 1, Fault::Endless);
        let (target, options) = (source.target(), options());
        let unpacking = unpack(source.clone(), &target, &root, &options);
        tokio::select! {
            result = unpacking => panic!("a layer without an end was unpacked: {result:?}"),
            () = source.reading.notified() => {}
        }
    });
    drop(runtime); // waits for its blocking threads
    assert!(is_empty(directory.path()));
}
