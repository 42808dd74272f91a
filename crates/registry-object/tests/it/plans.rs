//! The work of requests on large tables: what each statement reads, as the server itself tells it.

use std::sync::Arc;

use base64::Engine as _;
use bytes::Bytes;
use http::{HeaderMap, Method, Request, StatusCode, header};
use http_body_util::{BodyExt as _, Full};
use object_store::memory::InMemory;
use tower_service::Service as _;
use wharf_content::Error;
use wharf_registry::{Delivery, Event, Registry, Subscriber};
use wharf_registry_object::{ObjectBackend, ObjectOptions};
use wharf_testkit::{PostgreSql, require_peers, sha256};

use crate::open;

/// The most rows that one node of a plan may read: a page of 1,000, and as many that are passed over.
const MOST: u64 = 2_100;

const REPOSITORY: &str = "/v2/app000001";
const CONFIG: &[u8] = b"{}";
const LAYER: &[u8] = b"layer";

/// 20,000 rows for each table: one repository has as much of everything as all others together have.
const FILL: &str = "
    CREATE FUNCTION name_of(n integer) RETURNS text LANGUAGE sql
        RETURN 'sha256:' || encode(sha256(int4send(n)), 'hex');
    INSERT INTO repositories (name) SELECT 'app' || lpad(n::text, 6, '0') FROM generate_series(1, 20000) AS n;
    INSERT INTO repository_usage SELECT id, 2, 1 FROM repositories;
    INSERT INTO user_usage SELECT 'user' || n, 1 FROM generate_series(1, 20000) AS n;
    INSERT INTO contents (digest, size, objects, sizes)
        SELECT name_of(n), 1, ARRAY[md5(n::text)], '{1}' FROM generate_series(1, 20000) AS n;
    INSERT INTO contents (digest, size, bytes) SELECT name_of(-n), 2, '{}' FROM generate_series(1, 20000) AS n;
    INSERT INTO blobs SELECT 1, name_of(n), 1, 'user' || n, n FROM generate_series(1, 20000) AS n;
    INSERT INTO blobs SELECT n, name_of(1), 1, 'user' || n, 1 FROM generate_series(2, 20000) AS n;
    INSERT INTO manifests (repository, digest, size, content, subject, artifact_type, record)
        SELECT 1, name_of(-n), 2, 20000 + n, name_of(0), 'application/x.' || n % 2,
            json_build_object('media_type', 'a/b', 'size', 2, 'subject', name_of(0), 'artifact_type', 'application/x.' || n % 2,
                'manifests', json_build_array(), 'blobs', json_build_array())::text FROM generate_series(1, 20000) AS n;
    INSERT INTO needs SELECT 1, name_of(n), name_of(-n) FROM generate_series(1, 20000) AS n;
    INSERT INTO children SELECT 1, name_of(-n), name_of(-n / 2 - 1) FROM generate_series(2, 20000) AS n;
    INSERT INTO tags SELECT 1, 'v' || lpad(n::text, 6, '0'), name_of(-n) FROM generate_series(1, 20000) AS n;
    INSERT INTO commits SELECT uuid_send(gen_random_uuid()) FROM generate_series(1, 20000);
    INSERT INTO uploads (id, repository, owner, algorithm, objects, sizes)
        SELECT md5(n::text), 'app' || lpad(n::text, 6, '0'), 'user:user' || n, 'sha256', ARRAY[md5('u' || n)], '{0}'
        FROM generate_series(1, 20000) AS n;
    INSERT INTO pending (object, upload) SELECT md5('u' || n), md5(n::text) FROM generate_series(1, 20000) AS n;
    INSERT INTO pending (object) SELECT md5('p' || n) FROM generate_series(1, 20000) AS n;
    INSERT INTO doomed (object) SELECT md5('d' || n) FROM generate_series(1, 20000) AS n;
    INSERT INTO events SELECT n, 1, '{}' FROM generate_series(1, 20000) AS n;
    INSERT INTO subscribers (name) VALUES ('other');
    INSERT INTO event_positions (subscriber, repository, accepted, last) SELECT 1, n, 0, 1 FROM generate_series(1, 20000) AS n";

#[derive(Debug)]
struct Accepting;

#[async_trait::async_trait]
impl Subscriber for Accepting {
    async fn deliver(&self, _: &Event) -> Result<Delivery, Error> {
        Ok(Delivery::Accepted)
    }
}

/// Asks a registry as the user `user1`, whose answer must have this status.
async fn ask(registry: &Registry, method: Method, path: &str, body: &[u8], expected: u16) -> HeaderMap {
    let login = base64::engine::general_purpose::STANDARD.encode("user1:secret");
    let request = Request::builder()
        .method(&method)
        .uri(path)
        .header(header::HOST, "registry.example")
        .header(header::AUTHORIZATION, format!("Basic {login}"))
        .header(header::CONTENT_TYPE, "application/vnd.oci.image.manifest.v1+json")
        .header(header::CONTENT_LENGTH, body.len())
        .body(Full::new(Bytes::copy_from_slice(body)))
        .expect("a request");
    let answer = registry.clone().call(request).await.expect("infallible");
    let (status, headers) = (answer.status(), answer.headers().clone());
    let body = answer.into_body().collect().await.expect("a body").to_bytes();
    let body = String::from_utf8_lossy(&body);
    assert_eq!(
        status,
        StatusCode::from_u16(expected).expect("a status"),
        "{method} {path}: {body}"
    );
    headers
}

/// A statement, and a node of its plan that reads a table.
struct Scan {
    statement: String,
    node: String,
    /// The rows that were read, with those that were passed over.
    rows: u64,
}

impl Scan {
    /// Those in a log of `auto_explain`.
    fn all(log: &[String]) -> Vec<Self> {
        let mut scans: Vec<Self> = Vec::new();
        let (mut statement, mut is_plan) = (String::new(), false);
        for line in log {
            let text = line.trim();
            let number = |after: &str| -> Option<u64> {
                let (_, rest) = text.split_once(after)?;
                rest.split(|character: char| !character.is_ascii_digit())
                    .next()?
                    .parse()
                    .ok()
            };
            if let Some((_, query)) = text.split_once("Query Text: ") {
                (statement, is_plan) = (query.to_owned(), false);
            } else if line.starts_with('\t') {
                is_plan |= text.contains("(cost=");
                if !is_plan {
                    statement.push(' ');
                    statement.push_str(text);
                } else if let Some((node, _)) = text.split_once("  (cost=") {
                    let derived = [
                        "CTE Scan",
                        "Function Scan",
                        "Subquery Scan",
                        "Values Scan",
                        "Result",
                    ];
                    if node.contains("Scan") && !derived.iter().any(|kind| node.contains(kind)) {
                        scans.push(Self {
                            statement: statement.clone(),
                            node: node.trim_start_matches("->  ").to_owned(),
                            rows: number("(actual rows=").unwrap_or(0) * number("loops=").unwrap_or(1),
                        });
                    }
                } else if let (Some(last), Some(passed)) =
                    (scans.last_mut(), number("Rows Removed by Filter: "))
                {
                    last.rows += passed;
                }
            }
        }
        scans
    }
}

/// The indexes are there, and the statements let the server use them.
#[tokio::test]
async fn a_request_reads_no_more_of_a_large_table_than_it_answers() {
    require_peers!("postgres", "psql");
    let server = PostgreSql::builder()
        .setting("session_preload_libraries", "auto_explain")
        .setting("auto_explain.log_analyze", "on")
        .setting("auto_explain.log_timing", "off")
        .setting("auto_explain.log_nested_statements", "on")
        .start();
    let url = server.socket_url("postgres");
    let backend = ObjectBackend::open(
        open(&url).await.expect("a database"),
        Arc::new(InMemory::new()),
        ObjectOptions::default(),
    );
    let registry = Registry::open(backend.await.expect("a backend"))
        .await
        .expect("a registry");
    let registry = registry
        .with_basic("user1", "secret")
        .with_subscriber("cluster", Accepting)
        .await;
    let registry = registry.expect("a subscriber");
    server.query("postgres", FILL);
    server.query("postgres", "VACUUM ANALYZE");
    // From now on all is logged, by the connections that are made from now on.
    server.query(
        "postgres",
        "ALTER DATABASE postgres SET auto_explain.log_min_duration = 0;
         SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND backend_type = 'client backend'",
    );
    server.log();
    upload(&registry).await;
    push_look_up_and_delete(&registry).await;
    read_pages(&registry).await;
    let scans = Scan::all(&server.log());
    let of = |table: &str| {
        scans
            .iter()
            .any(|scan| scan.node.contains(&format!(" on {table}")))
    };
    for table in [
        "repositories",
        "blobs",
        "manifests",
        "tags",
        "contents",
        "uploads",
        "pending",
        "user_usage",
    ] {
        assert!(of(table), "{table} is read by a request");
    }
    let small = ["registry", "subscribers", "schema_versions"];
    let is_small = |scan: &Scan| {
        small
            .iter()
            .any(|table| scan.node.contains(&format!(" on {table}")))
    };
    let large: Vec<_> = scans
        .iter()
        .filter(|scan| scan.rows > MOST || scan.node.contains("Seq Scan") && !is_small(scan))
        .map(|scan| format!("{} reads {} rows in {}", scan.node, scan.rows, scan.statement))
        .collect();
    assert!(large.is_empty(), "{}", large.join("\n"));
}

/// Blobs in one request, in parts, given up, and mounts from a repository and from any.
async fn upload(registry: &Registry) {
    let (get, post, put) = (Method::GET, Method::POST, Method::PUT);
    let (here, config, layer) = (REPOSITORY, CONFIG, LAYER);
    for (blob, repository) in [(config, here), (layer, here), (config, "/v2/new/one")] {
        let path = format!("{repository}/blobs/uploads/?digest={}", sha256(blob));
        ask(registry, post.clone(), &path, blob, 201).await;
    }
    let sessions = format!("{here}/blobs/uploads/");
    let session = ask(registry, post.clone(), &sessions, b"", 202).await;
    let location = |headers: &HeaderMap| headers["location"].to_str().expect("text").to_owned();
    let session = ask(registry, Method::PATCH, &location(&session), b"ab", 202).await;
    ask(registry, get.clone(), &location(&session), b"", 204).await;
    let session = ask(registry, Method::PATCH, &location(&session), b"cd", 202).await;
    let close = format!("{}?digest={}", location(&session), sha256(b"abcdef"));
    ask(registry, put.clone(), &close, b"ef", 201).await;
    let session = ask(registry, post.clone(), &sessions, b"", 202).await;
    ask(registry, Method::DELETE, &location(&session), b"", 204).await;
    for from in ["&from=app000001", ""] {
        let path = format!("/v2/new/two/blobs/uploads/?mount={}{from}", sha256(layer));
        ask(registry, post.clone(), &path, b"", 201).await;
    }
}

/// Manifests, one of which is a referrer of another, tags and blobs, those that are there and those that are not.
async fn push_look_up_and_delete(registry: &Registry) {
    let (get, head, put) = (Method::GET, Method::HEAD, Method::PUT);
    let (here, config, layer) = (REPOSITORY, CONFIG, LAYER);
    let manifest = |more: &str| {
        let descriptor = |kind: &str, blob: &[u8]| {
            let (digest, size) = (sha256(blob), blob.len());
            format!(r#"{{"mediaType":"application/vnd.oci.image.{kind}","digest":"{digest}","size":{size}}}"#)
        };
        let (config, layer) = (
            descriptor("config.v1+json", config),
            descriptor("layer.v1.tar", layer),
        );
        let media_type = "application/vnd.oci.image.manifest.v1+json";
        format!(
            r#"{{"schemaVersion":2,"mediaType":"{media_type}","config":{config},"layers":[{layer}]{more}}}"#
        )
    };
    let image = manifest("");
    let digest = sha256(image.as_bytes());
    let referrer = manifest(&format!(
        r#","subject":{{"mediaType":"application/vnd.oci.image.manifest.v1+json","digest":"{digest}","size":{}}}"#,
        image.len()
    ));
    ask(
        registry,
        put.clone(),
        &format!("{here}/manifests/latest"),
        image.as_bytes(),
        201,
    )
    .await;
    ask(
        registry,
        put.clone(),
        &format!("{here}/manifests/latest"),
        image.as_bytes(),
        201,
    )
    .await;
    let by_digest = format!("{here}/manifests/{}", sha256(referrer.as_bytes()));
    ask(registry, put, &by_digest, referrer.as_bytes(), 201).await;
    // Look-ups, and what is not there.
    let blob = format!("{here}/blobs/{}", sha256(layer));
    let absent = sha256(b"absent");
    for (path, expected) in [
        (format!("{here}/manifests/latest"), 200),
        (format!("{here}/manifests/absent"), 404),
        (format!("{here}/manifests/{digest}"), 200),
        (format!("{here}/manifests/{absent}"), 404),
        (blob.clone(), 200),
        (format!("{here}/blobs/{absent}"), 404),
        ("/v2/nowhere/manifests/latest".to_owned(), 404),
    ] {
        ask(registry, head.clone(), &path, b"", expected).await;
        ask(registry, get.clone(), &path, b"", expected).await;
    }
    // Deletions.
    for (path, expected) in [
        (format!("{here}/manifests/latest"), 202),
        (by_digest, 202),
        (format!("{here}/manifests/{digest}"), 202),
        (blob, 202),
        (format!("{here}/blobs/{absent}"), 404),
    ] {
        ask(registry, Method::DELETE, &path, b"", expected).await;
    }
}

/// The first page, one in the middle, and the last.
async fn read_pages(registry: &Registry) {
    let here = REPOSITORY;
    let (image, absent) = (sha256(&(-1_i32).to_be_bytes()), sha256(b"absent"));
    let subject = sha256(&0_i32.to_be_bytes());
    for path in [
        format!("{here}/tags/list"),
        format!("{here}/tags/list?n=10"),
        format!("{here}/tags/list?last=v010000"),
        format!("{here}/tags/list?last=v019999"),
        "/v2/new/one/tags/list".to_owned(),
        "/v2/_catalog".to_owned(),
        "/v2/_catalog?n=10".to_owned(),
        "/v2/_catalog?last=app010000".to_owned(),
        "/v2/_catalog?last=zzz".to_owned(),
        format!("{here}/referrers/{image}"),
        format!("{here}/referrers/{subject}"),
        format!("{here}/referrers/{subject}?artifactType=application/x.1"),
        format!("{here}/referrers/{absent}"),
    ] {
        ask(registry, Method::GET, &path, b"", 200).await;
    }
}
