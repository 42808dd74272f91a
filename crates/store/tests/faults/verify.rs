//! What must hold, whatever happened.

use std::{collections::BTreeMap, path::Path, time::Duration};

use wharf_content::{Sink as _, Source as _};
use wharf_store::{Collect, Layout, LayoutProblem};
use wharf_testkit::faults::{self, Stage, block_on};

use crate::{
    scenario::{EXCLUSIVE, Scenario, store_on},
    worker,
};

/// After a disturbance: the store is whole, everything acknowledged is there, nobody is locked out, the steps
/// can be done again, and nothing is left over at rest.
pub(crate) fn store(scenario: &Scenario, stage: &Stage, acknowledged: usize, context: &str) {
    let path = store_on(stage);
    block_on(async {
        whole(scenario, &path, acknowledged, context).await;
        for step in faults::Scenario::steps(scenario, stage).iter().skip(1) {
            let again = worker::step(&path, step).await;
            again.unwrap_or_else(|error| panic!("{context}: {step} again: {error}"));
        }
        let expected = scenario.names_after(scenario.steps.len());
        assert_eq!(names(&open(&path, context).await).await, expected, "{context}");
        at_rest(scenario, &path, &expected, context).await;
    });
}

/// The store as it is found.
pub(crate) async fn whole(scenario: &Scenario, path: &Path, acknowledged: usize, context: &str) {
    if acknowledged == 0 && Layout::open(path).await.is_err() {
        // Not made yet: then it can be made.
        Layout::create(path)
            .await
            .unwrap_or_else(|error| panic!("{context}: {error}"));
    }
    let store = open(path, context).await;
    let checked = store
        .check()
        .await
        .unwrap_or_else(|error| panic!("{context}: {error}"));
    let known_damage = |problem: &&LayoutProblem| {
        // What the scenario itself has spoilt is there until its repair is done.
        scenario.name == "repair"
            && acknowledged < scenario.steps.len()
            && !matches!(problem, LayoutProblem::Invalid { .. })
    };
    let problems: Vec<&LayoutProblem> = checked
        .problems
        .iter()
        .filter(|problem| !known_damage(problem))
        .collect();
    assert!(problems.is_empty(), "{context}: {problems:?}");
    assert!(checked.foreign.is_empty(), "{context}: {:?}", checked.foreign);

    let found = names(&store).await;
    let before = scenario.names_after(acknowledged);
    let after = scenario.names_after((acknowledged + 1).min(scenario.steps.len()));
    assert!(
        found == before || found == after,
        "{context}: names {found:?}, not {before:?} or {after:?}"
    );
    let next = scenario.received_after((acknowledged + 1).min(scenario.steps.len()));
    for number in scenario.received_after(acknowledged).intersection(&next) {
        let there = store.contains(&worker::received(*number).0).await.unwrap();
        assert!(there, "{context}: {number} was received");
    }
    if scenario.name != "repair" {
        for (name, number) in &found {
            complete(&store, name, *number, context).await;
        }
    }
}

async fn open(path: &Path, context: &str) -> Layout {
    Layout::open(path)
        .await
        .unwrap_or_else(|error| panic!("{context}: {error}"))
}

async fn names(store: &Layout) -> BTreeMap<String, u64> {
    let mut names = BTreeMap::new();
    for image in store.images().await.unwrap() {
        let Some(name) = image.name() else { continue };
        let number =
            (1..10).find(|&number| worker::image(number).manifest().digest() == image.descriptor().digest());
        names.insert(name.to_string(), number.expect("an image of these tests"));
    }
    names
}

async fn complete(store: &Layout, name: &str, number: u64, context: &str) {
    let image = worker::image(number);
    let target = wharf_content::Name::parse(name).unwrap().into();
    let manifest = store.manifest(&target).await;
    let manifest = manifest.unwrap_or_else(|error| panic!("{context}: {name}: {error}"));
    assert_eq!(manifest, *image.manifest(), "{context}");
    for (descriptor, bytes) in image.blobs() {
        let there = store.contains(descriptor).await.unwrap();
        assert!(there, "{context}: {name} lacks {}", descriptor.digest());
        let read = store.blob(descriptor).await.unwrap().read_to_end(u64::MAX).await;
        assert_eq!(read.unwrap(), bytes, "{context}");
    }
}

/// Garbage reaches zero when nothing runs.
async fn at_rest(scenario: &Scenario, path: &Path, expected: &BTreeMap<String, u64>, context: &str) {
    if scenario.name != EXCLUSIVE {
        let store = open(path, context).await;
        let everything = Collect::default()
            .with_partial_age(Duration::ZERO)
            .with_foreign_grace(Duration::ZERO);
        let prune = store.prune(wharf_store::Prune::Dangling, &everything).await;
        prune.unwrap_or_else(|error| panic!("{context}: {error}"));
    }
    let mut digests: Vec<String> = Vec::new();
    for number in expected.values() {
        let image = worker::image(*number);
        digests.push(image.manifest().digest().encoded().to_owned());
        let blobs = image.blobs().iter();
        digests.extend(blobs.map(|(descriptor, _)| descriptor.digest().encoded().to_owned()));
    }
    let received = scenario.received_after(scenario.steps.len());
    let received = received.iter().map(|number| worker::received(*number).0);
    digests.extend(received.map(|descriptor| descriptor.digest().encoded().to_owned()));
    digests.sort();
    digests.dedup();
    assert_eq!(files(&path.join("blobs/sha256")), digests, "{context}");
    for directory in ["ingest", "leases", "corrupt", "keeper/uploads"] {
        let left = files(&path.join(".wharf").join(directory));
        assert!(left.is_empty(), "{context}: {directory}: {left:?}");
    }
}

fn files(directory: &Path) -> Vec<String> {
    let listed = std::fs::read_dir(directory).into_iter().flatten();
    let mut names: Vec<String> = listed
        .map(|entry| entry.unwrap().file_name().to_str().unwrap().to_owned())
        .collect();
    names.sort();
    names
}
