//! Blobs that cannot stay in place.

use std::os::unix::fs::symlink;

use http::{Method, StatusCode};
use wharf_content::ErrorKind;
use wharf_reference::Digest;
use wharf_registry::{
    BlobRecord, Change, Commit, Content as _, ExternalContent, ExternalObject, Import, NewContent, Record,
    Registry, RepositoryPath,
};
use wharf_registry_object::{ExternalStore, ObjectTree, Store, StoreUrl};
use wharf_testkit::Moto;

use super::{Stage, ask, blob_path, kinds, sha256};
use crate::stores::Kind;

fn commit(digest: &Digest, size: u64) -> Commit {
    let record = Record::Blob(digest.clone(), BlobRecord::new(size));
    Commit::new(vec![Change::Put(record)]).expect("random bits")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn blobs_stay_in_place_only_in_the_storage_that_the_registry_reads() {
    let kinds = kinds();
    for kind in &kinds {
        let stage = Stage::new(*kind);
        stage.docker.push_image("lib/app", "v1", &[b"layer"]).await;
        // No storage of this registry's at all.
        let store = stage.store();
        let source = stage.docker.source(store.external().expect("a bucket")).await;
        let refused = source.with_in_place(true).run(&Registry::memory()).await;
        let error = refused.expect_err("memory reads no bucket");
        assert_eq!(error.kind(), ErrorKind::Unsupported);
        assert!(error.to_string().contains("has to be copied"), "{error}");
    }
    if !kinds.contains(&Kind::Moto) {
        return;
    }
    // Another bucket of the same account, a directory beside a bucket, a bucket beside a directory.
    let (bucket, directory) = (Stage::new(Kind::Moto), Stage::new(Kind::Directory));
    bucket.docker.push_image("lib/app", "v1", &[b"layer"]).await;
    directory.docker.push_image("lib/app", "v1", &[b"layer"]).await;
    let another = Stage::new(Kind::Moto);
    for (into, from) in [(&another, &bucket), (&bucket, &directory), (&directory, &bucket)] {
        let registry = into.registry().await;
        let store = from.store();
        let source = from.docker.source(store.external().expect("a bucket")).await;
        let refused = source.with_in_place(true).run(&registry).await;
        let error = refused.expect_err("another storage");
        assert_eq!(error.kind(), ErrorKind::Unsupported);
        assert!(error.to_string().contains("has to be copied"), "{error}");
        assert_eq!(into.see("SELECT count(*) FROM contents"), "0");
        // Copied, it is taken.
        let source = from.docker.source(store.external().expect("a bucket")).await;
        let report = source.run(&registry).await.expect("a report");
        assert_eq!((report.manifests, report.blobs, report.in_place), (1, 2, 0));
    }
    // A bucket that is not told to be the registry's.
    let store = bucket.store();
    let url = StoreUrl::parse(&format!("s3://{}", Moto::shared().create_bucket())).expect("a URL");
    let empty = Store::build(&url, &Kind::Moto.options()).expect("a store");
    let tree = empty.external().expect("a bucket").tree("old").expect("a path");
    assert!(tree.find().await.expect("a bucket").is_none());
    let registry = another.registry().await;
    let tree = ObjectTree::new(std::sync::Arc::clone(store.objects()), "old").expect("a path");
    let report = Import::from_tree(tree).with_in_place(true).run(&registry).await;
    assert_eq!(report.expect("nothing is there").repositories, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_object_of_the_registry_itself_is_never_external() {
    for kind in kinds() {
        let stage = Stage::new(kind);
        let registry = stage.registry().await;
        super::push_blob(&registry, "lib/app", b"own").await;
        let store = stage.store();
        let bucket = store.external().expect("a bucket");
        let own = stage.see("SELECT objects[1] FROM contents");
        let below = format!("wharf/v1/data/{}/{own}", own.get(..2).expect("two digits"));
        let key = match kind {
            Kind::Directory => format!(
                "{}/{below}",
                stage.directory.path().canonicalize().expect("a path").display()
            ),
            _ => below,
        };
        let backend = stage.backend().await;
        let (path, digest) = (RepositoryPath::parse("lib/app").expect("a path"), sha256(b"own"));
        let object = ExternalObject::new(bucket.address(), key);
        let content = NewContent::External(ExternalContent::trusted(object, digest.clone(), 3));
        let refused = backend.link(&path, content, commit(&digest, 3)).await;
        assert_eq!(
            refused.expect_err("its own").kind(),
            ErrorKind::Invalid,
            "{kind:?}"
        );
        // Nor is a row that says so read: only a deletion would be worse.
        let rows = "UPDATE contents SET external_key = 'x' WHERE objects <> '{}'";
        let refused = std::panic::catch_unwind(|| stage.see(rows));
        assert!(refused.is_err(), "the database has a condition");
    }
}

/// A link there would have this registry serve any file of the machine.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_symbolic_link_leads_to_a_file_elsewhere() {
    if kinds().is_empty() {
        return;
    }
    let stage = Stage::new(Kind::Directory);
    let secret = stage.directory.path().join("secret");
    std::fs::write(&secret, b"layer").expect("a file");
    stage.docker.push_image("lib/app", "v1", &[b"layer"]).await;
    let key = std::path::PathBuf::from(stage.docker.key(b"layer"));
    let registry = stage.registry().await;
    stage.import(&registry, false).await;
    let path = blob_path("lib/app", b"layer");
    super::assert_served(&registry, &path, b"layer").await;
    std::fs::remove_file(&key).expect("a file");
    symlink(&secret, &key).expect("a link");
    assert_eq!(
        ask(&registry, Method::GET, &path, b"").await.0,
        StatusCode::NOT_FOUND
    );
    // The directory above, after it was healed.
    let above = key.parent().expect("a directory").to_owned();
    std::fs::remove_dir_all(&above).expect("a directory");
    let elsewhere = stage.directory.path().join("elsewhere");
    std::fs::create_dir(&elsewhere).expect("a directory");
    std::fs::write(elsewhere.join("data"), b"layer").expect("a file");
    symlink(&elsewhere, &above).expect("a link");
    let (_, skipped) = stage.import(&registry, true).await;
    assert_eq!(skipped.len(), 1, "{skipped:?}");
    assert_eq!(
        ask(&registry, Method::GET, &path, b"").await.0,
        StatusCode::NOT_FOUND
    );
}

/// A process that was not told the bucket neither starts nor takes what it cannot read for lost.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_without_the_bucket_does_not_start() {
    if kinds().is_empty() {
        return;
    }
    let stage = Stage::new(Kind::Directory);
    let blind = stage.open(None).await.expect("nothing is in place yet");
    stage.docker.push_image("lib/app", "v1", &[b"layer"]).await;
    stage.import(&stage.registry().await, false).await;
    let error = stage.open(None).await.expect_err("it could not serve");
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    assert!(error.to_string().contains("another registry"), "{error}");
    let blind = Registry::open(blind).await.expect("a registry");
    let (status, ..) = ask(&blind, Method::GET, &blob_path("lib/app", b"layer"), b"").await;
    assert!(status.is_server_error(), "{status}");
    assert_eq!(
        stage.see("SELECT count(*) FROM contents WHERE quarantined IS NOT NULL"),
        "0"
    );
    let other = ExternalStore::new("s3://other", object_store::memory::InMemory::new(), &"".into());
    assert!(
        stage.open(Some(other)).await.is_ok(),
        "which bucket it is nobody can tell"
    );
}
