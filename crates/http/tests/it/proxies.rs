//! Proxies from the settings.

use std::{sync::Arc, time::Duration};

use http::Method;
use url::Url;
use wharf_http::{
    Connect as _, ErrorKind, Origin, Peer, PeerAddress, ProxySettings, Request, Timeouts, TlsSettings,
    Transport,
};
use wharf_testkit::hostile::{Answer, Match, OriginOptions, Stage, Step};

use crate::support::{connector, trust, url};

#[tokio::test]
async fn n20_a_proxy_gets_its_own_login_and_the_server_does_not() {
    let stage = Stage::new();
    let proxy = stage
        .origin_with("proxy.test", OriginOptions::default().plain().with_port())
        .await;
    let password = stage.secret("proxy", &[&proxy]);
    proxy.on(Match::any(), Answer::ok("through"));
    let direct = stage
        .origin_with("direct.test", OriginOptions::default().plain().with_port())
        .await;
    direct.on(Match::any(), Answer::ok("direct"));
    let settings = ProxySettings::default()
        .with_http(&format!("http://user:{password}@{}", proxy.name()))
        .unwrap()
        .with_no_proxy("direct.test");
    let connector = connector(&stage).with_proxies(settings);
    stage.inspect_debug(&connector);

    for (url, expected) in [
        ("http://far.test/x?y=1".to_owned(), "through"),
        (direct.url("/x"), "direct"),
    ] {
        let url = Url::parse(&url).unwrap();
        let peer = Peer::named(Origin::of(&url).unwrap(), Arc::new(TlsSettings::default()));
        let service = connector.connect(&peer).unwrap();
        let response = service.call(Request::new(Method::GET, url)).await.unwrap();
        let tells_address = response.extensions().get::<PeerAddress>().is_some();
        assert_eq!(
            tells_address,
            expected == "direct",
            "a proxy's address is not the server's"
        );
        assert_eq!(response.into_body().read(100).await.unwrap(), expected);
    }
    let seen = proxy.requests();
    assert_eq!(seen[0].target, "http://far.test/x?y=1");
    assert!(seen[0].header("proxy-authorization").is_some());
    assert!(direct.requests()[0].header("proxy-authorization").is_none());
    assert!(
        !stage.names().asked().contains(&"far.test".to_owned()),
        "the proxy resolves the name"
    );
}

/// The password in a proxy's URL is for the proxy, and what is for the registry is not for the proxy.
#[tokio::test]
async fn n20_a_proxys_login_is_for_the_proxy_alone() {
    let stage = Stage::new();
    let proxy = stage
        .origin_with("proxy.test", OriginOptions::default().plain().with_port())
        .await;
    let registry = stage.origin("registry.test").await;
    let password = stage.secret("proxy", &[&proxy]);
    let token = stage.secret("token", &[&registry]);
    let settings = format!("http://user:{password}@{}", proxy.name());
    let settings = ProxySettings::default().with_https(&settings).unwrap();
    stage.inspect_debug(&settings);
    proxy
        .on(Match::on("CONNECT", ""), Answer::new(403))
        .on(Match::any(), Step::Close);
    let connector = connector(&stage).with_proxies(settings);
    let origin = Origin::of(&url("https://registry.test/")).unwrap();
    let peer = Peer::named(origin, Arc::new(trust(&stage)));
    let mut request = Request::new(Method::GET, url("https://registry.test/v2/"));
    let value = format!("Bearer {token}");
    request.headers.insert("authorization", value.parse().unwrap());
    let transport = Transport::new(Arc::new(connector));
    let refused = transport.follow(&peer, request, None).await.unwrap_err();
    stage.inspect(refused.error);
    let asked = proxy.requests();
    assert!(!asked.is_empty());
    for request in asked {
        assert_eq!(
            (request.method.as_str(), request.target.as_str()),
            ("CONNECT", "registry.test:443")
        );
        assert!(request.header("proxy-authorization").is_some());
    }
    assert_eq!(
        registry.traffic().connections,
        0,
        "a refused proxy is not gone around"
    );
}

/// What a proxy does wrong is said of the proxy, never of the server, and without its login.
#[tokio::test]
async fn failures_of_proxies_are_told_as_theirs() {
    let stage = Stage::new();
    let proxy = stage
        .origin_with("proxy.test", OriginOptions::default().plain().with_port())
        .await;
    let password = stage.secret("proxy", &[&proxy]);
    let host = proxy.name();
    let refuse = |status: u16| Answer::new(status).header("Proxy-Authenticate", "Basic realm=\"p\"");
    let far = "http://far.test/x";
    let safe = "https://far.test/x";
    let http = |scheme: &str| format!("{scheme}://user:{password}@{host}");
    let closed = "http://127.0.0.1:1".to_owned();
    let missing = "http://missing.test:3128".to_owned();
    let table = [
        (
            "plain http, 407",
            http("http"),
            far,
            refuse(407).steps(),
            ErrorKind::ProxyLogin,
            "407",
        ),
        (
            "https, 407",
            http("http"),
            safe,
            refuse(407).steps(),
            ErrorKind::ProxyLogin,
            "407",
        ),
        (
            "https, 403",
            http("http"),
            safe,
            refuse(403).steps(),
            ErrorKind::Proxy,
            "does not connect",
        ),
        (
            "https, 502",
            http("http"),
            safe,
            refuse(502).steps(),
            ErrorKind::Proxy,
            "does not connect",
        ),
        (
            "https, hangs up",
            http("http"),
            safe,
            vec![Step::Close],
            ErrorKind::Proxy,
            "does not connect",
        ),
        (
            "socks, no such thing",
            http("socks5"),
            safe,
            vec![Step::Close],
            ErrorKind::Proxy,
            "",
        ),
        (
            "not running",
            closed.clone(),
            far,
            vec![],
            ErrorKind::Proxy,
            "cannot be reached",
        ),
        (
            "not running, https",
            closed,
            safe,
            vec![],
            ErrorKind::Proxy,
            "cannot be reached",
        ),
        (
            "no such name",
            missing,
            safe,
            vec![],
            ErrorKind::Proxy,
            "cannot be reached",
        ),
    ];
    for (what, settings, target, steps, kind, words) in table {
        proxy.clear().on(Match::any(), steps);
        let error = failure(&stage, &settings, target).await;
        assert_eq!(error.kind(), kind, "{what}: {error:?}");
        let text = error.to_string();
        assert!(
            text.contains("the proxy ") && text.contains(words),
            "{what}: {text}"
        );
    }
}

/// How a request fails through this proxy.
async fn failure(stage: &Stage, proxy: &str, target: &str) -> wharf_http::Error {
    let proxies = ProxySettings::default()
        .with_http(proxy)
        .and_then(|proxies| proxies.with_https(proxy))
        .unwrap();
    let peer = Peer::named(Origin::of(&url(target)).unwrap(), Arc::new(trust(stage)));
    let service = connector(stage)
        .with_timeouts(Timeouts::default().with_connect(Duration::from_secs(2)))
        .with_proxies(proxies)
        .connect(&peer)
        .unwrap();
    let request = Request::new(Method::GET, url(target));
    stage.inspect(service.call(request).await.unwrap_err())
}
