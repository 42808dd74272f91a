//! Local bytes that the registry verifies instead of the client.

use std::{
    fs,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use wharf_content::{Blob, ByteStream, Descriptor, ErrorKind, MediaType, OpenBlob, Sink as _, Source as _};
use wharf_http::RetryPolicy;
use wharf_registry::Registry;
use wharf_store::{Layout, Options, Verify};
use wharf_testkit::{
    Request,
    hostile::{Answer, Match, Origin, Rule, Stage, Step},
    sha256,
};

use crate::support::{on_stage, plain, remote};

const GOOD: &[u8] = b"the bytes of a layer";
const DAMAGED: &[u8] = b"the bytes of a l4yer";

/// The bytes of a file, with how often they were opened to be verified.
#[derive(Clone)]
struct File {
    bytes: &'static [u8],
    verified: Arc<AtomicUsize>,
    is_verified: bool,
    /// True for a store that is to hash every read.
    always: bool,
}

#[async_trait]
impl OpenBlob for File {
    async fn open(&self, _: u64) -> Result<ByteStream, wharf_content::Error> {
        if self.is_verified {
            self.verified.fetch_add(1, Ordering::Relaxed);
        }
        let bytes = Bytes::from_static(self.bytes);
        Ok(Box::pin(futures_util::stream::iter([Ok(bytes)])))
    }

    fn unverified(&self) -> Option<Arc<dyn OpenBlob>> {
        (!self.always).then(|| {
            Arc::new(Self {
                is_verified: false,
                ..self.clone()
            }) as Arc<dyn OpenBlob>
        })
    }
}

fn file(bytes: &'static [u8]) -> File {
    File {
        bytes,
        verified: Arc::default(),
        is_verified: true,
        always: false,
    }
}

fn blob(file: &File) -> Blob {
    Blob::new(Descriptor::of(MediaType::OCTET_STREAM, GOOD), file.clone()).unwrap()
}

/// The answer to the end of an upload.
#[derive(Debug, Clone, Copy)]
enum End {
    /// The bytes are verified, and their digest is stated.
    Verified,
    /// The digest of the request is stated.
    Echoed,
    /// Another digest is stated.
    Other,
    /// Nothing is stated.
    Bare,
    /// A success of which the specification does not know.
    Accepted,
    /// The bytes are stored, and the answer is lost.
    Lost,
    /// The first upload is refused, as if it had changed on its way.
    ChangedOnce,
    /// Every upload is refused with this status and code, and nothing is stored.
    Refused(u16, &'static str),
    /// The connection is closed, and nothing is stored.
    Cut,
}

impl End {
    fn has_stored(self) -> bool {
        !matches!(self, Self::Refused(..) | Self::Cut)
    }
}

async fn scene(api: &str, end: End) -> (Stage, Origin) {
    let stage = Stage::new();
    let registry = stage.origin("reg.test").await;
    let opened = Answer::new(202).header("Location", "/v2/app/blobs/uploads/1");
    let opened = match api {
        "" => opened,
        api => opened.header("Docker-Distribution-API-Version", api),
    };
    registry.on(Match::on("POST", "/uploads/"), opened);
    registry.on(Match::on("DELETE", "/uploads/1"), Answer::new(204));
    registry.on(Match::on("PATCH", "/uploads/1"), Answer::new(405));
    let found = if end.has_stored() { 200 } else { 404 };
    registry.on(Match::on("HEAD", "/blobs/"), Answer::new(found).bare());
    if matches!(end, End::ChangedOnce) {
        let refusal = Answer::error(400, "DIGEST_INVALID", "no");
        registry.rule(Rule::new(Match::on("PUT", "/uploads/1"), refusal).times(1));
    }
    registry.rule(Rule::call(
        Match::on("PUT", "/uploads/1"),
        move |request: &Request| {
            let (asked, received) = (request.query("digest").concat(), sha256(&request.body));
            let stated = |status, digest: &str| {
                Answer::new(status)
                    .header("Docker-Content-Digest", digest)
                    .steps()
            };
            match end {
                End::Verified | End::ChangedOnce if asked != received.as_str() => {
                    Answer::error(400, "DIGEST_INVALID", "no").steps()
                }
                End::Verified | End::ChangedOnce | End::Echoed => stated(201, &asked),
                End::Other => stated(201, sha256(b"other").as_str()),
                End::Bare => Answer::new(201).steps(),
                End::Accepted => stated(202, &asked),
                End::Refused(status, "") => Answer::new(status).steps(),
                End::Refused(status, code) => Answer::error(status, code, "no").steps(),
                End::Lost | End::Cut => vec![Step::Reset],
            }
        },
    ));
    (stage, registry)
}

#[tokio::test]
async fn local_bytes_are_hashed_where_the_registry_does_not_confirm_them() {
    let docker = "registry/2.0";
    // The number of times that each of two pushes of good bytes hashes them, and whether damaged bytes are noticed.
    for (api, end, hashed, is_noticed) in [
        (docker, End::Verified, [0, 0], true),
        // At the refusal, and as they are sent by PATCH, which is refused too, and whole again.
        (docker, End::ChangedOnce, [3, 0], true),
        (docker, End::Bare, [1, 1], true),
        (docker, End::Other, [1, 1], true),
        (docker, End::Accepted, [1, 1], true),
        (docker, End::Lost, [1, 1], true),
        ("", End::Verified, [1, 1], true),
        ("registry/1.0", End::Verified, [1, 1], true),
        ("", End::Bare, [1, 1], true),
        ("", End::Echoed, [1, 1], true),
        // A registry that lies about what it does.
        (docker, End::Echoed, [0, 0], false),
    ] {
        let (stage, _registry) = scene(api, end).await;
        let client = on_stage(&stage).build().unwrap();
        for (repository, expected) in ["app", "app2"].into_iter().zip(hashed) {
            let good = file(GOOD);
            remote(&client, "reg.test", repository)
                .push_blob(blob(&good))
                .await
                .unwrap();
            let count = good.verified.load(Ordering::Relaxed);
            assert_eq!(count, expected, "{api:?} {end:?} {repository}");
        }

        let (stage, registry) = scene(api, end).await;
        let client = on_stage(&stage).build().unwrap();
        let pushed = remote(&client, "reg.test", "app")
            .push_blob(blob(&file(DAMAGED)))
            .await;
        assert_eq!(pushed.is_err(), is_noticed, "{api:?} {end:?}");
        let Err(error) = pushed else { continue };
        assert_eq!(error.kind(), ErrorKind::Mismatch, "{api:?} {end:?}");
        assert!(
            error.to_string().contains("was received with the digest"),
            "{error}"
        );
        let puts = registry
            .lines()
            .iter()
            .filter(|line| line.starts_with("PUT"))
            .count();
        assert!(puts <= 1, "{:?}", registry.lines());
        if api != docker {
            // The bytes that complete the upload were held back.
            let received = String::from_utf8_lossy(&registry.received()).into_owned();
            assert!(!received.contains("l4yer"), "{api:?} {end:?}");
        }
    }
}

/// Nobody has to say that the bytes are the cause. Good ones are hashed once, and the answer is the error.
#[tokio::test]
async fn damaged_bytes_are_noticed_whatever_the_refusal() {
    for (end, is_hashed) in [
        (End::Refused(400, "DIGEST_INVALID"), true),
        (End::Refused(400, "SIZE_INVALID"), true),
        (End::Refused(400, "BLOB_UPLOAD_INVALID"), true),
        (End::Refused(400, ""), true),
        (End::Refused(404, "BLOB_UPLOAD_UNKNOWN"), true),
        (End::Refused(409, "CONFLICT"), true),
        (End::Refused(413, ""), true),
        (End::Refused(416, "RANGE_INVALID"), true),
        (End::Refused(422, ""), true),
        (End::Refused(429, "TOOMANYREQUESTS"), true),
        (End::Refused(500, "UNKNOWN"), true),
        (End::Refused(503, ""), true),
        (End::Refused(507, ""), true),
        (End::Cut, true),
        (End::Refused(403, "DENIED"), false),
        (End::Refused(404, "NAME_UNKNOWN"), false),
        (End::Refused(400, "NAME_INVALID"), false),
    ] {
        for retry in [RetryPolicy::never(), RetryPolicy::default()] {
            let retry = retry.with_initial_backoff(Duration::from_millis(1));
            let (stage, registry) = scene("registry/2.0", end).await;
            let client = on_stage(&stage).with_retry(retry).build().unwrap();
            let app = remote(&client, "reg.test", "app");
            let error = app.push_blob(blob(&file(DAMAGED))).await.unwrap_err();
            let is_named = error.to_string().contains("was received with the digest");
            assert_eq!(is_named, is_hashed, "{end:?} {error}");
            assert_eq!(error.kind() == ErrorKind::Mismatch, is_hashed, "{end:?} {error}");
            let whole = registry
                .requests()
                .iter()
                .filter(|request| request.body == DAMAGED)
                .count();
            assert_eq!(whole, 1, "{end:?}: all bytes were sent again");

            let (stage, _registry) = scene("registry/2.0", end).await;
            let client = on_stage(&stage).with_retry(retry).build().unwrap();
            let good = file(GOOD);
            let app = remote(&client, "reg.test", "app");
            let error = app.push_blob(blob(&good)).await.unwrap_err();
            assert!(
                !error.to_string().contains("was received with"),
                "{end:?} {error}"
            );
            let hashed = good.verified.load(Ordering::Relaxed);
            assert_eq!(hashed > 0, is_hashed, "{end:?} {error}");
        }
    }
}

/// A store that is to hash every read does so for a push as well.
#[tokio::test]
async fn bytes_that_are_always_verified_are_hashed_before_they_are_sent() {
    let (stage, registry) = scene("registry/2.0", End::Echoed).await;
    let client = on_stage(&stage).build().unwrap();
    let file = File {
        always: true,
        ..file(DAMAGED)
    };
    let error = remote(&client, "reg.test", "app")
        .push_blob(blob(&file))
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Mismatch, "{error}");
    let received = String::from_utf8_lossy(&registry.received()).into_owned();
    assert!(!received.contains("l4yer"));
}

/// The error is the same whether the registry has found the damage or the store, which then sets its file aside.
#[tokio::test]
async fn a_damaged_file_is_named_as_if_it_were_hashed_before() {
    let content = wharf_testkit::noise(7, 300_000);
    let descriptor = Descriptor::of(MediaType::OCTET_STREAM, &content);
    let server = Registry::memory().serve().await.unwrap();
    let client = plain(&server.address().to_string()).build().unwrap();
    let app = remote(&client, &server.address().to_string(), "app");
    for is_ours in [false, true] {
        let mut errors = Vec::new();
        for verify in [Verify::Once, Verify::Always] {
            let directory = tempfile::tempdir().unwrap();
            let blobs = directory.path().join("blobs/sha256");
            let file = blobs.join(descriptor.digest().encoded());
            if is_ours {
                let layout = Layout::create(directory.path()).await.unwrap();
                let good = Blob::from_bytes(descriptor.clone(), content.clone().into()).unwrap();
                layout.push_blob(good).await.unwrap();
            } else {
                fs::create_dir_all(&blobs).unwrap();
                let version = r#"{"imageLayoutVersion":"1.0.0"}"#;
                fs::write(directory.path().join("oci-layout"), version).unwrap();
                let index = r#"{"schemaVersion":2,"manifests":[]}"#;
                fs::write(directory.path().join("index.json"), index).unwrap();
            }
            let mut damaged = content.clone();
            damaged[200_000] ^= 1;
            let _ = fs::remove_file(&file);
            fs::write(&file, damaged).unwrap();

            let options = Options::default().with_verify(verify);
            let layout = Layout::open_with(directory.path(), options).await.unwrap();
            let blob = layout.blob(&descriptor).await.unwrap();
            assert_eq!(blob.unverified().is_some(), verify == Verify::Once);
            let error = app.push_blob(blob).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Corrupt, "{error}");
            assert!(!app.has_blob(&descriptor).await.unwrap());
            assert_eq!(file.exists(), !is_ours, "{error}");
            let directory = directory.path().display().to_string();
            errors.push(error.to_string().replace(&directory, "layout"));
        }
        assert!(
            errors[0].contains("is corrupt: its bytes have another digest"),
            "{errors:?}"
        );
        assert_eq!(errors[0], errors[1]);
    }
}
