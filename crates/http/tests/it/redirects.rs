use http::Method;
use wharf_http::ErrorKind;
use wharf_testkit::hostile::{Answer, Match, OriginOptions, Stage};

use crate::support::{follow, transport};

/// `None`: the answer came with the secret still going along. Otherwise without it, or the error.
type Verdict = Option<Result<(), ErrorKind>>;

#[tokio::test]
async fn n01_redirects_never_carry_secrets() {
    for options in [OriginOptions::default(), OriginOptions::default().http2()] {
        redirects_never_carry_secrets(&options).await;
    }
}

async fn redirects_never_carry_secrets(options: &OriginOptions) {
    for status in [301, 302, 303, 307, 308] {
        let stage = Stage::new();
        let other_port = stage
            .origin_with("registry.example.test", options.clone().with_port())
            .await;
        let plain = stage
            .origin_with(
                "registry.example.test",
                OriginOptions::default().plain().with_port(),
            )
            .await;
        let registry = stage.origin_with("registry.example.test", options.clone()).await;
        let mut strangers = vec![other_port.clone(), plain.clone()];
        for host in [
            "evil.test",
            "sub.registry.example.test",
            "example.test",
            "registry.example.test.evil.test",
        ] {
            strangers.push(stage.origin_with(host, options.clone()).await);
        }
        for stranger in &strangers {
            stranger.on(Match::any(), Answer::ok("foreign"));
        }
        let home: Verdict = None;
        let away: Verdict = Some(Ok(()));
        let refused: Verdict = Some(Err(ErrorKind::Redirect));
        let table = [
            ("/b", home),
            ("https://registry.example.test/b", home),
            ("https://REGISTRY.example.TEST/b", home),
            ("https://registry.example.test:443/b", home),
            ("//registry.example.test/b", home),
            ("https://evil.test/b", away),
            ("//evil.test/b", away),
            ("https://sub.registry.example.test/b", away),
            ("https://example.test/b", away),
            ("https://registry.example.test.evil.test/b", away),
            (&other_port.url("/b"), away),
            (&plain.url("/b"), refused),
            ("http://evil.test/b", refused),
            ("https://registry.example.test@evil.test/b", refused),
            ("https://registry.example.test:pw@evil.test/b", refused),
            ("https:\\\\evil.test/b", away),
            ("file:///etc/passwd", refused),
            ("", refused),
        ];
        for (location, verdict) in table {
            let secret = stage.secret("token", &[&registry]);
            registry
                .clear()
                .on(Match::get("/a"), Answer::redirect(status, location))
                .on(Match::get("/b"), Answer::ok("home"));
            let got = follow(&stage, &transport(&stage), &registry, Method::GET, "/a", &secret).await;
            let label = format!("{status} {location}");
            match verdict {
                None => assert!(got.unwrap().is_home, "{label}"),
                Some(Ok(())) => assert!(!got.unwrap().is_home, "{label}"),
                Some(Err(kind)) => assert_eq!(got.unwrap_err().error.kind(), kind, "{label}"),
            }
            let last = registry.requests().pop().unwrap();
            let expected = if verdict.is_none() { "/b" } else { "/a" };
            assert_eq!(last.target, expected, "{label}");
            assert_eq!(last.bearer(), Some(secret.as_str()), "{label}");
        }
        assert_eq!(plain.traffic().connections, 0);
        // A trailing dot is the same origin; whether its certificate fits is TLS's business.
        let secret = stage.secret("token", &[&registry]);
        registry.clear().on(
            Match::get("/a"),
            Answer::redirect(status, "https://registry.example.test./b"),
        );
        let _ = follow(&stage, &transport(&stage), &registry, Method::GET, "/a", &secret).await;
    }
}

#[tokio::test]
async fn n02_a_chain_that_left_stays_without_secrets() {
    let chains: [&[&str]; 5] = [
        &["a", "b", "b"],
        &["a", "b", "b", "b"],
        &["a", "b", "a"],
        &["a", "b", "c", "b"],
        &["a", "a", "b", "a"],
    ];
    for (number, chain) in chains.into_iter().enumerate() {
        let stage = Stage::new();
        let mut hosts = Vec::new();
        let options = [OriginOptions::default(), OriginOptions::default().http2()];
        for name in ["a", "b", "c"] {
            let host = format!("{name}.test");
            hosts.push(stage.origin_with(&host, options[number % 2].clone()).await);
        }
        let secret = stage.secret("token", &[&hosts[0]]);
        for (step, name) in chain.iter().enumerate() {
            let host = &hosts[usize::from(name.as_bytes()[0] - b'a')];
            let path = format!("/{step}");
            match chain.get(step + 1) {
                Some(next) => {
                    let location = format!("https://{next}.test/{}", step + 1);
                    host.on(Match::get(&path), Answer::redirect(307, &location));
                }
                None => {
                    host.on(Match::get(&path), Answer::ok("end"));
                }
            }
        }
        let got = follow(&stage, &transport(&stage), &hosts[0], Method::GET, "/0", &secret).await;
        assert!(!got.unwrap().is_home, "{chain:?}");
        let left = chain.iter().position(|name| *name != "a").unwrap();
        for request in hosts[0].requests() {
            let step: usize = request.target.trim_start_matches('/').parse().unwrap();
            assert_eq!(request.bearer().is_some(), step < left, "{chain:?} step {step}");
        }
    }
}

#[tokio::test]
async fn x06_circles_and_long_chains_end() {
    let stage = Stage::new();
    let registry = stage.origin("registry.test").await;
    let cdn = stage.origin("cdn.test").await;
    registry
        .on(Match::get("/itself"), Answer::redirect(307, "/itself"))
        .on(Match::get("/two"), Answer::redirect(307, "/one"))
        .on(Match::get("/one"), Answer::redirect(307, "/two"))
        .on(Match::get("/out"), Answer::redirect(302, "https://cdn.test/back"))
        .on(
            Match::get("/twice"),
            Answer::redirect(307, "/a").header("Location", "/b"),
        )
        .on(Match::get("/none"), Answer::new(307));
    cdn.on(
        Match::get("/back"),
        Answer::redirect(302, "https://registry.test/out"),
    );
    for step in 0..50 {
        let path = format!("/chain-{step:02}");
        registry.on(
            Match::get(&path),
            Answer::redirect(308, &format!("/chain-{:02}", step + 1)),
        );
    }
    for (path, most) in [
        ("/itself", 1),
        ("/one", 2),
        ("/out", 1),
        ("/twice", 1),
        ("/none", 1),
        ("/chain-00", 6),
    ] {
        let before = registry.traffic().requests;
        let secret = stage.secret("token", &[&registry]);
        let got = follow(&stage, &transport(&stage), &registry, Method::GET, path, &secret).await;
        assert_eq!(got.unwrap_err().error.kind(), ErrorKind::Redirect, "{path}");
        assert!(registry.traffic().requests - before <= most, "{path}");
    }
}

#[tokio::test]
async fn x06_bodies_are_not_sent_to_other_hosts() {
    let stage = Stage::new();
    let registry = stage.origin("registry.test").await;
    let evil = stage.origin("evil.test").await;
    for method in [Method::PUT, Method::POST, Method::PATCH, Method::DELETE] {
        for status in [301, 302, 307, 308] {
            registry
                .clear()
                .on(Match::any(), Answer::redirect(status, "https://evil.test/take"));
            let secret = stage.secret("token", &[&registry]);
            let got = follow(
                &stage,
                &transport(&stage),
                &registry,
                method.clone(),
                "/a",
                &secret,
            )
            .await;
            assert_eq!(
                got.unwrap_err().error.kind(),
                ErrorKind::Redirect,
                "{method} {status}"
            );
        }
    }
    assert_eq!(evil.traffic().connections, 0);
}
