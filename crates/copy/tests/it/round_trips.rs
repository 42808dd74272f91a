//! How many round trips follow each other, and how many calls there are in all: stores on a link of 50 ms,
//! on a clock that only moves when everything waits.

use std::{sync::Arc, time::Duration};

use tokio::time::Instant;
use wharf_content::{Manifest, Name, Outcome};
use wharf_copy::{Options, Referrers, Report, Selection, copy};

use crate::test_store::{Done, TestStore, target};

const ROUND_TRIP: Duration = Duration::from_millis(50);

/// An image of this many small layers.
fn image(source: &TestStore, layers: usize) -> Manifest {
    let layers: Vec<String> = (0..layers).map(|number| format!("layer {number}")).collect();
    source.image("a", &layers.iter().map(String::as_str).collect::<Vec<_>>())
}

fn far(store: TestStore) -> TestStore {
    TestStore {
        round_trip: ROUND_TRIP,
        ..store
    }
}

fn near() -> TestStore {
    TestStore {
        reads_itself: true,
        ..TestStore::new()
    }
}

/// Copies `x` and counts the round trips that followed each other.
async fn sequential(source: &Arc<TestStore>, sink: &Arc<TestStore>, selection: Selection) -> (u128, Report) {
    source.forget();
    sink.forget();
    let options = Options::default()
        .with_name(Name::parse("x").unwrap())
        .with_selection(selection);
    let start = Instant::now();
    let report = copy(source.clone(), sink.clone(), &target("x"), options)
        .await
        .unwrap();
    let waited = start.elapsed();
    assert_eq!(waited.as_nanos() % ROUND_TRIP.as_nanos(), 0);
    (waited.as_nanos() / ROUND_TRIP.as_nanos(), report)
}

fn amd64() -> Selection {
    Selection::Platform("linux/amd64".parse().unwrap())
}

/// An index of one image for amd64.
fn index(source: &TestStore, image: &Manifest) -> Manifest {
    let platform = "linux/amd64".parse().unwrap();
    source.index(&[image.descriptor().clone().with_platform(platform)])
}

#[tokio::test(start_paused = true)]
async fn a_pull_reads_the_manifest_and_then_the_blobs_at_once() {
    let source = Arc::new(far(TestStore::repository("far.example/a")));
    source.name("x", &image(&source, 20));
    let (trips, _) = sequential(&source, &Arc::new(near()), amd64()).await;
    assert_eq!(trips, 2);
}

#[tokio::test(start_paused = true)]
async fn a_pull_of_a_hundred_small_layers_from_an_index_takes_six() {
    let source = Arc::new(far(TestStore::repository("far.example/a")));
    let image = image(&source, 100);
    source.name("x", &index(&source, &image));
    let sink = Arc::new(near());
    let (trips, _) = sequential(&source, &sink, amd64()).await;
    assert_eq!(trips, 2 + 101_u128.div_ceil(32));
    assert_eq!(source.log().len(), 2 + 101);

    let (trips, report) = sequential(&source, &sink, amd64()).await;
    assert_eq!(
        (trips, source.log().len()),
        (1, 1),
        "one request when nothing changed"
    );
    assert_eq!(
        report.outcomes().map(|(_, outcome)| outcome).collect::<Vec<_>>(),
        [Outcome::Present]
    );
}

#[tokio::test(start_paused = true)]
async fn a_push_asks_and_sends_at_the_same_time() {
    let source = Arc::new(near());
    source.name("x", &image(&source, 20));
    let sink = Arc::new(far(TestStore::repository("far.example/a")));
    let (trips, _) = sequential(&source, &sink, amd64()).await;
    assert_eq!(
        trips,
        1 + 1 + 2 + 1,
        "root asked, blobs asked, blobs pushed in two, root pushed"
    );
}

#[tokio::test(start_paused = true)]
async fn a_push_of_a_hundred_small_layers_takes_eleven() {
    let source = Arc::new(near());
    let image = image(&source, 100);
    source.name("x", &image);
    let sink = Arc::new(far(TestStore::repository("far.example/a")));
    let (trips, _) = sequential(&source, &sink, amd64()).await;
    assert_eq!(
        trips,
        1 + 1 + 2 * 101_u128.div_ceil(32) + 1,
        "the questions of the next are asked meanwhile"
    );
    assert_eq!(sink.count(|done| matches!(done, Done::Asked(_))), 102);

    let (trips, _) = sequential(&source, &sink, amd64()).await;
    assert_eq!((trips, sink.log().len()), (2, 2), "one question, and the name");
}

#[tokio::test(start_paused = true)]
async fn within_one_registry_no_blob_byte_moves_and_no_question_is_asked_for_it() {
    let source = Arc::new(far(TestStore::repository("far.example/a")));
    let image = image(&source, 20);
    source.name("x", &image);
    let sink = Arc::new(TestStore {
        mounts_from: Some(source.clone()),
        ..far(TestStore::repository("far.example/b"))
    });
    let (trips, report) = sequential(&source, &sink, amd64()).await;
    assert_eq!(trips, 4, "manifest read, root asked, blobs mounted, root pushed");
    assert_eq!(source.log(), [Done::Read(image.digest().clone())]);
    assert_eq!(sink.count(|done| matches!(done, Done::Asked(_))), 1);
    assert_eq!(sink.count(|done| matches!(done, Done::Blob(_))), 0);
    let mounted = report
        .outcomes()
        .filter(|(_, outcome)| *outcome == Outcome::Mounted);
    assert_eq!(mounted.count(), 21);
    assert_eq!(report.bytes_moved(), image.descriptor().size());
}

#[tokio::test(start_paused = true)]
async fn referrers_are_listed_and_read_at_once_and_move_with_the_blobs() {
    let source = Arc::new(far(TestStore::repository("far.example/a")));
    let image = image(&source, 5);
    source.name("x", &image);
    for number in 0..10 {
        source.referrer(&image, "application/x-sbom", &number.to_string());
    }
    let options = Options::default().with_referrers(Referrers::default());
    let start = Instant::now();
    copy(source.clone(), Arc::new(near()), &target("x"), options)
        .await
        .unwrap();
    assert_eq!(
        start.elapsed(),
        4 * ROUND_TRIP,
        "manifest, list, referrers, blobs"
    );
}

#[tokio::test(start_paused = true)]
async fn the_images_of_an_index_are_asked_read_and_pushed_at_once() {
    let source = Arc::new(far(TestStore::repository("far.example/a")));
    let entries: Vec<_> = (0..20)
        .map(|number| source.image(&format!("{number}"), &[]).descriptor().clone())
        .collect();
    source.name("x", &source.index(&entries));
    let sink = Arc::new(far(TestStore::repository("near.example/a")));
    let (trips, _) = sequential(&source, &sink, Selection::All).await;
    assert_eq!(
        trips,
        1 + 1 + 1 + 1 + 1 + 2 + 1 + 1,
        "index read, images asked, images read, configs asked, read and pushed in two, images pushed, index pushed"
    );

    let (trips, _) = sequential(&source, &sink, Selection::All).await;
    assert_eq!(trips, 3, "index read, all asked, the name");
}
