use std::{sync::Arc, time::Duration};

use http::Method;
use wharf_http::{Connect as _, ErrorKind, Origin, Peer, Request};
use wharf_testkit::hostile::{Answer, Match, OriginOptions, Stage, Step};

use crate::support::{connector, fetch, fetch_from, transport, trust, url};

#[tokio::test]
async fn n09_certificates_are_judged() {
    let stage = Stage::new();
    let options = OriginOptions::default;
    let table = [
        ("good.test", options(), None),
        (
            "expired.test",
            options().expired(),
            Some(ErrorKind::CertificateTime),
        ),
        (
            "untrusted.test",
            options().untrusted(),
            Some(ErrorKind::Certificate),
        ),
        (
            "named.test",
            options().certificate_for(&["other.test"]),
            Some(ErrorKind::CertificateName),
        ),
    ];
    for (host, options, expected) in table {
        let origin = stage.origin_with(host, options).await;
        origin.on(Match::any(), Answer::ok("in"));
        assert_eq!(
            fetch(&stage, &origin, Method::GET).await.err(),
            expected,
            "{host}"
        );
        assert_eq!(origin.traffic().requests, u64::from(expected.is_none()), "{host}");
    }
}

#[tokio::test]
async fn n09_waived_verification_is_not_inherited() {
    let stage = Stage::new();
    let registry = stage
        .origin_with("registry.test", OriginOptions::default().untrusted())
        .await;
    let cdn = stage
        .origin_with("cdn.test", OriginOptions::default().untrusted())
        .await;
    registry
        .on(Match::get("/home"), Answer::ok("home"))
        .on(Match::get("/away"), Answer::redirect(307, "https://cdn.test/x"));
    let origin = Origin::of(&url(&registry.url("/"))).unwrap();
    let peer = Peer::named(origin, Arc::new(trust(&stage).dangerous().skip_verify()));
    let transport = transport(&stage);
    let at = |path: &str| Request::new(Method::GET, url(&registry.url(path)));
    assert!(transport.follow(&peer, at("/home"), None).await.is_ok());
    let refused = transport.follow(&peer, at("/away"), None).await.unwrap_err();
    assert_eq!(refused.error.kind(), ErrorKind::Certificate);
    let foreign = Request::new(Method::GET, url("https://cdn.test/token"));
    let refused = transport.call_foreign(&peer, None, foreign).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Certificate);
    assert_eq!(cdn.traffic().requests, 0);
}

/// https is meant; whatever the port does, no byte of http goes out.
#[tokio::test(start_paused = true)]
async fn n10_there_is_no_fallback_to_plain_http() {
    let greetings = [
        (
            "answers in http",
            vec![Step::Send("HTTP/1.1 400 Bad Request\r\n\r\n".into()), Step::Close],
        ),
        ("resets", vec![Step::Reset]),
        ("closes", vec![Step::Cut]),
        (
            "speaks something else",
            vec![Step::Send("SSH-2.0-x\r\n".into()), Step::Close],
        ),
        ("is silent", vec![Step::Stall]),
    ];
    for (what, steps) in greetings {
        let stage = Stage::new();
        let registry = stage.origin("registry.test").await;
        registry.greet(steps);
        let kind = fetch(&stage, &registry, Method::GET).await.unwrap_err();
        assert!(kind.is_before_request(), "{what}: {kind:?}");
        let heard = String::from_utf8_lossy(&registry.received()).into_owned();
        assert!(
            !heard.contains("HTTP/") && !heard.contains("GET "),
            "{what}: {heard:?}"
        );
    }
    let stage = Stage::new();
    let plain = stage
        .origin_with("registry.test", OriginOptions::default().plain())
        .await;
    plain.on(Match::any(), Answer::ok("plain"));
    let origin = Origin::of(&url("https://registry.test/")).unwrap();
    let service = connector(&stage)
        .connect(&Peer::named(origin, Arc::new(trust(&stage))))
        .unwrap();
    let got = fetch_from(&stage, &*service, Method::GET, &url("https://registry.test/x")).await;
    assert!(got.is_err());
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(plain.traffic().requests, 0);
}

#[tokio::test]
async fn n10_a_service_for_https_does_not_speak_http() {
    let stage = Stage::new();
    let plain = stage
        .origin_with("registry.test", OriginOptions::default().plain())
        .await;
    plain.on(Match::any(), Answer::ok("plain"));
    let origin = Origin::of(&url("https://registry.test/")).unwrap();
    let service = connector(&stage)
        .connect(&Peer::named(origin, Arc::new(trust(&stage))))
        .unwrap();
    let got = fetch_from(&stage, &*service, Method::GET, &url(&plain.url("/x"))).await;
    assert!(got.is_err());
    assert_eq!(plain.traffic().connections, 0);
}

/// Mozilla's certificates trust no stage, and those added do so beside them.
#[cfg(feature = "webpki-roots")]
#[tokio::test]
async fn bundled_certificates_stand_in_for_the_systems() {
    use wharf_http::{Roots, TlsSettings};

    let stage = Stage::new();
    let server = stage.origin("reg.test").await;
    server.on(Match::any(), Answer::ok("in"));
    let bundled = TlsSettings::default().with_roots(Roots::Webpki);
    let transport = transport(&stage);
    for (settings, expected) in [
        (bundled, Some(ErrorKind::Certificate)),
        (trust(&stage).with_roots(Roots::Webpki), None),
    ] {
        let address = url(&server.url("/"));
        let peer = Peer::named(Origin::of(&address).unwrap(), Arc::new(settings));
        let answer = transport
            .follow(&peer, Request::new(Method::GET, address), None)
            .await;
        assert_eq!(answer.err().map(|failed| failed.error.kind()), expected);
    }
}
