use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use wharf_content::{ErrorKind, Manifest, Sink as _, Source as _};
use wharf_registry::{
    Change, Commit, DiskBackend, GcOptions, ManifestRecord, Outcome, Record, RecordKey, Records as _,
    Registry, RepositoryPath, Server, Storage as _,
};
use wharf_store::{Collect, Layout, Prune};

use crate::wire::{ask, digest, get, manifest, push_blob, push_image, with_digest};

async fn open(root: &Path) -> Server {
    let backend = DiskBackend::open(root).await.unwrap();
    Registry::open(backend).await.unwrap().serve().await.unwrap()
}

/// The offset of the last group of a journal.
fn last_group(journal: &[u8]) -> usize {
    let header = journal.iter().position(|byte| *byte == b'\n').unwrap() + 1;
    let next = |group: &usize| {
        let head = std::str::from_utf8(journal.get(*group..group + 60)?).unwrap();
        Some(group + 61 + usize::from_str_radix(&head[17..25], 16).unwrap())
    };
    let groups = std::iter::successors(Some(header), next);
    groups.take_while(|group| *group < journal.len()).last().unwrap()
}

/// Stops the server and waits until it has let go of the directory.
async fn close(server: Server) {
    server.shutdown().await;
}

#[tokio::test]
async fn everything_outlives_the_process() {
    let root = tempfile::tempdir().unwrap();
    let server = open(root.path()).await;
    let (bytes, image) = push_image(&server, "lib/app", "v1").await;
    push_image(&server, "lib/app", "v2").await;
    let blob = push_blob(&server, "lib/app", b"loose").await;
    let gone = push_blob(&server, "lib/app", b"gone").await;
    let deleted = ask(&server, "DELETE", format!("/v2/lib/app/blobs/{gone}"))
        .send()
        .await;
    assert_eq!(deleted.status, 202);
    let opened = ask(&server, "POST", "/v2/lib/app/blobs/uploads/").send().await;
    let session = opened.location();
    let patched = ask(&server, "PATCH", session.clone())
        .body("half a ")
        .send()
        .await;
    assert_eq!(patched.status, 202);
    close(server).await;

    let server = open(root.path()).await;
    assert_eq!(get(&server, "/v2/lib/app/manifests/v1").await.body, bytes);
    assert_eq!(
        get(&server, format!("/v2/lib/app/manifests/{image}")).await.body,
        bytes
    );
    assert_eq!(
        get(&server, format!("/v2/lib/app/blobs/{blob}")).await.body,
        b"loose"
    );
    assert_eq!(
        get(&server, format!("/v2/lib/app/blobs/{gone}")).await.status,
        404
    );
    let tags = get(&server, "/v2/lib/app/tags/list").await;
    assert_eq!(tags.json()["tags"], serde_json::json!(["v1", "v2"]));
    let status = get(&server, session.clone()).await;
    assert_eq!((status.status, status.header("range")), (204, Some("0-6")));
    let whole = digest(b"half a loaf");
    let closed = ask(&server, "PUT", with_digest(&status.location(), &whole))
        .header("Content-Range", "7-10")
        .body("loaf")
        .send()
        .await;
    assert_eq!(closed.status, 201);
    assert_eq!(get(&server, closed.location()).await.body, b"half a loaf");
    close(server).await;
    close(open(root.path()).await).await;
    for empty in [".wharf/keeper/uploads", ".wharf/ingest", "registry/notes"] {
        let mut left = std::fs::read_dir(root.path().join(empty)).unwrap();
        assert!(left.next().is_none(), "{empty}");
    }
}

#[cfg(feature = "conformance")]
#[tokio::test]
async fn both_backends_conform() {
    use wharf_registry::{LocalBackend, MemoryBackend, MemoryStorage, Verifying, conformance};

    let checks = conformance::check(&MemoryBackend::default()).await.unwrap();
    assert!(checks > 50, "{checks}");
    let root = tempfile::tempdir().unwrap();
    let backend = DiskBackend::open(root.path()).await.unwrap();
    assert_eq!(conformance::check(&backend).await.unwrap(), checks);
    drop(backend);
    let backend = DiskBackend::open(root.path()).await.unwrap();
    conformance::check_reopened(&backend).await.unwrap();

    let verifying = Verifying::new(MemoryStorage::default());
    let verifying = LocalBackend::load(verifying).await.unwrap();
    assert_eq!(conformance::check(&verifying).await.unwrap(), checks);
}

#[cfg(feature = "conformance")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn both_backends_may_be_used_side_by_side() {
    use wharf_registry::{MemoryBackend, conformance};

    let memory = MemoryBackend::default();
    let checks = conformance::check_shared(&memory, &memory).await.unwrap();
    assert!(checks > 100, "{checks}");
    let root = tempfile::tempdir().unwrap();
    let disk = DiskBackend::open(root.path()).await.unwrap();
    conformance::check_shared(&disk, &disk).await.unwrap();
}

#[cfg(feature = "conformance")]
#[tokio::test]
async fn both_storages_conform() {
    use wharf_registry::{DiskStorage, MemoryStorage, Verifying, conformance};

    let checks = conformance::check_bytes(&MemoryStorage::default()).await.unwrap();
    assert!(checks > 50, "{checks}");
    let verifying = Verifying::new(MemoryStorage::default());
    assert_eq!(conformance::check_bytes(&verifying).await.unwrap(), checks);
    let root = tempfile::tempdir().unwrap();
    let open = async || {
        let layout = Layout::create(root.path()).await.unwrap();
        DiskStorage::over(&layout).await.unwrap()
    };
    let storage = open().await;
    conformance::check_storage(&storage).await.unwrap();
    drop(storage);
    conformance::check_storage_reopened(&open().await).await.unwrap();
}

#[tokio::test]
async fn a_torn_last_line_was_never_acknowledged() {
    let root = tempfile::tempdir().unwrap();
    let server = open(root.path()).await;
    push_image(&server, "a", "v1").await;
    close(server).await;
    let journal = root.path().join("registry/journal");
    let whole = std::fs::read(&journal).unwrap();
    let last = last_group(&whole);
    for cut in last..whole.len() {
        std::fs::write(&journal, &whole[..cut]).unwrap();
        let server = open(root.path()).await;
        assert_eq!(get(&server, "/v2/a/manifests/v1").await.status, 404);
        close(server).await;
        assert_eq!(std::fs::metadata(&journal).unwrap().len(), last as u64);
    }
}

/// The bytes that were on their way to the disk when the power went, in any order and shape.
#[tokio::test]
async fn a_torn_append_of_many_writers_was_never_acknowledged() {
    let root = tempfile::tempdir().unwrap();
    let server = open(root.path()).await;
    let (bytes, _) = push_image(&server, "a", "v1").await;
    close(server).await;
    let journal = root.path().join("registry/journal");
    let whole = std::fs::read(&journal).unwrap();
    let other = tempfile::tempdir().unwrap();
    let server = open(other.path()).await;
    push_image(&server, "b", "v1").await;
    close(server).await;
    let elsewhere = std::fs::read(other.path().join("registry/journal")).unwrap();
    let line = b"0123456789abcdef [[\"m/a/sha256:00\",null]]\n";
    let mut holes = line.repeat(400);
    holes[4096..8192].fill(0);
    for (what, torn) in [
        ("zeros", vec![0; 8192]),
        ("zeros, then lines", [vec![0; 4096], line.repeat(200)].concat()),
        ("lines, then zeros", [line.repeat(200), vec![0; 4096]].concat()),
        ("lines with a hole", holes),
        ("garbage", wharf_testkit::noise(1, 10_000)),
        ("no newline at all", vec![b'x'; 300_000]),
        ("what another journal had there", elsewhere),
        (
            "the end of what is there, again",
            whole[whole.len() / 2..].to_vec(),
        ),
    ] {
        std::fs::write(&journal, [whole.clone(), torn].concat()).unwrap();
        let server = open(root.path()).await;
        let kept = std::fs::read(&journal).unwrap();
        assert!(kept == whole, "{what}");
        assert_eq!(get(&server, "/v2/a/manifests/v1").await.body, bytes, "{what}");
        close(server).await;
    }
}

/// The root of a registry that was closed, with one image, and its journal.
async fn closed_with_an_image() -> (tempfile::TempDir, PathBuf, Vec<u8>) {
    let root = tempfile::tempdir().unwrap();
    let server = open(root.path()).await;
    push_image(&server, "a", "v1").await;
    close(server).await;
    let journal = root.path().join("registry/journal");
    let whole = std::fs::read(&journal).unwrap();
    (root, journal, whole)
}

#[tokio::test]
async fn what_is_cut_off_a_journal_is_told() {
    let (root, journal, whole) = closed_with_an_image().await;
    let last = last_group(&whole);
    let cases: [(&str, Vec<u8>, usize); 6] = [
        ("cut in the last group", whole[..whole.len() - 9].to_vec(), last),
        ("cut in its head", whole[..=last].to_vec(), last),
        ("zeros after it", [&*whole, &[0; 4096]].concat(), whole.len()),
        ("text after it", [&*whole, b"note\n"].concat(), whole.len()),
        ("itself again", [&*whole, &whole].concat(), whole.len()),
        ("nothing wrong", whole.clone(), whole.len()),
    ];
    for (what, file, offset) in cases {
        std::fs::write(&journal, &file).unwrap();
        let backend = DiskBackend::open(root.path()).await.unwrap();
        let told = backend
            .torn_tail()
            .map(|tail| (tail.path.clone(), tail.offset, tail.bytes));
        let bytes = (file.len() - offset) as u64;
        let expected = (bytes > 0).then(|| (journal.clone(), offset as u64, bytes));
        assert_eq!(told, expected, "{what}");
    }
}

/// Its content would be nobody's, and the next collection would remove it.
#[tokio::test]
async fn a_registry_that_has_lost_its_journal_is_refused_while_it_has_content() {
    type Harm = fn(&Path);
    let harms: [(&str, Harm, bool); 5] = [
        ("removed", |journal| std::fs::remove_file(journal).unwrap(), false),
        ("emptied", |journal| std::fs::write(journal, "").unwrap(), false),
        (
            "zeros",
            |journal| std::fs::write(journal, [0; 4096]).unwrap(),
            false,
        ),
        (
            "a file of others",
            |journal| std::fs::write(journal, "notes\n").unwrap(),
            false,
        ),
        (
            "the registry's directory removed",
            |journal| {
                std::fs::remove_dir_all(journal.parent().unwrap()).unwrap();
            },
            true,
        ),
    ];
    for (what, harm, opens) in harms {
        let (root, journal, _) = closed_with_an_image().await;
        harm(&journal);
        let opened = DiskBackend::open(root.path()).await;
        assert_eq!(opened.is_ok(), opens, "{what}");
        if let Err(error) = opened {
            assert_eq!(error.kind(), ErrorKind::Corrupt, "{what}");
            let named = error.to_string().contains(journal.to_str().unwrap());
            assert!(named, "{what}: {error}");
        }
    }
    // Where nothing can be lost it is no reason to stop.
    let root = tempfile::tempdir().unwrap();
    close(open(root.path()).await).await;
    std::fs::write(root.path().join("registry/journal"), "").unwrap();
    close(open(root.path()).await).await;
    // Nor is what a crash leaves of the first start, over the layout of others.
    let root = tempfile::tempdir().unwrap();
    let layout = Layout::create(root.path()).await.unwrap();
    let image = wharf_testkit::Image::small("unnamed");
    for (descriptor, bytes) in image.blobs() {
        let blob = wharf_content::Blob::from_bytes(descriptor.clone(), bytes.clone()).unwrap();
        layout.push_blob(blob).await.unwrap();
    }
    std::fs::create_dir(root.path().join("registry")).unwrap();
    drop(layout);
    close(open(root.path()).await).await;
}

#[tokio::test]
async fn a_corrupt_journal_is_refused() {
    let root = tempfile::tempdir().unwrap();
    let server = open(root.path()).await;
    push_image(&server, "a", "v1").await;
    close(server).await;
    let journal = root.path().join("registry/journal");
    let mut bytes = std::fs::read(&journal).unwrap();
    bytes[30] ^= 1;
    std::fs::write(&journal, &bytes).unwrap();
    let error = DiskBackend::open(root.path()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corrupt);
}

#[tokio::test]
async fn a_directory_has_one_owner() {
    let root = tempfile::tempdir().unwrap();
    let first = DiskBackend::open(root.path()).await.unwrap();
    let error = DiskBackend::open(root.path()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict);
    drop(first);
    DiskBackend::open(root.path()).await.unwrap();
    let other = tempfile::tempdir().unwrap();
    std::fs::write(other.path().join("precious"), "x").unwrap();
    let error = DiskBackend::open(other.path()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict);
}

#[tokio::test]
async fn a_collector_next_door_is_refused() {
    let root = tempfile::tempdir().unwrap();
    let server = open(root.path()).await;
    let (bytes, _) = push_image(&server, "a", "v1").await;
    let refused = async || {
        let store = Layout::open(root.path()).await.unwrap();
        assert!(store.check().await.unwrap().is_clean());
        for error in [
            store.collect(&Collect::default()).await.unwrap_err(),
            store.prune(Prune::All, &Collect::default()).await.unwrap_err(),
        ] {
            assert_eq!(error.kind(), ErrorKind::Conflict);
            assert!(error.to_string().contains("a registry"), "{error}");
        }
    };
    refused().await;
    close(server).await;
    refused().await;
    let server = open(root.path()).await;
    assert_eq!(get(&server, "/v2/a/manifests/v1").await.body, bytes);
    assert_eq!(
        get(&server, format!("/v2/a/blobs/{}", digest(b"v1"))).await.body,
        b"v1"
    );
}

#[tokio::test]
async fn images_of_the_layout_are_nobody_elses_garbage() {
    let root = tempfile::tempdir().unwrap();
    let image = wharf_testkit::Image::small("named");
    let name = wharf_content::Name::parse("named").unwrap();
    let push = async || {
        let store = Layout::create(root.path()).await.unwrap();
        for (descriptor, bytes) in image.blobs() {
            let blob = wharf_content::Blob::from_bytes(descriptor.clone(), bytes.clone()).unwrap();
            store.push_blob(blob).await.unwrap();
        }
        store.push_manifest(image.manifest(), Some(&name)).await.unwrap();
    };
    push().await; // before it was a registry
    let backend = DiskBackend::over(&Layout::open(root.path()).await.unwrap()).await;
    let registry = Registry::open(backend.unwrap()).await.unwrap();
    push().await; // and while it is one
    let server = registry.serve().await.unwrap();
    let (bytes, _) = push_image(&server, "a", "v1").await;
    push_blob(&server, "a", b"loose").await;
    let now = GcOptions::default().with_grace(Duration::ZERO);
    let report = server.service().collect_garbage(&now).await.unwrap();
    assert_eq!((report.content, report.bytes), (1, 5));
    let store = Layout::open(root.path()).await.unwrap();
    assert!(store.contains(image.manifest().descriptor()).await.unwrap());
    assert!(store.check().await.unwrap().is_clean());
    // The registry shows none of it.
    let path = format!("/v2/a/blobs/{}", image.blobs()[0].0.digest());
    assert_eq!(get(&server, path).await.status, 404);

    assert!(store.remove(&name.clone().into()).await.unwrap());
    let held = server.service().collect_garbage(&now).await.unwrap();
    assert_eq!(held.content, 0, "a handle relies on the image");
    drop(store);
    let report = server.service().collect_garbage(&now).await.unwrap();
    assert_eq!(report.content, image.blobs().len() as u64 + 1);
    assert_eq!(get(&server, "/v2/a/manifests/v1").await.body, bytes);
    let store = Layout::open(root.path()).await.unwrap();
    assert!(store.resolve(&name.into()).await.is_err());
}

#[tokio::test]
async fn a_manifest_that_is_pushed_again_heals() {
    let root = tempfile::tempdir().unwrap();
    let server = open(root.path()).await;
    let (bytes, image) = push_image(&server, "a", "v1").await;
    close(server).await;
    let file = root.path().join("blobs/sha256").join(image.encoded());
    let mut damaged = bytes.clone();
    damaged[20] ^= 1;
    std::fs::remove_file(&file).unwrap();
    std::fs::write(&file, &damaged).unwrap();
    let server = open(root.path()).await;
    let pushed = crate::wire::push_manifest(&server, "a", "v1", &bytes).await;
    assert_eq!(pushed.status, 201);
    assert_eq!(std::fs::read(&file).unwrap(), bytes);
    assert_eq!(get(&server, "/v2/a/manifests/v1").await.body, bytes);
}

/// A repository for the records of a test.
fn path() -> RepositoryPath {
    RepositoryPath::parse("a").unwrap()
}

/// A change of a record with this value, which is an annotation of a manifest.
fn change(key: &str, value: &str) -> Commit {
    let manifest = Manifest::parse(manifest(b"{}", &[]).into(), None).unwrap();
    let mut record = ManifestRecord::of(&manifest, None);
    record.annotations.insert("value".to_owned(), value.to_owned());
    let change = Change::Put(Record::Manifest(digest(key.as_bytes()), Arc::new(record)));
    Commit::new(vec![change]).unwrap()
}

async fn values(backend: &DiskBackend) -> BTreeMap<RecordKey, String> {
    let records = backend.storage().records().await.unwrap();
    let records = records.all().await.unwrap();
    let values = records.into_iter().map(|(of, record)| {
        assert_eq!(of, path());
        let key = record.key();
        let value = match record {
            Record::Manifest(_, manifest) => manifest.annotations.get("value").cloned(),
            _ => None,
        };
        (key, value.unwrap())
    });
    values.collect()
}

#[tokio::test]
async fn a_journal_does_not_grow_for_ever() {
    let root = tempfile::tempdir().unwrap();
    let journal = || {
        std::fs::metadata(root.path().join("registry/journal"))
            .unwrap()
            .len()
    };
    let write = async |backend: &DiskBackend, key: &str, value: &str| {
        let outcome = backend.commit(&path(), change(key, value)).await.unwrap();
        assert_eq!(outcome, Outcome::Committed);
    };
    let backend = DiskBackend::open(root.path()).await.unwrap();
    write(&backend, "kept", "1").await;
    let large = "x".repeat(1_000_000);
    for _ in 0..40 {
        write(&backend, "large", &large).await;
        assert!(journal() < 8_000_000);
    }
    write(&backend, "large", "small again").await;
    for number in 0..1500 {
        write(&backend, "often", &number.to_string()).await;
    }
    drop(backend);
    let backend = DiskBackend::open(root.path()).await.unwrap();
    assert!(journal() < 4_000_000);
    write(&backend, "after", "2").await;
    drop(backend);
    let backend = DiskBackend::open(root.path()).await.unwrap();
    let expected = [
        ("after", "2"),
        ("kept", "1"),
        ("large", "small again"),
        ("often", "1499"),
    ];
    let expected =
        expected.map(|(key, value)| (RecordKey::Manifest(digest(key.as_bytes())), value.to_owned()));
    assert_eq!(values(&backend).await, BTreeMap::from(expected));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn writers_that_meet_are_all_recorded() {
    let root = tempfile::tempdir().unwrap();
    let backend = Arc::new(DiskBackend::open(root.path()).await.unwrap());
    let mut writers = tokio::task::JoinSet::new();
    for writer in 0..8 {
        let backend = Arc::clone(&backend);
        writers.spawn(async move {
            for number in 0..50 {
                let commit = change(&format!("{writer}/{number}"), "x");
                let outcome = backend.commit(&path(), commit).await.unwrap();
                assert_eq!(outcome, Outcome::Committed);
            }
        });
    }
    writers.join_all().await;
    drop(backend);
    let backend = DiskBackend::open(root.path()).await.unwrap();
    assert_eq!(values(&backend).await.len(), 400);
}
