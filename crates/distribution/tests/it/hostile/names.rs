use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use proptest::prelude::*;
use wharf_content::{Blob, Descriptor, ErrorKind, MediaType, Target};
use wharf_distribution::Client;
use wharf_http::{Connect, Error, HttpService, Peer, Request, Response, ResponseBody};
use wharf_reference::{Digest, Reference, Repository, Tag};
use wharf_testkit::hostile::{Answer, Match};

use super::scene::{Scene, tag};

/// A transport that answers 404 to everything and keeps the targets it was asked for.
#[derive(Debug, Clone, Default)]
struct Targets(Arc<Mutex<Vec<String>>>);

impl Connect for Targets {
    fn connect(&self, _: &Peer) -> Result<Arc<dyn HttpService>, Error> {
        Ok(Arc::new(self.clone()))
    }
}

#[async_trait]
impl HttpService for Targets {
    async fn call(&self, request: Request) -> Result<Response, Error> {
        let target = &request.url[url::Position::BeforePath..];
        self.0.lock().unwrap().push(target.to_owned());
        let mut response = Response::new(ResponseBody::empty());
        *response.status_mut() = http::StatusCode::NOT_FOUND;
        Ok(response)
    }
}

fn asks_for_nothing_else(text: &str) {
    let seen = Targets::default();
    let client = Client::builder()
        .with_connect(Arc::new(seen.clone()))
        .build()
        .unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let mut expected = Vec::new();
        if let Ok(reference) = Reference::parse(text) {
            let remote = client.remote(&reference.repository());
            drop(remote.manifest(&Target::of(&reference)).await);
            expected.push(format!(
                "/v2/{}/manifests/{}",
                reference.path(),
                Target::of(&reference)
            ));
        }
        let repository = Repository::parse("registry.example.test/team/app").unwrap();
        let remote = client.remote(&repository);
        if let Ok(tag) = Tag::parse(text) {
            drop(remote.manifest(&tag.into()).await);
            expected.push(format!("/v2/team/app/manifests/{text}"));
        }
        if let Ok(digest) = Digest::parse(text) {
            drop(remote.manifest(&digest.clone().into()).await);
            if digest.algorithm().is_supported() {
                expected.push(format!("/v2/team/app/manifests/{text}"));
            } else {
                // Nothing can be verified with it, so it may be refused before it is asked for.
                seen.0.lock().unwrap().retain(|target| !target.ends_with(text));
            }
        }
        let got = seen.0.lock().unwrap().clone();
        for target in &got {
            assert!(
                target.bytes().all(|byte| (b'!'..=b'~').contains(&byte)),
                "{target:?}"
            );
            assert!(
                !target.contains("..") && !target.contains(['?', '#', '%', '\\']),
                "{target:?}"
            );
        }
        assert_eq!(got, expected, "{text:?}");
    });
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    /// For every text: it is no name, or exactly the path of that name is asked for.
    #[test]
    fn n21_names_cannot_bend_a_request(text in "[a-z0-9./:@?#%\\\\ \r\n\t&=+_A-Z~-]{1,60}|\\PC{1,20}") {
        asks_for_nothing_else(&text);
    }

    #[test]
    fn n21_names_that_nearly_are_names(
        text in "[a-z]{1,4}(\\.test)?(:[0-9]{1,5})?/[a-z]{1,4}([./%?#_-]{0,2}[a-z0-9]{0,3}){0,4}(:[a-zA-Z0-9._/?#-]{0,9})?(@sha256:[0-9a-f]{64})?"
    ) {
        asks_for_nothing_else(&text);
    }
}

#[test]
fn n21_known_tricks() {
    for text in [
        "a.test/../v2",
        "a.test/x/../../y",
        "a.test/x%2e%2e/y",
        "a.test/x?y=z",
        "a.test/x#y",
        "a.test/x\r\nHost: evil",
        "user@a.test/x",
        "a.test/x:tag?digest=1",
        "a.test/x:tag/../../y",
        "a.test/x@sha256:../../x",
        "a.test//x",
        "a.test/x/",
        "https://a.test/x",
        "a.test/X",
        "a.test\\evil/x",
    ] {
        asks_for_nothing_else(text);
    }
}

const BAD: [&str; 12] = [
    "sha256:../../x",
    "sha256:E3B0C44298FC1C149AFBF4C8996FB92427AE41E4649B934CA495991B7852B855",
    "sha256:e3b0c442",
    "sha256:",
    "sha256",
    ":e3b0c442",
    "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b85\u{0}",
    "SHA256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "x:=_-/",
    "md5:",
    "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855 ",
    "",
];

/// At each place where a server can say a digest, one that is none is refused or passed over.
#[tokio::test]
async fn i01_digests_are_checked_wherever_they_come_from() {
    let scene = Scene::new().await;
    let long = format!("sha256:{}", "a".repeat(1_000_000));
    for bad in BAD.iter().copied().chain([long.as_str()]) {
        assert!(Digest::parse(bad).is_err(), "{bad:.80?}");
        assert!(
            Reference::parse(&format!("a.test/x@{bad}")).is_err(),
            "{bad:.80?}"
        );
        // In a descriptor.
        let quoted = serde_json::to_string(bad).unwrap();
        let config = format!(
            "{{\"mediaType\":\"application/vnd.oci.image.config.v1+json\",\"digest\":{quoted},\"size\":2}}"
        );
        let manifest = format!("{{\"schemaVersion\":2,\"config\":{config},\"layers\":[]}}");
        let kind = "application/vnd.oci.image.manifest.v1+json";
        scene
            .registry
            .clear()
            .on(Match::any(), Answer::ok(manifest).header("Content-Type", kind));
        let error = scene.failed(scene.anonymous().manifest(&tag("v1")).await);
        assert!(
            matches!(error.kind(), ErrorKind::Invalid | ErrorKind::Unsupported),
            "{bad:.80?}: {error}"
        );
        // In a header: a claim that is none is no answer to what a tag is.
        if bad.len() < 1000 && !bad.contains('\u{0}') && !bad.ends_with(' ') {
            let head = Answer::ok("{}")
                .header("Content-Type", kind)
                .header("Docker-Content-Digest", bad);
            scene
                .registry
                .clear()
                .on(Match::on("HEAD", "/"), head.head_only());
            drop(scene.failed(scene.anonymous().resolve(&tag("v1")).await));
        }
    }
    let lines = scene.registry.lines();
    assert!(
        lines
            .iter()
            .all(|line| line.ends_with("/v2/team/app/manifests/v1")),
        "{lines:?}"
    );
}

#[tokio::test]
async fn i01_what_cannot_be_verified_is_not_fetched_or_sent() {
    let scene = Scene::new().await;
    for text in ["md5:d41d8cd98f00b204e9800998ecf8427e", "blake3:abc", "x:=_-"] {
        let digest = Digest::parse(text).unwrap();
        let descriptor = Descriptor::new(MediaType::OCI_LAYER, digest.clone(), 3).unwrap();
        let remote = scene.anonymous();
        assert_eq!(
            scene.read(&remote, &descriptor).await,
            Err(ErrorKind::Unsupported),
            "{text}"
        );
        assert!(Blob::from_bytes(descriptor, "abc".into()).is_err());
        drop(scene.failed(remote.manifest(&digest.into()).await));
    }
    assert!(
        scene
            .registry
            .lines()
            .iter()
            .all(|line| !line.contains("/blobs/"))
    );
}
