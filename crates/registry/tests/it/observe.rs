use std::sync::{Arc, Mutex};

use wharf_registry::{Answered, Observer, Registry, RouteKind};

use crate::wire::{ask, get, push_blob, raw_get};

#[derive(Clone, Default)]
struct Seen(Arc<Mutex<Vec<Answered>>>);

impl Observer for Seen {
    fn answered(&self, answered: &Answered) {
        self.0.lock().unwrap().push(answered.clone());
    }
}

#[tokio::test]
async fn an_observer_is_told_what_happened() {
    let seen = Seen::default();
    let registry = Registry::memory()
        .with_basic("ada", "secret")
        .with_anonymous(true)
        .with_observer(seen.clone());
    let server = registry.serve().await.unwrap();
    assert_eq!(get(&server, "/v2/").await.status, 401);
    let session = ask(&server, "POST", "/v2/a/blobs/uploads/")
        .basic("ada:secret")
        .send()
        .await
        .location();
    ask(&server, "PATCH", session)
        .basic("ada:secret")
        .body("12345")
        .send()
        .await;
    get(&server, "/nowhere").await;
    let seen = seen.0.lock().unwrap().clone();
    let summary = seen.iter().map(|answered| {
        let user = answered.user.as_deref();
        (
            answered.method.as_str(),
            answered.route,
            answered.status.as_u16(),
            user,
            answered.received,
        )
    });
    assert_eq!(
        summary.collect::<Vec<_>>(),
        [
            ("GET", Some(RouteKind::Base), 401, None, 0),
            ("POST", Some(RouteKind::Uploads), 202, Some("ada"), 0),
            ("PATCH", Some(RouteKind::Upload), 202, Some("ada"), 5),
            ("GET", None, 404, None, 0),
        ]
    );
    assert!(seen[0].sent > 0);
    assert!(seen.iter().all(|answered| answered.complete));
}

/// What no client has got was not answered.
#[cfg(feature = "htpasswd")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_login_is_not_checked_for_who_has_gone() {
    use std::{io::Write as _, net::TcpStream};
    const CLIENTS: usize = 40;
    let seen = Seen::default();
    let hash = bcrypt::hash("secret", 10).unwrap();
    let users = wharf_registry::Htpasswd::parse(&format!("ada:{hash}")).unwrap();
    let registry = Registry::memory()
        .with_htpasswd(&users)
        .with_observer(seen.clone());
    let server = registry.serve().await.unwrap();
    for method in ["GET", "POST"] {
        seen.0.lock().unwrap().clear();
        let come = || {
            let mut clients = Vec::new();
            for number in 0..CLIENTS {
                let mut stream = TcpStream::connect(server.address()).unwrap();
                let request = format!(
                    "{method} /v2/a{number}/blobs/uploads/ HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\
                     Authorization: Basic YWRhOmd1ZXNz\r\n\r\n"
                );
                stream.write_all(request.as_bytes()).unwrap();
                clients.push(stream);
            }
            clients
        };
        // A client that goes before its request is read is not heard of: then others come, and stay for
        // longer.
        let most = async {
            let mut stay = std::time::Duration::from_millis(50);
            let is_gone = |answered: &&Answered| answered.status.as_u16() == 499;
            while seen.0.lock().unwrap().iter().filter(is_gone).count() < CLIENTS / 2 {
                let clients = come();
                tokio::time::sleep(stay).await;
                drop(clients);
                stay = (stay * 2).min(std::time::Duration::from_millis(400)); // forty checks take longer
            }
        };
        let most = tokio::time::timeout(std::time::Duration::from_secs(60), most).await;
        assert!(most.is_ok(), "{method}: {:?}", seen.0.lock().unwrap());
    }
    let ada = ask(&server, "GET", "/v2/").basic("ada:secret").send().await;
    assert_eq!(ada.status, 200);
}

#[tokio::test]
async fn an_answer_that_breaks_off_is_not_complete() {
    let seen = Seen::default();
    let server = Registry::memory()
        .with_observer(seen.clone())
        .serve()
        .await
        .unwrap();
    let blob = push_blob(&server, "a", b"0123456789").await;
    server.inject(wharf_registry::Fault::cut(4).on(RouteKind::Blob));
    raw_get(&server, &format!("/v2/a/blobs/{blob}"), "").await;
    let last = seen.0.lock().unwrap().last().cloned().unwrap();
    assert_eq!((last.sent, last.complete), (4, false));
}
