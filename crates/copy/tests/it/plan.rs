use std::sync::Arc;

use wharf_content::{Location, MediaType, Name, Outcome, Source};
use wharf_copy::{Action, Options, copy, plan};
use wharf_reference::Digest;

use crate::test_store::{Done, TestStore, pair, target};

#[tokio::test]
async fn a_plan_says_what_would_move_and_moves_nothing() {
    let (source, sink) = pair();
    let image = source.image("a", &["one", "three"]);
    source.name("x", &image);
    sink.add(MediaType::OCI_LAYER, b"one");

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

#[tokio::test]
async fn a_plan_says_who_is_asked_for_what() {
    let source = Arc::new(TestStore::repository("r.example/a"));
    let image = source.image("a", &["one", "three", "three more"]);
    source.name("x", &image);
    let sink = Arc::new(TestStore {
        mounts_from: Some(source.clone()),
        ..TestStore::repository("r.example/b")
    });
    sink.add(MediaType::OCI_LAYER, b"one");

    let options = Options::default().with_name(Name::parse("y").unwrap());
    let plan = plan(source.clone(), sink.clone(), &target("x"), options)
        .await
        .unwrap();

    assert_eq!(plan.source().to_string(), "r.example/a");
    assert_eq!(plan.sink().to_string(), "r.example/b");
    let (config, root) = (image.config().unwrap().size(), image.descriptor().size());
    let amount = |action| (plan.amount(action).count, plan.amount(action).bytes);
    assert_eq!(amount(Action::Skip), (1, 3));
    assert_eq!(amount(Action::Mount), (3, 5 + 10 + config));
    assert_eq!(amount(Action::Copy), (1, root));
    assert_eq!(amount(Action::Ask), (0, 0));
    assert_eq!(plan.total().count, 5);
    assert_eq!(plan.bytes(), root);
    let calls = plan.requests();
    assert_eq!(
        (
            calls.reads,
            calls.questions,
            calls.mounts,
            calls.blobs,
            calls.manifests
        ),
        (0, 0, 3, 0, 1)
    );

    source.forget();
    sink.forget();
    plan.execute().await.unwrap();
    assert_eq!(source.log(), []);
    assert_eq!(sink.log().len(), 4, "what the plan said and nothing else");
}

/// What the sink knows at once is applied before anything moves, and only the rest is asked for.
#[tokio::test]
async fn what_the_cache_answers_is_not_asked_for() {
    let source = Arc::new(TestStore::new());
    let image = source.image("a", &["four", "have", "odd", "has"]);
    source.name("x", &image);
    let sink = Arc::new(TestStore {
        answers_from_cache: true,
        ..TestStore::new()
    });
    for there in [&b"have"[..], b"has"] {
        sink.add(MediaType::OCI_LAYER, there);
    }
    let report = copy(source, sink.clone(), &target("x"), Options::default())
        .await
        .unwrap();

    let outcome = |digest: &Digest| {
        let mut outcomes = report.outcomes();
        let found = outcomes.find(|(descriptor, _)| descriptor.digest() == digest);
        found.map(|(_, outcome)| outcome)
    };
    let [four, have, odd, has] = image.layers() else {
        panic!("four layers")
    };
    let log = sink.log();
    let asked = |digest: &Digest| log.contains(&Done::Asked(digest.clone()));
    for (layer, question, expected) in [
        (four, false, Outcome::Copied),
        (have, false, Outcome::Present),
        (odd, true, Outcome::Copied),
        (has, true, Outcome::Present),
    ] {
        let digest = layer.digest();
        assert_eq!(
            (asked(digest), outcome(digest)),
            (question, Some(expected)),
            "{digest}"
        );
    }
}

/// A changed image over its original: what is made here moves, the rest is mounted where it is.
#[tokio::test]
async fn each_blob_is_mounted_from_where_it_is() {
    let original = TestStore::repository("r.example/a");
    let image = original.image("a", &["one", "made here", "three"]);
    original.name("x", &image);
    let made = image.layers()[1].digest().clone();
    let source = Arc::new(TestStore {
        elsewhere: [(made.clone(), Location::Memory)].into(),
        ..original
    });
    let sink = || {
        Arc::new(TestStore {
            mounts_from: Some(source.clone()),
            mounts_at: Some(Source::location(&*source)),
            ..TestStore::repository("r.example/b")
        })
    };

    let plan = plan(source.clone(), sink(), &target("x"), Options::default())
        .await
        .unwrap();
    let of = |action| plan.steps().iter().filter(move |step| step.action == action);
    assert_eq!(of(Action::Mount).count(), 3, "config and two layers");
    let copied: Vec<&Digest> = of(Action::Copy).map(|step| step.descriptor.digest()).collect();
    assert_eq!(copied, [&made, image.digest()]);
    assert_eq!(plan.requests().mounts, 3);

    let sink = sink();
    let report = copy(source.clone(), sink.clone(), &target("x"), Options::default())
        .await
        .unwrap();
    let mounted = report
        .outcomes()
        .filter(|(_, outcome)| *outcome == Outcome::Mounted);
    assert_eq!(mounted.count(), 3);
    assert!(sink.log().contains(&Done::Blob(made)));
}
