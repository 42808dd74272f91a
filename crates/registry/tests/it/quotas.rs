//! How much one user may have, and how much at once.

use wharf_registry::{DiskBackend, Limits, Registry, Server};

use crate::wire::{Answer, MANIFEST, ask, digest, manifest, with_digest};

async fn post(server: &Server, user: &str, repository: &str, bytes: &[u8]) -> Answer {
    let path = with_digest(&format!("/v2/{repository}/blobs/uploads/"), &digest(bytes));
    ask(server, "POST", path)
        .basic(&format!("{user}:secret"))
        .body(bytes)
        .send()
        .await
}

async fn open(server: &Server, user: &str, repository: &str) -> Answer {
    ask(server, "POST", format!("/v2/{repository}/blobs/uploads/"))
        .basic(&format!("{user}:secret"))
        .send()
        .await
}

fn with_users(registry: Registry) -> Registry {
    registry.with_basic("ada", "secret").with_basic("eve", "secret")
}

#[tokio::test]
async fn a_user_has_a_quota_in_all_repositories_together() {
    let root = tempfile::tempdir().unwrap();
    let limits = Limits::default().with_user(1000);
    let start = async || {
        let backend = DiskBackend::open(root.path()).await.unwrap();
        let registry = with_users(Registry::open(backend).await.unwrap());
        registry.with_limits(limits.clone()).serve().await.unwrap()
    };
    let server = start().await;
    assert_eq!(post(&server, "ada", "a", &[1; 500]).await.status, 201);
    assert_eq!(post(&server, "ada", "b", &[2; 400]).await.status, 201);
    let refused = post(&server, "ada", "c", &[3; 101]).await;
    assert_eq!((refused.status, refused.code().as_str()), (413, "DENIED"));
    assert_eq!(post(&server, "eve", "c", &[3; 101]).await.status, 201); // her own matter

    // What is mounted counts again, and what somebody else pushed counts for them.
    let mount = format!("/v2/b/blobs/uploads/?mount={}&from=c", digest(&[3; 101]));
    let mount = async |user: &str| {
        let ask = ask(&server, "POST", mount.as_str()).basic(&format!("{user}:secret"));
        ask.send().await.status
    };
    assert_eq!(mount("ada").await, 413);
    assert_eq!(mount("eve").await, 201);
    assert_eq!(post(&server, "ada", "b", &[4; 100]).await.status, 201); // to the last byte
    assert_eq!(post(&server, "ada", "b", &[5; 1]).await.status, 413);
    server.shutdown().await;

    // It outlives the process.
    let server = start().await;
    assert_eq!(post(&server, "ada", "d", &[6; 1]).await.status, 413);
    let document = manifest(&[1; 500], &[]);
    let put = ask(&server, "PUT", "/v2/a/manifests/v1").basic("ada:secret");
    let put = put.header("Content-Type", MANIFEST).body(document).send().await;
    assert_eq!((put.status, put.code().as_str()), (413, "DENIED"));

    // Whoever deletes it, it no longer counts; pushed again by another, it is theirs.
    let path = format!("/v2/b/blobs/{}", digest(&[2; 400]));
    let deleted = ask(&server, "DELETE", path).basic("eve:secret").send().await;
    assert_eq!(deleted.status, 202);
    assert_eq!(post(&server, "eve", "a", &[1; 500]).await.status, 201);
    assert_eq!(post(&server, "ada", "d", &[6; 900]).await.status, 201);
    assert_eq!(post(&server, "ada", "d", &[7; 1]).await.status, 413);
}

/// Uploads side by side do not exceed together what each of them may.
#[tokio::test]
async fn uploads_that_are_open_count_as_they_come() {
    for limits in [
        Limits::default().with_user(1000),
        Limits::default().with_repository(1000),
    ] {
        let registry = with_users(Registry::memory()).with_limits(limits);
        let server = registry.serve().await.unwrap();
        let (one, two) = (
            open(&server, "ada", "a").await.location(),
            open(&server, "ada", "a").await.location(),
        );
        let patch = async |session: &str, bytes: &[u8]| {
            let patch = ask(&server, "PATCH", session).basic("ada:secret").body(bytes);
            patch.send().await.status
        };
        assert_eq!(patch(&one, &[1; 600]).await, 202);
        assert_eq!(patch(&two, &[2; 401]).await, 413);
        assert_eq!(patch(&two, &[2; 400]).await, 202);
        assert_eq!(patch(&one, &[1; 1]).await, 413);
        let gone = ask(&server, "DELETE", two.as_str())
            .basic("ada:secret")
            .send()
            .await;
        assert_eq!(gone.status, 204);
        assert_eq!(patch(&one, &[1; 400]).await, 202);
        let put = ask(&server, "PUT", with_digest(&one, &digest(&[1; 1000]))).basic("ada:secret");
        assert_eq!(put.send().await.status, 201);
        assert_eq!(server.service().inventory().bytes, 1000);
        assert_eq!(post(&server, "ada", "a", &[3; 1]).await.status, 413);
    }
}

#[tokio::test]
async fn many_uploads_at_once_stay_within_the_quota() {
    let limits = Limits::default().with_user(10_000);
    let registry = with_users(Registry::memory()).with_limits(limits);
    let server = std::sync::Arc::new(registry.serve().await.unwrap());
    let mut pushes = tokio::task::JoinSet::new();
    for number in 0..32 {
        let server = std::sync::Arc::clone(&server);
        pushes.spawn(async move {
            post(&server, "ada", &format!("r{number}"), &[number; 1000])
                .await
                .status
        });
    }
    let statuses = pushes.join_all().await;
    assert!(
        statuses.iter().all(|status| matches!(status, 201 | 413)),
        "{statuses:?}"
    );
    let stored = server.service().inventory().bytes;
    assert_eq!(
        stored,
        1000 * statuses.iter().filter(|status| **status == 201).count() as u64
    );
    assert!(stored <= 10_000, "{stored}");
}

#[tokio::test]
async fn open_uploads_of_a_user_are_counted_in_all_repositories() {
    let limits = Limits::default().with_user_uploads(3);
    let registry = with_users(Registry::memory())
        .with_anonymous()
        .with_access(|_: Option<&str>, _: &str, _| true);
    let server = registry.with_limits(limits).serve().await.unwrap();
    let first = open(&server, "ada", "a").await;
    assert_eq!(open(&server, "ada", "b").await.status, 202);
    assert_eq!(open(&server, "ada", "c").await.status, 202);
    let refused = open(&server, "ada", "d").await;
    assert_eq!(
        (refused.status, refused.code().as_str()),
        (429, "TOOMANYREQUESTS")
    );
    assert_eq!(open(&server, "eve", "d").await.status, 202);
    let nobody = ask(&server, "POST", "/v2/d/blobs/uploads/").send().await;
    assert_eq!(nobody.status, 202);
    let gone = ask(&server, "DELETE", first.location())
        .basic("ada:secret")
        .send()
        .await;
    assert_eq!(gone.status, 204);
    assert_eq!(open(&server, "ada", "d").await.status, 202);
}
