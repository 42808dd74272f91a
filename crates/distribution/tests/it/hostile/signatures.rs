//! Stores of signatures that lie, fail or attack.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use bytes::Bytes;
use wharf_config::{Lookaside, SignatureStore, SignatureStores};
use wharf_content::{ErrorKind, Hint, Signature, Wanted};
use wharf_distribution::{ClientBuilder, Remote};
use wharf_http::{Identity, ReqwestConnector, RetryPolicy, Roots, Timeouts, TlsSettings};
use wharf_reference::{Digest, Registry};
use wharf_testkit::{
    Image, Request,
    hostile::{Answer, Fault, Match, Origin, OriginOptions, Rule, Step},
};

use super::scene::{Scene, tag};
use crate::support::Insecure;

/// The beginning of an OpenPGP message, which is all that is looked at here.
pub(super) fn message(number: usize) -> Bytes {
    [&[0x90][..], number.to_string().as_bytes()].concat().into()
}

fn digest() -> Digest {
    Digest::parse(&format!("sha256:{}", "a".repeat(64))).unwrap()
}

fn path(number: usize) -> String {
    format!("/sigs/team/app@sha256={}/signature-{number}", "a".repeat(64))
}

fn number(request: &Request) -> usize {
    request.path().rsplit('-').next().unwrap().parse().unwrap()
}

fn at(url: &str) -> SignatureStore {
    SignatureStore::default().with_lookaside(Lookaside::parse(url).unwrap())
}

fn remote(scene: &Scene, builder: ClientBuilder, url: &str) -> Remote {
    let builder = builder
        .with_signature_locations(at(url))
        .with_retry(RetryPolicy::never());
    scene.remote_of(&builder.build().unwrap())
}

/// A client that waits for a fifth of a second.
fn impatient(scene: &Scene) -> ClientBuilder {
    let short = Duration::from_millis(200);
    let timeouts = Timeouts::default()
        .with_head(short)
        .with_idle(short)
        .with_connect(short);
    let connector = ReqwestConnector::new()
        .with_dns_resolver(Arc::new(scene.stage.names()))
        .with_timeouts(timeouts);
    scene.builder().with_connect(Arc::new(connector))
}

/// Files by their number.
type Files = Vec<(usize, Answer)>;

/// A host that serves these files, and 404 for every other.
async fn store(scene: &Scene, files: &[(usize, Answer)]) -> Origin {
    let store = scene.stage.origin("store.test").await;
    serve(&store, files);
    store
}

pub(super) fn serve(store: &Origin, files: &[(usize, Answer)]) {
    let files: BTreeMap<usize, Answer> = files.iter().cloned().collect();
    store.rule(Rule::call(Match::any(), move |request| {
        let absent = Answer::new(404).body("<html>not here</html>");
        files.get(&number(request)).cloned().unwrap_or(absent)
    }));
}

pub(super) fn kinds(signatures: &[Signature]) -> String {
    let letter = |signature: &Signature| match signature {
        Signature::Simple(message) => {
            String::from_utf8_lossy(message.get(1..).unwrap_or_default()).into_owned()
        }
        Signature::Unknown { .. } => "?".to_owned(),
        _ => "!".to_owned(),
    };
    signatures.iter().map(letter).collect::<Vec<_>>().join(" ")
}

#[tokio::test]
async fn a_lookaside_store_is_read_up_to_the_first_absent_number() {
    let ok = |number| Answer::ok(message(number));
    let html = Answer::ok("<html>sign in</html>").header("Content-Type", "text/html");
    let large_page = Answer::new(404).body(vec![b'x'; 1 << 20]);
    let signature_in_a_page = Answer::new(404).body(message(9));
    let cases: [(&str, Files, &str, usize); 10] = [
        ("none", vec![], "", 1),
        ("one", vec![(1, ok(1))], "1", 2),
        ("in order", vec![(2, ok(2)), (1, ok(1)), (3, ok(3))], "1 2 3", 4),
        // docs/threats.md, T191: what follows a gap is not there, which can only deny.
        ("a gap", vec![(1, ok(1)), (3, ok(3))], "1", 2),
        ("a page", vec![(1, ok(1)), (2, html.clone())], "1 ?", 3),
        ("a page first", vec![(1, html), (2, ok(2))], "? 2", 3),
        ("empty", vec![(1, Answer::ok("")), (2, ok(2))], "? 2", 3),
        (
            "a large page that says absent",
            vec![(1, ok(1)), (2, large_page)],
            "1",
            2,
        ),
        (
            "a signature that is absent",
            vec![(1, signature_in_a_page)],
            "",
            1,
        ),
        (
            "as large as may be",
            vec![(1, Answer::ok(vec![0x90; 4 << 20]))],
            "",
            2,
        ),
    ];
    for (what, files, expected, requests) in cases {
        let scene = Scene::new().await;
        let store = store(&scene, &files).await;
        let remote = remote(&scene, scene.builder(), &store.url("/sigs"));
        let found = remote.signatures(&digest(), Wanted::SIMPLE).await.unwrap();
        if what == "as large as may be" {
            assert_eq!(found.len(), 1);
        } else {
            assert_eq!(kinds(&found), expected, "{what}");
        }
        let lines: Vec<String> = (1..=requests)
            .map(|number| format!("GET {}", path(number)))
            .collect();
        assert_eq!(store.lines(), lines, "{what}");
        // Whether it offers signatures itself.
        assert_eq!(scene.registry.lines(), ["GET /v2/"], "{what}");
    }
}

/// "There is no signature" comes of 404 and nothing else.
#[tokio::test]
async fn t191_an_answer_that_is_no_signature_and_not_404_is_an_error() {
    let first = |answer: Answer| vec![(1, answer)];
    let second = |answer: Answer| vec![(1, Answer::ok(message(1))), (2, answer)];
    let mut cases = vec![
        (
            "larger than a signature",
            first(Answer::ok(vec![0x90; (4 << 20) + 1])),
            ErrorKind::TooLarge,
        ),
        (
            "without end",
            first(Answer::ok(vec![0x90; 8 << 20]).chunked()),
            ErrorKind::TooLarge,
        ),
        (
            "cut",
            second(Answer::ok(message(2)).fault(Fault::Cut(1))),
            ErrorKind::Network,
        ),
        (
            "a circle",
            first(Answer::redirect(302, &path(1))),
            ErrorKind::Server,
        ),
        (
            "to http",
            first(Answer::redirect(302, "http://cdn.test:81/x")),
            ErrorKind::Server,
        ),
        (
            "to nobody",
            second(Answer::redirect(302, "https://nobody.test/x")),
            ErrorKind::Network,
        ),
        (
            "inward",
            first(Answer::redirect(302, "https://169.254.169.254/x")),
            ErrorKind::Blocked,
        ),
        (
            "compressed",
            first(Answer::ok("x").header("Content-Encoding", "gzip")),
            ErrorKind::Server,
        ),
    ];
    for (status, kind) in [
        (204, ErrorKind::Server),
        (304, ErrorKind::Server),
        (400, ErrorKind::Invalid),
        (401, ErrorKind::Unauthorized),
        (403, ErrorKind::Denied),
        (410, ErrorKind::Invalid),
        (429, ErrorKind::RateLimited),
        (500, ErrorKind::Server),
        (503, ErrorKind::Server),
    ] {
        let answer = Answer::new(status).body("<html>Not found</html>");
        let answer = if matches!(status, 204 | 304) {
            Answer::new(status).bare()
        } else {
            answer
        };
        cases.push(("status", first(answer.clone()), kind));
        cases.push(("status", second(answer), kind));
    }
    for (what, files, kind) in cases {
        let scene = Scene::new().await;
        let store = store(&scene, &files).await;
        let remote = remote(&scene, scene.builder(), &store.url("/sigs"));
        let error = scene.failed(remote.signatures(&digest(), Wanted::SIMPLE).await);
        let shown = error.to_string();
        assert_eq!(error.kind(), kind, "{what}: {shown}");
        assert!(
            shown.contains("read the signatures of") && shown.contains("team/app@sha256:"),
            "{shown}"
        );
        assert!(shown.contains("test/"), "{what}: {shown}");
        if error.status().is_some() {
            assert_eq!(error.hint(), Some(&Hint::CheckSignatureStore), "{shown}");
            assert!(
                shown.contains("store.test/sigs/team/app@sha256=") && shown.contains("404"),
                "{shown}"
            );
        }
    }
}

#[tokio::test]
async fn a_lookaside_store_that_hangs_is_given_up() {
    for steps in [
        vec![Step::Stall],
        Answer::ok(message(1)).fault(Fault::Stall(1)).steps(),
    ] {
        let scene = Scene::new().await;
        let store = scene.stage.origin("store.test").await;
        store.on(Match::any(), steps);
        let remote = remote(&scene, impatient(&scene), &store.url("/sigs"));
        let error = scene.failed(remote.signatures(&digest(), Wanted::SIMPLE).await);
        assert_eq!(error.kind(), ErrorKind::Timeout, "{error}");
        assert_eq!(error.hint(), Some(&Hint::CheckSignatureStore), "{error}");
        assert!(
            error.to_string().contains("https://store.test/sigs/team/app"),
            "{error}"
        );
    }
}

#[tokio::test]
async fn t168_more_than_a_hundred_signatures_or_32_mib_are_an_error() {
    let large = Bytes::from(vec![0x90; 4 << 20]);
    for (count, body, requests, expected) in [
        (100, message(1), 101, None),
        (101, message(1), 101, Some("more than 100 signatures")),
        (10_000, message(1), 101, Some("more than 100 signatures")),
        (
            10_000,
            "<html>".into(),
            101,
            Some(
                "none of its 100 first files is a signature: the signature is in no known format; it seems to be a web page",
            ),
        ),
        (9, large.clone(), 9, Some("32 MiB")),
        (8, large, 9, None),
    ] {
        let scene = Scene::new().await;
        let store = scene.stage.origin("store.test").await;
        store.rule(Rule::call(Match::any(), move |request| {
            if number(request) <= count {
                Answer::ok(body.clone())
            } else {
                Answer::new(404)
            }
        }));
        let remote = remote(&scene, scene.builder(), &store.url("/sigs"));
        let read = remote.signatures(&digest(), Wanted::SIMPLE).await;
        match expected {
            None => assert_eq!(read.unwrap().len(), count),
            Some(words) => {
                let error = scene.failed(read);
                assert_eq!(error.kind(), ErrorKind::TooLarge, "{error}");
                assert!(error.to_string().contains(words), "{error}");
            }
        }
        assert_eq!(store.lines().len(), requests, "{count}");
    }
}

/// A store on a host of its own, on the registry's host and behind a redirect to the registry: it asks for a login,
/// and gets none.
#[tokio::test]
async fn t173_no_login_is_sent_to_a_lookaside_store() {
    for challenge in [
        "Basic realm=\"store\"",
        "Bearer realm=\"https://auth.example.test/token\",service=\"registry.example.test\"",
        "Bearer realm=\"https://store.test/token\"",
    ] {
        for (name, redirected) in [
            ("store.test", false),
            ("registry.example.test", false),
            ("store.test", true),
        ] {
            let scene = Scene::new().await;
            let image = Image::small("x");
            scene.registry.serve_manifest("team/app", "v1", image.manifest());
            let own = scene.stage.origin("store.test").await;
            let there = Match::get("/sigs/");
            if redirected {
                own.on(
                    Match::any(),
                    Answer::redirect(307, &scene.registry.url("/sigs/team/app")),
                );
            }
            own.on(there.clone(), Answer::challenge(challenge));
            scene
                .registry
                .first(Rule::new(there, Answer::challenge(challenge)));
            scene.desk.guard(&scene.registry);
            let remote = remote(&scene, scene.alice_builder(), &format!("https://{name}/sigs"));
            // The client is logged in before it asks the store.
            remote.manifest(&tag("v1")).await.unwrap();
            let error = scene.failed(remote.signatures(&digest(), Wanted::SIMPLE).await);
            assert_eq!(
                error.kind(),
                ErrorKind::Unauthorized,
                "{name} {challenge}: {error}"
            );
            assert_eq!(error.hint(), Some(&Hint::CheckSignatureStore));
            let stores = [own, scene.registry.clone()];
            let asked: Vec<Request> = stores.iter().flat_map(Origin::requests).collect();
            let asked: Vec<&Request> = asked
                .iter()
                .filter(|asked| asked.path().contains("/sigs/"))
                .collect();
            assert!(!asked.is_empty());
            assert!(
                asked.iter().all(|asked| asked.header("authorization").is_none()),
                "{name} {challenge}"
            );
        }
    }
}

#[tokio::test]
async fn t173_a_lookaside_store_gets_no_client_certificate_and_no_waived_check() {
    for (what, options) in [
        ("demands", OriginOptions::default().demands_client_certificate()),
        ("untrusted", OriginOptions::default().untrusted()),
        ("expired", OriginOptions::default().expired()),
        (
            "another name",
            OriginOptions::default().certificate_for(&["other.test"]),
        ),
    ] {
        let scene = Scene::new().await;
        let store = scene.stage.origin_with("store.test", options).await;
        serve(&store, &[(1, Answer::ok(message(1)))]);
        let pem = scene.stage.ca().pem().to_owned();
        let ours = scene.stage.ca().issue_client("alice");
        let (certificate, key) = (ours.pem().to_owned(), ours.key_pem().to_owned());
        // What the caller gives for this host has a client certificate and waives verification.
        let tls = move |_: &Registry| {
            let settings = TlsSettings::default()
                .with_roots(Roots::AddedOnly)
                .with_root_pem(pem.clone())
                .with_identity(Identity::from_pem(certificate.clone(), key.clone()));
            Ok(settings.dangerous().skip_verify())
        };
        let builder = scene
            .builder()
            .with_certificates(Arc::new(tls))
            .with_resolve(Arc::new(Insecure));
        let remote = remote(&scene, builder, &store.url("/sigs"));
        let error = scene.failed(remote.signatures(&digest(), Wanted::SIMPLE).await);
        assert!(
            matches!(error.kind(), ErrorKind::Tls | ErrorKind::Network),
            "{what}: {error}"
        );
        assert!(store.requests().is_empty(), "{what}");
    }
    // The authorities that the caller has for the host are used: the others fail for their own fault.
    let scene = Scene::new().await;
    let store = store(&scene, &[(1, Answer::ok(message(1)))]).await;
    let remote = remote(&scene, scene.builder(), &store.url("/sigs"));
    assert_eq!(
        remote.signatures(&digest(), Wanted::SIMPLE).await.unwrap().len(),
        1
    );
}

#[tokio::test]
async fn t173_plain_http_is_used_where_the_url_says_so_alone() {
    let scene = Scene::new().await;
    let plain = OriginOptions::default().plain();
    let store = scene.stage.origin_with("store.test", plain.with_port()).await;
    serve(&store, &[(1, Answer::ok(message(1)))]);
    let found = remote(&scene, scene.builder(), &store.url("/sigs"));
    assert_eq!(
        found.signatures(&digest(), Wanted::SIMPLE).await.unwrap().len(),
        1
    );
    let requests = store.requests().len();
    let https = store.url("/sigs").replace("http://", "https://");
    for builder in [
        impatient(&scene),
        impatient(&scene).with_resolve(Arc::new(Insecure)),
    ] {
        let builder = builder.with_plain_http(Registry::parse(store.name()).unwrap());
        let error = scene.failed(
            remote(&scene, builder, &https)
                .signatures(&digest(), Wanted::SIMPLE)
                .await,
        );
        assert_eq!(error.hint(), Some(&Hint::CheckSignatureStore), "{error}");
        assert_eq!(store.requests().len(), requests);
    }
}

#[tokio::test]
async fn t191_redirects_are_followed_outward_and_bounded() {
    let scene = Scene::new().await;
    let store = store(
        &scene,
        &[
            (1, Answer::redirect(302, "https://cdn.test/one-1")),
            (2, Answer::redirect(301, "/sigs/moved-22")),
            (22, Answer::ok(message(2))),
        ],
    )
    .await;
    serve(&scene.cdn, &[(1, Answer::ok(message(1)))]);
    let remote = remote(&scene, scene.alice_builder(), &store.url("/sigs"));
    let found = remote.signatures(&digest(), Wanted::SIMPLE).await.unwrap();
    assert_eq!(kinds(&found), "1 2");
}

#[tokio::test]
async fn the_signatures_of_a_manifest_are_where_it_came_from() {
    let scene = Scene::new().await;
    let image = Image::small("x");
    let mirror = scene.stage.origin("mirror.test").await;
    mirror.serve_manifest("cache/app", "v1", image.manifest());
    let (of_mirror, of_registry) = (
        scene.stage.origin("m.test").await,
        scene.stage.origin("r.test").await,
    );
    serve(&of_mirror, &[(1, Answer::ok(message(1)))]);
    serve(&of_registry, &[(1, Answer::ok(message(2)))]);
    let registries = wharf_config::Registries::parse(
        "[[registry]]\nlocation = 'registry.example.test'\n\
         [[registry.mirror]]\nlocation = 'mirror.test/cache'\n",
    )
    .unwrap();
    // Below the mirror's location, the repository keeps its path.
    mirror.serve_manifest("cache/team/app", "v1", image.manifest());
    let stores = SignatureStores::parse(
        "docker:\n  mirror.test: {lookaside: 'https://m.test/sigs'}\n\
         \x20 registry.example.test: {lookaside: 'https://r.test/sigs'}\n",
    )
    .unwrap();
    let client = scene
        .builder()
        .with_resolve(Arc::new(registries))
        .with_signature_locations(stores)
        .build()
        .unwrap();
    let remote = scene.remote_of(&client);
    // Nothing was read yet: the registry itself.
    let found = remote
        .signatures(image.manifest().digest(), Wanted::SIMPLE)
        .await
        .unwrap();
    assert_eq!(kinds(&found), "2");
    let before = of_registry.requests().len();
    let manifest = remote.manifest(&tag("v1")).await.unwrap();
    for digest in [manifest.digest().clone(), digest()] {
        let found = remote.signatures(&digest, Wanted::SIMPLE).await.unwrap();
        assert_eq!(kinds(&found), "1");
        let line = format!("/sigs/cache/team/app@sha256={}/signature-1", digest.encoded());
        assert!(
            of_mirror.lines().contains(&format!("GET {line}")),
            "{:?}",
            of_mirror.lines()
        );
    }
    assert_eq!(of_registry.requests().len(), before);
}

#[tokio::test]
async fn a_section_for_a_tag_is_for_the_image_of_that_tag() {
    let scene = Scene::new().await;
    let image = Image::small("x");
    scene.registry.serve_manifest("team/app", "v1", image.manifest());
    scene.registry.serve_manifest("team/app", "v2", image.manifest());
    let store = store(&scene, &[(1, Answer::ok(message(1)))]).await;
    let stores = SignatureStores::parse(&format!(
        "docker: {{'registry.example.test/team/app:v1': {{lookaside: '{}'}}}}",
        store.url("/sigs")
    ))
    .unwrap();
    for (name, expected) in [("v1", "1"), ("v2", "")] {
        let client = scene
            .builder()
            .with_signature_locations(stores.clone())
            .build()
            .unwrap();
        let remote = scene.remote_of(&client);
        let manifest = remote.manifest(&tag(name)).await.unwrap();
        let found = remote
            .signatures(manifest.digest(), Wanted::SIMPLE)
            .await
            .unwrap();
        assert_eq!(kinds(&found), expected, "{name}");
    }
}

#[tokio::test]
async fn a_directory_is_read_as_a_web_server_and_never_left() {
    let dir = tempfile::TempDir::new().unwrap();
    let scene = Scene::new().await;
    let url = format!("file://{}", dir.path().display());
    let remote = remote(&scene, scene.builder(), &url);
    let digest = digest();
    let read = || remote.signatures(&digest, Wanted::SIMPLE);
    assert_eq!(kinds(&read().await.unwrap()), "", "no directory");
    let of_image = dir.path().join(format!("team/app@sha256={}", "a".repeat(64)));
    std::fs::create_dir_all(&of_image).unwrap();
    assert_eq!(kinds(&read().await.unwrap()), "", "an empty directory");
    for number in [1, 2, 4] {
        std::fs::write(of_image.join(format!("signature-{number}")), message(number)).unwrap();
    }
    assert_eq!(kinds(&read().await.unwrap()), "1 2");
    let third = of_image.join("signature-3");
    std::fs::write(&third, "<html>").unwrap();
    assert_eq!(kinds(&read().await.unwrap()), "1 2 ? 4");
    std::fs::remove_file(&third).unwrap();
    let fail = async |words: &str| {
        let error = scene.failed(read().await);
        let shown = error.to_string();
        assert!(shown.contains(words) && shown.contains("signature-3"), "{shown}");
        assert_eq!(error.hint(), Some(&Hint::CheckSignatureStore), "{shown}");
    };
    std::fs::create_dir(&third).unwrap();
    fail("no regular file").await;
    std::fs::remove_dir(&third).unwrap();
    std::fs::write(&third, vec![0x90; (4 << 20) + 1]).unwrap();
    fail("larger than the limit").await;
    std::fs::remove_file(&third).unwrap();
    #[cfg(unix)]
    {
        std::os::unix::fs::symlink("/etc/passwd", &third).unwrap();
        fail("no regular file").await;
        std::fs::remove_file(&third).unwrap();
        let pipe = rustix::fs::FileType::Fifo;
        let mode = rustix::fs::Mode::RUSR;
        rustix::fs::mknodat(rustix::fs::CWD, &third, pipe, mode, 0).unwrap();
        fail("no regular file").await;
    }
}

#[tokio::test]
async fn nothing_is_asked_where_nothing_is_wanted_or_configured() {
    let scene = Scene::new().await;
    let store = store(&scene, &[(1, Answer::new(500))]).await;
    let with_store = remote(&scene, scene.builder(), &store.url("/sigs"));
    assert!(
        with_store
            .signatures(&digest(), Wanted::NOTHING)
            .await
            .unwrap()
            .is_empty()
    );
    let requests: u64 = scene.stage.traffic().iter().map(|traffic| traffic.requests).sum();
    assert_eq!(requests, 0);
    let without = scene.anonymous();
    assert!(
        without
            .signatures(&digest(), Wanted::SIMPLE)
            .await
            .unwrap()
            .is_empty()
    );
    // The same by the trait that copies use.
    let source: &dyn wharf_content::Source = &with_store;
    let error = source.signatures(&digest(), Wanted::SIMPLE).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Server);
}
