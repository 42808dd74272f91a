//! What is asked for costs what it is about, however much else there is.

use std::{
    future::Future as _,
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll, Waker},
    time::Duration,
};

use wharf_registry::{Action, DiskBackend, GcOptions, Inventory, Registry, Server};

use crate::{
    storage::Faulty,
    wire::{ask, digest, get, push_blob, push_image, push_manifest},
};

fn now() -> GcOptions {
    GcOptions::default().with_grace(Duration::ZERO)
}

/// So many repositories with an image each, and each with a blob that nothing needs.
async fn fill(server: &Server, repositories: usize) {
    for number in 0..repositories {
        let name = format!("r/{number:04}");
        push_image(server, &name, &format!("v{number}")).await;
        push_blob(server, &name, format!("loose {number}").as_bytes()).await;
    }
}

#[tokio::test]
async fn a_collection_looks_at_everything_once_and_lets_others_have_a_turn() {
    for repositories in [10, 20, 40, 80, 160] {
        let backend = Faulty::default();
        let server = backend.open().await;
        fill(&server, repositories).await;
        backend.take_counts();
        let registry = server.service();
        let options = now();
        let mut collection = pin!(registry.collect_garbage(&options));
        let mut turns = 0;
        let report = std::future::poll_fn(|context| {
            turns += 1;
            collection.as_mut().poll(context)
        });
        let report = report.await.unwrap();
        let removed = u64::try_from(repositories).unwrap();
        assert_eq!((report.blobs, report.content), (removed, removed));
        assert!(
            turns > repositories,
            "{turns} turns for {repositories} repositories"
        );
        let counts = backend.take_counts();
        let count = |call| counts.get(call).copied().unwrap_or_default();
        assert_eq!((count("digests"), count("commit")), (1, repositories));
        assert_eq!((count("size"), count("remove")), (repositories, repositories));

        // With nothing to remove, nothing is asked for one by one.
        registry.collect_garbage(&now()).await.unwrap();
        let counts = backend.take_counts();
        assert_eq!(counts, [("digests", 1)].into());
    }
}

#[tokio::test]
async fn a_collection_that_is_dropped_leaves_what_is_whole() {
    for turns in [1, 2, 3, 5, 8, 13, 21, 34] {
        let backend = Faulty::default();
        let server = backend.open().await;
        fill(&server, 10).await;
        let registry = server.service();
        {
            let options = now();
            let mut collection = pin!(registry.collect_garbage(&options));
            let mut context = Context::from_waker(Waker::noop());
            for _ in 0..turns {
                if matches!(collection.as_mut().poll(&mut context), Poll::Ready(_)) {
                    break;
                }
                tokio::task::yield_now().await; // what it has begun is done beside it
            }
        }
        for number in 0..10 {
            let path = format!("/v2/r/{number:04}/manifests/v{number}");
            assert_eq!(get(&server, path).await.status, 200, "after {turns}");
        }
        let report = registry.collect_garbage(&now()).await.unwrap();
        assert!(report.content <= 10);
        let before = registry.inventory();
        assert_eq!(
            (before.blobs, before.manifests, before.tags),
            (20, 10, 10),
            "after {turns}"
        );
        server.shutdown().await;
        let server = backend.open().await;
        assert_eq!(
            held(&server.service().inventory()),
            held(&before),
            "after {turns}"
        );
    }
}

/// What a registry holds, apart from what it remembers of requests.
fn held(inventory: &Inventory) -> [u64; 5] {
    let counts = [
        inventory.repositories,
        inventory.tags,
        inventory.manifests,
        inventory.blobs,
    ];
    let [repositories, tags, manifests, blobs] = counts.map(|count| count as u64);
    [repositories, tags, manifests, blobs, inventory.bytes]
}

#[tokio::test]
async fn the_inventory_is_what_a_restart_counts() {
    let backend = Faulty::default();
    let server = backend.open().await;
    fill(&server, 5).await;
    let (bytes, image) = push_image(&server, "a", "v1").await;
    let steps: [(&str, String, u16); 6] = [
        ("DELETE", "/v2/r/0001/manifests/v1".to_owned(), 202),
        ("DELETE", format!("/v2/r/0002/blobs/{}", digest(b"loose 2")), 202),
        ("DELETE", format!("/v2/a/manifests/{image}"), 202),
        ("DELETE", format!("/v2/a/manifests/{image}"), 404),
        (
            "POST",
            format!("/v2/b/blobs/uploads/?mount={}&from=r/0003", digest(b"{}")),
            201,
        ),
        (
            "POST",
            format!("/v2/b/blobs/uploads/?mount={}", digest(b"loose 4")),
            201,
        ),
    ];
    for (method, path, status) in steps {
        assert_eq!(
            ask(&server, method, path.as_str()).send().await.status,
            status,
            "{path}"
        );
        let before = held(&server.service().inventory());
        let other = backend.open().await;
        assert_eq!(held(&other.service().inventory()), before, "{method} {path}");
    }
    // A manifest that is pushed as a blob, too: one of them goes, the content stays.
    push_image(&server, "a", "v1").await;
    push_blob(&server, "a", &bytes).await;
    let path = format!("/v2/a/blobs/{image}");
    assert_eq!(ask(&server, "DELETE", path.as_str()).send().await.status, 202);
    server.service().collect_garbage(&now()).await.unwrap();
    assert_eq!(get(&server, "/v2/a/manifests/v1").await.body, bytes);
    let other = backend.open().await;
    let there = held(&server.service().inventory());
    assert_eq!(held(&other.service().inventory()), there);
}

#[tokio::test]
async fn a_page_looks_up_what_it_shows() {
    let asked = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&asked);
    let server = {
        let access = move |_: Option<&str>, _: &str, _: Action| {
            counter.fetch_add(1, Ordering::SeqCst);
            true
        };
        Registry::memory().with_access(access).serve().await.unwrap()
    };
    for number in 0..600 {
        push_blob(&server, &format!("r/{number:04}"), b"same").await;
    }
    asked.store(0, Ordering::SeqCst);
    let mut path = "/v2/_catalog?n=50".to_owned();
    let (mut pages, mut shown) = (0, 0);
    loop {
        let page = get(&server, path.as_str()).await;
        shown += page.json()["repositories"].as_array().unwrap().len();
        pages += 1;
        let once = asked.swap(0, Ordering::SeqCst);
        assert!(once <= 53, "{once} repositories were looked at for a page of 50");
        match page.next() {
            Some(next) => path = next,
            None => break,
        }
    }
    assert_eq!((pages, shown), (12, 600));

    // Who has it is known: a mount from anywhere asks the first of them.
    let mount = format!("/v2/new/blobs/uploads/?mount={}", digest(b"same"));
    assert_eq!(ask(&server, "POST", mount.as_str()).send().await.status, 201);
    assert!(asked.load(Ordering::SeqCst) < 10);
    let nowhere = format!("/v2/new/blobs/uploads/?mount={}", digest(b"nowhere"));
    asked.store(0, Ordering::SeqCst);
    assert_eq!(ask(&server, "POST", nowhere.as_str()).send().await.status, 202);
    assert!(asked.load(Ordering::SeqCst) < 10);
}

#[tokio::test]
async fn a_manifest_with_many_tags_goes_with_all_of_them() {
    let backend = Faulty::default();
    let server = backend.open().await;
    let (bytes, image) = push_image(&server, "a", "v1").await;
    let (_, other) = push_image(&server, "a", "other").await;
    for number in 0..50 {
        push_manifest(&server, "a", &format!("t{number}"), &bytes).await;
    }
    push_image(&server, "a", "t7").await; // moved to another image
    ask(&server, "DELETE", "/v2/a/manifests/t8").send().await;
    backend.take_counts();
    let path = format!("/v2/a/manifests/{image}");
    assert_eq!(ask(&server, "DELETE", path.as_str()).send().await.status, 202);
    assert_eq!(backend.take_counts().get("commit"), Some(&1), "all at once");
    for server in [server, backend.open().await] {
        let tags = get(&server, "/v2/a/tags/list").await;
        assert_eq!(tags.json()["tags"], serde_json::json!(["other", "t7"]));
        let path = format!("/v2/a/manifests/{other}");
        assert_eq!(get(&server, path).await.status, 200);
    }
}

#[tokio::test]
async fn uploads_are_listed_without_a_sync() {
    let backend = Faulty::default();
    let server = backend.open().await;
    for _ in 0..20 {
        let session = ask(&server, "POST", "/v2/a/blobs/uploads/")
            .send()
            .await
            .location();
        ask(&server, "PATCH", session).body("some").send().await;
    }
    server.shutdown().await;
    backend.take_counts();
    let server = backend.open().await;
    let counts = backend.take_counts();
    assert_eq!((counts.get("flush"), counts.get("length")), (None, Some(&20)));
    let inventory = server.service().inventory();
    assert_eq!((inventory.uploads, inventory.uploading), (20, 80));
}

/// The same over a disk, where lists come in parts from another thread.
#[tokio::test]
async fn more_than_a_part_of_a_list_is_read_at_the_start_and_collected() {
    let root = tempfile::tempdir().unwrap();
    let backend = DiskBackend::open(root.path()).await.unwrap();
    let server = Registry::open(backend).await.unwrap().serve().await.unwrap();
    fill(&server, 3).await;
    for number in 0..1100 {
        let mount = format!("/v2/m/{number}/blobs/uploads/?mount={}", digest(b"{}"));
        assert_eq!(ask(&server, "POST", mount).send().await.status, 201);
    }
    let before = server.service().inventory();
    server.shutdown().await;
    let backend = DiskBackend::open(root.path()).await.unwrap();
    let registry = Registry::open(backend).await.unwrap();
    assert_eq!(held(&registry.inventory()), held(&before));
    let report = registry.collect_garbage(&now()).await.unwrap();
    assert_eq!((report.blobs, report.content), (1103, 3));
    assert_eq!(registry.inventory().repositories, 3);
}
