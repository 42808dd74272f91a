use std::sync::Arc;

use wharf_auth::{AuthErrorKind, Credential, Fixed};
use wharf_content::ErrorKind;
use wharf_distribution::Detail;
use wharf_testkit::{
    Image,
    hostile::{Answer, Match, OriginOptions, Rule},
};

use super::scene::{Scene, layer, registry, tag, versions};

#[tokio::test]
async fn n01_a_registry_that_redirects_a_login_learns_nothing_elsewhere() {
    for (status, options) in [301, 302, 303, 307, 308]
        .into_iter()
        .flat_map(|status| versions().map(|o| (status, o)))
    {
        let scene = Scene::speaking(&options).await;
        let image = Image::small("x");
        let (descriptor, bytes) = layer(&image);
        let blob = format!("/blobs/{}", descriptor.digest());
        scene.desk.guard(&scene.registry);
        scene.registry.on(
            Match::get(&blob),
            Answer::redirect(status, "https://cdn.test/signed?sig=abc"),
        );
        scene.cdn.on(Match::get("/signed"), Answer::ok(bytes.clone()));
        let read = scene.read(&scene.alice(), &descriptor).await;
        assert_eq!(read, Ok(bytes.to_vec()), "{status}");
        let seen = scene.cdn.requests().pop().unwrap();
        assert_eq!(seen.header("authorization"), None);
        assert_eq!(seen.header("cookie"), None);
        assert_eq!(seen.header("referer"), None);
    }
}

#[tokio::test]
async fn n03_challenges_count_only_at_the_registry() {
    for options in versions() {
        challenges_count_only_at_the_registry(&Scene::speaking(&options).await).await;
    }
}

async fn challenges_count_only_at_the_registry(scene: &Scene) {
    let image = Image::small("x");
    let (descriptor, _) = layer(&image);
    scene.desk.guard(&scene.registry);
    scene
        .registry
        .on(
            Match::get("/blobs/"),
            Answer::redirect(307, "https://cdn.test/blob"),
        )
        .serve_manifest("team/app", "v1", image.manifest());
    for challenge in [
        "Bearer realm=\"https://evil.test/token\",service=\"registry.example.test\"",
        "Bearer realm=\"https://auth.example.test/token\",service=\"registry.example.test\"",
        "Basic realm=\"x\"",
    ] {
        scene.cdn.clear().on(Match::any(), Answer::challenge(challenge));
        let remote = scene.alice();
        remote.manifest(&tag("v1")).await.unwrap();
        let tokens = scene.desk.issued().len();
        let read = scene.read(&remote, &descriptor).await;
        assert_eq!(read, Err(ErrorKind::Blocked), "{challenge}");
        // Nothing of it is remembered: the token still serves, and no other was fetched.
        remote.manifest(&tag("v1")).await.unwrap();
        assert_eq!(scene.desk.issued().len(), tokens, "{challenge}");
    }
    assert_eq!(scene.evil.traffic().connections, 0);
}

#[tokio::test]
async fn n03_a_redirected_ping_does_not_log_in_elsewhere() {
    for options in versions() {
        a_redirected_ping_does_not_log_in_elsewhere(&Scene::speaking(&options).await).await;
    }
}

async fn a_redirected_ping_does_not_log_in_elsewhere(scene: &Scene) {
    scene
        .registry
        .on(Match::get("/v2/"), Answer::redirect(302, "https://evil.test/v2/"));
    scene.evil.on(
        Match::any(),
        Answer::challenge("Bearer realm=\"https://evil.test/token\""),
    );
    let client = scene.alice_builder().build().unwrap();
    let error = scene.failed(client.check_credentials(&registry(&scene.registry)).await);
    assert_eq!(
        error.detail(),
        Some(Detail::Auth(AuthErrorKind::ForeignChallenge))
    );
    assert_eq!(scene.auth.traffic().connections, 0);
    assert!(scene.evil.lines().iter().all(|line| line == "GET /v2/"));
}

/// Every way to offer schemes: what is chosen, or that nothing can be.
#[tokio::test]
async fn n16_the_strongest_scheme_is_chosen() {
    let bearer = "Bearer realm=\"https://auth.example.test/token\",service=\"a\"";
    let quoted = "Bearer realm=\"https://auth.example.test/token?a=\\\"b\\\",c\",service=\"x, y\"";
    let table: [(&[&str], &str); 20] = [
        (&[bearer], "Bearer"),
        (&["Basic realm=\"x\""], "Basic"),
        (&["Basic realm=\"x\"", bearer], "Bearer"),
        (&[bearer, "Basic realm=\"x\""], "Bearer"),
        (&[&format!("Basic realm=\"x\", {bearer}")], "Bearer"),
        (&[&format!("{bearer}, Basic realm=\"x\"")], "Bearer"),
        (&["Negotiate", "NTLM TlRMTVNTUAAB", bearer], "Bearer"),
        (&["Negotiate, Basic realm=\"x\""], "Basic"),
        (&[quoted], "Bearer"),
        (&["bearer REALM=\"https://auth.example.test/token\""], "Bearer"),
        // As registries write it.
        (&["Basic realm=/\""], "Basic"),
        (&["Basic realm=the registry of all"], "Basic"),
        (&["Basic realm=\"x"], "Basic"),
        (
            &["Bearer realm=https://auth.example.test/token service=a"],
            "Bearer",
        ),
        (
            &["Bearer realm=\"https://auth.example.test/token\"; service=\"a\""],
            "Bearer",
        ),
        (
            &["Bearer realm='https://auth.example.test/token',service='a'"],
            "Bearer",
        ),
        (
            &["Negotiate, NTLM", "Basic realm=\"Zugang f\u{fc}r alle\""],
            "Basic",
        ),
        (&["Negotiate"], ""),
        (&["Bearer"], ""),
        (&[], ""),
    ];
    for (lines, expected) in table {
        let scene = Scene::new().await;
        let for_registry = scene.stage.secret("password", &[&scene.registry, &scene.auth]);
        scene.desk.user("alice", &for_registry);
        let answer = lines.iter().fold(Answer::new(401), |answer, line| {
            answer.header("WWW-Authenticate", line)
        });
        scene
            .registry
            .on(
                Match::any().and(|request| request.header("authorization").is_none()),
                answer,
            )
            .serve_ping();
        let credential = Credential::basic("alice", for_registry);
        let provider = Arc::new(Fixed::new(registry(&scene.registry), credential));
        let client = scene.builder().with_credentials(provider).build().unwrap();
        let checked = client.check_credentials(&registry(&scene.registry)).await;
        assert_eq!(checked.is_ok(), !expected.is_empty(), "{lines:?} {checked:?}");
        let first = scene.registry.requests().remove(0);
        assert_eq!(
            first.header("authorization"),
            None,
            "nothing is sent before it is asked for"
        );
        let last = scene.registry.requests().pop().unwrap();
        let scheme = last
            .header("authorization")
            .unwrap_or_default()
            .split(' ')
            .next()
            .unwrap()
            .to_owned();
        assert_eq!(scheme, expected, "{lines:?}");
    }
}

#[tokio::test]
async fn n15_a_failed_login_is_not_anonymity() {
    use wharf_auth::{CredentialError, CredentialProvider};
    use wharf_reference::{Registry, Repository};

    #[derive(Debug)]
    struct Broken;

    #[async_trait::async_trait]
    impl CredentialProvider for Broken {
        async fn credential(
            &self,
            _: &Registry,
            _: Option<&Repository>,
        ) -> Result<Option<Credential>, CredentialError> {
            Err(CredentialError::new("the credential helper ended with status 1"))
        }
    }

    let image = Image::small("x");
    for status in [400, 401, 403, 404, 500, 503] {
        let scene = Scene::new().await;
        scene.auth.first(Rule::new(Match::any(), Answer::new(status)));
        scene.desk.guard(&scene.registry);
        scene.registry.serve_manifest("team/app", "v1", image.manifest());
        scene.failed(scene.alice().manifest(&tag("v1")).await);
        let with_basic = |request: &wharf_testkit::Request| {
            request.basic().is_some() || !request.form("password").is_empty()
        };
        assert!(
            scene.auth.requests().iter().all(with_basic),
            "{status}: an anonymous token was asked for"
        );
        assert!(
            scene.registry.requests().len() <= 1,
            "{status}: {:?}",
            scene.registry.lines()
        );
    }
    let scene = Scene::new().await;
    scene.desk.guard(&scene.registry);
    scene.registry.serve_manifest("team/app", "v1", image.manifest());
    let client = scene
        .builder()
        .with_credentials(Arc::new(Broken))
        .build()
        .unwrap();
    let error = scene.failed(scene.remote_of(&client).manifest(&tag("v1")).await);
    assert_eq!(error.detail(), Some(Detail::Auth(AuthErrorKind::Provider)));
    assert_eq!(scene.auth.traffic().connections, 0);
}

#[tokio::test(start_paused = true)]
async fn n10_credentials_do_not_go_over_plain_http() {
    let scene = Scene::new().await;
    let plain = scene
        .stage
        .origin_with("plain.example.test", OriginOptions::default().plain())
        .await;
    let password = scene.stage.secret("password", &[]);
    plain
        .on(
            Match::any().and(|request| request.header("authorization").is_none()),
            Answer::challenge("Basic realm=\"x\""),
        )
        .serve_ping();
    let name = registry(&plain);
    let credential = Credential::basic("alice", password);
    let builder = || {
        let provider = Arc::new(Fixed::new(name.clone(), credential.clone()));
        scene.builder().with_credentials(provider)
    };
    // Not named as plain: nothing is sent in the clear at all.
    scene.failed(builder().build().unwrap().check_credentials(&name).await);
    assert_eq!(plain.traffic().requests, 0);
    // Named as plain: requests go there, credentials do not.
    let client = builder().with_plain_http(name.clone()).build().unwrap();
    let error = scene.failed(client.check_credentials(&name).await);
    assert_eq!(error.detail(), Some(Detail::Auth(AuthErrorKind::Plaintext)));
    assert!(plain.traffic().requests > 0);
}

#[tokio::test]
async fn n10_credentials_go_over_plain_http_when_that_is_asked_for() {
    let scene = Scene::new().await;
    let plain = scene
        .stage
        .origin_with("plain.example.test", OriginOptions::default().plain())
        .await;
    let password = scene.stage.secret("password", &[&plain]);
    plain
        .on(
            Match::any().and(|request| request.basic().is_none()),
            Answer::challenge("Basic realm=\"x\""),
        )
        .serve_ping();
    let name = registry(&plain);
    let provider = Arc::new(Fixed::new(name.clone(), Credential::basic("alice", password)));
    let builder = scene
        .builder()
        .with_credentials(provider)
        .with_plain_http(name.clone());
    let client = builder
        .dangerous()
        .allow_plaintext_credentials(name.clone())
        .build()
        .unwrap();
    client.check_credentials(&name).await.unwrap();
}
