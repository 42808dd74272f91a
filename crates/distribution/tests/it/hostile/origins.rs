use std::sync::Arc;

use serde_json::json;
use wharf_auth::{AuthErrorKind, Credential, Fixed, RealmPolicy};
use wharf_content::{Descriptor, ErrorKind};
use wharf_distribution::Detail;
use wharf_testkit::{
    Image,
    hostile::{Answer, Match, OriginOptions, Pretend},
};

use super::scene::{Scene, layer, registry, repository, tag};
use crate::support::Insecure;

fn demand(realm: &str) -> Answer {
    Answer::challenge(&format!(
        "Bearer realm=\"{realm}\",service=\"registry.example.test\""
    ))
}

/// A public registry names a token server further inside: it is not contacted, whoever asks.
#[tokio::test]
async fn n05_a_token_server_is_no_step_inward() {
    let scene = Scene::new().await;
    let inside = scene.stage.origin("inside.example.test").await;
    scene
        .stage
        .name("metadata.example.test", &["169.254.169.254:443".parse().unwrap()]);
    scene
        .stage
        .name("private.example.test", &["10.0.0.1:443".parse().unwrap()]);
    let pretend = || {
        Arc::new(Pretend::new(
            scene.connector(),
            "registry.example.test",
            "8.8.8.8:443",
        ))
    };
    for host in [
        "inside.example.test",
        "metadata.example.test",
        "private.example.test",
        "127.0.0.1",
        "2130706433",
        "[::ffff:169.254.169.254]",
        "169.254.169.254",
        "localhost",
        "10.0.0.1",
    ] {
        scene
            .registry
            .clear()
            .on(Match::any(), demand(&format!("https://{host}/token")));
        let trusting = RealmPolicy::default().trust(host);
        for builder in [scene.builder(), scene.alice_builder().with_realms(trusting)] {
            let client = builder.with_connect(pretend()).build().unwrap();
            let error = scene.failed(scene.remote_of(&client).manifest(&tag("v1")).await);
            assert_eq!(error.kind(), ErrorKind::Blocked, "{host}: {error}");
        }
    }
    assert_eq!(inside.traffic().connections, 0);
}

#[tokio::test]
async fn n05_a_realm_that_is_not_needed_is_not_judged() {
    use wharf_auth::{Credential, Fixed};

    let scene = Scene::new().await;
    let token = scene.stage.secret("ready", &[&scene.registry]);
    let expected = token.clone();
    scene
        .registry
        .on(
            Match::any().and(move |request| request.bearer() != Some(&expected)),
            demand("https://10.0.0.1/token"),
        )
        .serve_ping();
    let fixed = Fixed::new(registry(&scene.registry), Credential::Bearer(token.into()));
    let client = scene
        .builder()
        .with_credentials(Arc::new(fixed))
        .with_connect(Arc::new(Pretend::new(
            scene.connector(),
            "registry.example.test",
            "8.8.8.8:443",
        )))
        .build()
        .unwrap();
    client
        .check_credentials(&registry(&scene.registry))
        .await
        .unwrap();
}

#[tokio::test]
async fn n07_urls_of_layers_are_not_contacted() {
    let scene = Scene::new().await;
    let image = Image::small("x");
    let (descriptor, bytes) = layer(&image);
    let mut document = serde_json::to_value(&descriptor).unwrap();
    document["urls"] = json!([
        "https://evil.test/layer",
        "http://169.254.169.254/latest/meta-data",
        "file:///etc/passwd",
        "https://cdn.test/layer",
    ]);
    let descriptor: Descriptor = serde_json::from_value(document).unwrap();
    assert_eq!(descriptor.urls().len(), 4);
    scene.desk.guard(&scene.registry);
    // The registry has it: nobody else is asked.
    scene
        .registry
        .serve_blob("team/app", descriptor.digest().as_str(), &bytes);
    assert_eq!(scene.read(&scene.alice(), &descriptor).await, Ok(bytes.to_vec()));
    // The registry does not have it: nobody else is asked either.
    scene.registry.clear();
    scene.desk.guard(&scene.registry);
    assert_eq!(
        scene.read(&scene.alice(), &descriptor).await,
        Err(ErrorKind::NotFound)
    );
    for origin in [&scene.evil, &scene.cdn] {
        assert_eq!(origin.traffic().connections, 0);
    }
    assert!(
        scene
            .stage
            .names()
            .asked()
            .iter()
            .all(|host| host.ends_with(".example.test"))
    );
}

#[tokio::test]
async fn n09_insecure_is_one_registrys_affair() {
    let scene = Scene::new().await;
    let image = Image::small("x");
    let untrusted = OriginOptions::default().untrusted();
    let loose = scene
        .stage
        .origin_with("loose.example.test", untrusted.clone())
        .await;
    let desk = scene
        .stage
        .origin_with("desk.example.test", untrusted.clone())
        .await;
    let cdn = scene.stage.origin_with("cdn.example.test", untrusted).await;
    let (descriptor, _) = layer(&image);
    loose
        .on(
            Match::get("/manifests/open"),
            Answer::ok(image.manifest().bytes().clone()),
        )
        .on(
            Match::get("/manifests/closed"),
            demand("https://desk.example.test/token"),
        )
        .on(
            Match::get("/blobs/"),
            Answer::redirect(307, "https://cdn.example.test/blob"),
        );
    let client = scene.builder().with_resolve(Insecure).build().unwrap();
    let remote = client.remote(&repository(&loose));
    remote.manifest(&tag("open")).await.unwrap();
    let error = scene.failed(remote.manifest(&tag("closed")).await);
    assert_eq!(error.kind(), ErrorKind::Tls);
    assert!(
        matches!(error.detail(), Some(Detail::Auth(AuthErrorKind::Transport(_)))),
        "{error:?}"
    );
    assert_eq!(scene.read(&remote, &descriptor).await, Err(ErrorKind::Tls));
    for origin in [&desk, &cdn] {
        assert_eq!(origin.traffic().requests, 0);
    }
}

/// Storage without TLS behind a registry with it: where the registry's certificate is not verified, plain
/// http will do, without credentials and for bytes that are checked; elsewhere it will not.
#[tokio::test]
async fn n10_storage_in_the_clear_is_read_where_the_waiver_says_so() {
    let image = Image::small("x");
    let (descriptor, bytes) = layer(&image);
    for (waived, good, expected) in [
        (true, true, Ok(bytes.to_vec())),
        (true, false, Err(ErrorKind::Mismatch)),
        (false, true, Err(ErrorKind::Server)),
    ] {
        for status in [301, 302, 303, 307, 308] {
            let scene = Scene::new().await;
            let storage = scene
                .stage
                .origin_with("storage.test", OriginOptions::default().plain().with_port())
                .await;
            let (mut stored, token) = (bytes.to_vec(), scene.stage.secret("password", &[&scene.registry]));
            stored[0] ^= u8::from(!good);
            storage.on(Match::get("/blob"), Answer::ok(stored));
            scene
                .registry
                .on(
                    Match::any().and(|request| request.basic().is_none()),
                    Answer::challenge("Basic realm=\"x\""),
                )
                .on(
                    Match::get("/blobs/"),
                    Answer::redirect(status, &storage.url("/blob")),
                );
            let credential = Credential::basic("alice", token);
            let provider = Arc::new(Fixed::new(registry(&scene.registry), credential));
            let builder = scene.builder().with_credentials(provider);
            let builder = if waived {
                builder.with_resolve(Insecure)
            } else {
                builder
            };
            let read = scene
                .read(&scene.remote_of(&builder.build().unwrap()), &descriptor)
                .await;
            assert_eq!(read, expected, "{status}");
            let asked = storage.requests();
            assert_eq!(asked.is_empty(), !waived, "{status}");
            assert!(
                asked
                    .iter()
                    .all(|request| request.header("authorization").is_none())
            );
        }
    }
}

/// No bytes are sent in the clear because a certificate is not verified, and no login.
#[tokio::test]
async fn n10_a_waiver_sends_nothing_in_the_clear() {
    let scene = Scene::new().await;
    let plain = scene
        .stage
        .origin_with("plain.test", OriginOptions::default().plain().with_port())
        .await;
    plain.on(Match::any(), Answer::new(201));
    let away = plain.url("/up");
    let image = Image::small("x");
    let (descriptor, bytes) = layer(&image);
    let password = scene.stage.secret("password", &[]);
    let blob = || wharf_content::Blob::from_bytes(descriptor.clone(), bytes.clone()).unwrap();
    let opened = || Answer::new(202).header("Location", "/up/1");
    for (post, put) in [
        (Answer::redirect(307, &away), Answer::new(201)),
        (opened(), Answer::redirect(307, &away)),
        (Answer::new(202).header("Location", &away), Answer::new(201)),
        (demand(&plain.url("/token")), Answer::new(201)),
    ] {
        scene
            .registry
            .clear()
            .on(Match::on("POST", "/"), post)
            .on(Match::on("PUT", "/"), put)
            .on(Match::any(), Answer::new(404));
        let credential = Credential::basic("alice", password.clone());
        let provider = Arc::new(Fixed::new(registry(&scene.registry), credential));
        let builder = scene.builder().with_credentials(provider);
        let client = builder.with_resolve(Insecure).build().unwrap();
        scene.failed(scene.remote_of(&client).push_blob(blob()).await);
    }
    assert_eq!(plain.traffic().connections, 0);
}
