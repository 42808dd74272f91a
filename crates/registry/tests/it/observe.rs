use std::sync::{Arc, Mutex};

use wharf_registry::{Answered, Endpoint, Observer, Registry};

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
        .with_anonymous()
        .with_observer(seen.clone());
    let server = registry.serve().await.unwrap();
    assert_eq!(get(&server, "/v2/").await.status, 200);
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
            answered.endpoint,
            answered.status.as_u16(),
            user,
            answered.received,
        )
    });
    assert_eq!(
        summary.collect::<Vec<_>>(),
        [
            ("GET", Some(Endpoint::Base), 200, None, 0),
            ("POST", Some(Endpoint::Uploads), 202, Some("ada"), 0),
            ("PATCH", Some(Endpoint::Upload), 202, Some("ada"), 5),
            ("GET", None, 404, None, 0),
        ]
    );
    assert_eq!(seen[0].sent, 2);
    assert!(seen.iter().all(|answered| answered.complete));
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
    server.inject(wharf_registry::Fault::cut(4).on(Endpoint::Blob));
    raw_get(&server, &format!("/v2/a/blobs/{blob}"), "").await;
    let last = seen.0.lock().unwrap().last().cloned().unwrap();
    assert_eq!((last.sent, last.complete), (4, false));
}
