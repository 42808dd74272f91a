//! The knowledge that clients share.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, MutexGuard,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use wharf_reference::Digest;
use wharf_testkit::{
    Random,
    history::{Action, Operation},
    sha256,
};

use crate::http::{Answer, request};

/// The pause after a process was asked that does not serve yet.
const ABSENT: Duration = Duration::from_millis(20);

/// A manifest that was acknowledged, by repository and digest, with the bytes of all that belongs to it.
pub(crate) type Images = BTreeMap<(String, Digest), Image>;

#[derive(Clone)]
pub(crate) struct Image {
    pub(crate) manifest: Bytes,
    pub(crate) blobs: Vec<Bytes>,
}

/// The processes that a crowd may ask.
pub(crate) trait Addresses: Send + Sync {
    fn count(&self) -> usize;

    /// The address of a process that serves, or has.
    fn address(&self, index: usize) -> Option<String>;
}

pub(crate) struct Crowd {
    pub(crate) processes: Arc<dyn Addresses>,
    pub(crate) is_over: AtomicBool,
    images: Mutex<Images>,
    tags: Mutex<BTreeMap<String, Vec<Operation<Option<String>>>>>,
    moments: AtomicU64,
    pub(crate) pushes: AtomicU64,
    pub(crate) given_up: AtomicU64,
    pub(crate) pulls: AtomicU64,
    /// The requests without an answer that says something.
    pub(crate) unanswered: AtomicU64,
}

impl Crowd {
    pub(crate) fn new(processes: Arc<dyn Addresses>) -> Self {
        Self {
            processes,
            is_over: AtomicBool::default(),
            images: Mutex::default(),
            tags: Mutex::default(),
            moments: AtomicU64::default(),
            pushes: AtomicU64::default(),
            given_up: AtomicU64::default(),
            pulls: AtomicU64::default(),
            unanswered: AtomicU64::default(),
        }
    }

    /// Waits until so many more pushes are acknowledged.
    pub(crate) async fn wait_for_pushes(&self, count: u64) {
        let enough = self.pushes.load(Ordering::Relaxed) + count;
        while self.pushes.load(Ordering::Relaxed) < enough {
            tokio::time::sleep(ABSENT).await;
        }
    }

    pub(crate) fn images(&self) -> MutexGuard<'_, Images> {
        self.images.lock().expect("no panic")
    }

    /// Asks any process; `None` without an answer that says something.
    pub(crate) async fn ask(
        &self,
        random: &mut Random,
        method: &str,
        path: &str,
        media_type: &str,
        body: &[u8],
    ) -> Option<Answer> {
        let Some(address) = self.processes.address(random.index(self.processes.count())) else {
            tokio::time::sleep(ABSENT).await;
            return None;
        };
        let answer = request(&address, method, path, media_type, body).await.ok();
        let answer = answer.filter(|answer| answer.status < 500 && answer.status != 429);
        if answer.is_none() {
            self.unanswered.fetch_add(1, Ordering::Relaxed);
        }
        answer
    }

    /// A moment, later than those before.
    pub(crate) fn moment(&self) -> u64 {
        self.moments.fetch_add(1, Ordering::SeqCst)
    }

    pub(crate) fn note(&self, tag: &str, begun: u64, ended: Option<u64>, action: Action<Option<String>>) {
        let mut tags = self.tags.lock().expect("no panic");
        tags.entry(tag.to_owned())
            .or_default()
            .push(Operation { begun, ended, action });
    }

    pub(crate) fn histories(&self) -> MutexGuard<'_, BTreeMap<String, Vec<Operation<Option<String>>>>> {
        self.tags.lock().expect("no panic")
    }

    pub(crate) fn counts(&self) -> String {
        let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let (pushes, given_up, pulls) = (count(&self.pushes), count(&self.given_up), count(&self.pulls));
        format!(
            "{CLIENTS} clients pushed {pushes} images, gave {given_up} up, pulled {pulls}",
            CLIENTS = crate::clients::CLIENTS
        )
    }
}

impl Image {
    /// An image of a few blobs, some of which many images have, and of which a few are too large for one request to a store.
    pub(crate) fn new(random: &mut Random) -> Self {
        let mut blobs = vec![Bytes::from(format!("{{\"number\": {}}}", random.number()))];
        for _ in 0..=random.index(3) {
            let seed = if random.once_in(3) {
                random.below(4)
            } else {
                random.number()
            };
            let mut bytes = Random::new(seed);
            let length = 1 + bytes.index(40_000);
            blobs.push(blob(length, &mut bytes));
        }
        if random.once_in(40) {
            let mut bytes = Random::new(random.below(4));
            blobs.push(blob(LARGE + bytes.index(40_000), &mut bytes));
        }
        Self::of(blobs)
    }

    /// An image that no other is like, with layers of so many bytes.
    pub(crate) fn with_layers(lengths: &[usize], random: &mut Random) -> Self {
        let config = Bytes::from(format!("{{\"number\": {}}}", random.number()));
        let layers = lengths.iter().map(|length| blob(*length, random));
        Self::of(std::iter::once(config).chain(layers).collect())
    }

    /// An image of these blobs, of which the first is the config.
    pub(crate) fn of(blobs: Vec<Bytes>) -> Self {
        let descriptor = |media_type: &str, bytes: &[u8]| serde_json::json!({"mediaType": media_type, "digest": sha256(bytes).as_str(), "size": bytes.len()});
        let layer = "application/vnd.oci.image.layer.v1.tar";
        let manifest = serde_json::json!({
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": descriptor("application/vnd.oci.image.config.v1+json", &blobs[0]),
            "layers": blobs[1..].iter().map(|blob| descriptor(layer, blob)).collect::<Vec<_>>(),
        });
        Self {
            manifest: Bytes::from(manifest.to_string()),
            blobs,
        }
    }
}

fn blob(length: usize, random: &mut Random) -> Bytes {
    let words = (0..length.div_ceil(8)).flat_map(|_| random.number().to_le_bytes());
    words.take(length).collect()
}

/// The bytes of a blob that stores take in parts.
const LARGE: usize = 6 << 20;

pub(crate) const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
