//! Poll and drop: the future of a copy is given up at every await point (fault matrix row 27, rule S9).

use std::{future::Future, pin::Pin, sync::Arc, task::Poll};

use tokio::runtime::Handle;
use wharf_content::{Error, Manifest, MediaType, Name};
use wharf_copy::{Options, Referrers, Report, Selection, copy, plan};

use crate::test_store::{Done, TestStore, target};

type Copying = Pin<Box<dyn Future<Output = Result<Report, Error>> + Send>>;

/// An index of an image, an inner index and a blob, with a referrer: every kind of step.
fn sample(source: &TestStore) -> Manifest {
    let images = [source.image("a", &["1", "2"]), source.image("b", &["2", "3"])];
    let inner = source.index(&[images[1].descriptor().clone()]);
    let blob = source.add(MediaType::OCTET_STREAM, b"blob");
    let root = source.index(&[images[0].descriptor().clone(), inner.descriptor().clone(), blob]);
    source.name("x", &root);
    source.referrer(&root, "application/x-sbom", "sbom");
    root
}

fn options() -> Options {
    Options::default()
        .with_name(Name::parse("x").unwrap())
        .with_selection(Selection::All)
        .with_referrers(Referrers::default())
}

fn at_once(source: Arc<TestStore>, sink: Arc<TestStore>) -> Copying {
    Box::pin(async move { copy(source, sink, &target("x"), options()).await })
}

fn planned(source: Arc<TestStore>, sink: Arc<TestStore>) -> Copying {
    Box::pin(async move { plan(source, sink, &target("x"), options()).await?.execute().await })
}

/// Polls a copy so many times, letting its tasks run in between; whether it ended.
async fn polled(copying: &mut Copying, times: usize) -> bool {
    for _ in 0..times {
        let ended = std::future::poll_fn(|context| Poll::Ready(copying.as_mut().poll(context).is_ready()));
        if ended.await {
            return true;
        }
        tokio::task::yield_now().await;
    }
    false
}

/// Lets aborted tasks be dropped, which needs the runtime to poll once.
async fn run_other_tasks() {
    for _ in 0..3 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_copy_given_up_at_any_point_leaves_no_task_and_nothing_half_named() {
    for start in [at_once, planned] {
        let mut points = 0;
        loop {
            let source = Arc::new(TestStore::new());
            let root = sample(&source);
            let sink = Arc::new(TestStore::new());
            let mut copying = start(source.clone(), sink.clone());
            let ended = polled(&mut copying, points).await;
            drop(copying);
            run_other_tasks().await;

            assert_eq!(
                Handle::current().metrics().num_alive_tasks(),
                0,
                "after {points} polls"
            );
            assert_eq!((source.now_in_flight(), sink.now_in_flight()), (0, 0));
            let before = sink.log();
            run_other_tasks().await;
            assert_eq!(sink.log(), before, "nothing happens any more");
            if sink.named("x").is_some() {
                assert!(sink.is_whole(&root), "after {points} polls");
            }
            if ended {
                assert_eq!(sink.named("x").as_ref(), Some(root.digest()));
                break;
            }

            start(source, sink.clone()).await.unwrap();
            assert_eq!(sink.named("x").as_ref(), Some(root.digest()));
            assert!(sink.is_whole(&root));
            let moved = |done: &&Done| matches!(done, Done::Blob(_));
            assert_eq!(sink.log().iter().filter(moved).count(), 8, "no blob moves twice");
            points += 1;
        }
        assert!(points > 20, "{points} await points");
    }
}

#[tokio::test]
async fn a_copy_that_failed_has_no_task_left_when_it_says_so() {
    let mut failures = 0;
    for call in 0.. {
        let failing = || TestStore {
            failures: [(call, false)].into(),
            ..TestStore::new()
        };
        let mut ended_well = 0;
        for (source, sink) in [(failing(), TestStore::new()), (TestStore::new(), failing())] {
            let (source, sink) = (Arc::new(source), Arc::new(sink));
            sample(&source);
            let result = copy(source.clone(), sink.clone(), &target("x"), options()).await;
            assert_eq!(Handle::current().metrics().num_alive_tasks(), 0);
            assert_eq!((source.now_in_flight(), sink.now_in_flight()), (0, 0));
            if result.is_ok() {
                ended_well += 1;
            } else {
                failures += 1;
                assert_eq!(sink.named("x"), None);
            }
        }
        if ended_well == 2 {
            break;
        }
    }
    assert!(failures > 30, "{failures} failures hit");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn on_several_threads_the_tasks_end_too() {
    for points in 0..60 {
        let (source, sink) = (Arc::new(TestStore::new()), Arc::new(TestStore::new()));
        let root = sample(&source);
        let mut copying = at_once(source.clone(), sink.clone());
        polled(&mut copying, points).await;
        drop(copying);
        while Handle::current().metrics().num_alive_tasks() > 0 {
            tokio::task::yield_now().await;
        }
        assert_eq!((source.now_in_flight(), sink.now_in_flight()), (0, 0));
        if sink.named("x").is_some() {
            assert!(sink.is_whole(&root));
        }
    }
}
