use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use wharf_content::{ErrorKind, Manifest, Name};
use wharf_copy::{Action, Gate, Options, Rejection, Selection, copy, plan};
use wharf_reference::Digest;

use crate::place::{Done, pair, target};

#[tokio::test]
async fn a_plan_says_what_would_move_and_moves_nothing() {
    let (source, sink) = pair();
    let image = source.image("a", &["one", "three"]);
    source.name("x", &image);
    sink.add(wharf_content::MediaType::OCI_LAYER, b"one");

    let plan = plan(source, sink.clone(), &target("x"), Options::default())
        .await
        .unwrap();

    assert_eq!(sink.count(|done| !matches!(done, Done::Asked(_))), 0);
    let of = |digest: &Digest| {
        let step = plan
            .steps()
            .iter()
            .find(|step| step.descriptor.digest() == digest);
        step.map(|step| step.action)
    };
    assert_eq!(of(image.layers()[0].digest()), Some(Action::Skip));
    assert_eq!(of(image.layers()[1].digest()), Some(Action::Copy));
    assert_eq!(of(image.digest()), Some(Action::Copy));
    assert_eq!(plan.steps().last().unwrap().descriptor.digest(), image.digest());
    let config = image.config().unwrap().size();
    assert_eq!(plan.bytes(), 5 + config + image.descriptor().size());
    assert_eq!(plan.pending_count(), 3);

    let report = plan.execute().await.unwrap();
    assert_eq!(report.bytes_copied(), 5 + config + image.descriptor().size());
}

struct Refuse {
    which: Digest,
    seen: Mutex<Vec<Digest>>,
}

#[async_trait]
impl Gate for Refuse {
    async fn admit(&self, manifest: &Manifest) -> Result<(), Rejection> {
        self.seen.lock().unwrap().push(manifest.digest().clone());
        if *manifest.digest() == self.which {
            Err(Rejection::new("it is not signed"))
        } else {
            Ok(())
        }
    }
}

#[tokio::test]
async fn a_gate_sees_every_manifest_before_a_byte_is_written() {
    let (source, sink) = pair();
    let images = [source.image("a", &["1"]), source.image("b", &["2"])];
    let index = source.index(&images.clone().map(|image| image.descriptor().clone()));
    source.name("x", &index);
    let gate = Arc::new(Refuse {
        which: images[1].digest().clone(),
        seen: Mutex::default(),
    });
    let options = Options::default()
        .with_name(Name::parse("x").unwrap())
        .with_selection(Selection::All)
        .with_gate(gate.clone());

    let error = copy(source, sink.clone(), &target("x"), options)
        .await
        .unwrap_err();

    assert_eq!(error.kind(), ErrorKind::Rejected);
    assert!(error.to_string().contains("it is not signed"), "{error}");
    assert_eq!(gate.seen.lock().unwrap().len(), 3);
    assert_eq!(sink.count(|done| !matches!(done, Done::Asked(_))), 0);
}
