//! Failures of stores, and what is told of them.

use std::{
    io::{Read as _, Write as _},
    net::TcpListener,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use object_store::{ObjectStoreExt as _, PutMode, PutOptions, path::Path};
use wharf_content::ErrorKind;
use wharf_registry_object::{Store, StoreOptions, StoreUrl};
use wharf_testkit::{Azurite, SeaweedFs, require_peers};

use super::Kind;

/// The URL, its options less repetitions, and a part of the error's text.
async fn refusal(url: &str, options: StoreOptions) -> wharf_content::Error {
    let url = StoreUrl::parse(url).expect("a URL of a store");
    let error = Store::open(&url, &options.with_retries(0))
        .await
        .expect_err("it cannot be opened");
    let told = error.to_string();
    assert!(
        told.contains(&format!("the store {url} cannot")),
        "it names the store: {told}"
    );
    error
}

fn pair(name: &str, value: &str) -> [(String, String); 1] {
    [(name.to_owned(), value.to_owned())]
}

#[tokio::test]
async fn a_key_that_is_refused_is_told() {
    require_peers!(SeaweedFs::PROGRAM, Azurite::PROGRAM);
    let weed = format!("s3://{}", SeaweedFs::shared().create_bucket());
    let azurite = format!("az://{}", Azurite::shared().create_container());
    for (url, kind, name, value) in [
        (&weed, Kind::SeaweedFs, "AWS_ACCESS_KEY_ID", "unknown"),
        (&weed, Kind::SeaweedFs, "AWS_SECRET_ACCESS_KEY", "wrong"),
        (&azurite, Kind::Azurite, "AZURE_STORAGE_KEY", "d3Jvbmc="),
    ] {
        let error = refusal(url, kind.options().with_variables(pair(name, value))).await;
        assert!(
            matches!(error.kind(), ErrorKind::Unauthorized | ErrorKind::Denied),
            "{name}: {error:?}"
        );
        assert!(error.to_string().contains("key"), "{name}: {error}");
    }
}

/// Never *not found*, which would be content that is not there. `SeaweedFS` creates a bucket when it is written to.
#[tokio::test]
async fn a_bucket_that_does_not_exist_is_told() {
    for kind in super::kinds().filter(|kind| matches!(kind, Kind::Moto | Kind::Azurite)) {
        let url = if kind == Kind::Azurite {
            "az://absent/r"
        } else {
            "s3://absent/r"
        };
        let error = refusal(url, kind.options()).await;
        assert_eq!(error.kind(), ErrorKind::Server, "{kind:?}: {error}");
        assert!(
            error.to_string().contains("the bucket does not exist"),
            "{kind:?}: {error}"
        );
    }
}

#[tokio::test]
async fn a_server_that_is_away_is_told() {
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    for (endpoint, kind) in [
        (format!("http://{free}"), ErrorKind::Network),
        ("http://absent.invalid".to_owned(), ErrorKind::Network),
        (
            format!(
                "https://{}",
                answering("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").0
            ),
            ErrorKind::Tls,
        ),
        (format!("http://{}", answering("").0), ErrorKind::Network),
        (
            format!("http://{}", answering("SSH-2.0-x\r\n").0),
            ErrorKind::Network,
        ),
    ] {
        let options = StoreOptions::default().with_variables(Kind::Moto.variables());
        let error = refusal("s3://images/r", options.with_endpoint(&endpoint)).await;
        assert_eq!(error.kind(), kind, "{endpoint}: {error}");
    }
}

#[tokio::test]
async fn an_answer_of_a_server_has_a_kind_that_tells_the_next_step() {
    for (status, code, kind, part) in [
        (
            "403 Forbidden",
            "InvalidAccessKeyId",
            ErrorKind::Unauthorized,
            "check the key",
        ),
        (
            "403 Forbidden",
            "SignatureDoesNotMatch",
            ErrorKind::Unauthorized,
            "check the key",
        ),
        (
            "403 Forbidden",
            "RequestTimeTooSkewed",
            ErrorKind::Unauthorized,
            "set the clock",
        ),
        (
            "400 Bad Request",
            "ExpiredToken",
            ErrorKind::Unauthorized,
            "session's token",
        ),
        (
            "400 Bad Request",
            "AuthorizationHeaderMalformed",
            ErrorKind::Unauthorized,
            "region",
        ),
        ("403 Forbidden", "AccessDenied", ErrorKind::Denied, "rights"),
        ("404 Not Found", "NoSuchBucket", ErrorKind::Server, "create it"),
        (
            "404 Not Found",
            "NoSuchKey",
            ErrorKind::NotFound,
            "there is no object",
        ),
        (
            "301 Moved Permanently",
            "PermanentRedirect",
            ErrorKind::Unsupported,
            "region",
        ),
        (
            "503 Service Unavailable",
            "SlowDown",
            ErrorKind::RateLimited,
            "too many",
        ),
        (
            "429 Too Many Requests",
            "Whatever",
            ErrorKind::RateLimited,
            "too many",
        ),
        (
            "500 Internal Server Error",
            "InternalError",
            ErrorKind::Server,
            "500, InternalError",
        ),
        ("502 Bad Gateway", "<b>not a word", ErrorKind::Server, "(502)"),
        ("507 Insufficient Storage", "Full", ErrorKind::NoSpace, "full"),
        (
            "409 Conflict",
            "OperationAborted",
            ErrorKind::Conflict,
            "another writer",
        ),
        (
            "400 Bad Request",
            "InvalidArgument",
            ErrorKind::Unsupported,
            "endpoint",
        ),
    ] {
        let body = format!("<Error><Code>{code}</Code><Message>canary</Message></Error>");
        let length = body.len();
        let answer =
            format!("HTTP/1.1 {status}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}");
        let store = store_at(&answering(&answer).0);
        let failure = store.objects().get(&Path::from("v1/x")).await.expect_err(status);
        let error = store.failed("read", "v1/x", &failure);
        assert_eq!(error.kind(), kind, "{status} {code}: {error}");
        let told = format!("{error} {error:?} {error:#?}");
        assert!(
            told.contains(part) && told.contains("cannot read v1/x"),
            "{status} {code}: {told}"
        );
        assert!(!told.contains("canary"), "nothing of the server's text: {told}");
    }
}

/// A store at an address that is not checked, and repeats nothing.
fn store_at(address: &str) -> Store {
    let url = StoreUrl::parse("s3://images/r").expect("a URL of a store");
    let options = StoreOptions::default()
        .with_variables(Kind::Moto.variables())
        .with_endpoint(format!("http://{address}"))
        .with_retries(0);
    Store::build(&url, &options).expect("options of a store")
}

/// A server that gives one answer to every request and closes the connection. Returns its address and the count of
/// requests.
pub(super) fn answering(answer: &str) -> (String, Arc<AtomicU32>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("an address").to_string();
    let count = Arc::new(AtomicU32::new(0));
    let (answer, counted) = (answer.to_owned(), Arc::clone(&count));
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { continue };
            let mut request = [0; 16 * 1024];
            let read = stream.read(&mut request).unwrap_or(0);
            if read > 0 {
                counted.fetch_add(1, Ordering::SeqCst);
                let _ = stream.write_all(answer.as_bytes()); // a client that has gone
            }
        }
    });
    (address, count)
}

/// A reply that was lost leaves open whether the request was carried out: what can be repeated is, and what creates is not,
/// for its repetition would meet its own object.
#[tokio::test]
async fn a_request_is_repeated_after_a_lost_reply_only_if_it_can_be() {
    let slow = "HTTP/1.1 503 Slow Down\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
    for (answer, create, expected) in [("", false, 3), ("", true, 1), (slow, false, 3), (slow, true, 3)] {
        let (address, count) = answering(answer);
        let url = StoreUrl::parse("s3://images/r").unwrap();
        let options = StoreOptions::default()
            .with_variables(Kind::Moto.variables())
            .with_endpoint(format!("http://{address}"))
            .with_retries(2)
            .with_retry_time(Duration::from_secs(600));
        let store = Store::build(&url, &options).unwrap();
        let mode = if create {
            PutMode::Create
        } else {
            PutMode::Overwrite
        };
        let path = Path::from("v1/x");
        let put = store
            .objects()
            .put_opts(&path, "x".into(), PutOptions::from(mode));
        let failure = put.await.expect_err("there is no answer that is good");
        assert_eq!(
            count.load(Ordering::SeqCst),
            expected,
            "{answer:?} {create}: {failure:?}"
        );
        let kind = store.failed("write", "v1/x", &failure).kind();
        let network = if answer.is_empty() {
            ErrorKind::Network
        } else {
            ErrorKind::Server
        };
        assert_eq!(kind, network, "{failure:?}");
    }
}
