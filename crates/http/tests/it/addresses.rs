use std::{net::SocketAddr, sync::Arc};

use http::Method;
use wharf_http::{ErrorKind, Transport};
use wharf_testkit::hostile::{Answer, Match, OriginOptions, Pretend, Stage};

use crate::support::{connector, follow, transport};

/// A registry that is believed to be at `address` redirects to each target: none may be dialled.
async fn refused_from(address: &str, targets: &[&str]) {
    let stage = Stage::new();
    let registry = stage.origin("registry.test").await;
    let inside = stage
        .origin_with("inside.test", OriginOptions::default().plain())
        .await;
    stage.name("metadata.test", &["169.254.169.254:80".parse().unwrap()]);
    stage.name("private.test", &["10.0.0.1:443".parse().unwrap()]);
    let transport = Transport::new(Arc::new(Pretend::new(
        Arc::new(connector(&stage)),
        "registry.test",
        address,
    )));
    let mut literals: Vec<String> = targets.iter().map(|&target| target.to_owned()).collect();
    literals.push(format!("https://inside.test:{}/", inside.address().port()));
    for location in literals {
        registry
            .clear()
            .on(Match::any(), Answer::redirect(307, &location));
        let secret = stage.secret("token", &[&registry]);
        let got = follow(&stage, &transport, &registry, Method::GET, "/a", &secret).await;
        let kind = got.unwrap_err().error.kind();
        assert_eq!(kind, ErrorKind::Forbidden, "{address} to {location}");
    }
    assert_eq!(inside.traffic().connections, 0);
}

#[tokio::test]
async fn n05_a_public_registry_does_not_lead_inside() {
    let literals = [
        "https://2130706433/",
        "https://0x7f.1/",
        "https://127.1/",
        "https://①②⑦.0.0.1/",
        "https://１２７.0.0.1/",
        "https://[::1]/",
        "https://[::ffff:127.0.0.1]/",
        "https://[::ffff:169.254.169.254]/",
        "https://[64:ff9b::a9fe:a9fe]/",
        "https://[2002:a9fe:a9fe::1]/",
        "https://[fd00:ec2::254]/",
        "https://localhost/",
        "https://localhost./",
        "https://LOCALHOST/",
        "https://x.localhost/",
        "https://169.254.169.254/",
        "https://0.0.0.0/",
        "https://[::]/",
        "https://10.0.0.1/",
        "https://192.168.0.1/",
        "https://172.16.0.1/",
        "https://100.64.0.1/",
        "https://224.0.0.1/",
        "https://metadata.test/",
        "https://private.test/",
    ];
    refused_from("8.8.8.8:443", &literals).await;
}

#[tokio::test]
async fn n05_a_private_registry_does_not_lead_to_this_machine() {
    refused_from("10.1.2.3:443", &["https://127.0.0.1/", "https://metadata.test/"]).await;
}

#[tokio::test]
async fn n05_a_name_that_changes_its_mind_is_judged_when_dialled() {
    let stage = Stage::new();
    let registry = stage.origin("registry.test").await;
    let inside = stage.origin("rebound.test").await;
    inside.on(Match::any(), Answer::ok("inside"));
    let public: SocketAddr = "203.0.113.1:443".parse().unwrap();
    stage.name("rebound.test", &[inside.address(), public, inside.address()]);
    let transport = Transport::new(Arc::new(Pretend::new(
        Arc::new(connector(&stage)),
        "registry.test",
        "8.8.8.8:443",
    )));
    registry.on(Match::any(), Answer::redirect(307, "https://rebound.test/"));
    let secret = stage.secret("token", &[&registry]);
    let got = follow(&stage, &transport, &registry, Method::GET, "/a", &secret).await;
    assert_eq!(got.unwrap_err().error.kind(), ErrorKind::Forbidden);
    assert_eq!(inside.traffic().connections, 0);
}

#[tokio::test]
async fn n05_hosts_as_far_inside_as_the_registry_are_allowed() {
    let stage = Stage::new();
    let local = stage.origin_with("127.0.0.1", OriginOptions::default()).await;
    let neighbour = stage.origin_with("127.0.0.1", OriginOptions::default()).await;
    neighbour.on(Match::any(), Answer::ok("neighbour"));
    local
        .on(Match::get("/same"), Answer::redirect(307, &local.url("/end")))
        .on(
            Match::get("/other"),
            Answer::redirect(307, &neighbour.url("/end")),
        )
        .on(Match::get("/end"), Answer::ok("home"));
    for (path, home) in [("/same", true), ("/other", false)] {
        let secret = stage.secret("token", &[&local]);
        let got = follow(&stage, &transport(&stage), &local, Method::GET, path, &secret).await;
        assert_eq!(got.unwrap().is_home, home, "{path}");
    }
}
