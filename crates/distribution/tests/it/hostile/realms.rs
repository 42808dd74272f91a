//! Token servers: which may be asked, where a realm is, and where it may lead.

use std::sync::Arc;

use wharf_auth::{AuthErrorKind, Credential, Fixed, RealmPolicy};
use wharf_distribution::Detail;
use wharf_testkit::{
    Image,
    hostile::{Answer, Match, OriginOptions, Rule},
};

use super::scene::{Scene, registry, tag};

#[tokio::test]
async fn n04_credentials_go_to_realms_that_may_have_them() {
    use AuthErrorKind::{Challenge, InsecureRealm, InvalidRealm, UntrustedRealm};
    let scene = Scene::new().await;
    let plain = scene
        .stage
        .origin_with("plain.test", OriginOptions::default().plain())
        .await;
    let long = format!("https://auth.example.test/{}", "x".repeat(10_000));
    let table = [
        ("https://auth.example.test/token", None),
        ("https://evil.test/token", Some(UntrustedRealm)),
        ("https://auth.example.test.evil.test/token", Some(UntrustedRealm)),
        ("http://auth.example.test/token", Some(InsecureRealm)),
        ("http://plain.test/token", Some(InsecureRealm)),
        ("//evil.test/token", Some(UntrustedRealm)),
        ("evil.test/token", Some(UntrustedRealm)),
        ("//auth.example.test/token", None),
        ("auth.example.test/token", None),
        ("token", Some(InvalidRealm)),
        ("javascript:alert(1)", Some(InvalidRealm)),
        ("file:///etc/passwd", Some(InvalidRealm)),
        ("https://auth.example.test@evil.test/token", Some(InvalidRealm)),
        ("https://auth.example.test/token#x", None),
        ("", Some(Challenge)),
        (&long, Some(InvalidRealm)),
    ];
    for (realm, expected) in table {
        let challenge = format!("Bearer realm=\"{realm}\",service=\"registry.example.test\"");
        scene.registry.clear().on(
            Match::any().and(|request| request.bearer().is_none()),
            Answer::challenge(&challenge),
        );
        scene.registry.serve_ping();
        let client = scene.alice_builder().build().unwrap();
        let checked = client.check_credentials(&registry(&scene.registry)).await;
        match expected {
            None => checked.unwrap(),
            Some(kind) => {
                let error = scene.failed(checked);
                assert_eq!(error.detail(), Some(Detail::Auth(kind)), "{realm:.80}");
            }
        }
    }
    assert_eq!(scene.evil.traffic().connections, 0);
    assert_eq!(plain.traffic().connections, 0);
}

#[tokio::test]
async fn n04_a_trusted_realm_is_named_in_the_settings() {
    let scene = Scene::new().await;
    let elsewhere = scene.stage.origin("login.elsewhere.test").await;
    let password = scene.stage.secret("password", &[&elsewhere]);
    let token = scene.stage.secret("token", &[&scene.registry]);
    elsewhere.on(
        Match::get("/token"),
        Answer::json(&serde_json::json!({ "token": token })),
    );
    let challenge = "Bearer realm=\"https://login.elsewhere.test/token?x=1\",service=\"a b&c\"";
    scene
        .registry
        .on(
            Match::any().and(|request| request.bearer().is_none()),
            Answer::challenge(challenge),
        )
        .serve_ping();
    let build = |realms| {
        let credential = Credential::basic("alice", password.clone());
        let builder = scene.builder().with_realms(realms);
        builder.with_credentials(Arc::new(Fixed::new(registry(&scene.registry), credential)))
    };
    let client = build(RealmPolicy::default()).build().unwrap();
    let error = scene.failed(client.check_credentials(&registry(&scene.registry)).await);
    assert_eq!(error.detail(), Some(Detail::Auth(AuthErrorKind::UntrustedRealm)));
    assert!(error.to_string().contains("login.elsewhere.test"), "{error}");
    assert_eq!(elsewhere.traffic().connections, 0);

    let client = build(RealmPolicy::default().trust("login.elsewhere.test"))
        .build()
        .unwrap();
    client
        .check_credentials(&registry(&scene.registry))
        .await
        .unwrap();
    let asked = elsewhere.requests().pop().unwrap();
    assert_eq!(
        (asked.query("x"), asked.query("service")),
        (vec!["1".to_owned()], vec!["a b&c".to_owned()])
    );
}

#[tokio::test]
async fn n04_token_requests_are_not_redirected_elsewhere() {
    for (status, location) in [301, 302, 303, 307, 308].into_iter().flat_map(|status| {
        let elsewhere = [
            "https://evil.test/token",
            "//evil.test/token",
            "https://auth.example.test@evil.test/token",
            "http://auth.example.test:81/token",
        ];
        elsewhere.map(|location| (status, location))
    }) {
        let scene = Scene::new().await;
        scene.auth.first(Rule::new(
            Match::get("/token"),
            Answer::redirect(status, location),
        ));
        scene.desk.guard(&scene.registry);
        scene
            .registry
            .serve_manifest("team/app", "v1", Image::small("x").manifest());
        scene.failed(scene.alice().manifest(&tag("v1")).await);
        assert_eq!(scene.evil.traffic().connections, 0, "{status} {location}");
    }
}

#[tokio::test]
async fn n04_token_requests_are_redirected_within_their_origin() {
    for (status, location, works) in [
        (301, "/v2/token", true),
        (302, "https://auth.example.test/v2/token?x=1", true),
        (303, "//auth.example.test/v2/token", true),
        (307, "https://AUTH.example.test:443/v2/token", true),
        // A proxy that ends TLS, of which the token server does not know.
        (308, "http://auth.example.test/v2/token", true),
        (301, "/token", false),
    ] {
        let scene = Scene::new().await;
        let image = Image::small("x");
        let token = scene.stage.secret("token", &[&scene.registry]);
        let is_alice = |request: &wharf_testkit::Request| request.basic().is_some();
        scene
            .auth
            .clear()
            .on(
                Match::get("/v2/token").and(is_alice),
                Answer::json(&serde_json::json!({ "token": token })),
            )
            .on(Match::get("/token"), Answer::redirect(status, location));
        let challenge = "Bearer realm=\"https://auth.example.test/token\"";
        scene
            .registry
            .on(
                Match::any().and(|request| request.bearer().is_none()),
                Answer::challenge(challenge),
            )
            .serve_manifest("team/app", "v1", image.manifest());
        let read = scene.alice().manifest(&tag("v1")).await;
        match read {
            Ok(manifest) => assert!(works && manifest == *image.manifest(), "{status} {location}"),
            Err(error) => assert!(!works, "{status} {location}: {}", scene.stage.inspect(error)),
        }
    }
}

/// OAuth2 sends the login in the body: it goes again only where the redirect says so.
#[tokio::test]
async fn n04_a_posted_login_is_redirected_as_a_post_only() {
    for (status, works) in [(307, true), (308, true), (301, false), (302, false), (303, false)] {
        let scene = Scene::new().await;
        let image = Image::small("x");
        let refresh = scene.stage.secret("refresh", &[&scene.auth]);
        let token = scene.stage.secret("token", &[&scene.registry]);
        let expected = refresh.clone();
        let knows =
            move |request: &wharf_testkit::Request| request.form("refresh_token") == [expected.as_str()];
        scene
            .auth
            .clear()
            .on(Match::on("POST", "/token"), Answer::redirect(status, "/moved"))
            .rule(Rule::call(Match::on("POST", "/moved"), move |request| {
                if knows(request) {
                    Answer::json(&serde_json::json!({ "token": token }))
                } else {
                    Answer::new(400)
                }
            }));
        scene
            .registry
            .on(
                Match::any().and(|request| request.bearer().is_none()),
                Answer::challenge("Bearer realm=\"https://auth.example.test/token\""),
            )
            .serve_manifest("team/app", "v1", image.manifest());
        let credential = Credential::Identity(refresh.as_str().into());
        let provider = Arc::new(Fixed::new(registry(&scene.registry), credential));
        let client = scene.builder().with_credentials(provider).build().unwrap();
        let read = scene.remote_of(&client).manifest(&tag("v1")).await;
        assert_eq!(read.is_ok(), works, "{status}");
        if let Err(error) = read {
            scene.stage.inspect(error);
        }
    }
}

/// A token server at the registry's own host, however its address is written: over https, whatever it says.
#[tokio::test]
async fn n04_a_realm_at_the_registry_is_asked_over_tls() {
    for realm in [
        "http://registry.example.test/token",
        "http://REGISTRY.example.test:80/token",
        "http://registry.example.test:443/token",
        "/token",
        "//registry.example.test/token",
        "registry.example.test/token",
    ] {
        let scene = Scene::new().await;
        let password = scene.stage.secret("password", &[&scene.registry]);
        let token = scene.stage.secret("token", &[&scene.registry]);
        let image = Image::small("x");
        scene
            .registry
            .on(
                Match::get("/token").and(|request| request.basic().is_some()),
                Answer::json(&serde_json::json!({ "token": token })),
            )
            .on(
                Match::any().and(|request| request.bearer().is_none()),
                Answer::challenge(&format!("Bearer realm=\"{realm}\",service=\"a\"")),
            )
            .serve_manifest("team/app", "v1", image.manifest());
        let credential = Credential::basic("alice", password);
        let provider = Arc::new(Fixed::new(registry(&scene.registry), credential));
        let client = scene.builder().with_credentials(provider).build().unwrap();
        let manifest = scene.remote_of(&client).manifest(&tag("v1")).await;
        assert_eq!(manifest.unwrap(), *image.manifest(), "{realm}");
    }
}

#[tokio::test]
async fn n04_anonymous_tokens_come_from_any_public_host() {
    let scene = Scene::new().await;
    let token = scene.stage.secret("token", &[&scene.registry]);
    scene.evil.on(
        Match::get("/token"),
        Answer::json(&serde_json::json!({ "token": token })),
    );
    let challenge = "Bearer realm=\"https://evil.test/token\",service=\"registry.example.test\"";
    let image = Image::small("x");
    scene
        .registry
        .on(
            Match::any().and(|request| request.bearer().is_none()),
            Answer::challenge(challenge),
        )
        .serve_manifest("team/app", "v1", image.manifest());
    let manifest = scene.anonymous().manifest(&tag("v1")).await.unwrap();
    assert_eq!(manifest, *image.manifest());
}
