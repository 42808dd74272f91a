//! Content, what links it, and what removes it.

use wharf_testkit::require_peers;

use super::Race;

const LINK: &str = "INSERT INTO blobs (repository, digest, size, content) VALUES (1, 'layer', 5, 1)";
const REMOVE: &str = "DELETE FROM contents c WHERE digest = 'layer'
    AND NOT EXISTS (SELECT FROM blobs b WHERE b.content = c.id)
    AND NOT EXISTS (SELECT FROM manifests m WHERE m.content = c.id) RETURNING id";
const DANGLING: &str = "SELECT content FROM blobs WHERE content NOT IN (SELECT id FROM contents)";

async fn race(has_foreign_key: bool) -> Race {
    let race = Race::new().await;
    if !has_foreign_key {
        race.see("ALTER TABLE blobs DROP CONSTRAINT blobs_content_fkey")
            .await;
    }
    race
}

/// Content is linked while a collector removes it, the link first. Returns the collector's end and the links to nothing.
async fn link_before_removal(has_foreign_key: bool) -> (Option<String>, Vec<String>) {
    let race = race(has_foreign_key).await;
    let (pusher, collector) = (race.session().await, race.session().await);
    pusher.run("BEGIN").await;
    pusher.run(LINK).await;
    let removed = collector.start(REMOVE);
    assert_eq!(
        race.waits(&removed).await,
        has_foreign_key,
        "for the pusher's lock on the content"
    );
    pusher.run("COMMIT").await;
    (removed.end().await.err(), race.see(DANGLING).await)
}

/// The removal was evaluated before the link was committed and is not evaluated again after the wait, since the row of the
/// content has not changed: the foreign key alone decides.
#[tokio::test]
async fn content_that_is_linked_meanwhile_is_not_removed() {
    require_peers!("postgres", "psql");
    assert_eq!(
        link_before_removal(true).await,
        (Some("23503".to_owned()), vec![])
    );
    assert_eq!(
        link_before_removal(false).await,
        (None, vec!["1".to_owned()]),
        "without the foreign key"
    );
}

/// The other order. Returns the pusher's end and the links to nothing.
async fn link_after_removal(has_foreign_key: bool) -> (Option<String>, Vec<String>) {
    let race = race(has_foreign_key).await;
    let (pusher, collector) = (race.session().await, race.session().await);
    collector.run("BEGIN").await;
    assert_eq!(collector.run(REMOVE).await, ["1"]);
    let linked = pusher.start(LINK);
    assert_eq!(
        race.waits(&linked).await,
        has_foreign_key,
        "for the collector's lock on the content"
    );
    collector.run("COMMIT").await;
    (linked.end().await.err(), race.see(DANGLING).await)
}

#[tokio::test]
async fn content_that_is_removed_meanwhile_is_not_linked() {
    require_peers!("postgres", "psql");
    assert_eq!(link_after_removal(true).await, (Some("23503".to_owned()), vec![]));
    assert_eq!(
        link_after_removal(false).await,
        (None, vec!["1".to_owned()]),
        "without the foreign key"
    );
}

#[tokio::test]
async fn content_whose_removal_is_undone_is_linked() {
    require_peers!("postgres", "psql");
    let race = race(true).await;
    let (pusher, collector) = (race.session().await, race.session().await);
    collector.run("BEGIN").await;
    collector.run(REMOVE).await;
    let linked = pusher.start(LINK);
    assert!(race.waits(&linked).await);
    collector.run("ROLLBACK").await;
    linked.end().await.expect("the link");
    assert!(race.see(DANGLING).await.is_empty());
}
