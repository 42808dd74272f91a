//! Downloads that are cut, continued, shared.

use wharf_content::{ErrorKind, Sink as _};
use wharf_store::Layout;
use wharf_testkit::noise;

use crate::support::{Scratch, Served, dropped_after, layer};

const SIZE: usize = 4_000_000;
const CUT: u64 = 2_500_000;

/// Cuts a download and opens the store anew, as the next process would.
async fn cut(scratch: &Scratch) -> (Layout, std::path::PathBuf) {
    let store = scratch.store().await;
    let content = layer(noise(1, SIZE));
    let broken = Served::breaking(content, CUT);
    let error = store.push_blob(broken.blob()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Network);
    let [partial] = scratch.files(".wharf/ingest").try_into().unwrap();
    assert_eq!(std::fs::metadata(&partial).unwrap().len(), CUT);
    (store, partial)
}

#[tokio::test]
async fn a_cut_download_is_continued() {
    for same_process in [true, false] {
        let scratch = Scratch::new();
        let (mut store, partial) = cut(&scratch).await;
        if !same_process {
            store = scratch.store().await;
        }
        let served = Served::new(layer(noise(1, SIZE)));
        store.push_blob(served.blob()).await.unwrap();
        assert_eq!(served.served(), SIZE as u64 - CUT, "only the rest is fetched");
        assert!(!partial.exists());
        assert!(store.check().await.unwrap().is_clean());
    }
}

/// What a partial file can hold, and how much must be fetched because of it.
#[tokio::test]
async fn what_an_earlier_attempt_left_is_never_trusted() {
    let good = noise(1, SIZE);
    let longer = [&good[..], b"more"].concat();
    let mut flipped = good[..1_000_000].to_vec();
    flipped[0] ^= 1;
    let whole = SIZE as u64;
    let mut last = good.clone();
    last[SIZE - 1] ^= 1;
    let cases: [(&str, &[u8], u64); 7] = [
        ("shorter", &good[..1000], whole - 1000),
        ("whole", &good, 0),
        ("whole but wrong", &last, whole),
        ("empty", b"", whole),
        ("longer", &longer, whole),
        ("corrupt", &flipped, whole - 1_000_000 + whole),
        ("foreign", &noise(2, 50_000), whole - 50_000 + whole),
    ];
    for (case, left, fetched) in cases {
        for same_process in [true, false] {
            let scratch = Scratch::new();
            let (mut store, partial) = cut(&scratch).await;
            if !same_process {
                store = scratch.store().await;
            }
            std::fs::remove_file(&partial).unwrap();
            std::fs::write(&partial, left).unwrap();
            let served = Served::new(layer(noise(1, SIZE)));
            store.push_blob(served.blob()).await.unwrap();
            assert_eq!(served.served(), fetched, "{case}");
            let checked = store.check().await.unwrap();
            assert!(checked.is_clean() && checked.blobs == 1, "{case}");
        }
    }
}

#[tokio::test]
async fn one_download_serves_all_who_want_it() {
    let scratch = Scratch::new();
    let served = Served::new(layer(noise(3, SIZE)));
    let mut stores = Vec::new();
    for _ in 0..4 {
        let store = scratch.store().await;
        stores.extend([store.clone(), store]);
    }
    let pushes = stores.into_iter().map(|store| {
        let blob = served.blob();
        tokio::spawn(async move { store.push_blob(blob).await })
    });
    for push in pushes.collect::<Vec<_>>() {
        push.await.unwrap().unwrap();
    }
    assert_eq!(served.served(), SIZE as u64);
    assert!(scratch.files(".wharf/ingest").is_empty());
}

/// A push is dropped after each number of polls: there is either a download to continue or nothing, nobody
/// is kept out, and the blob is never there in part.
#[tokio::test]
async fn a_push_may_be_dropped_at_any_point() {
    let dropped = drop_after(1_300_000, 1..).await;
    assert!(dropped > 3, "{dropped}");
}

/// The same for a blob that has a thread of its own.
#[tokio::test]
async fn a_push_of_a_large_blob_may_be_dropped() {
    let dropped = drop_after(40_000_000, (0..).map(|exponent| 1 << exponent)).await;
    assert!(dropped > 2, "{dropped}");
}

/// How many pushes were dropped before one was done.
async fn drop_after(size: usize, polls: impl IntoIterator<Item = u32>) -> u32 {
    let content = layer(noise(4, size));
    let scratch = Scratch::new();
    let store = scratch.store().await;
    let mut dropped = 0;
    for polls in polls {
        let served = Served::new(content.clone());
        if dropped_after(polls, store.push_blob(served.blob())).await {
            break;
        }
        dropped += 1;
        // Another handle gets in, and finishes what was begun.
        let other = scratch.store().await;
        other
            .push_blob(Served::new(content.clone()).blob())
            .await
            .unwrap();
        let checked = other.check().await.unwrap();
        assert!(checked.is_clean() && checked.blobs == 1);
        assert!(scratch.files(".wharf/ingest").is_empty());
        std::fs::remove_file(scratch.blob_file(content.0.digest())).unwrap();
    }
    dropped
}
