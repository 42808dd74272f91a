//! Registries that show strangers less than those who log in, and do not say so.

use std::sync::Arc;

use wharf_auth::{AuthErrorKind, Credential, Fixed};
use wharf_content::{Blob, ErrorKind};
use wharf_distribution::{Client, Detail, Error, Remote};
use wharf_reference::Tag;
use wharf_registry::Registry;
use wharf_testkit::{
    Image, Request,
    hostile::{Answer, Match, Rule, Step},
};

use super::scene::{Scene, layer, registry, tag};

const BASIC: &str = "Basic realm=\"x\"";
const BEARER: &str = "Bearer realm=\"https://auth.example.test/token\",service=\"registry.example.test\"";

/// A registry that wants to know who asks, but says so at its root only.
struct Hidden {
    scene: Scene,
    credential: Credential,
    client: Client,
    image: Image,
}

impl Hidden {
    /// Strangers get `refusal` for everything but the root, which answers `root`.
    async fn new(refusal: Answer, root: Answer) -> Self {
        let scene = Scene::new().await;
        let model = Registry::memory();
        let password = scene.stage.secret("password", &[&scene.registry, &scene.auth]);
        scene.desk.user("alice", &password);
        let is_stranger = |request: &Request| request.header("authorization").is_none();
        let head = |answer: &Answer, request: &Request| {
            let answer = answer.clone();
            if request.method == "HEAD" {
                answer.head_only()
            } else {
                answer
            }
        };
        let is_root = |request: &Request| request.path() == "/v2/" && request.method == "GET";
        scene
            .registry
            .on(Match::any().and(is_stranger).and(is_root), root)
            .rule(Rule::call(Match::any().and(is_stranger), move |request| {
                head(&refusal, request)
            }))
            .serve_registry(&model);
        let credential = Credential::basic("alice", password);
        Self {
            client: client(&scene, &credential),
            scene,
            credential,
            image: Image::small("x"),
        }
    }

    fn remote(&self) -> Remote {
        self.scene.remote_of(&self.client)
    }

    async fn push(&self) -> Result<(), Error> {
        for (descriptor, bytes) in self.image.blobs() {
            let blob = Blob::from_bytes(descriptor.clone(), bytes.clone()).unwrap();
            self.remote().push_blob(blob).await?;
        }
        let name = Tag::parse("v1").unwrap();
        self.remote()
            .push_manifest(self.image.manifest(), Some(&name))
            .await
    }

    /// How often strangers asked for the root, and how many requests they made.
    fn strangers(&self) -> (usize, usize) {
        let requests = self.scene.registry.requests();
        let strangers = requests
            .iter()
            .filter(|request| request.header("authorization").is_none());
        let roots = strangers.clone().filter(|request| request.path() == "/v2/");
        (roots.count(), strangers.count())
    }
}

fn client(scene: &Scene, credential: &Credential) -> Client {
    let provider = Fixed::new(registry(&scene.registry), credential.clone());
    scene
        .builder()
        .with_credentials(Arc::new(provider))
        .build()
        .unwrap()
}

#[tokio::test]
async fn what_is_hidden_from_strangers_is_found_with_the_login() {
    for challenge in [BASIC, BEARER] {
        for (status, code) in [
            (404, "NAME_UNKNOWN"),
            (403, "DENIED"),
            (400, "UNSUPPORTED"),
            (405, "UNSUPPORTED"),
            (401, "UNAUTHORIZED"),
            (406, "UNSUPPORTED"),
            (410, "NAME_UNKNOWN"),
            (422, "NAME_INVALID"),
            (451, "DENIED"),
            (429, "TOOMANYREQUESTS"),
            (500, "UNKNOWN"),
        ] {
            let hidden = Hidden::new(Answer::error(status, code, "no"), Answer::challenge(challenge)).await;
            hidden
                .push()
                .await
                .unwrap_or_else(|error| panic!("{challenge} {status}: {error}"));
            // One request met the refusal, one asked why; the others knew.
            assert_eq!(hidden.strangers(), (1, 2), "{challenge} {status}");
        }
    }
}

/// Whatever comes first, it is told apart from what is not there.
#[tokio::test]
async fn every_first_question_is_asked_again_with_the_login() {
    for question in 0..8 {
        for challenge in [BASIC, BEARER] {
            let hidden = Hidden::new(
                Answer::error(404, "NAME_UNKNOWN", "no"),
                Answer::challenge(challenge),
            )
            .await;
            hidden.push().await.unwrap();
            // Another client, which knows nothing yet.
            let before = hidden.strangers();
            let remote = hidden.scene.remote_of(&client(&hidden.scene, &hidden.credential));
            let (descriptor, bytes) = layer(&hidden.image);
            let manifest = hidden.image.manifest();
            match question {
                0 => assert_eq!(remote.manifest(&tag("v1")).await.unwrap(), *manifest),
                1 => assert_eq!(
                    remote.resolve(&tag("v1")).await.unwrap().digest(),
                    manifest.digest()
                ),
                2 => assert_eq!(hidden.scene.read(&remote, &descriptor).await, Ok(bytes.to_vec())),
                3 => assert_eq!(remote.tags().collect().await.unwrap().len(), 1),
                4 => assert!(remote.has_blob(&descriptor).await.unwrap()),
                5 => assert!(remote.has_manifest(manifest.digest()).await.unwrap()),
                6 => assert!(
                    remote
                        .referrers(manifest.digest(), None)
                        .await
                        .unwrap()
                        .is_empty()
                ),
                _ => remote.delete_tag(&Tag::parse("v1").unwrap()).await.unwrap(),
            }
            let after = hidden.strangers();
            assert_eq!(
                (after.0 - before.0, after.1 - before.1),
                (1, 2),
                "{question} {challenge}"
            );
        }
    }
}

#[tokio::test]
async fn many_who_are_refused_at_once_ask_once() {
    let hidden = Hidden::new(
        Answer::error(404, "NAME_UNKNOWN", "no"),
        Answer::challenge(BEARER),
    )
    .await;
    let tasks: Vec<_> = (0..32)
        .map(|_| {
            let remote = hidden.remote();
            tokio::spawn(async move { remote.tags().collect().await.map(drop) })
        })
        .collect();
    for task in tasks {
        // Nothing was pushed: the registry says so itself, to who is logged in.
        assert_eq!(task.await.unwrap().unwrap_err().kind(), ErrorKind::NotFound);
    }
    assert_eq!(hidden.strangers().0, 1);
    assert_eq!(hidden.scene.desk.issued().len(), 1);
}

/// Where a login cannot help, or there is none, the refusal stands: after one question, or none.
#[tokio::test]
async fn a_refusal_stands_where_the_root_asks_nobody() {
    let not_found = || Answer::error(404, "NAME_UNKNOWN", "no");
    for (what, root) in [
        ("open", Answer::json(&serde_json::json!({}))),
        ("none", Answer::new(404)),
        ("denied", Answer::error(403, "DENIED", "no")),
        ("in trouble", Answer::new(503)),
        ("elsewhere", Answer::redirect(302, "https://evil.test/v2/")),
        ("a scheme nobody has", Answer::challenge("Negotiate")),
        ("no scheme", Answer::new(401)),
    ] {
        let hidden = Hidden::new(not_found(), root).await;
        hidden.scene.evil.on(Match::any(), Answer::challenge(BASIC));
        for _ in 0..3 {
            let error = hidden.scene.failed(hidden.remote().manifest(&tag("v1")).await);
            assert_eq!(
                (error.kind(), error.status()),
                (ErrorKind::NotFound, Some(404)),
                "{what}"
            );
        }
        assert_eq!(hidden.strangers(), (1, 4), "{what}");
        assert!(hidden.scene.desk.issued().is_empty(), "{what}");
    }
    let hidden = Hidden::new(not_found(), Answer::challenge(BASIC)).await;
    hidden
        .scene
        .failed(hidden.scene.anonymous().manifest(&tag("v1")).await);
    assert_eq!(hidden.strangers(), (0, 1), "without a login nobody asks on");
}

/// A root that is left without an answer costs seconds once, and the refusal stands.
#[tokio::test(start_paused = true)]
async fn a_root_that_hangs_is_not_waited_for() {
    let hidden = Hidden::new(Answer::error(404, "NAME_UNKNOWN", "no"), Answer::new(404)).await;
    let is_root = Match::get("/v2/").and(|request| request.path() == "/v2/");
    hidden.scene.registry.first(Rule::new(is_root, vec![Step::Stall]));
    let began = tokio::time::Instant::now();
    for _ in 0..3 {
        let error = hidden.scene.failed(hidden.remote().manifest(&tag("v1")).await);
        assert_eq!(error.kind(), ErrorKind::NotFound);
    }
    assert!(began.elapsed() < std::time::Duration::from_secs(10));
    assert_eq!(hidden.strangers().0, 1);
}

/// What strangers are shown costs nothing more than before.
#[tokio::test]
async fn what_strangers_may_see_costs_no_request_more() {
    let scene = Scene::new().await;
    let image = Image::small("x");
    scene.registry.serve_image("team/app", "v1", &image);
    let remote = scene.alice();
    remote.manifest(&tag("v1")).await.unwrap();
    for (descriptor, bytes) in image.blobs() {
        assert_eq!(scene.read(&remote, descriptor).await, Ok(bytes.to_vec()));
    }
    assert_eq!(scene.registry.requests().len(), 1 + image.blobs().len());
}

/// A login that is refused is an error of its own, and what needs none goes on.
#[tokio::test]
async fn a_login_that_is_refused_is_not_taken_for_absence() {
    let scene = Scene::new().await;
    let image = Image::small("x");
    let refused = |request: &Request| request.header("authorization").is_some() || request.path() == "/v2/";
    scene
        .registry
        .on(Match::any().and(refused), Answer::challenge(BEARER))
        .serve_manifest("team/app", "open", image.manifest());
    let wrong = scene.stage.secret("password", &[&scene.auth]);
    let remote = scene.remote_of(&client(&scene, &Credential::basic("alice", wrong)));
    assert_eq!(remote.manifest(&tag("open")).await.unwrap(), *image.manifest());
    let error = scene.failed(remote.manifest(&tag("closed")).await);
    assert_eq!(
        error.detail(),
        Some(Detail::Auth(AuthErrorKind::Rejected)),
        "{error}"
    );
    assert_eq!(remote.manifest(&tag("open")).await.unwrap(), *image.manifest());
}

/// A refusal that names its challenge needs no other question.
#[tokio::test]
async fn a_challenge_counts_with_every_refusal() {
    for status in [403, 404, 400] {
        let refusal = Answer::error(status, "DENIED", "no").header("WWW-Authenticate", BASIC);
        let hidden = Hidden::new(refusal, Answer::new(404)).await;
        hidden.push().await.unwrap();
        assert_eq!(hidden.strangers(), (0, 1), "{status}");
    }
}

/// A 401 that does not say how to log in: the root does, also to who has no login.
#[tokio::test]
async fn a_401_without_a_challenge_that_can_be_met_is_asked_about_at_the_root() {
    for refusal in [
        Answer::new(401),
        Answer::error(401, "UNAUTHORIZED", "log in"),
        Answer::challenge("Negotiate"),
        Answer::challenge("Bearer"),
        Answer::challenge("Bearer service=\"s\""),
        Answer::challenge("realm=\"x\""),
    ] {
        let hidden = Hidden::new(refusal.clone(), Answer::challenge(BEARER)).await;
        hidden.push().await.unwrap();
        assert_eq!(hidden.strangers(), (1, 2), "{refusal:?}");
        let manifest = hidden.scene.anonymous().manifest(&tag("v1")).await;
        assert_eq!(manifest.unwrap(), *hidden.image.manifest(), "{refusal:?}");
        assert_eq!(hidden.strangers(), (2, 4), "{refusal:?}");
    }
}

/// If the root does not say it either, the words of the refusal are shown.
#[tokio::test]
async fn a_401_that_nobody_explains_is_told_in_the_registrys_words() {
    for root in [Answer::new(401), Answer::new(404), Answer::challenge("NTLM")] {
        let words = Answer::error(401, "UNAUTHORIZED", "ask the owner of P");
        let hidden = Hidden::new(words, root.clone()).await;
        for remote in [hidden.remote(), hidden.scene.anonymous()] {
            let error = hidden.scene.failed(remote.manifest(&tag("v1")).await);
            assert_eq!(
                (error.kind(), error.status(), error.detail()),
                (
                    ErrorKind::Unauthorized,
                    Some(401),
                    Some(Detail::Auth(AuthErrorKind::Challenge))
                ),
                "{root:?}"
            );
            let text = error.to_string();
            assert!(
                text.contains("does not say how (UNAUTHORIZED: ask the owner of P)"),
                "{text}"
            );
        }
    }
}

/// A web page in place of content: what strangers get where a form asks for the login.
#[tokio::test]
async fn a_web_page_for_strangers_is_asked_about_at_the_root() {
    let page = || {
        Answer::new(200)
            .body("<html><title>Log in</title>")
            .replace_header("Content-Type", "text/html; charset=utf-8")
    };
    let hidden = Hidden::new(page(), Answer::challenge(BASIC)).await;
    let remote = hidden.remote();
    let error = hidden.scene.failed(remote.manifest(&tag("v1")).await);
    assert_eq!(error.kind(), ErrorKind::NotFound, "the answer to the login");
    assert_eq!(hidden.strangers(), (1, 2));

    for (to, host) in [("/login", 0), ("https://evil.test/login", 1)] {
        let hidden = Hidden::new(Answer::redirect(302, to), Answer::challenge(BASIC)).await;
        let at = [&hidden.scene.registry, &hidden.scene.evil][host];
        at.first(Rule::new(Match::get("/login"), page()));
        let error = hidden.scene.failed(hidden.remote().manifest(&tag("v1")).await);
        assert_eq!(error.kind(), ErrorKind::NotFound, "{to}");
    }
}

/// The same challenge holds for a registry that leaves it out later.
#[tokio::test]
async fn a_challenge_that_is_left_out_is_the_one_from_before() {
    let scene = Scene::new().await;
    let image = Image::small("x");
    scene.desk.guard(&scene.registry);
    scene.registry.serve_image("team/app", "v1", &image);
    let remote = scene.alice();
    remote.manifest(&tag("v1")).await.unwrap();
    let first = scene.desk.issued().len();
    let once = Rule::new(Match::get("/manifests/"), Answer::new(401)).times(1);
    scene.registry.first(once);
    assert_eq!(remote.manifest(&tag("v1")).await.unwrap(), *image.manifest());
    assert_eq!(scene.desk.issued().len(), first + 1);
}

/// Nobody is told to log in who has a login.
#[tokio::test]
async fn a_login_that_was_not_asked_for_is_no_missing_login() {
    for (status, code) in [(403, "DENIED"), (401, "UNAUTHORIZED"), (429, "TOOMANYREQUESTS")] {
        let hidden = Hidden::new(Answer::error(status, code, "no"), Answer::new(404)).await;
        let retry = wharf_http::RetryPolicy::never();
        let provider = Fixed::new(registry(&hidden.scene.registry), hidden.credential.clone());
        let builder = hidden.scene.builder().with_credentials(Arc::new(provider));
        let client = builder.with_retry(retry).build().unwrap();
        let remote = hidden.scene.remote_of(&client);
        let error = hidden.scene.failed(remote.manifest(&tag("v1")).await);
        let registry = registry(&hidden.scene.registry);
        assert_eq!(
            error.hint(),
            Some(&wharf_content::Hint::LoginNotAsked { registry }),
            "{error}"
        );
    }
}
