use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use wharf_content::{ErrorKind, Manifest, Name};
use wharf_copy::{Gate, Options, Referrers, Rejection, Selection, copy};
use wharf_reference::Digest;

use crate::test_store::{Done, TestStore, pair, target};

#[derive(Default)]
struct Refuse {
    which: Option<Digest>,
    seen: Mutex<Vec<Digest>>,
}

#[async_trait]
impl Gate for Refuse {
    async fn admit(&self, manifest: &Manifest) -> Result<(), Rejection> {
        self.seen.lock().unwrap().push(manifest.digest().clone());
        if Some(manifest.digest()) == self.which.as_ref() {
            Err(Rejection::new("it is not signed"))
        } else {
            Ok(())
        }
    }
}

/// An index of two images with a signature of the second, all of them in order.
fn sample(source: &TestStore) -> [Manifest; 4] {
    let images = [source.image("a", &["1"]), source.image("b", &["2"])];
    let index = source.index(&images.clone().map(|image| image.descriptor().clone()));
    source.name("x", &index);
    let signature = source.referrer(&images[1], "application/x-signature", "good");
    let [first, second] = images;
    [index, first, second, signature]
}

fn options(gate: &Arc<Refuse>) -> Options {
    Options::default()
        .with_name(Name::parse("x").unwrap())
        .with_selection(Selection::All)
        .with_referrers(Referrers::default())
        .with_gate(gate.clone())
}

#[tokio::test]
async fn a_gate_sees_every_manifest_before_a_byte_is_written() {
    for refused in 0..4 {
        let (source, sink) = pair();
        let gate = Arc::new(Refuse {
            which: Some(sample(&source)[refused].digest().clone()),
            ..Refuse::default()
        });
        let error = copy(source, sink.clone(), &target("x"), options(&gate))
            .await
            .unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Rejected);
        assert!(error.to_string().contains("it is not signed"), "{error}");
        assert_eq!(sink.count(|done| !matches!(done, Done::Asked(_))), 0);
    }
}

#[tokio::test]
async fn what_the_destination_has_must_be_admitted_too() {
    for reads_itself in [true, false] {
        let source = Arc::new(TestStore::new());
        let manifests = sample(&source);
        let sink = Arc::new(TestStore {
            reads_itself,
            ..TestStore::new()
        });
        let open = Arc::new(Refuse::default());
        copy(source.clone(), sink.clone(), &target("x"), options(&open))
            .await
            .unwrap();
        assert_eq!(open.seen.lock().unwrap().len(), 4);
        sink.forget();
        for manifest in &manifests {
            let gate = Arc::new(Refuse {
                which: Some(manifest.digest().clone()),
                ..Refuse::default()
            });
            let error = copy(source.clone(), sink.clone(), &target("x"), options(&gate))
                .await
                .unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Rejected);
        }
        assert_eq!(sink.count(|done| !matches!(done, Done::Asked(_))), 0);
    }
}
