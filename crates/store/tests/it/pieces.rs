//! Blobs that are written in place as their pieces arrive.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::stream;
use wharf_content::{
    Blob, ByteStream, Descriptor, Error, ErrorKind, OpenBlob, Piece, PieceStream, Sink as _,
};
use wharf_testkit::noise;

use crate::support::{Scratch, dropped_after, layer};

const SIZE: usize = 4_000_000;
const PIECE: usize = 150_001;
/// How many pieces come backwards.
const GROUP: usize = 5;

/// A source that sends groups of pieces backwards and counts them.
struct Scattered {
    content: (Descriptor, Bytes),
    /// How the stream ends before its end: after so many pieces.
    fate: Fate,
    sent: AtomicU64,
}

#[derive(Clone, Copy)]
enum Fate {
    Ends,
    Breaks(usize),
    /// This piece has wrong bytes.
    Lies(usize),
}

impl Scattered {
    fn new(content: (Descriptor, Bytes), fate: Fate) -> Arc<Self> {
        let sent = AtomicU64::new(0);
        Arc::new(Self { content, fate, sent })
    }

    fn blob(self: &Arc<Self>) -> Blob {
        Blob::new(self.content.0.clone(), Arc::clone(self) as Arc<dyn OpenBlob>).unwrap()
    }

    fn sent(&self) -> u64 {
        self.sent.load(Ordering::Relaxed)
    }
}

#[async_trait]
impl OpenBlob for Scattered {
    async fn open(&self, _: u64) -> Result<ByteStream, Error> {
        unreachable!("the store wants pieces")
    }

    async fn open_pieces(&self, from: u64) -> Result<PieceStream, Error> {
        let bytes = &self.content.1;
        let start = usize::try_from(from).unwrap();
        let offsets: Vec<usize> = (start..bytes.len()).step_by(PIECE).collect();
        let mut pieces = Vec::new();
        for (number, &at) in offsets
            .chunks(GROUP)
            .flat_map(|group| group.iter().rev())
            .enumerate()
        {
            let mut bytes = bytes.slice(at..bytes.len().min(at + PIECE));
            match self.fate {
                Fate::Breaks(count) if count == number => {
                    pieces.push(Err(Error::new(ErrorKind::Network, "the connection broke")));
                    break;
                }
                Fate::Lies(count) if count == number => bytes = vec![7; bytes.len()].into(),
                _ => {}
            }
            let offset = at as u64;
            self.sent.fetch_add(bytes.len() as u64, Ordering::Relaxed);
            pieces.push(Ok(Piece { offset, bytes }));
        }
        Ok(Box::pin(stream::iter(pieces)))
    }
}

#[tokio::test]
async fn pieces_in_any_order_become_the_blob() {
    for size in [1, PIECE, SIZE, 3 * SIZE] {
        let content = layer(noise(5, size));
        let scratch = Scratch::new();
        let store = scratch.store().await;
        let served = Scattered::new(content.clone(), Fate::Ends);
        store.push_blob(served.blob()).await.unwrap();
        assert_eq!(served.sent(), size as u64);
        let stored = std::fs::read(scratch.blob_file(content.0.digest())).unwrap();
        assert!(stored == content.1, "{size}");
        assert!(scratch.store().await.check().await.unwrap().is_clean());
        assert!(scratch.files(".wharf/ingest").is_empty());
    }
}

/// Given up with gaps, it leaves what comes before the first, for whoever comes next.
#[tokio::test]
async fn what_comes_before_the_first_gap_is_kept() {
    for (same_process, sent) in [true, false].into_iter().zip([7, 8]) {
        let content = layer(noise(5, SIZE));
        let scratch = Scratch::new();
        let mut store = scratch.store().await;
        // The first group is whole; what came of the second does not follow it.
        let served = Scattered::new(content.clone(), Fate::Breaks(sent));
        let error = store.push_blob(served.blob()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Network);
        let [partial] = scratch.files(".wharf/ingest").try_into().unwrap();
        assert_eq!(std::fs::metadata(&partial).unwrap().len(), (GROUP * PIECE) as u64);
        if !same_process {
            store = scratch.store().await;
        }
        let served = Scattered::new(content.clone(), Fate::Ends);
        store.push_blob(served.blob()).await.unwrap();
        assert_eq!(served.sent(), (SIZE - GROUP * PIECE) as u64);
        assert!(store.check().await.unwrap().is_clean());
    }
}

#[tokio::test]
async fn a_wrong_piece_leaves_nothing() {
    for wrong in [0, 4, 7, 26] {
        let content = layer(noise(6, SIZE));
        let scratch = Scratch::new();
        let store = scratch.store().await;
        let served = Scattered::new(content.clone(), Fate::Lies(wrong));
        let error = store.push_blob(served.blob()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Mismatch);
        assert!(scratch.files(".wharf/ingest").is_empty());
        assert!(!store.contains(&content.0).await.unwrap());
    }
}

/// A push is dropped after each number of polls: what it leaves is continued, and never wrong.
#[tokio::test]
async fn a_push_of_pieces_may_be_dropped_at_any_point() {
    const SIZE: usize = 1_800_000;
    let content = layer(noise(7, SIZE));
    let scratch = Scratch::new();
    let store = scratch.store().await;
    let mut dropped = 0;
    for polls in 1.. {
        let served = Scattered::new(content.clone(), Fate::Ends);
        if dropped_after(polls, store.push_blob(served.blob())).await {
            break;
        }
        dropped += 1;
        let other = scratch.store().await;
        let served = Scattered::new(content.clone(), Fate::Ends);
        other.push_blob(served.blob()).await.unwrap();
        assert!(served.sent() <= SIZE as u64, "what was left was right");
        assert!(other.check().await.unwrap().is_clean());
        std::fs::remove_file(scratch.blob_file(content.0.digest())).unwrap();
    }
    assert!(dropped > 10, "{dropped}");
}
