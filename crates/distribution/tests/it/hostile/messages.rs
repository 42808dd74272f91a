//! What a user reads when something fails: the server's own words, and what can be done.

use std::error::Error as _;

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
};
use wharf_auth::AuthErrorKind;
use wharf_content::{ErrorKind, Hasher, Hint};
use wharf_distribution::{Client, Detail, Error};
use wharf_http::RetryPolicy;
use wharf_reference::{Algorithm, Registry, Repository};
use wharf_testkit::hostile::{Answer, Match, Rule};

use super::scene::{Scene, registry, repository, tag};
use crate::support::Insecure;

const PAGE: &str = "<!doctype html><html><title>Guest network</title>";

fn html(status: u16, body: &str) -> Answer {
    Answer::new(status)
        .body(body.to_owned())
        .replace_header("Content-Type", "text/html; charset=utf-8")
}

fn json(status: u16, body: &str) -> Answer {
    Answer::new(status)
        .body(body.to_owned())
        .replace_header("Content-Type", "application/json")
}

#[tokio::test]
async fn a_registrys_words_reach_the_user_with_a_hint_that_fits() {
    let scene = Scene::new().await;
    let name = registry(&scene.registry);
    let maybe = || {
        Some(Hint::CheckNameOrLogIn {
            registry: name.clone(),
        })
    };
    let rights = || {
        Some(Hint::CheckPermissions {
            registry: name.clone(),
        })
    };
    let more = || {
        Some(Hint::LogInForMore {
            registry: name.clone(),
        })
    };
    let denied = r#"{"errors":[{"code":"DENIED","message":"seats","detail":"ask an owner"}]}"#;
    let table = [
        (
            json(403, denied),
            "access denied (DENIED: seats (ask an owner))",
            maybe(),
            rights(),
        ),
        (
            json(403, r#"{"error":{"code":403,"message":"billing is off"}}"#),
            "(billing is off)",
            maybe(),
            rights(),
        ),
        (
            json(403, r#"{"detail":"Not allowed"}"#),
            "(Not allowed)",
            maybe(),
            rights(),
        ),
        (
            html(403, PAGE),
            "(a web page (text/html) titled \"Guest network\")",
            maybe(),
            rights(),
        ),
        (
            html(418, PAGE),
            "the server answered 418 (a web page (text/html) titled",
            None,
            None,
        ),
        (
            Answer::new(403).body("blocked by the proxy\nmore"),
            "(blocked by the proxy)",
            maybe(),
            rights(),
        ),
        (
            json(429, r#"{"message":"pull limit"}"#),
            "too many requests (pull limit)",
            more(),
            None,
        ),
        (
            json(
                404,
                r#"{"errors":[{"code":"MANIFEST_UNKNOWN","message":"m","detail":{"Tag":"v1"}}]}"#,
            ),
            r#"not found (MANIFEST_UNKNOWN: m ({"Tag":"v1"}))"#,
            Some(Hint::CheckTag),
            Some(Hint::CheckTag),
        ),
        (
            json(400, r#"{"error":"bad","error_description":"no such host"}"#),
            "400 (bad: no such host)",
            None,
            None,
        ),
    ];
    for (answer, words, anonymous, with_login) in table {
        let retry = RetryPolicy::never();
        for (has_login, hint) in [(false, anonymous), (true, with_login)] {
            scene.registry.clear();
            let builder = if has_login {
                scene.desk.guard(&scene.registry);
                scene.alice_builder()
            } else {
                scene.builder()
            };
            scene.registry.on(Match::any(), answer.clone());
            let client = builder.with_retry(retry).build().unwrap();
            let error = scene.failed(scene.remote_of(&client).manifest(&tag("v1")).await);
            assert!(error.to_string().contains(words), "{error}");
            assert_eq!(error.hint(), hint.as_ref(), "{error}");
            assert!(
                error
                    .to_string()
                    .ends_with(&hint.map_or_else(String::new, |hint| hint.to_string()))
            );
        }
    }
}

/// A tag that may not be changed, an upload that another program has ended, a state that is no longer as expected.
#[tokio::test]
async fn a_conflict_with_what_the_registry_has_is_one() {
    let scene = Scene::new().await;
    let client = scene.builder().with_retry(RetryPolicy::never()).build().unwrap();
    let remote = scene.remote_of(&client);
    let image = wharf_testkit::Image::small("x");
    let said =
        |code: &str, message: &str| format!(r#"{{"errors":[{{"code":"{code}","message":"{message}"}}]}}"#);
    for (answer, kind, words) in [
        (Answer::new(409), ErrorKind::Conflict, "the server answered 409"),
        (Answer::new(412), ErrorKind::Conflict, "the server answered 412"),
        (
            json(412, &said("PRECONDITION", "the tag is configured as immutable")),
            ErrorKind::Conflict,
            "412 (PRECONDITION: the tag is configured as immutable)",
        ),
        (
            json(409, &said("CONFLICT", "busy")),
            ErrorKind::Conflict,
            "409 (CONFLICT: busy)",
        ),
        (html(409, PAGE), ErrorKind::Conflict, "409 (a web page"),
        // A code says more than the status.
        (json(409, &said("DENIED", "")), ErrorKind::Denied, "access denied"),
        (
            json(412, &said("TOOMANYREQUESTS", "")),
            ErrorKind::RateLimited,
            "too many requests",
        ),
        (
            json(409, &said("MANIFEST_UNKNOWN", "")),
            ErrorKind::NotFound,
            "not found",
        ),
        (
            json(412, &said("UNSUPPORTED", "")),
            ErrorKind::Unsupported,
            "UNSUPPORTED",
        ),
        (
            json(409, &said("UNKNOWN", "not found")),
            ErrorKind::NotFound,
            "not found",
        ),
        (
            json(400, &said("TAG_INVALID", "immutable")),
            ErrorKind::Invalid,
            "400 (TAG_INVALID: immutable)",
        ),
        (Answer::new(410), ErrorKind::Invalid, "410"),
        (Answer::new(422), ErrorKind::Invalid, "422"),
    ] {
        scene.registry.clear();
        scene.registry.on(Match::any(), answer);
        let manifest = image.manifest();
        for error in [
            scene.failed(remote.manifest(&tag("v1")).await),
            scene.failed(
                remote
                    .push_manifest(manifest, Some(&wharf_reference::Tag::parse("v1").unwrap()))
                    .await,
            ),
            scene.failed(remote.delete_manifest(manifest.digest()).await),
        ] {
            assert_eq!(error.kind(), kind, "{error}");
            assert!(error.to_string().contains(words), "{error}");
        }
    }
}

#[tokio::test]
async fn a_token_servers_words_reach_the_user_with_a_hint_that_fits() {
    let scene = Scene::new().await;
    let name = registry(&scene.registry);
    let log_in = Some(Hint::LogIn {
        registry: name.clone(),
    });
    let check = Some(Hint::CheckCredentials {
        registry: name.clone(),
    });
    let rights = Some(Hint::CheckPermissions {
        registry: name.clone(),
    });
    let network = Some(Hint::CheckNetwork);
    let table = [
        (
            json(403, r#"{"errors":[{"code":"DENIED","message":"is private"}]}"#),
            "DENIED: is private",
            &log_in,
            &rights,
        ),
        (
            json(401, r#"{"details":"access token is expired"}"#),
            "access token is expired",
            &log_in,
            &check,
        ),
        (
            json(401, r#"{"error":"no such robot"}"#),
            "no such robot",
            &log_in,
            &check,
        ),
        (
            json(401, r#"{"detail":"Not authenticated"}"#),
            "Not authenticated",
            &log_in,
            &check,
        ),
        (
            Answer::new(401).body("HTTP Basic: denied"),
            "HTTP Basic: denied",
            &log_in,
            &check,
        ),
        (html(403, PAGE), "titled \"Guest network\"", &log_in, &rights),
        (
            html(200, PAGE),
            "the token server sent a web page (text/html) titled \"Guest network\"",
            &network,
            &network,
        ),
        (
            json(200, r#"{"error":"no seat"}"#),
            "has no token in it: no seat",
            &None,
            &None,
        ),
        (
            json(500, r#"{"message":"out of disk"}"#),
            "status 500: out of disk",
            &None,
            &None,
        ),
    ];
    scene.desk.guard(&scene.registry);
    for (answer, words, anonymous, with_login) in table {
        scene.auth.clear().on(Match::any(), answer);
        for (builder, hint) in [(scene.builder(), anonymous), (scene.alice_builder(), with_login)] {
            let client = builder.with_retry(RetryPolicy::never()).build().unwrap();
            let error = scene.failed(scene.remote_of(&client).manifest(&tag("v1")).await);
            assert!(error.to_string().contains(words), "{error}");
            assert_eq!(error.hint(), hint.as_ref(), "{error}");
        }
    }
}

/// A 403 says that the login is known, which a wrong password is not.
#[tokio::test]
async fn a_denial_by_the_token_server_is_no_wrong_password() {
    let scene = Scene::new().await;
    scene.desk.guard(&scene.registry);
    for (status, kind, detail) in [
        (403, ErrorKind::Denied, AuthErrorKind::Denied),
        (401, ErrorKind::Unauthorized, AuthErrorKind::Rejected),
    ] {
        scene.auth.clear().on(Match::any(), json(status, "{}"));
        let error = scene.failed(scene.alice().manifest(&tag("v1")).await);
        assert_eq!((error.kind(), error.detail()), (kind, Some(Detail::Auth(detail))));
        assert_eq!(error.to_string().contains("password"), status == 401, "{error}");
    }
}

#[tokio::test]
async fn n14_secrets_that_a_refusal_repeats_are_taken_out() {
    let scene = Scene::new().await;
    scene.desk.guard(&scene.registry);
    let refusal = format!(
        r#"{{"error":"no such user","detail":"alice with {}"}}"#,
        scene.password
    );
    scene.auth.clear().on(Match::any(), json(401, &refusal));
    let error = scene.failed(scene.alice().manifest(&tag("v1")).await);
    assert!(
        error.to_string().contains("no such user (alice with [redacted])"),
        "{error}"
    );

    let scene = Scene::new().await;
    scene.desk.guard(&scene.registry);
    scene.registry.rule(Rule::call(Match::any(), |request| {
        json(
            403,
            &format!(r#"{{"message":"bad {}"}}"#, request.bearer().unwrap_or("?")),
        )
    }));
    let error = scene.failed(scene.alice().manifest(&tag("v1")).await);
    assert!(error.to_string().contains("(bad [redacted])"), "{error}");
}

#[tokio::test]
async fn what_came_instead_of_a_document_is_said() {
    let scene = Scene::new().await;
    let name = registry(&scene.registry);
    let subject = Hasher::digest(Algorithm::Sha256, b"x").unwrap();
    let table = [
        (
            html(200, PAGE),
            "the server sent a web page (text/html) titled \"Guest network\" instead of",
            true,
        ),
        (
            json(200, PAGE),
            "the server sent a web page (text/html) titled \"Guest network\" instead of",
            true,
        ),
        (
            html(200, "hello"),
            "the server sent a web page (text/html) instead of",
            true,
        ),
        (
            json(200, r#"{"errors":[{"code":"DENIED","message":"no"}]}"#),
            "(DENIED: no)",
            false,
        ),
        (json(200, ""), "is empty instead of", false),
    ];
    for (answer, words, is_page) in table {
        scene.registry.clear().on(Match::any(), answer);
        let client: Client = scene.builder().build().unwrap();
        let remote = client.remote(&repository(&scene.registry));
        let failures: [Error; 4] = [
            scene.failed(remote.manifest(&tag("v1")).await),
            scene.failed(remote.tags().collect().await),
            scene.failed(client.catalog(&name, 10).await),
            scene.failed(remote.referrers(&subject, None).await),
        ];
        for error in failures {
            assert!(error.to_string().contains(words), "{error}");
            assert_eq!(error.kind(), ErrorKind::Server, "{error}");
            assert_eq!(error.hint(), is_page.then_some(&Hint::CheckNetwork), "{error}");
        }
        if is_page {
            for error in [
                scene.failed(client.search(&name, "x", 10).await),
                scene.failed(client.extensions(&name).await),
            ] {
                assert!(error.to_string().contains(words), "{error}");
            }
        }
    }
}

#[tokio::test]
async fn how_long_the_server_asks_to_wait_is_said() {
    let scene = Scene::new().await;
    for (seconds, words) in [
        ("90", "asks to wait 90 s"),
        ("120", "asks to wait 120 s"),
        ("3600", "asks to wait 60 min"),
        ("21000", "asks to wait 5 h 50 min"),
        ("1000000", "asks to wait 12 days"),
        ("18446744073709551615", "days"),
    ] {
        scene.registry.clear().on(
            Match::any(),
            Answer::error(429, "TOOMANYREQUESTS", "slow").header("Retry-After", seconds),
        );
        let error = scene.failed(scene.anonymous().manifest(&tag("v1")).await);
        assert!(error.to_string().contains(words), "{error}");
        assert_eq!(error.retry_after().unwrap().as_secs().to_string(), seconds);
    }
}

/// A server that refuses every handshake, and answers plain http with these bytes.
async fn picky(plain: &'static [u8]) -> Registry {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let name = listener.local_addr().unwrap().to_string();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut first = [0; 1024];
                let is_tls = stream.read(&mut first).await.is_ok_and(|read| read > 0) && first[0] == 0x16;
                // A fatal alert: handshake_failure.
                let reply: &[u8] = if is_tls { &[0x15, 3, 3, 0, 2, 2, 40] } else { plain };
                stream.write_all(reply).await.ok();
            });
        }
    });
    Registry::parse(&name).unwrap()
}

#[tokio::test]
async fn the_tls_failure_is_told_beside_the_plain_http_try() {
    let bad_request = b"HTTP/1.1 400 Bad Request\r\nContent-Length: 22\r\n\r\nhttp sent to https port";
    for (plain, kind, words) in [
        (&b""[..], ErrorKind::Tls, ["https://", "also tried: http://"]),
        (
            &b"what?\r\n\r\n"[..],
            ErrorKind::Tls,
            ["https://", "also tried: http://"],
        ),
        (
            &bad_request[..],
            ErrorKind::Invalid,
            ["http sent to https por", "also tried: https://"],
        ),
    ] {
        let name = picky(plain).await;
        let client = Client::builder().with_resolve(Insecure).build().unwrap();
        let remote = client.remote(&Repository::new(&name, "app").unwrap());
        let error = remote.manifest(&tag("v1")).await.unwrap_err();
        let text = error.to_string();
        assert_eq!(error.kind(), kind, "{text}");
        assert!(
            words.iter().all(|words| text.contains(words)) && text.contains("TLS"),
            "{text}"
        );
        assert_eq!(error.earlier().len(), 1, "{text}");
    }
}

/// A port without TLS that answers in http: there is nothing to say of the try over https.
#[tokio::test]
async fn a_server_without_tls_is_not_blamed_for_that() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let name = Registry::parse(&listener.local_addr().unwrap().to_string()).unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut first = [0; 1024];
            let Ok(1..) = stream.read(&mut first).await else {
                continue;
            };
            let reply = b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
            stream.write_all(reply).await.ok();
        }
    });
    let builder = Client::builder().with_resolve(Insecure);
    let client = builder.build().unwrap();
    let remote = client.remote(&Repository::new(&name, "app").unwrap());
    let error = remote.manifest(&tag("v1")).await.unwrap_err();
    assert_eq!(
        (error.kind(), error.earlier().len()),
        (ErrorKind::NotFound, 0),
        "{error}"
    );
}

/// Both tries fail for the name alone, which is said once.
#[tokio::test]
async fn a_name_that_does_not_resolve_is_said_once() {
    let scene = Scene::new().await;
    let builder = scene.builder().with_resolve(Insecure);
    let client = builder.with_retry(RetryPolicy::never()).build().unwrap();
    let nobody = Repository::parse("nobody.test/app").unwrap();
    let error = client.remote(&nobody).manifest(&tag("v1")).await.unwrap_err();
    assert_eq!(
        error.detail(),
        Some(Detail::Http(wharf_http::ErrorKind::Dns)),
        "{error}"
    );
    assert!(error.earlier().is_empty(), "{error}");
}

/// A web page where a blob should be, or the confirmation of a manifest.
#[tokio::test]
async fn a_web_page_is_neither_a_blob_nor_a_confirmation() {
    let image = wharf_testkit::Image::small("x");
    let scene = Scene::new().await;
    scene.registry.on(Match::any(), html(200, PAGE));
    let remote = scene.anonymous();
    let (descriptor, _) = super::scene::layer(&image);
    let blob = remote.blob(&descriptor).unwrap();
    let error = blob.read_to_end(1024 * 1024).await.unwrap_err();
    let text = error.to_string();
    assert!(
        text.contains("a web page (text/html) instead of a blob"),
        "{text}"
    );
    let name = wharf_reference::Tag::parse("v1").unwrap();
    let pushed = remote.push_manifest(image.manifest(), Some(&name)).await;
    let error = scene.failed(pushed);
    assert!(error.to_string().contains("a web page (text/html)"), "{error}");
    assert_eq!(error.hint(), Some(&Hint::CheckNetwork));

    // The type that some frameworks write about an empty answer.
    scene.registry.clear().on(Match::any(), html(202, ""));
    remote.push_manifest(image.manifest(), Some(&name)).await.unwrap();
}

#[tokio::test]
async fn main_shows_what_failed_and_what_to_do() {
    let scene = Scene::new().await;
    scene.registry.on(
        Match::any(),
        Answer::error(404, "NAME_UNKNOWN", "no such repository"),
    );
    let error = scene.failed(scene.anonymous().manifest(&tag("v1")).await);
    let shown = format!("{:?}", wharf_content::Error::from(error));
    let expected = "cannot read manifest registry.example.test/team/app:v1 at \
                    https://registry.example.test/v2/team/app/manifests/v1: not found (NAME_UNKNOWN: no such \
                    repository); check the name of the repository";
    assert_eq!(shown, expected);

    let error = scene.builder().with_resolve(Insecure).build().unwrap();
    let nowhere = Repository::new(&Registry::parse("127.0.0.1:1").unwrap(), "app").unwrap();
    let error = wharf_content::Error::from(error.remote(&nowhere).manifest(&tag("v1")).await.unwrap_err());
    let shown = format!("{error:?}");
    let mut cause = error.source();
    while let Some(next) = cause {
        assert!(shown.contains(&format!("\n  because: {next}")), "{shown}");
        cause = next.source();
    }
    for private in ["SourceOf", "Error(", "Some("] {
        assert!(!shown.contains(private), "{shown}");
    }
    assert_eq!(
        (error.status(), error.hint(), error.attempts() > 0),
        (None, Some(&Hint::CheckPort), true)
    );
}
