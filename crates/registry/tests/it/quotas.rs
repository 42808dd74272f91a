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
        .with_anonymous(true)
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

/// Mounts and manifests side by side do not exceed together what each of them may.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn mounts_and_manifests_side_by_side_stay_within_the_quota() {
    for limits in [
        Limits::default().with_user(10_000),
        Limits::default().with_repository(10_000),
    ] {
        let registry = with_users(Registry::memory()).with_basic("bob", "secret");
        let server = std::sync::Arc::new(registry.with_limits(limits).serve().await.unwrap());
        // Content that counts for others, to be mounted by ada.
        for number in 0..16 {
            let (bytes, user) = ([number; 900], ["eve", "bob"][usize::from(number % 2)]);
            let posted = post(&server, user, &format!("src{number}"), &bytes).await;
            assert_eq!(posted.status, 201);
        }
        assert_eq!(post(&server, "ada", "a", b"{}").await.status, 201);
        let mut requests = tokio::task::JoinSet::new();
        for number in 0..16_u8 {
            let server = std::sync::Arc::clone(&server);
            requests.spawn(async move {
                let blob = digest(&[number; 900]);
                let path = format!("/v2/a/blobs/uploads/?mount={blob}&from=src{number}");
                ask(&server, "POST", path).basic("ada:secret").send().await.status
            });
        }
        for number in 0..16 {
            let server = std::sync::Arc::clone(&server);
            requests.spawn(async move {
                let mut document = manifest(b"{}", &[]);
                document.resize(900 + number, b' ');
                let put = ask(&server, "PUT", format!("/v2/a/manifests/t{number}")).basic("ada:secret");
                put.header("Content-Type", MANIFEST)
                    .body(document)
                    .send()
                    .await
                    .status
            });
        }
        let statuses = requests.join_all().await;
        assert!(
            statuses.iter().all(|status| matches!(status, 201 | 413)),
            "{statuses:?}"
        );
        assert!(statuses.contains(&201) && statuses.contains(&413), "{statuses:?}");
        let used = server.service().inventory().bytes - 16 * 900; // without the others'
        assert!((9_000..=10_000).contains(&used), "{used}");
    }
}

/// A full quota refuses what adds to it, and nothing else.
#[tokio::test]
async fn what_adds_nothing_needs_no_room() {
    for limits in [
        Limits::default().with_user(1000),
        Limits::default().with_repository(1000),
    ] {
        let registry = with_users(Registry::memory()).with_limits(limits);
        let server = registry.serve().await.unwrap();
        let document = manifest(b"{}", &[]);
        let fill = vec![7; 1000 - 2 - document.len()];
        assert_eq!(post(&server, "ada", "a", b"{}").await.status, 201);
        let put = async |tag: &str, document: Vec<u8>| {
            let put = ask(&server, "PUT", format!("/v2/a/manifests/{tag}")).basic("ada:secret");
            put.header("Content-Type", MANIFEST)
                .body(document)
                .send()
                .await
                .status
        };
        assert_eq!(put("v1", document.clone()).await, 201);
        assert_eq!(post(&server, "ada", "a", &fill).await.status, 201);
        let mount = async |blob: &[u8]| {
            let path = format!("/v2/a/blobs/uploads/?mount={}&from=a", digest(blob));
            ask(&server, "POST", path).basic("ada:secret").send().await.status
        };
        assert_eq!(post(&server, "ada", "a", b"x").await.status, 413);
        assert_eq!(put("v2", document.clone()).await, 201);
        assert_eq!(put("v1", [document.as_slice(), b" "].concat()).await, 413);
        assert_eq!(mount(&fill).await, 201);
        assert_eq!(post(&server, "ada", "a", &fill).await.status, 201);
        assert_eq!(post(&server, "ada", "a", b"{}").await.status, 201);
        assert_eq!(server.service().inventory().bytes, 1000);
    }
}

/// Whoever has most in a repository makes way for who has less, and not the other way round.
#[tokio::test]
async fn one_users_uploads_do_not_lock_out_another() {
    let limits = Limits::default().with_uploads(4);
    let registry = with_users(Registry::memory()).with_limits(limits);
    let server = registry.serve().await.unwrap();
    let mut eves = Vec::new();
    for _ in 0..4 {
        eves.push(open(&server, "eve", "shared").await.location());
    }
    let status = async |user: &str, session: &str| {
        let ask = ask(&server, "GET", session).basic(&format!("{user}:secret"));
        ask.send().await.status
    };
    let refused = open(&server, "eve", "shared").await;
    let wait: u64 = refused.header("retry-after").unwrap().parse().unwrap();
    assert!(refused.status == 429 && (1..=60).contains(&wait));
    assert_eq!(post(&server, "ada", "shared", b"x").await.status, 201);
    assert_eq!(status("eve", &eves[0]).await, 404); // nobody had used it for longest
    let first = open(&server, "ada", "shared").await;
    assert_eq!(first.status, 202);
    let second = open(&server, "ada", "shared").await;
    assert_eq!(second.status, 202);
    let third = open(&server, "ada", "shared").await;
    assert_eq!(third.status, 429); // each has two
    for session in [&eves[2], &eves[3]] {
        assert_eq!(status("eve", session).await, 204);
    }
    assert_eq!(status("ada", &first.location()).await, 204);
    assert_eq!(open(&server, "eve", "elsewhere").await.status, 202);
}

/// Of one client's own uploads, one that nobody uses any more makes way.
#[tokio::test(start_paused = true)]
async fn an_abandoned_upload_makes_way_for_its_own_user() {
    let limits = Limits::default().with_user_uploads(2);
    let registry = with_users(Registry::memory()).with_limits(limits);
    let call = async |method: &str, path: &str| {
        let request = http::Request::builder().method(method).uri(path);
        let request = request.header("authorization", "Basic YWRhOnNlY3JldA=="); // ada:secret
        let request = request.body(http_body_util::Empty::new()).unwrap();
        registry.handle(request).await
    };
    let open = async || {
        let opened = call("POST", "/v2/a/blobs/uploads/").await;
        let location = opened.headers().get("location");
        (
            opened.status().as_u16(),
            location.map(|location| location.to_str().unwrap().to_owned()),
        )
    };
    let ((first, used), (second, left)) = (open().await, open().await);
    assert_eq!((first, second), (202, 202));
    assert_eq!(open().await.0, 429);
    tokio::time::advance(std::time::Duration::from_secs(59)).await;
    let used = used.unwrap();
    assert_eq!(call("GET", &used).await.status(), 204);
    assert_eq!(open().await.0, 429);
    tokio::time::advance(std::time::Duration::from_secs(1)).await;
    assert_eq!(open().await.0, 202);
    assert_eq!(call("GET", &left.unwrap()).await.status(), 404);
    assert_eq!(call("GET", &used).await.status(), 204);
    assert_eq!(open().await.0, 429);
}
