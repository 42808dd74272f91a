//! The row of a repository as the lock of everything that changes in it.

use wharf_testkit::require_peers;

use super::Race;

const EXCLUSIVE: &str = "SELECT id FROM repositories WHERE name = 'app' FOR UPDATE";
const SHARED: &str = "SELECT id FROM repositories WHERE name = 'app' FOR SHARE";
const HAS_LAYER: &str = "SELECT digest FROM blobs WHERE repository = 1 AND digest = 'layer'";
const PUSH: &str = "INSERT INTO manifests (repository, digest, size, record) VALUES (1, 'manifest', 1, '{}');
    INSERT INTO needs VALUES (1, 'layer', 'manifest')";
const COLLECT: &str = "DELETE FROM blobs b WHERE repository = 1 AND touched < now() - interval '1 hour'
    AND NOT EXISTS (SELECT FROM needs n WHERE n.repository = b.repository AND n.blob = b.digest) RETURNING digest";
const GAPS: &str = "SELECT blob FROM needs n WHERE NOT EXISTS (SELECT FROM blobs b
    WHERE b.repository = n.repository AND b.digest = n.blob)";

/// A layer that was pushed two hours ago and that no manifest needs.
async fn with_old_layer() -> Race {
    let race = Race::new().await;
    race.see("INSERT INTO blobs VALUES (1, 'layer', 5, NULL, 1, now() - interval '2 hours')")
        .await;
    race
}

/// A manifest is pushed while its layer is collected. Returns the layers that are needed and gone.
async fn push_before_collection(collector_locks: bool) -> Vec<String> {
    let race = with_old_layer().await;
    let (pusher, collector) = (race.session().await, race.session().await);
    pusher.run("BEGIN").await;
    pusher.run(EXCLUSIVE).await;
    assert_eq!(pusher.run(HAS_LAYER).await, ["layer"]);
    collector.run("BEGIN").await;
    let lock = if collector_locks { EXCLUSIVE } else { "SELECT 1" };
    let locked = collector.start(lock);
    if race.waits(&locked).await {
        pusher.run(PUSH).await;
        pusher.run("COMMIT").await;
        locked.end().await.expect("the lock");
        assert!(collector.run(COLLECT).await.is_empty());
        collector.run("COMMIT").await;
    } else {
        assert_eq!(collector.run(COLLECT).await, ["layer"]);
        collector.run("COMMIT").await;
        pusher.run(PUSH).await;
        pusher.run("COMMIT").await;
    }
    race.see(GAPS).await
}

#[tokio::test]
async fn a_layer_is_not_collected_while_a_manifest_that_needs_it_is_pushed() {
    require_peers!("postgres", "psql");
    assert!(push_before_collection(true).await.is_empty());
    assert_eq!(
        push_before_collection(false).await,
        ["layer"],
        "without the collector's lock"
    );
}

/// A manifest is pushed after a collector that it has waited for. Returns the layers that are needed and gone.
async fn push_after_collection(level: &str) -> Vec<String> {
    let race = with_old_layer().await;
    let (pusher, collector) = (race.session().await, race.session().await);
    collector.run("BEGIN").await;
    collector.run(EXCLUSIVE).await;
    pusher.run(&format!("BEGIN ISOLATION LEVEL {level}")).await;
    let locked = pusher.start(EXCLUSIVE);
    assert!(race.waits(&locked).await);
    assert_eq!(collector.run(COLLECT).await, ["layer"]);
    collector.run("COMMIT").await;
    locked
        .end()
        .await
        .expect("the collector changed the repository's blobs and not its row");
    if pusher.run(HAS_LAYER).await.is_empty() {
        pusher.run("ROLLBACK").await; // the push is refused
    } else {
        pusher.run(PUSH).await;
        pusher.run("COMMIT").await;
    }
    race.see(GAPS).await
}

#[tokio::test]
async fn who_has_waited_sees_what_was_committed_meanwhile() {
    require_peers!("postgres", "psql");
    assert!(push_after_collection("READ COMMITTED").await.is_empty());
    assert_eq!(
        push_after_collection("REPEATABLE READ").await,
        ["layer"],
        "the snapshot is older than the wait"
    );
}

/// A collector that would be serialisable makes a push fail that has nothing to do with what it removes.
#[tokio::test]
async fn a_push_fails_under_serializable_where_it_waits_under_read_committed() {
    require_peers!("postgres", "psql");
    for (level, refusal) in [("READ COMMITTED", None), ("SERIALIZABLE", Some("40001"))] {
        let race = with_old_layer().await;
        let (pusher, other) = (race.session().await, race.session().await);
        let touch = "UPDATE blobs SET touched = now() WHERE repository = 1 AND digest = 'layer'";
        other.run(&format!("BEGIN ISOLATION LEVEL {level}")).await;
        other.run(touch).await;
        pusher.run(&format!("BEGIN ISOLATION LEVEL {level}")).await;
        let touched = pusher.start(touch);
        assert!(race.waits(&touched).await);
        other.run("COMMIT").await;
        assert_eq!(touched.end().await.err().as_deref(), refusal, "{level}");
    }
}

#[tokio::test]
async fn commits_that_only_add_share_the_repository_and_wait_for_one_that_does_not() {
    require_peers!("postgres", "psql");
    let race = Race::new().await;
    let (first, second, third) = (race.session().await, race.session().await, race.session().await);
    first.run("BEGIN").await;
    first.run(SHARED).await;
    second.run("BEGIN").await;
    second.run(SHARED).await; // at once
    third.run("BEGIN").await;
    let exclusive = third.start(EXCLUSIVE);
    assert!(race.waits(&exclusive).await);
    first.run("COMMIT").await;
    assert!(race.waits(&exclusive).await, "for the other one");
    second.run("COMMIT").await;
    exclusive.end().await.expect("the lock");
    let shared = first.start(&format!("BEGIN; {SHARED}"));
    assert!(race.waits(&shared).await);
    third.run("COMMIT").await;
    shared.end().await.expect("the lock");
}

/// Two commits share a repository and then count bytes. Returns how many of them succeed.
async fn counts_of_two_who_share(count: &str) -> usize {
    let race = Race::new().await;
    race.see("ALTER TABLE repositories ADD COLUMN bytes bigint NOT NULL DEFAULT 0")
        .await;
    let (first, second) = (race.session().await, race.session().await);
    first.run(&format!("BEGIN; {SHARED}")).await;
    second.run(&format!("BEGIN; {SHARED}")).await;
    let one = first.start(&format!("{count}; COMMIT"));
    race.waits(&one).await;
    let other = second.start(&format!("{count}; COMMIT"));
    let ends = [one.end().await, other.end().await];
    for failure in ends.iter().filter_map(|end| end.as_ref().err()) {
        assert_eq!(failure, "40P01");
    }
    ends.iter().filter(|end| end.is_ok()).count()
}

#[tokio::test]
async fn bytes_are_counted_in_another_row_than_the_one_that_is_shared() {
    require_peers!("postgres", "psql");
    let apart = "UPDATE repository_usage SET bytes = bytes + 5 WHERE repository = 1";
    assert_eq!(counts_of_two_who_share(apart).await, 2);
    let together = "UPDATE repositories SET bytes = bytes + 5 WHERE id = 1";
    assert_eq!(
        counts_of_two_who_share(together).await,
        1,
        "each waits for the share of the other"
    );
}

/// A process is stopped in the middle of a transaction. Returns how the one that waits for it ends.
async fn wait_for_one_that_was_stopped(limit: &str) -> Result<Vec<String>, String> {
    let race = Race::new().await;
    let (stopped, waiting) = (race.session().await, race.session().await);
    stopped.run(&format!("BEGIN; {limit}; {EXCLUSIVE}")).await;
    waiting
        .start(&format!("BEGIN; SET LOCAL lock_timeout = '3s'; {EXCLUSIVE}"))
        .end()
        .await
}

#[tokio::test]
async fn a_process_that_is_stopped_in_a_transaction_holds_up_the_others_for_a_while_only() {
    require_peers!("postgres", "psql");
    let limited =
        wait_for_one_that_was_stopped("SET LOCAL idle_in_transaction_session_timeout = '200ms'").await;
    assert_eq!(limited.as_deref(), Ok(["1".to_owned()].as_slice()));
    let unlimited = wait_for_one_that_was_stopped("SELECT").await;
    assert_eq!(
        unlimited.err().as_deref(),
        Some("55P03"),
        "for ever, but for a limit of the waiter's"
    );
}
