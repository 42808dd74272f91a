use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex},
    time::Duration,
};

use async_trait::async_trait;
use serde_json::json;
use wharf_auth::{AuthErrorKind, Credential, CredentialError, CredentialProvider, Fixed};
use wharf_content::ErrorKind;
use wharf_distribution::Detail;
use wharf_testkit::{
    Image,
    hostile::{Answer, Match, Rule, TokenDesk},
};

use super::scene::{Scene, registry, repository, tag};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn n12_tokens_are_not_mixed() {
    let scene = Arc::new(Scene::new().await);
    let other = scene.stage.origin("other.example.test").await;
    let other_desk = TokenDesk::open(&scene.stage, &other, &scene.auth);
    let bobs = scene.stage.secret("password", &[&scene.auth]);
    scene.desk.user("bob", &bobs);
    let image = Image::small("x");
    scene.desk.guard(&scene.registry);
    scene.registry.serve_manifest("team/app", "v1", image.manifest());
    let client_of = |user: &str, password: &str| {
        let credential = Credential::basic(user, password);
        let provider = Arc::new(Fixed::new(registry(&scene.registry), credential));
        scene
            .builder()
            .with_credentials(provider)
            .with_user_agent(user)
            .build()
            .unwrap()
    };
    let clients = [
        client_of("alice", &scene.password),
        client_of("bob", &bobs),
        scene.builder().with_user_agent("nobody").build().unwrap(),
    ];
    let tasks: Vec<_> = (0..64)
        .map(|number| {
            let remote = scene.remote_of(&clients[number % 3]);
            tokio::spawn(async move {
                for _ in 0..16 {
                    remote.manifest(&tag("v1")).await.unwrap();
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    let mut served = 0;
    for request in scene.registry.requests() {
        let Some(token) = request.bearer() else { continue };
        let owner = scene.desk.owner(token).unwrap().user;
        let expected = request.header("user-agent").unwrap();
        assert_eq!(owner, if expected == "nobody" { "" } else { expected });
        served += 1;
    }
    assert_eq!(served, 64 * 16);
    // One fetch for each, however many tasks wanted it.
    assert_eq!(scene.desk.issued().len(), 3);
    assert!(other_desk.issued().is_empty());
}

#[tokio::test]
async fn n12_two_registries_with_one_realm_do_not_share_tokens() {
    let scene = Scene::new().await;
    let other = scene.stage.origin("other.example.test").await;
    let image = Image::small("x");
    // The same token server for both; what it hands out only the asking registry may see.
    let mints = [
        scene.stage.mint("token", &[&scene.registry]),
        scene.stage.mint("token", &[&other]),
    ];
    scene
        .auth
        .clear()
        .rule(Rule::call(Match::get("/token"), move |request| {
            let for_other = request.query("service") == ["other"];
            Answer::json(&json!({ "token": mints[usize::from(for_other)].next() }))
        }));
    for (origin, service) in [(&scene.registry, "first"), (&other, "other")] {
        let challenge = format!("Bearer realm=\"https://auth.example.test/token\",service=\"{service}\"");
        origin
            .on(
                Match::any().and(|request| request.bearer().is_none()),
                Answer::challenge(&challenge),
            )
            .serve_manifest("team/app", "v1", image.manifest());
    }
    let client = scene.builder().build().unwrap();
    for _ in 0..3 {
        for origin in [&scene.registry, &other] {
            client
                .remote(&repository(origin))
                .manifest(&tag("v1"))
                .await
                .unwrap();
        }
    }
    assert_eq!(scene.auth.requests().len(), 2);
}

#[tokio::test]
async fn n12_a_wider_scope_asks_for_a_new_token() {
    let scene = Scene::new().await;
    let model = wharf_registry::Registry::memory();
    scene.desk.guard(&scene.registry);
    scene.registry.serve_registry(&model);
    let remote = scene.alice();
    scene.failed(remote.manifest(&tag("v1")).await);
    let image = Image::small("x");
    for (descriptor, bytes) in image.blobs() {
        let blob = wharf_content::Blob::from_bytes(descriptor.clone(), bytes.clone()).unwrap();
        remote.push_blob(blob).await.unwrap();
    }
    let name = wharf_reference::Tag::parse("v1").unwrap();
    remote.push_manifest(image.manifest(), Some(&name)).await.unwrap();
    remote.manifest(&tag("v1")).await.unwrap();
    let scopes: Vec<BTreeSet<String>> = scene
        .desk
        .issued()
        .into_iter()
        .map(|token| token.scopes)
        .collect();
    let set = |scope: &str| BTreeSet::from([scope.to_owned()]);
    let expected = [
        set("repository:team/app:pull"),
        set("repository:team/app:pull,push"),
    ];
    assert_eq!(scopes, expected);
}

/// `expires_in` as it comes: a token must be taken, and renewed within a day at the latest.
#[tokio::test]
async fn n13_absurd_lifetimes_are_clamped() {
    let lifetimes = [
        "",
        ",\"expires_in\":0",
        ",\"expires_in\":-1",
        ",\"expires_in\":1e308",
        ",\"expires_in\":9223372036854775808",
        ",\"expires_in\":\"60\"",
        ",\"expires_in\":null",
        ",\"expires_in\":1.5",
        ",\"expires_in\":{}",
        ",\"expires_in\":60,\"issued_at\":\"2009-01-01T00:00:00Z\"",
        ",\"expires_in\":60,\"issued_at\":\"2099-01-01T00:00:00Z\"",
        ",\"issued_at\":7",
    ];
    let image = Image::small("x");
    for lifetime in lifetimes {
        let scene = Scene::new().await;
        let token = scene.stage.secret("token", &[&scene.registry]);
        let body = format!("{{\"token\":\"{token}\"{lifetime}}}");
        scene.auth.clear().on(Match::get("/token"), Answer::ok(body));
        let challenge = "Bearer realm=\"https://auth.example.test/token\"";
        scene
            .registry
            .on(
                Match::any().and(move |request| request.bearer() != Some(&token)),
                Answer::challenge(challenge),
            )
            .serve_manifest("team/app", "v1", image.manifest());
        let remote = scene.anonymous();
        for _ in 0..2 {
            remote
                .manifest(&tag("v1"))
                .await
                .unwrap_or_else(|error| panic!("{lifetime}: {error}"));
        }
    }
}

#[tokio::test(start_paused = true)]
async fn n13_tokens_are_renewed_by_our_own_clock() {
    let scene = Scene::new().await;
    scene.desk.guard(&scene.registry);
    scene
        .registry
        .serve_manifest("team/app", "v1", Image::small("x").manifest());
    let remote = scene.anonymous();
    for (seconds, fetched) in [(0, 1), (200, 1), (200, 2), (100, 2), (100_000, 3)] {
        tokio::time::advance(Duration::from_secs(seconds)).await;
        remote.manifest(&tag("v1")).await.unwrap();
        assert_eq!(scene.desk.issued().len(), fetched, "{seconds} seconds later");
    }
}

#[tokio::test]
async fn n13_a_revoked_token_is_renewed_once() {
    let scene = Scene::new().await;
    scene.desk.guard(&scene.registry);
    scene
        .registry
        .serve_manifest("team/app", "v1", Image::small("x").manifest());
    let remote = scene.alice();
    for round in 1..4 {
        remote.manifest(&tag("v1")).await.unwrap();
        assert_eq!(scene.desk.issued().len(), round);
        scene.desk.revoke();
    }
    // A registry that refuses every token is asked twice, not for ever.
    let before = scene.registry.traffic().requests;
    scene.registry.first(Rule::call(Match::any(), |_| {
        Answer::challenge(
            "Bearer realm=\"https://auth.example.test/token\",service=\"registry.example.test\"",
        )
    }));
    let error = scene.failed(remote.manifest(&tag("v1")).await);
    assert_eq!(error.kind(), ErrorKind::Unauthorized);
    assert!(scene.registry.traffic().requests - before <= 3);
}

#[tokio::test]
async fn n14_token_answers_are_never_repeated() {
    let scene = Scene::new().await;
    let secret = scene.stage.secret("body", &[]);
    let text =
        |body: &str| Answer::ok(body.replace("SECRET", &secret)).header("Content-Type", "application/json");
    let bad = [
        text(r#"{"token":"SECRET\r\nX-Injected: 1"}"#),
        text(r#"{"token":"SECRET\u0000"}"#),
        text(r#"{"token":"SECRETé"}"#),
        text(r#"{"token":"SECRET with space"}"#),
        text(r#"{"token":""}"#),
        text(r#"{"refresh_token":"SECRET"}"#),
        text(r#"{"token":7,"note":"SECRET"}"#),
        text(r#"{"token":"SECRET""#),
        text("SECRET"),
        text("[]"),
        text("<html>SECRET</html>").replace_header("Content-Type", "text/html"),
        text(&format!(r#"{{"token":"SECRET{}"}}"#, "x".repeat(70_000))),
        text(&format!(
            r#"{{"token":"SECRET","pad":"{}"}}"#,
            "x".repeat(2_000_000)
        )),
        text("SECRET").status(400),
        text(r#"{"errors":[{"code":"X","message":"m"}],"details":"y","token":"SECRET"}"#).status(403),
        text("SECRET").status(500),
        text("SECRET").claim_length("104857600"),
    ];
    scene.desk.guard(&scene.registry);
    for answer in bad {
        scene.auth.clear().on(Match::get("/token"), answer.clone());
        let remote = scene.remote_of(
            &scene
                .builder()
                .with_retry(wharf_http::RetryPolicy::never())
                .build()
                .unwrap(),
        );
        let error = scene.failed(remote.manifest(&tag("v1")).await);
        let kind = error.detail();
        assert!(matches!(kind, Some(Detail::Auth(_))), "{kind:?} {error}");
    }
    // When both names are there and differ, `token` is used.
    let token = scene.stage.secret("token", &[&scene.registry]);
    let other = scene.stage.secret("other", &[]);
    let both = Answer::json(&json!({ "access_token": other, "token": token }));
    scene.auth.clear().on(Match::get("/token"), both);
    scene.failed(scene.anonymous().manifest(&tag("v1")).await);
    assert_eq!(scene.registry.requests().pop().unwrap().bearer(), Some(&*token));
}

#[tokio::test]
async fn n14_only_refused_tokens_are_thrown_away() {
    let scene = Scene::new().await;
    scene.desk.guard(&scene.registry);
    scene
        .registry
        .on(Match::any(), Answer::error(403, "DENIED", "no"));
    let remote = scene.alice();
    for _ in 0..3 {
        let error = scene.failed(remote.manifest(&tag("v1")).await);
        assert_eq!(error.kind(), ErrorKind::Denied);
    }
    assert!(scene.desk.issued().len() <= 3, "{:?}", scene.desk.issued());
}

#[tokio::test]
async fn n20_a_mirror_does_not_get_the_registrys_login() {
    use wharf_config::{Candidate, Intent, Resolve, ResolveError, Role};
    use wharf_reference::{Registry, Repository};

    #[derive(Debug)]
    struct Mirrored;

    impl Resolve for Mirrored {
        fn resolve(&self, repository: &Repository, _: Intent) -> Result<Vec<Candidate>, ResolveError> {
            let mirror = Registry::parse("mirror.test").unwrap();
            let mut first = Candidate::primary(Repository::new(&mirror, repository.path()).unwrap());
            first.role = Role::Mirror;
            Ok(vec![first, Candidate::primary(repository.clone())])
        }
    }

    for challenge in [
        "Basic realm=\"x\"",
        "Bearer realm=\"https://mirror.test/token\"",
        "Bearer realm=\"https://auth.example.test/token\",service=\"registry.example.test\"",
    ] {
        let scene = Scene::new().await;
        let mirror = scene.stage.origin("mirror.test").await;
        mirror.on(Match::any(), Answer::challenge(challenge));
        // An anonymous token it may get, as anyone may; alice's it may not, as is looked at below.
        scene.desk.show_to(&mirror);
        scene.desk.guard(&scene.registry);
        let image = Image::small("x");
        scene.registry.serve_manifest("team/app", "v1", image.manifest());
        let client = scene
            .alice_builder()
            .with_resolve(Arc::new(Mirrored))
            .build()
            .unwrap();
        let manifest = scene.remote_of(&client).manifest(&tag("v1")).await.unwrap();
        assert_eq!(manifest, *image.manifest());
        let asked_as = |user: &str| {
            scene
                .desk
                .issued()
                .iter()
                .filter(|token| token.user == user)
                .count()
        };
        assert_eq!(asked_as("alice"), 1, "{challenge}");
        for request in mirror.requests() {
            assert_eq!(request.basic(), None);
            let owner = request.bearer().and_then(|token| scene.desk.owner(token));
            assert!(owner.is_none_or(|token| token.user.is_empty()), "{challenge}");
        }
        assert!(
            mirror
                .requests()
                .iter()
                .all(|request| request.query("ns").is_empty())
        );
    }
}

#[tokio::test]
async fn n19_what_holds_secrets_prints_none() {
    let scene = Scene::new().await;
    scene.desk.guard(&scene.registry);
    let image = Image::small("x");
    let signed = scene.stage.secret("signature", &[&scene.cdn]);
    let location = format!("https://cdn.test/blob?sig={signed}");
    scene
        .registry
        .on(Match::get("/blobs/"), Answer::redirect(307, &location))
        .serve_manifest("team/app", "v1", image.manifest());
    let remote = scene.alice();
    remote.manifest(&tag("v1")).await.unwrap();
    scene.stage.inspect_debug(&remote);
    scene.stage.inspect_debug(remote.client());
    scene.stage.inspect_debug(&scene.alice_builder());
    let credential = Credential::basic("alice", scene.password.clone());
    scene.stage.inspect_debug(&credential);
    scene
        .stage
        .inspect_debug(&Fixed::new(registry(&scene.registry), credential));
    let (descriptor, _) = super::scene::layer(&image);
    for answer in [
        Answer::new(500),
        Answer::new(403).body(format!("denied: {location}")),
        Answer::redirect(307, &format!("{location}&again=1")),
        Answer::ok("short"),
        Answer::challenge("Bearer realm=\"https://evil.test/\""),
    ] {
        // The CDN's own text is the one thing that may come back, and the kit's mark in it is not a secret
        // of ours.
        let answer = if answer.code() == 403 {
            answer.body("denied")
        } else {
            answer
        };
        scene.cdn.clear().on(Match::any(), answer);
        let read = scene.read(&remote, &descriptor).await;
        assert!(read.is_err());
    }
    assert!(wharf_testkit::hostile::Stage::log_lines() > 0);
    let error = scene.failed(remote.manifest(&tag("missing")).await);
    assert_ne!(error.detail(), Some(Detail::Auth(AuthErrorKind::Provider)));
}

/// A helper whose passwords are good for some hours: the one it gives now, and how often it was asked.
#[derive(Debug, Default)]
struct Rotating(Mutex<(String, u32)>);

impl Rotating {
    fn give(&self, password: &str) {
        password.clone_into(&mut self.0.lock().unwrap().0);
    }

    fn asked(&self) -> u32 {
        self.0.lock().unwrap().1
    }
}

#[async_trait]
impl CredentialProvider for Rotating {
    async fn credential(
        &self,
        _: &wharf_reference::Registry,
        _: Option<&wharf_reference::Repository>,
    ) -> Result<Option<Credential>, CredentialError> {
        let mut held = self.0.lock().unwrap();
        held.1 += 1;
        Ok(Some(Credential::basic("alice", held.0.clone())))
    }
}

/// A password that has run out is asked for once more before anything fails, and only then.
#[tokio::test]
async fn n12_a_password_that_ran_out_is_renewed() {
    let image = Image::small("x");
    for how in ["401", "403", "token"] {
        let scene = Scene::new().await;
        let passwords = [(); 3].map(|()| scene.stage.secret("password", &[&scene.registry, &scene.auth]));
        let good = Arc::new(Mutex::new(String::new()));
        let accept = |password: &str| {
            password.clone_into(&mut good.lock().unwrap());
            scene.desk.revoke();
            scene.desk.user("alice", password);
        };
        if how == "token" {
            scene.desk.guard(&scene.registry);
        } else {
            let challenge = Answer::challenge("Basic realm=\"r\"");
            let ran_out = if how == "401" {
                challenge.clone()
            } else {
                Answer::error(403, "DENIED", "Your authorization token has expired.")
            };
            let good = Arc::clone(&good);
            let old = move |request: &wharf_testkit::Request| {
                request
                    .basic()
                    .is_some_and(|(_, password)| password != *good.lock().unwrap())
            };
            scene
                .registry
                .on(Match::any().and(|request| request.basic().is_none()), challenge)
                .on(Match::any().and(old), ran_out);
        }
        scene.registry.serve_manifest("team/app", "v1", image.manifest());
        let helper = Arc::new(Rotating::default());
        let client = scene.builder().with_credentials(helper.clone()).build().unwrap();
        let remote = scene.remote_of(&client);
        for (number, password) in passwords[..2].iter().enumerate() {
            accept(password);
            helper.give(password);
            for _ in 0..2 {
                remote.manifest(&tag("v1")).await.unwrap();
                assert_eq!(helper.asked() as usize, number + 1, "{how}");
            }
        }
        accept(&passwords[2]);
        let error = scene.failed(remote.manifest(&tag("v1")).await);
        let expected = if how == "403" {
            ErrorKind::Denied
        } else {
            ErrorKind::Unauthorized
        };
        assert_eq!((error.kind(), helper.asked()), (expected, 3), "{how}");
    }
}

/// OAuth2 refuses a refresh token with 400 and a word (RFC 6749, *Error Response*).
#[tokio::test]
async fn an_identity_token_that_ran_out_is_a_login_that_is_refused() {
    let table = [
        (r#"{"error":"invalid_grant"}"#, ErrorKind::Unauthorized, true),
        (r#"{"error":"invalid_scope"}"#, ErrorKind::Server, false),
        ("<html>", ErrorKind::Server, false),
    ];
    for (body, kind, refused) in table {
        let scene = Scene::new().await;
        scene.desk.guard(&scene.registry);
        scene.auth.first(Rule::new(
            Match::on("POST", "/token"),
            Answer::new(400).body(body),
        ));
        let token = scene.stage.secret("identity", &[&scene.auth]);
        let provider = Fixed::new(registry(&scene.registry), Credential::Identity(token.into()));
        let client = scene
            .builder()
            .with_credentials(Arc::new(provider))
            .build()
            .unwrap();
        let error = scene.failed(scene.remote_of(&client).manifest(&tag("v1")).await);
        assert_eq!(error.kind(), kind, "{body}");
        let is_refused = error.detail() == Some(Detail::Auth(AuthErrorKind::Rejected));
        assert_eq!((is_refused, error.hint().is_some()), (refused, refused), "{body}");
    }
}
