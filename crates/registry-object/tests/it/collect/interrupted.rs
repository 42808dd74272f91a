//! Collections that stop anywhere, and several at the same time.

use std::{
    future::poll_fn,
    pin::pin,
    task::{Context, Poll},
    time::Duration,
};

use wharf_registry::Backend as _;
use wharf_testkit::require_peers;

use crate::stage::{Stage, now};

/// All that a collection can find, some of it, with two objects that stay: numbers 0 and 1.
const GARBAGE: &str = "
    INSERT INTO contents (digest, size, objects, sizes)
        SELECT name_of(n::text), 5, ARRAY[object_of(n)], '{5}' FROM generate_series(0, 5) AS n;
    INSERT INTO manifests (repository, digest, size, record) VALUES (1, name_of('kept'), 0, '{}'), (1, name_of('untagged'), 0, '{}');
    INSERT INTO tags VALUES (1, 'v1', name_of('kept'));
    INSERT INTO needs VALUES (1, name_of('0'), name_of('kept')), (1, name_of('2'), name_of('untagged'));
    INSERT INTO blobs (repository, digest, size, content) SELECT 1, digest, 5, id FROM contents WHERE id IN (1, 3, 4);
    INSERT INTO manifests (repository, digest, size, content, record) SELECT 2, digest, 5, id, '{}' FROM contents WHERE id = 2;
    INSERT INTO tags SELECT 2, 'v1', name_of('1');
    UPDATE repository_usage SET bytes = CASE repository WHEN 1 THEN 15 ELSE 5 END;
    INSERT INTO uploads (id, objects, sizes) VALUES ('upload', ARRAY[object_of(6)], '{5}');
    INSERT INTO pending VALUES (object_of(6), 'upload'), (object_of(7), NULL);
    INSERT INTO doomed VALUES (object_of(8))";

async fn with_garbage() -> Stage {
    let mut stage = Stage::new().await;
    stage.sql(GARBAGE).await;
    stage.put(0..9).await;
    for time in [
        &mut stage.reclamation.uploads,
        &mut stage.reclamation.pending,
        &mut stage.reclamation.hold,
        &mut stage.reclamation.again,
        &mut stage.reclamation.commits,
    ] {
        *time = Duration::ZERO;
    }
    stage
}

/// Nothing but what is needed is left, and the sums are right.
async fn assert_clean(stage: &Stage) {
    assert_eq!(stage.objects().await, [0, 1]);
    let left = "SELECT (SELECT count(*) FROM contents), (SELECT count(*) FROM blobs), (SELECT count(*) FROM manifests),
        (SELECT count(*) FROM uploads) + (SELECT count(*) FROM pending) + (SELECT count(*) FROM doomed),
        (SELECT string_agg(bytes::text, ' ' ORDER BY repository) FROM repository_usage)";
    assert_eq!(stage.sql(left).await, ["2|1|2|0|5 5"]);
}

/// Polls a future at most so often; whether it has ended.
async fn poll<T>(future: impl Future<Output = T>, times: usize) -> Option<T> {
    let (mut future, mut polls) = (pin!(future), 0);
    poll_fn(|context: &mut Context<'_>| {
        polls += 1;
        match future.as_mut().poll(context) {
            Poll::Ready(value) => Poll::Ready(Some(value)),
            Poll::Pending if polls >= times => Poll::Ready(None),
            Poll::Pending => Poll::Pending,
        }
    })
    .await
}

#[tokio::test]
async fn a_collection_that_stops_anywhere_forgets_nothing() {
    require_peers!("postgres", "psql");
    let options = now().with_untagged(true);
    let stage = with_garbage().await;
    let backend = stage.backend().await;
    let mut stopped = 0;
    // Each gets a little further than the one before.
    for polls in 1.. {
        let ended = poll(backend.collect(&options), polls).await;
        assert_eq!(stage.forgotten().await, [0_u32; 0], "after {polls} polls");
        assert!(stage.objects().await.starts_with(&[0, 1]), "after {polls} polls");
        if let Some(report) = ended {
            report.expect("a report");
            break;
        }
        stopped += 1;
    }
    assert!(stopped > 20, "{stopped}");
    backend.collect(&options).await.expect("a report");
    assert_clean(&stage).await;
}

#[tokio::test]
async fn collections_at_the_same_time_remove_each_thing_once() {
    require_peers!("postgres", "psql");
    let options = now().with_untagged(true);
    let stage = with_garbage().await;
    let backend = stage.backend().await;
    let collections = (0..4).map(|_| backend.collect(&options));
    let reports = futures_util::future::try_join_all(collections)
        .await
        .expect("reports");
    let sum = |count: fn(&wharf_registry::GcReport) -> u64| reports.iter().map(count).sum::<u64>();
    assert_eq!(sum(|report| report.manifests), 1);
    assert_eq!(sum(|report| report.blobs), 2);
    assert_eq!(
        (sum(|report| report.content), sum(|report| report.bytes)),
        (4, 20)
    );
    assert_eq!(sum(|report| report.failed), 0);
    assert_eq!(stage.forgotten().await, [0_u32; 0]);
    for _ in 0..2 {
        backend.collect(&options).await.expect("a report");
    }
    assert_clean(&stage).await;
}
