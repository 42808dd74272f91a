use std::{
    net::IpAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use wharf_content::ErrorKind;
use wharf_registry::{
    Answered, BackendCall, BackendFaults, MemoryBackend, Observer, Redirects, Registry, Server, SignedUrl,
};

use crate::wire::{Ask, ask, push_blob, push_image};

const URL: &str = "https://bucket.example/key?X-Amz-Signature=0123abcd&expires=1";

/// A registry whose storage has the same URL for everything.
async fn serve(configure: impl FnOnce(Registry) -> Registry) -> (Server, BackendFaults) {
    let (backend, faults) = BackendFaults::around(MemoryBackend::default());
    faults.set_url(Some(SignedUrl::new(URL.parse().unwrap()).unwrap()));
    let registry = Registry::open(backend).await.unwrap();
    (configure(registry).serve().await.unwrap(), faults)
}

fn always() -> Redirects {
    Redirects::new().with_least_size(0)
}

#[tokio::test]
async fn only_a_get_of_a_blob_leads_to_the_storage() {
    let (server, _) = serve(|registry| registry.with_redirects(always())).await;
    let (_, image) = push_image(&server, "a", "v1").await;
    let layer = push_blob(&server, "a", b"layer").await;
    let blob = format!("/v2/a/blobs/{layer}");
    let etag = format!("\"{layer}\"");
    let asked = |method, path: &str| ask(&server, method, path.to_owned());
    let manifest = format!("/v2/a/manifests/{image}");
    let nowhere = format!("/v2/a/blobs/{}", crate::wire::digest(b"nowhere"));
    let elsewhere = format!("/v2/b/blobs/{layer}");
    let cases: Vec<(&str, Ask<'_>, u16)> = vec![
        ("whole", asked("GET", &blob), 307),
        ("a part", asked("GET", &blob).header("Range", "bytes=1-2"), 307),
        ("an end", asked("GET", &blob).header("Range", "bytes=-2"), 307),
        (
            "several parts",
            asked("GET", &blob).header("Range", "bytes=0-1,3-4"),
            307,
        ),
        (
            "no part of it",
            asked("GET", &blob).header("Range", "bytes=9-"),
            416,
        ),
        (
            "if it is the same",
            asked("GET", &blob)
                .header("If-Range", &etag)
                .header("Range", "bytes=1-2"),
            206,
        ),
        (
            "what is known",
            asked("GET", &blob).header("If-None-Match", &etag),
            304,
        ),
        (
            "what it is not",
            asked("GET", &blob).header("If-Match", "\"x\""),
            412,
        ),
        ("HEAD", asked("HEAD", &blob), 200),
        (
            "HEAD of a part",
            asked("HEAD", &blob).header("Range", "bytes=1-2"),
            200,
        ),
        ("a manifest", asked("GET", &manifest), 200),
        ("a tag", asked("GET", "/v2/a/manifests/v1"), 200),
        ("a blob that is not here", asked("GET", &nowhere), 404),
        ("a blob of another repository", asked("GET", &elsewhere), 404),
        ("DELETE", asked("DELETE", &blob), 202),
    ];
    for (what, ask, status) in cases {
        let answer = ask.send().await;
        assert_eq!(answer.status, status, "{what}");
        let away = (status == 307).then_some(URL);
        assert_eq!(answer.header("location"), away, "{what}");
        if status == 307 {
            assert_eq!(answer.header("cache-control"), Some("no-store"), "{what}");
            assert_eq!(
                answer.header("docker-content-digest"),
                Some(layer.as_str()),
                "{what}"
            );
            assert!(answer.body.is_empty(), "{what}");
        }
    }
}

#[tokio::test]
async fn a_blob_is_answered_here_unless_the_options_lead_away() {
    type Configure = fn(Registry) -> Registry;
    let cases: [(&str, Configure, u16); 6] = [
        ("by default", |registry| registry, 200),
        (
            "a small blob",
            |registry| registry.with_redirects(Redirects::new()),
            200,
        ),
        (
            "a blob that is large enough",
            |registry| registry.with_redirects(Redirects::new().with_least_size(5)),
            307,
        ),
        (
            "a client that cannot",
            |registry| {
                registry.with_redirects(always().with_clients(|client| client.user_agent != Some("old")))
            },
            200,
        ),
        (
            "a client that can",
            |registry| {
                registry.with_redirects(always().with_clients(|client| client.user_agent == Some("old")))
            },
            307,
        ),
        (
            "a network without a way there",
            |registry| {
                let own: IpAddr = [127, 0, 0, 1].into();
                registry.with_redirects(always().with_clients(move |client| client.address != Some(own)))
            },
            200,
        ),
    ];
    for (what, configure, status) in cases {
        let (server, faults) = serve(configure).await;
        let layer = push_blob(&server, "a", b"layer").await;
        let answer = ask(&server, "GET", format!("/v2/a/blobs/{layer}")).header("User-Agent", "old");
        let answer = answer.send().await;
        assert_eq!(answer.status, status, "{what}");
        assert_eq!(faults.calls(BackendCall::Url) > 0, status == 307, "{what}");
        if status == 200 {
            assert_eq!(answer.body, b"layer", "{what}");
        }
    }
}

/// The storage's own answers are none of a registry.
#[tokio::test]
async fn a_client_is_led_nowhere_when_the_storage_has_nothing_for_it() {
    let (server, faults) = serve(|registry| registry.with_redirects(always())).await;
    let layer = push_blob(&server, "a", b"layer").await;
    let path = format!("/v2/a/blobs/{layer}");
    faults.set_url(None);
    let here = ask(&server, "GET", path.as_str()).send().await;
    assert_eq!((here.status, here.body.as_slice()), (200, b"layer".as_slice()));
    for call in [BackendCall::Url, BackendCall::Touch] {
        faults.fail(call, ErrorKind::Network);
        let away = ask(&server, "GET", path.as_str()).send().await;
        assert_eq!(
            (away.status, away.header("retry-after")),
            (503, Some("2")),
            "{}",
            call.name()
        );
        faults.heal();
    }
}

#[tokio::test]
async fn nothing_prints_the_url() {
    #[derive(Clone, Default)]
    struct Seen(Arc<Mutex<Vec<String>>>);
    impl Observer for Seen {
        fn answered(&self, answered: &Answered) {
            self.0.lock().unwrap().push(format!("{answered:?}"));
        }
    }
    let url = SignedUrl::new(URL.parse().unwrap()).unwrap();
    let mut printed = vec![
        format!("{url:?}"),
        format!("{:?}", always().with_lifetime(Duration::ZERO)),
    ];
    let seen = Seen::default();
    let (backend, faults) = BackendFaults::around(MemoryBackend::default());
    faults.set_url(Some(url));
    printed.push(format!("{faults:?}"));
    let registry = Registry::open(backend).await.unwrap();
    let registry = registry.with_redirects(always()).with_observer(seen.clone());
    let server = registry.clone().serve().await.unwrap();
    let layer = push_blob(&server, "a", b"layer").await;
    let request = http::Request::get(format!("/v2/a/blobs/{layer}"))
        .body(String::new())
        .unwrap();
    let answer = registry.handle(request).await;
    assert_eq!(answer.headers()["location"], URL);
    printed.push(format!("{answer:?} {registry:?}"));
    drop(answer);
    printed.extend(seen.0.lock().unwrap().clone());
    assert!(printed.len() > 4);
    for text in printed {
        assert!(
            !text.contains("Signature") && !text.contains("0123abcd"),
            "{text}"
        );
    }
    assert!(SignedUrl::new("/relative?secret".parse().unwrap()).is_err());
}
