//! An unpacking that nobody waits for any more, in the middle of a layer whose bytes keep coming.

use std::{
    fs,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::stream;
use tokio::{runtime, sync::Notify, time::timeout};
use wharf_content::{
    Blob, ByteStream, Descriptor, Error, Hasher, Location, Manifest, MediaType, OpenBlob, Source, Target,
};
use wharf_image::{UnpackOptions, unpack};
use wharf_layer::{
    ApplyOptions, Ownership,
    tar::{Member, Writer},
};

/// More than any test may write.
const SIZE: u64 = 8 << 30;

/// Longer than any machine takes.
const MAX_WAIT: Duration = Duration::from_secs(60);

/// An image of one layer, which has one large file.
struct Large {
    manifest: Manifest,
    config: Bytes,
    reading: Arc<Reading>,
}

/// The state of the reading of the layer.
#[derive(Default)]
struct Reading {
    pieces: AtomicUsize,
    is_under_way: Notify,
    has_ended: Notify,
}

impl Large {
    fn new() -> Self {
        let digest = Hasher::sha256(b"its end is never reached");
        let config = format!(
            r#"{{"architecture":"amd64","os":"linux","rootfs":{{"type":"layers","diff_ids":["{digest}"]}}}}"#
        );
        let config = Bytes::from(config);
        let layer = Descriptor::new(MediaType::OCI_LAYER, digest, SIZE).unwrap();
        let manifest = serde_json::json!({
            "schemaVersion": 2,
            "mediaType": MediaType::OCI_MANIFEST.as_str(),
            "config": Descriptor::of(MediaType::OCI_CONFIG, &config),
            "layers": [layer],
        });
        Self {
            manifest: Manifest::parse(manifest.to_string().into(), None).unwrap(),
            config,
            reading: Arc::default(),
        }
    }
}

#[async_trait]
impl Source for Large {
    async fn resolve(&self, _: &Target) -> Result<Descriptor, Error> {
        Ok(self.manifest.descriptor().clone())
    }

    async fn manifest(&self, _: &Target) -> Result<Manifest, Error> {
        Ok(self.manifest.clone())
    }

    async fn blob(&self, descriptor: &Descriptor) -> Result<Blob, Error> {
        if *descriptor.media_type() == MediaType::OCI_CONFIG {
            return Blob::from_bytes(descriptor.clone(), self.config.clone());
        }
        Blob::new(descriptor.clone(), Pieces(Arc::clone(&self.reading)))
    }

    fn location(&self) -> Location {
        Location::Memory
    }
}

struct Pieces(Arc<Reading>);

#[async_trait]
impl OpenBlob for Pieces {
    async fn open(&self, _: u64) -> Result<ByteStream, Error> {
        let member = Member::file("large", SIZE - (1 << 20)).unwrap();
        let header = Bytes::from(Writer::new().member(&member).unwrap());
        let end = End(Arc::clone(&self.0));
        let zeros = Bytes::from(vec![0; 64 << 10]);
        let pieces = std::iter::once(header).chain(std::iter::repeat(zeros));
        Ok(Box::pin(stream::iter(pieces.map(move |piece| {
            if end.0.pieces.fetch_add(1, Ordering::Relaxed) == 100 {
                end.0.is_under_way.notify_one();
            }
            Ok(piece)
        }))))
    }
}

/// Tells that the bytes were dropped.
struct End(Arc<Reading>);

impl Drop for End {
    fn drop(&mut self) {
        self.0.has_ended.notify_one();
    }
}

#[test]
fn an_unpacking_that_is_dropped_ends_in_the_middle_of_a_layer() {
    let directory = tempfile::tempdir().unwrap();
    let runtime = runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_time()
        .build()
        .unwrap();
    runtime.block_on(async {
        let image = Arc::new(Large::new());
        let reading = Arc::clone(&image.reading);
        let target = image.manifest.digest().into();
        let apply = ApplyOptions::default().with_ownership(Ownership::Current);
        let options = UnpackOptions::default().with_apply(apply);
        let unpacking = unpack(image, &target, directory.path().join("root"), &options);
        tokio::select! {
            result = unpacking => panic!("a layer without an end was unpacked: {result:?}"),
            () = reading.is_under_way.notified() => {}
        }
        // The runtime goes on; nothing else stops the reading.
        let ended = timeout(MAX_WAIT, reading.has_ended.notified()).await;
        ended.expect("nothing more is read");
    });
    drop(runtime); // waits for its blocking threads
    let left: Vec<_> = fs::read_dir(directory.path()).unwrap().collect();
    assert!(left.is_empty(), "{left:?}");
}
